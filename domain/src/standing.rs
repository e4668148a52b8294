//! The ranked result of a session with its evidence. "No winner" and "inconclusive" are legal standings.

mod place;
mod score;
#[cfg(test)]
mod tests;

pub(crate) use place::place;

use crate::ending::Ending;
use crate::id::{Commit, CompetitorName};
use crate::measure::Verdict;
use crate::outcome::{Change, Flag, GateResult, Usage};
use crate::packet::Better;

#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    pub status: Status,
    pub winner: Option<CompetitorName>,
    /// Why, in one sentence with the figures.
    pub reason: String,
    /// Best first; the qualified before the disqualified.
    pub entries: Vec<Entry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Winner,
    NoWinner,
    Inconclusive,
    Failed,
    Cancelled,
}

/// One competitor's place. Figures are of its best round, measured beside the base.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub rank: u32,
    pub competitor: CompetitorName,
    pub engine: String,
    pub branch: String,
    pub disqualified_for: Vec<String>,
    /// `false`: it was stopped before anything of it could be judged, so it is not disqualified either.
    pub judged: bool,
    /// `None`: nothing was changed, or no round gave a tree.
    pub commit: Option<Commit>,
    pub bundle: String,
    pub changes: Vec<Change>,
    pub reverted: Vec<String>,
    pub gates: Vec<GateResult>,
    pub kpis: Vec<KpiResult>,
    /// They were measured on another kind of machine than the base was: their ratios hold, beside the base that was measured
    /// with them, and their values compare with nobody's.
    pub incomparable: bool,
    pub flags: Vec<Flag>,
    pub rounds: Vec<Round>,
    pub best_round: Option<u32>,
    /// By the broker's count.
    pub usage: Usage,
    pub runs: Runs,
    /// 0 to 5.
    pub score: Option<f64>,
    /// Neither better in every respect than another nor worse: on the Pareto front.
    pub on_front: bool,
    /// What the engine said at the end of its best round.
    pub said: Vec<String>,
    /// Why it stopped: target reached, stale, rounds used up, cancelled, failed.
    pub stopped: String,
}

/// What its engine runs say of themselves.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Runs {
    /// Of the last one; `None`: none came to an end.
    pub ending: Option<Ending>,
    pub ending_detail: String,
    /// By the engine's own word, of all runs together.
    pub own_usage: Usage,
    /// Empty where it was not said.
    pub engine_version: String,
}

/// One KPI of one competitor against the base.
#[derive(Debug, Clone, PartialEq)]
pub struct KpiResult {
    pub name: String,
    pub unit: String,
    pub better: Better,
    pub baseline: f64,
    pub best: f64,
    /// Candidate over base; below 1 is lower.
    pub ratio: f64,
    /// Interval of the ratio at the packet's confidence; `None` when the samples are too few to tell.
    pub ci: Option<(f64, f64)>,
    pub verdict: Verdict,
    pub holdout_ratio: Option<f64>,
    /// Ratio by scenario, in the order of the packet.
    pub scenarios: Vec<(String, f64)>,
}

/// One round as it went, kept or not.
#[derive(Debug, Clone, PartialEq)]
pub struct Round {
    pub number: u32,
    pub commit: Option<Commit>,
    pub kept: bool,
    /// One sentence: kept because, or reverted because.
    pub reason: String,
    /// Primary KPI of this round as a ratio to the base.
    pub ratio: Option<f64>,
    pub gates_passed: bool,
    pub engine_seconds: f64,
}

impl Entry {
    pub fn qualified(&self) -> bool {
        self.disqualified_for.is_empty()
    }

    pub fn files_changed(&self) -> Vec<&str> {
        self.changes.iter().map(|change| change.path.as_str()).collect()
    }
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Winner => "winner",
            Self::NoWinner => "no_winner",
            Self::Inconclusive => "inconclusive",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Winner, Self::NoWinner, Self::Inconclusive, Self::Failed, Self::Cancelled]
            .into_iter()
            .find(|one| one.as_str() == name)
    }
}
