//! Who may what: every rpc by every kind of caller, over TLS with real certificates.

mod lapsed;
mod matrix;
mod rates;
mod room;
mod strangers;
mod world;
