//! What a user declared, already validated. Parsing and its problems live beside the wire (`arena_proto::packet`).

mod budget;
mod competitor;
mod engine;
mod gate;
mod kpi;
mod sandbox;
mod scope;
mod scoring;

pub use budget::Budget;
pub use competitor::{Competitor, Verbosity};
pub use engine::{BriefStyle, Engine};
pub use gate::{Gate, GateKind};
pub use kpi::{Better, Harness, Kpi, KpiSource};
pub use sandbox::{History, Sandbox};
pub use scope::{DEFAULT_FORBIDDEN, OnViolation, Scope};
pub use scoring::{Criteria, Scoring, Select};

use std::collections::{BTreeMap, BTreeSet};

/// Most competitors that one packet may expand to.
pub const MAX_COMPETITORS: usize = 64;
/// Greatest weight of a session beside others of its tenant.
pub const MOST_WEIGHT: u32 = 10;
/// Largest packet file, in bytes.
pub const MAX_PACKET_BYTES: usize = 256 * 1024;
/// A session with more competitors than this asks before it starts (`--yes` takes all).
pub const ASK_ABOVE_COMPETITORS: usize = 8;

/// A whole packet. Every list is in the order of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Packet {
    pub title: String,
    pub goal: String,
    /// A path or a URL; `.` is where the packet lies.
    pub repository: String,
    /// Branch, tag or commit; `None` means HEAD.
    pub base: Option<String>,
    pub paradigm: Paradigm,
    pub mode: Mode,
    /// Competitors at a time.
    pub parallel: u32,
    /// Head start among the sessions of its tenant, see [`crate::job::HEAD_START`].
    pub priority: u32,
    /// Its part of the slots beside other sessions of its tenant; at least 1.
    pub weight: u32,
    /// Free label for calibration.
    pub kind: String,
    pub brief: BriefSection,
    pub scope: Scope,
    pub competitors: Vec<Competitor>,
    /// Those that the packet defines itself.
    pub engines: BTreeMap<String, Engine>,
    /// `host:port` that others may reach through the broker beside their provider, by the names the packet uses.
    pub egress: BTreeMap<String, Vec<String>>,
    pub gates: Vec<Gate>,
    pub harness: Option<Harness>,
    pub kpis: Vec<Kpi>,
    pub scoring: Scoring,
    pub budget: Budget,
    pub sandbox: Sandbox,
    /// That a worker must carry, each in full.
    pub labels: BTreeSet<String>,
    pub language: Language,
    /// Paths of the fields whose value is the string `unknown`.
    pub unknown: Vec<String>,
    pub found: Found,
}

/// What was looked up when the packet was submitted, for the briefs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// Engines that come with Arena and follow a contextual brief best.
    pub contextual: BTreeSet<String>,
    /// What the repository holds at the base, a line each.
    pub codebase: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paradigm {
    Compete,
    Collaborate,
    Auto,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Solo,
    Team,
    Quick,
    Auto,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    English,
    Japanese,
}

/// What every competitor is told alike.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BriefSection {
    pub specification: String,
    pub acceptance: Vec<String>,
    pub constraints: Vec<String>,
    pub optimize_for: Vec<String>,
    pub targets: Vec<String>,
    pub context: Vec<String>,
}

impl Packet {
    /// The primary KPI: the first one declared.
    pub fn primary_kpi(&self) -> Option<&Kpi> {
        self.kpis.first()
    }

    pub fn competitor(&self, name: &crate::id::CompetitorName) -> Option<&Competitor> {
        self.competitors.iter().find(|one| &one.name == name)
    }

    /// Scenarios that no engine may hear of.
    pub fn holdout(&self) -> &[String] {
        self.harness.as_ref().map(|harness| harness.holdout.as_slice()).unwrap_or_default()
    }

    /// What kind of brief an engine gets: as its definition in the packet says, or as engines of this name like it.
    pub fn brief_style(&self, engine: &str) -> BriefStyle {
        match self.engines.get(engine) {
            Some(own) => own.brief,
            None if self.found.contextual.contains(engine) => BriefStyle::Contextual,
            None => BriefStyle::Directive,
        }
    }

    /// What a worker must be able to do to run this engine, in words; a command of the packet's own needs no more than the
    /// provider that it names.
    pub fn ability(&self, engine: &str) -> Option<String> {
        match self.engines.get(engine) {
            Some(own) => own.provider.as_ref().map(|provider| format!("provider {provider}")),
            None => Some(format!("engine {engine}")),
        }
    }

    pub fn builds(&self) -> bool {
        self.gates.iter().any(|gate| gate.kind == GateKind::Build)
    }

    /// How many competitors run at the same time: one in `solo` mode, else as declared.
    pub fn at_a_time(&self) -> u32 {
        match self.mode_played() {
            Mode::Solo => 1,
            Mode::Team | Mode::Quick | Mode::Auto => self.parallel.max(1),
        }
    }

    /// The paradigm that is played where the packet leaves the choice.
    pub fn paradigm_played(&self) -> Paradigm {
        match self.paradigm {
            Paradigm::Auto => Paradigm::Compete,
            Paradigm::Compete | Paradigm::Collaborate => self.paradigm,
        }
    }

    /// Why this paradigm is played, where the packet leaves the choice.
    pub fn why_paradigm(&self) -> Option<&'static str> {
        (self.paradigm == Paradigm::Auto).then_some("auto: every competitor has the whole task")
    }

    /// The mode that is played where the packet leaves the choice.
    pub fn mode_played(&self) -> Mode {
        match self.mode {
            Mode::Auto if self.competitors.len() == 1 => Mode::Solo,
            Mode::Auto => Mode::Team,
            Mode::Solo | Mode::Team | Mode::Quick => self.mode,
        }
    }

    /// Why this mode is played, where the packet leaves the choice.
    pub fn why_mode(&self) -> Option<&'static str> {
        (self.mode == Mode::Auto).then_some(match self.competitors.len() {
            1 => "auto: one competitor takes part",
            _ => "auto: several competitors take part",
        })
    }
}

impl Paradigm {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Compete => "compete",
            Self::Collaborate => "collaborate",
            Self::Auto => "auto",
        }
    }
}

impl Mode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Solo => "solo",
            Self::Team => "team",
            Self::Quick => "quick",
            Self::Auto => "auto",
        }
    }
}
