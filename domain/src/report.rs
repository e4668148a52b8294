//! What a session leaves to read: submission bundles, synthesis, continuation brief. Data only; templates render it.

mod bundle;
mod compose;
#[cfg(test)]
mod tests;

pub use compose::compose;

use crate::id::{Commit, CompetitorName, SessionId};
use crate::packet::Packet;
use crate::standing::{Entry, Standing};

/// Everything a template needs. No code of any submission is in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    pub session: SessionId,
    pub packet: Packet,
    pub base: Commit,
    pub standing: Standing,
    pub bundles: Vec<Submission>,
    pub recommendation: Recommendation,
    pub continuation: Continuation,
    /// RFC 3339, UTC.
    pub started: String,
    pub duration_s: f64,
    /// What the base itself measured and whether its gates pass.
    pub base_gates: Vec<(String, bool)>,
    pub exclusive_cores: bool,
}

/// A submission bundle (A7), always complete: what the engine did not say is filled from what was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission {
    pub competitor: CompetitorName,
    /// At most 5.
    pub summary: Vec<String>,
    pub entry: Entry,
    pub scenarios: Vec<String>,
    pub commands: Vec<String>,
    /// At most 5.
    pub risks: Vec<String>,
    /// At most 5.
    pub next: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recommendation {
    /// The winner, or winner + others whose changes touch other files and could be combined.
    pub adopt: Vec<CompetitorName>,
    pub rationale: String,
    pub next_steps: Vec<String>,
}

/// The ready-to-paste brief for whoever goes on (A9).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Continuation {
    pub best: Option<(CompetitorName, Commit)>,
    pub reproduce: Vec<String>,
    pub follow_ups: Vec<String>,
    pub open_risks: Vec<String>,
}
