//! Every command as a user and as a script meets it.

mod act;
mod begin;
mod look;
mod streams;
