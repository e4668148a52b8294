//! Values that fit their kind and still cannot work, or will cost more than their author is likely to think.
//!
//! A packet that was once accepted is read again without these (`recall`): a later version may know better.

use arena_domain::measure::fewest_repeats;
use arena_domain::packet::{Better, Packet};

use super::problem::{Sink, Spot};
use super::section::Section;

const MIB: f64 = (1_u64 << 20) as f64;
const GIB: f64 = (1_u64 << 30) as f64;
const HOUR: f64 = 3600.0;
const DAY: f64 = 24.0 * HOUR;

/// Runs of the harness in one evaluation from which on it is worth a word.
const MANY_RUNS: u64 = 2_000;

/// What one value may be, in its smallest unit, and how these ends are written.
struct Bound {
    name: &'static str,
    /// With why nothing below it can work; nothing where the table of keys has the least.
    least: Option<(f64, &'static str, &'static str)>,
    most: (f64, &'static str),
    /// Why nothing above the most can be meant.
    beyond: &'static str,
    /// From here on it is legal and warned of.
    much: f64,
    costs: &'static str,
}

const TIMEOUT: Bound = Bound {
    name: "timeout",
    least: Some((1.0, "\"1s\"", "on a busy machine a command has hardly begun by then")),
    most: (7.0 * DAY, "\"7d\""),
    beyond: "what hangs would hold its slot for all that time",
    much: 12.0 * HOUR,
    costs: "what hangs holds its slot for all that time",
};

const WALL: Bound = Bound {
    name: "wall",
    least: Some((1.0, "\"1s\"", "no engine has begun by then")),
    most: (30.0 * DAY, "\"30d\""),
    beyond: "no session is worth waiting for that long",
    much: 7.0 * DAY,
    costs: "the session may hold its slots for all that time",
};

const MEMORY: Bound = Bound {
    name: "memory",
    least: Some((
        16.0 * MIB,
        "\"16MiB\"",
        "a shell, an interpreter and the first process of a container need that much",
    )),
    most: (16_384.0 * GIB, "\"16TiB\""),
    beyond: "no machine has it",
    much: 512.0 * GIB,
    costs: "each container may take all of it",
};

const DISK: Bound = Bound {
    name: "disk",
    least: Some((16.0 * MIB, "\"16MiB\"", "a file system takes a good part of that for itself")),
    most: (16_384.0 * GIB, "\"16TiB\""),
    beyond: "no file system of a workspace grows to it",
    much: 1_024.0 * GIB,
    costs: "each workspace may take all of it",
};

const PIDS: Bound = Bound {
    name: "pids",
    least: Some((
        16.0,
        "16",
        "the first process, a shell, the command and its helpers count, and so does every thread",
    )),
    most: (4_194_304.0, "4194304"),
    beyond: "Linux has no more",
    much: 65_536.0,
    costs: "a command that forks without end takes the machine's before it meets this",
};

const CPUS: Bound = Bound {
    name: "cpus",
    least: None,
    most: (4_096.0, "4096"),
    beyond: "no machine has them",
    much: 1_024.0,
    costs: "a machine with fewer refuses the container",
};

const ROUNDS: Bound = Bound {
    name: "rounds",
    least: None,
    most: (1_000.0, "1000"),
    beyond: "every round is a paid run of the engine",
    much: 50.0,
    costs: "every round is a paid run of the engine",
};

const PARALLEL: Bound = Bound {
    name: "parallel",
    least: None,
    most: (1_024.0, "1024"),
    beyond: "no machine runs as many containers well",
    much: 64.0,
    costs: "each of them takes the memory and the processors of [sandbox]",
};

pub(super) fn check(root: &Section<'_>, packet: &Packet, sink: &mut Sink) {
    let seconds = |section: &Section<'_>, name: &str| section.duration(name).map(|time| time.as_secs_f64());
    let timed = root.tables("gate").into_iter().chain([root.table("harness")]);
    for section in timed.chain(root.table("engine").named().into_iter().map(|(_, section)| section)) {
        TIMEOUT.check(seconds(&section, "timeout"), &section, sink);
    }
    let (session, budget, sandbox) = (root.table("session"), root.table("budget"), root.table("sandbox"));
    WALL.check(seconds(&budget, "wall"), &budget, sink);
    ROUNDS.check(budget.whole("rounds").map(f64::from), &budget, sink);
    PARALLEL.check(session.whole("parallel").map(f64::from), &session, sink);
    MEMORY.check(sandbox.size("memory").map(|bytes| bytes as f64), &sandbox, sink);
    DISK.check(sandbox.size("disk").map(|bytes| bytes as f64), &sandbox, sink);
    PIDS.check(sandbox.whole("pids").map(f64::from), &sandbox, sink);
    CPUS.check(sandbox.number("cpus"), &sandbox, sink);
    later(root, sink);
    runs(root, packet, sink);
    samples(root, packet, sink);
    effect(root, packet, sink);
    cost(&budget, packet, sink);
}

/// Keys and values that are part of the format, and do nothing in this version: nobody shall think they did.
fn later(root: &Section<'_>, sink: &mut Sink) {
    const REASON: &str = "not in this version yet";
    let session = root.table("session");
    for (name, value, mend) in [
        ("paradigm", "collaborate", "write \"compete\" or \"auto\""),
        ("mode", "quick", "write \"solo\", \"team\" or \"auto\""),
    ] {
        if session.text(name) == Some(value) {
            sink.limit(&session.spot(name), format!("\"{value}\" is {REASON}"), mend);
        }
    }
    for one in root.tables("competitor").iter().filter(|one| one.text("deck").is_some()) {
        sink.limit(&one.spot("deck"), format!("is {REASON}"), "take it out; `approach` tells an engine how to work");
    }
    for one in root.tables("competitor").iter().filter(|one| one.text("subtask").is_some()) {
        sink.limit(&one.spot("subtask"), format!("is {REASON}"), "take it out; every competitor has the whole task");
    }
    let matrix = root.table("matrix");
    if !matrix.texts("deck").is_empty() {
        sink.limit(&matrix.spot("deck"), format!("is {REASON}"), "take it out, or vary `approach`");
    }
}

impl Bound {
    fn check(&self, value: Option<f64>, section: &Section<'_>, sink: &mut Sink) {
        let Some(value) = value else { return };
        let spot = section.spot(self.name);
        // Nothing at all is no value of its kind, and has been named as that.
        let least = self.least.filter(|(least, _, _)| value > 0.0 && value < *least);
        if let Some((_, least, needs)) = least {
            sink.limit(&spot, format!("is too little: {needs}"), format!("write at least {least}"));
        } else if value > self.most.0 {
            let reason = format!("is too much: {}", self.beyond);
            sink.limit(&spot, reason, format!("write at most {}", self.most.1));
        } else if value > self.much {
            sink.warn(&spot, format!("is very large: {}", self.costs), "write less, if that is enough");
        }
    }
}

/// How many runs of the harness one evaluation takes.
fn runs(root: &Section<'_>, packet: &Packet, sink: &mut Sink) {
    let Some(harness) = &packet.harness else { return };
    let runs = harness.matrix().len() as u64 * u64::from(harness.repeats) * 2;
    if runs >= MANY_RUNS {
        let reason = format!("makes {runs} runs of the harness in each evaluation (scenarios x repeats x 2)");
        sink.warn(&root.table("harness").spot("repeats"), reason, "write fewer, if they are enough");
    }
}

/// A KPI with noise that no result can be better by, whatever it gains.
fn samples(root: &Section<'_>, packet: &Packet, sink: &mut Sink) {
    let Some(harness) = &packet.harness else { return };
    let scenarios = harness.matrix().len();
    let short = |kpi: &&arena_domain::packet::Kpi| harness.repeats < fewest_repeats(&kpi.source, scenarios);
    let names: Vec<&str> = packet.kpis.iter().filter(short).map(|kpi| kpi.name.as_str()).collect();
    let Some(first) = packet.kpis.iter().find(short) else { return };
    let least = fewest_repeats(&first.source, scenarios);
    let reason = format!(
        "{} x {scenarios} scenarios: too few pairs for the noise of {}, which can only be inconclusive",
        harness.repeats,
        names.join(", ")
    );
    sink.warn(&root.table("harness").spot("repeats"), reason, format!("write at least {least}; 5 or more say more"));
}

/// Where lower is better, nothing gains the whole.
fn effect(root: &Section<'_>, packet: &Packet, sink: &mut Sink) {
    if packet.scoring.min_effect >= 1.0 && packet.kpis.iter().any(|kpi| kpi.better == Better::Lower) {
        let reason = "a KPI that shall be lower can never gain as much, and is never better";
        sink.warn(&root.table("scoring").spot("min_effect"), reason, "write a share such as \"1%\"");
    }
}

/// A budget of money holds only for engines whose requests the broker counts.
fn cost(budget: &Section<'_>, packet: &Packet, sink: &mut Sink) {
    let mut own: Vec<&str> = packet.competitors.iter().map(|one| one.engine.as_str()).collect();
    own.retain(|engine| packet.engines.get(*engine).is_some_and(|own| own.provider.is_none()));
    own.sort_unstable();
    own.dedup();
    if packet.budget.cost_usd.is_some() && !own.is_empty() {
        let reason = format!("does not hold for {}: without a provider nobody counts what it costs", own.join(", "));
        let spot: Spot = budget.spot("cost_usd");
        sink.warn(&spot, reason, "say its `provider`, or bound it by `rounds`, `wall` and the engine's `timeout`");
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Parsed, parse, recall};

    const START: &str = "session.title = \"t\"\nsession.goal = \"g\"\nscope.allowed = [\"src/**\"]\n\
        scope.forbidden = []\nbrief.specification = \"Sort the lines of a file\"\nbrief.acceptance = [\"tests pass\"]\n";
    const END: &str = "[[competitor]]\nengine = \"own\"\n[engine.own]\ncommand = [\"x\"]\n";

    fn text(more: &str) -> String {
        format!("{START}{more}\n{END}")
    }

    fn harness(rest: &str) -> String {
        format!("harness.run = \"r {{scenario}}\"\nharness.{rest}\n[[kpi]]\nname = \"w\"\nsource = \"wall_time\"\n")
    }

    fn warnings(text: &str) -> Vec<String> {
        let Parsed { warnings, .. } = parse(text).unwrap_or_else(|problems| panic!("{problems:?}"));
        warnings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_cannot_work_is_refused_with_the_least_or_the_most_that_does() {
        let rows = [
            ("sandbox.memory = \"1KiB\"", "sandbox.memory: is too little", "at least \"16MiB\""),
            ("sandbox.memory = \"1024TiB\"", "sandbox.memory: is too much: no machine has it", "at most \"16TiB\""),
            ("sandbox.disk = \"1MiB\"", "sandbox.disk: is too little: a file system", "at least \"16MiB\""),
            ("sandbox.pids = 1", "sandbox.pids: is too little: the first process", "at least 16"),
            ("sandbox.pids = 4294967295", "sandbox.pids: is too much", "at most 4194304"),
            ("sandbox.cpus = 5000", "sandbox.cpus: is too much", "at most 4096"),
            ("budget.wall = \"90d\"", "budget.wall: is too much", "at most \"30d\""),
            ("budget.rounds = 1000000", "budget.rounds: is too much", "at most 1000"),
            ("session.parallel = 1000000", "session.parallel: is too much", "at most 1024"),
            ("gate = [{name = \"g\", run = \"r\", timeout = \"1ms\"}]", "gate[0].timeout: is too little", "\"1s\""),
            ("gate = [{name = \"g\", run = \"r\", timeout = \"60d\"}]", "gate[0].timeout: is too much", "\"7d\""),
            ("engine.x = {command = [\"x\"], timeout = \"60d\"}", "engine.x.timeout: is too much", "\"7d\""),
            (&harness("timeout = \"10ms\""), "harness.timeout: is too little", "\"1s\""),
        ];
        for (more, says, mend) in rows {
            let problems: Vec<String> = parse(&text(more)).expect_err(more).iter().map(ToString::to_string).collect();
            let line = if more.starts_with("harness") { "line 8: " } else { "line 7: " };
            let one = problems.len() == 1 && problems[0].contains(says) && problems[0].contains(mend);
            assert!(one && problems[0].starts_with(line), "{more}: {problems:#?}");
            assert!(recall(&text(more)).is_ok(), "{more}: a session that began with it can still be read");
        }
    }

    #[test]
    fn what_is_large_and_legal_is_warned_of() {
        let rows = [
            ("sandbox.memory = \"1TiB\"".to_owned(), "sandbox.memory: is very large"),
            ("budget.rounds = 100".into(), "budget.rounds: is very large"),
            ("budget.wall = \"20d\"".into(), "budget.wall: is very large"),
            (harness("repeats = 1000"), "harness.repeats: makes 2000 runs"),
            ("budget.cost_usd = 5.0".into(), "budget.cost_usd: does not hold for own"),
            (format!("scoring.min_effect = \"100%\"\n{}", harness("repeats = 5")), "scoring.min_effect"),
        ];
        for (more, says) in rows {
            let said = warnings(&text(&more));
            assert!(said.iter().any(|one| one.contains(says)), "{more}: {said:#?}");
        }
        let counted = format!("{}provider = \"openai\"\n", text("budget.cost_usd = 5.0"));
        assert_eq!(warnings(&counted), Vec::<String>::new(), "the broker counts what a provider is asked");
        assert_eq!(warnings(&text("")), Vec::<String>::new(), "the defaults are warned of by nobody");
    }

    #[test]
    fn a_clock_with_too_few_pairs_is_warned_of_with_the_least_number() {
        let rows = [
            ("repeats = 1", Some("at least 3")),
            ("repeats = 2", Some("at least 3")),
            ("repeats = 3", None),
            ("repeats = 1\nharness.scenarios = [\"a\", \"b\"]", Some("at least 2")),
            ("repeats = 2\nharness.scenarios = [\"a\", \"b\"]", None),
        ];
        for (rest, least) in rows {
            let said = warnings(&text(&harness(rest)));
            let found = said.iter().find(|one| one.contains("harness.repeats"));
            assert_eq!(found.is_some(), least.is_some(), "{rest}: {said:#?}");
            assert!(found.is_none_or(|one| one.contains(least.unwrap_or_default())), "{rest}: {said:#?}");
        }
        let exact = harness("repeats = 1").replace("\"wall_time\"", "\"stdout\"\nbetter = \"lower\"");
        assert!(!warnings(&text(&exact)).iter().any(|one| one.contains("repeats")), "a count has no noise");
    }
}
