//! The one table of what a packet may say: path, shape, whether it is needed, default and meaning.
//!
//! Detection of unknown keys, checks of shape and the JSON schema for editors are all read from it.

pub use super::schema::json_schema;

use arena_domain::job::MOST_PRIORITY;
use arena_domain::packet::{MAX_COMPETITORS, MOST_WEIGHT};

/// What stands behind a key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Table,
    /// An array of tables, at most so many of them.
    Tables(usize),
    /// Tables under names the user chooses, at most so many of them.
    Named(usize),
    Text,
    Texts,
    /// Texts that are never read as `unknown`: a command means what it says.
    Words,
    Whole {
        least: u32,
        most: u32,
    },
    Number {
        least: Option<f64>,
    },
    Switch,
    Duration,
    Size,
    Share,
    /// A share between a half and one, both excluded.
    Confidence,
    OneOf(&'static [&'static str]),
    /// One of the names, or a table with one of its child keys.
    Source(&'static [&'static str]),
}

/// Whether a packet can do without the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    Optional,
    /// It must be there, though it may say `unknown`.
    Stated,
    /// It must be there and be known: nothing can run without it.
    Known,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Key {
    /// Dotted; `*` stands for a name the user chooses.
    pub path: &'static str,
    pub kind: Kind,
    pub need: Need,
    /// As JSON, which for these values is TOML as well.
    pub default: Option<&'static str>,
    pub doc: &'static str,
}

impl Key {
    /// The table it stands in; empty for the packet itself.
    pub fn parent(&self) -> &'static str {
        self.path.rsplit_once('.').map_or("", |(parent, _)| parent)
    }

    pub fn leaf(&self) -> &'static str {
        self.path.rsplit_once('.').map_or(self.path, |(_, leaf)| leaf)
    }

    const fn stated(self) -> Self {
        Self { need: Need::Stated, ..self }
    }

    const fn needed(self) -> Self {
        Self { need: Need::Known, ..self }
    }

    const fn or(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }
}

/// The keys of one table, in the order of the table below.
pub fn children(parent: &str) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |key| key.parent() == parent)
}

/// The key called `leaf` in the table at `parent`; a name the user chooses is always known.
pub fn child(parent: &str, leaf: &str) -> Option<&'static Key> {
    children(parent).find(|key| key.leaf() == leaf)
}

const fn key(path: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { path, kind, need: Need::Optional, default: None, doc }
}

use Kind::{
    Confidence, Duration, Named, Number, OneOf, Share, Size, Source, Switch, Table, Tables, Text, Texts, Whole, Words,
};

const COUNT: Kind = Whole { least: 1, most: u32::MAX };
const AMOUNT: Kind = Number { least: Some(0.0) };
const ANY: Kind = Number { least: None };

/// Gates, KPIs and engines of one packet: far above any real one, and low enough to bound the work of a check.
const MANY: usize = 64;

pub const CLOCKED: &[&str] = &["wall_time", "cpu_time", "peak_memory", "stdout"];

