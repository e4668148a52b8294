//! What workers report: the facts a verdict is made of. Every number here was measured by a worker.

use crate::ending::Ending;
use crate::id::Commit;
use crate::packet::GateKind;
use std::time::Duration;

/// How a command in a sandbox ended. A failing command is a result, not an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    OutOfMemory,
    DeadlinePassed,
    Cancelled,
    /// Ended from outside, by nothing that we know of.
    Killed,
}

impl Exit {
    pub fn passed(self) -> bool {
        self == Exit::Code(0)
    }

    pub fn describe(self) -> String {
        match self {
            Exit::Code(code) => format!("exit {code}"),
            Exit::OutOfMemory => "out of memory".into(),
            Exit::DeadlinePassed => "timed out".into(),
            Exit::Cancelled => "cancelled".into(),
            Exit::Killed => "killed".into(),
        }
    }
}

/// What an engine left, after the scope was applied. The tree is stored before this is reported.
#[derive(Debug, Clone, PartialEq)]
pub struct Implemented {
    /// On top of the base; equal to the previous best when nothing was changed.
    pub commit: Commit,
    /// The bundle that carries the commit, by digest; empty when nothing was changed.
    pub bundle: String,
    pub changes: Vec<Change>,
    /// Paths put back because they were outside the scope.
    pub reverted: Vec<String>,
    pub flags: Vec<Flag>,
    pub exit: Exit,
    pub ending: Ending,
    /// One line on how it ended, sanitised; empty when there is no more to say.
    pub ending_detail: String,
    pub duration: Duration,
    /// The engine's final message, or else the last lines that it said, sanitised.
    pub said: Vec<String>,
    /// By the broker's count, which is the authority.
    pub usage: Usage,
    /// By the engine's own word.
    pub own_usage: Usage,
    /// What the engine says its version is; empty when it was not asked.
    pub engine_version: String,
    /// The raw output, by digest: standard output, standard error, and the broker's record of requests where there is one.
    pub logs: Vec<String>,
}

