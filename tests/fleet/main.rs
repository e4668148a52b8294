//! A team's fleet on the real binary: coordinators and workers in processes of their own, TLS, tokens, real containers.

mod boots;
mod bucket;
mod commands;
mod cut;
mod dry_runs;
mod earned;
mod faults;
mod identity;
mod placement;
mod sessions;
mod soak;
mod store;
