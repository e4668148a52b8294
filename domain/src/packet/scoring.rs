//! How the best is chosen.

#[derive(Debug, Clone, PartialEq)]
pub struct Scoring {
    pub select: Select,
    /// A gain smaller than this share is no gain.
    pub min_effect: f64,
    pub confidence: f64,
    pub criteria: Criteria,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Select {
    Kpi,
    Criteria,
    Pareto,
}

/// Weights of the five criteria; they need not add up to 100.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Criteria {
    pub correctness: f64,
    pub quality: f64,
    pub performance: f64,
    pub safety: f64,
    pub simplicity: f64,
}

impl Default for Criteria {
    fn default() -> Self {
        Self { correctness: 40.0, quality: 25.0, performance: 15.0, safety: 15.0, simplicity: 5.0 }
    }
}

impl Default for Scoring {
    fn default() -> Self {
        Self { select: Select::Kpi, min_effect: 0.01, confidence: 0.95, criteria: Criteria::default() }
    }
}

impl Select {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kpi => "kpi",
            Self::Criteria => "criteria",
            Self::Pareto => "pareto",
        }
    }
}
