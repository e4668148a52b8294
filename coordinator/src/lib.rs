//! Decides with the domain, makes decisions durable, hands jobs to workers. Never imports the worker.

pub mod access;
pub mod api;
pub mod blobs;
mod dispatch;
pub mod figures;
mod fleet;
mod quotas;
mod rates;
pub mod serve;
mod sessions;
pub mod store;
mod sweep;
mod trace;
mod usage;

pub use dispatch::Coordinator;
pub use sessions::{SessionError, load, replay};
pub use sweep::{SweepError, Swept};
