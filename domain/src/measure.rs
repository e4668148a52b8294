//! Samples to ratio, interval and verdict.

use crate::outcome::Series;
use crate::packet::{Kpi, Scoring};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Better,
    Worse,
    Same,
    Inconclusive,
}

impl Verdict {
    pub const ALL: [Verdict; 4] = [Self::Better, Self::Worse, Self::Same, Self::Inconclusive];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Same => "same",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// One KPI over the whole scenario matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Mean over scenarios of the base's median.
    pub baseline: f64,
    /// Mean over scenarios of the candidate's median.
    pub value: f64,
    /// Geometric mean over scenarios of candidate / base.
    pub ratio: f64,
    /// `None` when a scenario has fewer than two pairs and they could differ by noise.
    pub ci: Option<(f64, f64)>,
    pub verdict: Verdict,
    pub scenarios: Vec<(String, f64)>,
}

/// Judges the pairs of one KPI; `None` when there is no pair at all.
pub fn estimate(series: &[&Series], kpi: &Kpi, scoring: &Scoring) -> Option<Estimate> {
    let _ = (series, kpi, scoring);
    None
}

pub fn suspicions(estimate: &Estimate, holdout: Option<&Estimate>, kpi: &Kpi, scoring: &Scoring) -> Vec<crate::outcome::Flag> {
    let _ = (estimate, holdout, kpi, scoring);
    Vec::new()
}

pub fn guard_broken(estimate: &Estimate, kpi: &Kpi) -> Option<(String, f64)> {
    let _ = (estimate, kpi);
    None
}
