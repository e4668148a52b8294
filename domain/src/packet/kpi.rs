//! The harness that measures, and the numbers read from it.

use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Harness {
    /// Run by `sh -c`; `{scenario}` is replaced by the scenario, quoted for the shell.
    pub run: String,
    /// For one run of one scenario.
    pub timeout: Duration,
    pub scenarios: Vec<String>,
    /// Never shown to an engine; run once, at the end.
    pub holdout: Vec<String>,
    /// Interleaved pairs of base and candidate per scenario.
    pub repeats: u32,
    /// Each run is told a word of chance on its standard input, and has to say it at its end: `arena-token: WORD`.
    pub token: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Kpi {
    pub name: String,
    pub source: KpiSource,
    pub unit: String,
    pub better: Better,
    pub weight: f64,
    /// Worst regression allowed on any scenario, as a share (0.02 is 2 %).
    pub guard: Option<f64>,
    /// The session stops when the best value reaches it.
    pub target: Option<f64>,
    /// What the user says the base measures; shown beside what was measured.
    pub known_baseline: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KpiSource {
    WallTime,
    CpuTime,
    PeakMemory,
    /// A JSON pointer into standard output.
    Json(String),
    /// The first group of a regular expression over standard output.
    Regex(String),
    /// The whole standard output is the number.
    Stdout,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    Lower,
    Higher,
}

impl Harness {
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5 * 60);
    pub const DEFAULT_REPEATS: u32 = 5;

    /// The scenarios to run; a harness without any has one nameless scenario.
    pub fn matrix(&self) -> Vec<String> {
        if self.scenarios.is_empty() { vec![String::new()] } else { self.scenarios.clone() }
    }

    /// The command for one scenario.
    pub fn command(&self, scenario: &str) -> String {
        self.run.replace("{scenario}", &crate::text::shell_quote(scenario))
    }
}

impl Kpi {
    /// Whether `value` has reached the target.
    pub fn reached(&self, value: f64) -> bool {
        match (self.target, self.better) {
            (Some(target), Better::Lower) => value <= target,
            (Some(target), Better::Higher) => value >= target,
            (None, Better::Lower | Better::Higher) => false,
        }
    }
}

impl KpiSource {
    /// What the worker measures by itself; the candidate cannot print it.
    pub fn is_clocked(&self) -> bool {
        match self {
            Self::WallTime | Self::CpuTime | Self::PeakMemory => true,
            Self::Json(_) | Self::Regex(_) | Self::Stdout => false,
        }
    }
}

impl Better {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lower => "lower",
            Self::Higher => "higher",
        }
    }
}