pub static KEYS: &[Key] = &[
    key("session", Table, "What is asked for.").needed(),
    key("session.title", Text, "One line that names the session.").stated(),
    key("session.goal", Text, "What shall be better afterwards, in one sentence.").stated(),
    key("session.repository", Text, "A path, or a URL the workers can reach.").or("\".\""),
    key("session.base", Text, "Branch, tag or commit that competitors start from; HEAD when absent."),
    key(
        "session.paradigm",
        OneOf(&["compete", "collaborate", "auto"]),
        "Everyone does all of it; collaborate: not in this version yet.",
    )
    .or("\"compete\""),
    key(
        "session.mode",
        OneOf(&["solo", "team", "quick", "auto"]),
        "How much ceremony the session has; quick: not in this version yet.",
    )
    .or("\"team\""),
    key("session.parallel", COUNT, "Competitors at a time.").or("3"),
    key(
        "session.priority",
        Whole { least: 0, most: MOST_PRIORITY },
        "A head start of so many minutes among the sessions of its own tenant.",
    )
    .or("0"),
    key(
        "session.weight",
        Whole { least: 1, most: MOST_WEIGHT },
        "Its part of the slots beside other sessions of its own tenant.",
    )
    .or("1"),
    key("session.kind", Text, "Free label for calibration: optimize, feature, bugfix, refactor, deck.")
        .or("\"general\""),
    key("brief", Table, "What every competitor is told alike.").needed(),
    key("brief.specification", Text, "What to build, with its error handling; at least 20 characters.").needed(),
    key("brief.acceptance", Texts, "Criteria a result must meet; at least one.").needed(),
    key("brief.constraints", Texts, "What must not change or be used.").or("[]"),
    key("brief.optimize_for", Texts, "What matters, the most important first.").or("[]"),
    key("brief.targets", Texts, "Files the work is about, as paths in the repository.").or("[]"),
    key("brief.context", Texts, "Read-only references named in the brief, as paths in the repository.").or("[]"),
    key("scope", Table, "Where a competitor may write.").needed(),
    key("scope.allowed", Texts, "Globs of paths that may change; at least one.").needed(),
    key("scope.forbidden", Texts, "Globs that may not, joined with the defaults (manifests, locks, secrets, CI).")
        .or("[]"),
    key("scope.protected", Texts, "Globs restored from the base before anything is evaluated.").or("[]"),
    key("scope.on_violation", OneOf(&["revert", "disqualify"]), "What a change outside the scope leads to.")
        .or("\"revert\""),
    key("competitor", Tables(MAX_COMPETITORS), "One contestant."),
    key(
        "competitor.name",
        Text,
        "Letters, digits, `.`, `_` and `-`; made from the engine and the variant when absent.",
    ),
    key("competitor.engine", Text, "A built-in engine or one of `[engine.NAME]`.").needed(),
    key("competitor.model", Text, "The engine's own default when absent."),
    key("competitor.approach", Text, "iterative, functional, object-oriented, minimal, robust, or words of your own."),
    key("competitor.verbosity", OneOf(&["concise", "detailed"]), "How long the brief is.").or("\"concise\""),
    key("competitor.deck", Text, "A deck to play, as a path beside the packet; not in this version yet."),
    key("competitor.subtask", Text, "Collaborate: which subtask this competitor writes; not in this version yet."),
    key("matrix", Table, "Competitors as a product of lists, instead of or added to `[[competitor]]`."),
    key("matrix.engine", Texts, "Engines.").needed(),
    key("matrix.model", Texts, "Models.").or("[]"),
    key("matrix.approach", Texts, "Approaches.").or("[]"),
    key("matrix.verbosity", Texts, "concise, detailed.").or("[]"),
    key("matrix.deck", Texts, "Decks, as paths beside the packet; not in this version yet.").or("[]"),
    key("engine", Named(MANY), "Engines of your own, by name, and what is added to those that come with Arena."),
    key("engine.*", Table, "Any command; the brief is on standard input and in the file $ARENA_BRIEF names."),
    key(
        "engine.*.command",
        Words,
        "Program and arguments; without it, `egress` is added to an engine that has its own.",
    ),
    key("engine.*.files", Texts, "Files beside the packet, copied read-only to /arena/files.").or("[]"),
    key("engine.*.timeout", Duration, "Longest run.").or("\"30m\""),
    key("engine.*.egress", Texts, "`host:port` allowed through the broker.").or("[]"),
    key("engine.*.provider", Text, "Whose model it may call, at the address in $ARENA_BROKER."),
    key("engine.*.brief", OneOf(&["directive", "contextual"]), "What kind of brief it follows best.")
        .or("\"directive\""),
    key("gate", Tables(MANY), "A command that must pass."),
    key("gate.name", Text, "Unique among the gates.").needed(),
    key("gate.kind", OneOf(&["lint", "build", "test", "static", "review", "custom"]), "What it checks.")
        .or("\"custom\""),
    key("gate.run", Text, "Run by `sh -c` in the working tree.").needed(),
    key("gate.timeout", Duration, "Longest run.").or("\"10m\""),
    key("gate.required", Switch, "A gate that is not required is reported and costs nothing.").or("true"),
    key("harness", Table, "What measures."),
    key("harness.run", Text, "Run by `sh -c`; `{scenario}` is replaced by the scenario.").needed(),
    key("harness.timeout", Duration, "For one run of one scenario.").or("\"5m\""),
    key("harness.scenarios", Texts, "Seeds or configurations, as text; one nameless scenario when empty.").or("[]"),
    key("harness.holdout", Texts, "Scenarios never shown to an engine; run once, at the end.").or("[]"),
    key("harness.repeats", Whole { least: 1, most: 1000 }, "Pairs of base and candidate per scenario.").or("5"),
    key(
        "harness.token",
        Switch,
        "Give each run one line with a word on standard input; it must print `arena-token: WORD` at its end to count.",
    )
    .or("false"),
    key("kpi", Tables(MANY), "A number read from the harness; the first one is the primary KPI."),
    key("kpi.name", Text, "Unique among the KPIs.").needed(),
    key("kpi.source", Source(CLOCKED), "Where the number comes from.").needed(),
    key("kpi.source.json", Text, "A JSON pointer into standard output, such as `/throughput`."),
    key("kpi.source.regex", Text, "A regular expression over standard output; its first group is the number."),
    key("kpi.unit", Text, "Shown beside the number; seconds or bytes for what Arena measures itself."),
    key("kpi.better", OneOf(&["lower", "higher"]), "Which way is better; lower for what Arena measures itself."),
    key("kpi.weight", AMOUNT, "In the composite score.").or("1.0"),
    key("kpi.guard", Share, "Worst regression allowed on any scenario."),
    key("kpi.target", ANY, "The session stops when the best value reaches it."),
    key("kpi.known_baseline", ANY, "What the base is said to measure; shown beside what was measured."),
    key("scoring", Table, "How the best is chosen."),
    key("scoring.select", OneOf(&["kpi", "criteria", "pareto"]), "By what.").or("\"kpi\""),
    key("scoring.min_effect", Share, "A gain smaller than this is no gain.").or("\"1%\""),
    key("scoring.confidence", Confidence, "Of the intervals, between 0.5 and 1.").or("0.95"),
    key("scoring.criteria", Table, "Weights of the five criteria."),
    key("scoring.criteria.correctness", AMOUNT, "Weight of being right.").or("40.0"),
    key("scoring.criteria.quality", AMOUNT, "Weight of the code's quality.").or("25.0"),
    key("scoring.criteria.performance", AMOUNT, "Weight of the KPIs.").or("15.0"),
    key("scoring.criteria.safety", AMOUNT, "Weight of safety.").or("15.0"),
    key("scoring.criteria.simplicity", AMOUNT, "Weight of simplicity.").or("5.0"),
    key("budget", Table, "When the session stops."),
    key("budget.rounds", COUNT, "Most rounds per competitor.").or("1"),
    key("budget.wall", Duration, "Longest wall time."),
    key("budget.cost_usd", AMOUNT, "Most to spend."),
    key("budget.tokens", COUNT, "Most tokens of one engine run, input and output together."),
    key("budget.requests", COUNT, "Most requests to a model in one engine run."),
    key("budget.engine_time", Duration, "Longest run of an engine that comes with Arena.").or("\"30m\""),
    key("budget.stale_rounds", COUNT, "A competitor stops after so many rounds without gain.").or("2"),
    key("sandbox", Table, "What a container of this session gets."),
    key("sandbox.image", Text, "A local name, or registry/name@sha256:…").or("\"arena/base\""),
    key("sandbox.cpus", Number { least: Some(0.01) }, "Cores.").or("1.0"),
    key("sandbox.memory", Size, "Memory.").or("\"2GiB\""),
    key("sandbox.disk", Size, "What the working tree may grow to.").or("\"2GiB\""),
    key("sandbox.pids", COUNT, "Processes and threads.").or("512"),
    key("sandbox.history", OneOf(&["none", "base"]), "The base commit alone, or the commits up to it.").or("\"none\""),
    key("sandbox.setup", Text, "Run once per base in a container of its own; its tree is cached."),
    key("sandbox.egress", Texts, "`host:port` that the setup may reach through the broker.").or("[]"),
    key("placement", Table, "Which workers of a team may run this session."),
    key("placement.labels", Texts, "Labels that a worker must carry, each in full, such as \"gpu\" or \"rack=7\".")
        .or("[]"),
    key("report", Table, "The report."),
    key("report.language", OneOf(&["en", "ja"]), "Of the report.").or("\"en\""),
];

#[cfg(test)]
mod tests;
