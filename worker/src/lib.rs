//! Carries out jobs in sandboxes: repository, workspace, engine, collect, gates, KPIs. Never imports the coordinator.

pub mod boot;
pub mod broker;
pub mod cache;
pub mod collect;
pub mod engine;
mod git;
mod holders;
mod layers;
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
mod verify;
mod volume;
pub mod workspace;
