//! The scope lock: which changed paths are kept, which are put back.

use crate::packet::Scope;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    Kept,
    /// Not under `allowed`.
    Outside,
    /// Under `forbidden`, the user's or the default ones.
    Forbidden,
    /// Restored from the base before anything is evaluated.
    Protected,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a glob: {pattern}: {reason}")]
pub struct BadPattern {
    pub pattern: String,
    pub reason: String,
}

/// Compiled patterns of one packet.
#[derive(Debug, Clone)]
pub struct Lock {}

impl Lock {
    pub fn new(scope: &Scope) -> Result<Self, BadPattern> {
        let _ = scope;
        Ok(Self {})
    }

    pub fn rule(&self, path: &str) -> Ruling {
        let _ = path;
        Ruling::Kept
    }
}
