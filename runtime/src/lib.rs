//! Plumbing without arena words: clock, tasks, files, digests, configuration, logs, telemetry.

pub mod clock;
pub mod config;

pub mod digest;
pub mod files;
pub mod tasks;
pub mod telemetry;
pub mod tls;
pub mod token;
