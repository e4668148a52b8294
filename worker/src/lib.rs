//! Carries out jobs in sandboxes: repository, workspace, engine, collect, gates, KPIs. Never imports the coordinator.

pub mod boot;
pub mod broker;
pub mod cache;
pub mod collect;
pub mod engine;
pub mod figures;
mod git;
mod holders;
mod layers;
mod lease;
pub mod link;
mod mounts;
mod outbox;
pub mod reach;
pub mod redact;
pub mod relay;
pub mod repository;
pub mod run;
pub mod sandbox;
mod setup;
mod snapshot;
pub mod space;
mod spool;
mod trace;
mod verify;
mod volume;
pub mod workspace;