impl Implemented {
    /// In words; the exit says most where nothing but the exit is known.
    pub fn how_it_ended(&self) -> String {
        let (ending, detail) = (self.ending, &self.ending_detail);
        match (ending == Ending::EngineError || ending == Ending::Killed, detail.is_empty()) {
            (true, true) => self.exit.describe(),
            (false, true) => ending.describe().to_owned(),
            (_, false) => format!("{}: {detail}", ending.describe()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    pub path: String,
    pub kind: ChangeKind,
    pub added_lines: u32,
    pub removed_lines: u32,
    pub binary: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    Added,
    Modified,
    Deleted,
}

/// Unknown is `None`, never zero.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Usage {
    /// All of them, cached ones too.
    pub input_tokens: Option<u64>,
    pub cached_input_tokens: Option<u64>,
    pub output_tokens: Option<u64>,
    pub cost_usd: Option<f64>,
    /// Answers of the provider that were paid for.
    pub requests: Option<u64>,
}

/// What gates and harness said of one commit, beside the base.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evaluated {
    pub gates: Vec<GateResult>,
    pub series: Vec<Series>,
    pub flags: Vec<Flag>,
    /// Why the measurement is not whole, when it is not.
    pub incomplete: Option<String>,
    /// Cores of its own for the measurement, or shared ones.
    pub exclusive_cores: bool,
    /// The class of the machine that measured; empty: of a worker that did not say.
    pub hardware: String,
    pub duration: Duration,
}

impl Evaluated {
    /// Whether its figures were measured on another kind of machine than those of `base`: then ratios to the base that was
    /// measured beside it hold, and nothing else can be compared.
    pub fn is_elsewhere(&self, base: &Evaluated) -> bool {
        !self.hardware.is_empty() && !base.hardware.is_empty() && self.hardware != base.hardware
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct GateResult {
    pub name: String,
    pub kind: GateKind,
    pub required: bool,
    pub exit: Exit,
    pub duration: Duration,
    pub command: String,
    /// The end of its output, sanitised.
    pub tail: String,
    /// Raw output, by digest.
    pub log: String,
    /// Passed tests, where the runner's summary says it.
    pub tests: Option<u64>,
}

impl GateResult {
    pub fn passed(&self) -> bool {
        self.exit.passed()
    }
}

/// All samples of one KPI on one scenario, in the order they were taken: base and candidate are pairs.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub kpi: String,
    pub scenario: String,
    pub holdout: bool,
    pub base: Vec<f64>,
    /// Empty when the base alone was evaluated.
    pub candidate: Vec<f64>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flag {
    pub kind: FlagKind,
    pub path: Option<String>,
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FlagKind {
    ScopeViolation,
    TestDeleted,
    TestWeakened,
    ProtectedChanged,
    HarnessChanged,
    HoldoutGap,
    SingleScenarioGain,
    ScenarioMissing,
    TestsNotRun,
    OutputSpoofed,
    UsageMismatch,
    DecisionLogMissing,
    BudgetExceeded,
    Oom,
    Survivor,
    UntestedEngine,
    /// Another model than the packet's was asked.
    OtherModel,
}

impl FlagKind {
    pub const ALL: [FlagKind; 17] = [
        Self::ScopeViolation,
        Self::TestDeleted,
        Self::TestWeakened,
        Self::ProtectedChanged,
        Self::HarnessChanged,
        Self::HoldoutGap,
        Self::SingleScenarioGain,
        Self::ScenarioMissing,
        Self::TestsNotRun,
        Self::OutputSpoofed,
        Self::UsageMismatch,
        Self::DecisionLogMissing,
        Self::BudgetExceeded,
        Self::Oom,
        Self::Survivor,
        Self::UntestedEngine,
        Self::OtherModel,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::ScopeViolation => "scope_violation",
            Self::TestDeleted => "test_deleted",
            Self::TestWeakened => "test_weakened",
            Self::ProtectedChanged => "protected_changed",
            Self::HarnessChanged => "harness_changed",
            Self::HoldoutGap => "holdout_gap",
            Self::SingleScenarioGain => "single_scenario_gain",
            Self::ScenarioMissing => "scenario_missing",
            Self::TestsNotRun => "tests_not_run",
            Self::OutputSpoofed => "output_spoofed",
            Self::UsageMismatch => "usage_mismatch",
            Self::DecisionLogMissing => "decision_log_missing",
            Self::BudgetExceeded => "budget_exceeded",
            Self::Oom => "oom",
            Self::Survivor => "survivor",
            Self::UntestedEngine => "untested_engine",
            Self::OtherModel => "other_model",
        }
    }

    /// A flag that no amount of speed makes up for.
    pub fn disqualifies(self) -> bool {
        match self {
            Self::TestDeleted
            | Self::TestWeakened
            | Self::HarnessChanged
            | Self::TestsNotRun
            | Self::ScenarioMissing
            | Self::OutputSpoofed => true,
            Self::ScopeViolation
            | Self::ProtectedChanged
            | Self::HoldoutGap
            | Self::SingleScenarioGain
            | Self::UsageMismatch
            | Self::DecisionLogMissing
            | Self::BudgetExceeded
            | Self::Oom
            | Self::Survivor
            | Self::UntestedEngine
            | Self::OtherModel => false,
        }
    }
}

/// Why a job did not give a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Ours: retried for free, up to a cap.
    Infrastructure(String),
    /// The user's: a missing image, a packet that cannot work here. Not retried; carries the mend.
    Setup {
        reason: String,
        mend: String,
    },
    Cancelled,
}

/// One settled job.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "most settled jobs are engine runs; a box would only cost a step")]
pub enum Outcome {
    Implemented(Implemented),
    Evaluated(Evaluated),
    Failed(Failure),
}
