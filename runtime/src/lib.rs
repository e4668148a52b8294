//! Plumbing without arena words: clock, tasks, files, digests, configuration, logs.

pub mod clock;
pub mod config;

pub mod digest;
pub mod files;
pub mod logs;
pub mod tasks;
pub mod tls;
pub mod token;
