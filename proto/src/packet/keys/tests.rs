//! The documentation's example holds every key, and means what it says.

use std::time::Duration;

use arena_domain::packet::{KpiSource, OnViolation, Packet};
use proptest::prelude::*;
use toml_edit::Document;

use super::super::{parse, recall};
use super::*;

/// The example of the documentation, whole.
const FULL: &str = r#"
[session]
title      = "Faster tokenizer"
goal       = "Lower the wall time of the benchmark; output stays byte-identical"
repository = "."
base       = "main"
paradigm   = "compete"
mode       = "team"
parallel   = 3
priority   = 2
weight     = 1
kind       = "optimize"
[brief]
specification = "Make the tokenizer faster; malformed input is refused as before"
acceptance    = ["all tests pass"]
constraints   = ["no new dependency"]
optimize_for  = ["stability", "kpi", "readability"]
targets       = ["src/tokenizer.rs"]
context       = ["docs/tokenizer.md"]
[scope]
allowed      = ["src/**"]
forbidden    = ["src/generated/**"]
protected    = ["tests/**", "bench/**"]
on_violation = "revert"
[[competitor]]
name     = "codex-minimal"
engine   = "codex"
model    = "gpt-5.5"
approach = "minimal"
verbosity = "concise"
deck = "decks/a.toml"
subtask = "core-logic"
[matrix]
engine = ["codex", "claude"]
model = ["m"]
approach = ["minimal", "robust"]
verbosity = ["detailed"]
deck = ["decks/a.toml"]
[engine.fixer]
command = ["sh", "-c", "patch -p1 < /arena/files/fix.diff"]
files   = ["fix.diff"]
timeout = "10m"
egress  = []
provider = "openai"
brief = "contextual"
[[gate]]
name = "tests"
kind = "test"
run  = "python3 -m pytest -q"
timeout = "5m"
required = true
[harness]
run       = "python3 bench/run.py --seed {scenario}"
timeout   = "2m"
scenarios = ["1", "2", "3"]
holdout   = ["71", "72"]
repeats   = 5
token     = true
[[kpi]]
name   = "wall"
source = "wall_time"
unit   = "s"
better = "lower"
weight = 1.0
guard  = "2%"
target = 0.8
known_baseline = 1
[[kpi]]
name = "throughput"
source = { json = "/throughput" }
better = "higher"
[[kpi]]
name = "rate"
source.regex = "rate: ([0-9.]+)"
better = "higher"
[scoring]
select     = "kpi"
min_effect = "1%"
confidence = 0.95
criteria = { correctness = 40, quality = 25, performance = 15, safety = 15, simplicity = 5 }
[budget]
rounds = 3
wall   = "1h"
cost_usd = 5.0
tokens = 1000000
requests = 200
engine_time = "20m"
stale_rounds = 2
[sandbox]
image  = "arena/base"
cpus   = 1
memory = "2GiB"
disk   = "2GiB"
pids   = 512
history = "none"
setup  = "pip install -r requirements.txt"
egress = ["pypi.org:443"]
[placement]
labels = ["gpu", "rack=7"]
[report]
language = "en"
"#;

fn good(text: &str) -> Packet {
    match recall(text) {
        Ok(parsed) => parsed.packet,
        Err(problems) => panic!("{problems:?}"),
    }
}

#[test]
fn the_example_of_the_documentation_means_what_it_says() {
    let packet = good(FULL);
    let names: Vec<&str> = packet.competitors.iter().map(|one| one.name.as_str()).collect();
    let made = ["codex-m-minimal", "codex-m-robust", "claude-m-minimal", "claude-m-robust"];
    let made: Vec<String> = made.iter().map(|name| format!("{name}-detailed-a")).collect();
    assert_eq!(names[0], "codex-minimal");
    assert_eq!(names[1..], made);
    assert_eq!(packet.engines["fixer"].timeout, Duration::from_secs(600));
    assert_eq!(packet.harness.as_ref().unwrap().holdout, ["71", "72"]);
    assert!(packet.harness.as_ref().unwrap().token);
    assert_eq!(packet.kpis[0].guard, Some(0.02));
    assert_eq!(packet.kpis[0].known_baseline, Some(1.0));
    assert_eq!(packet.kpis[1].source, KpiSource::Json("/throughput".into()));
    assert_eq!(packet.kpis[2].source, KpiSource::Regex("rate: ([0-9.]+)".into()));
    assert_eq!(packet.budget.wall, Some(Duration::from_secs(3600)));
    assert_eq!((packet.sandbox.memory_bytes, packet.sandbox.cpus), (2 << 30, 1.0));
    assert_eq!(packet.scope.on_violation, OnViolation::Revert);
    assert_eq!(packet.unknown, Vec::<String>::new());
    assert_eq!(recall(FULL).unwrap().warnings, []);
}

#[test]
fn every_key_of_the_table_is_in_the_example() {
    let document = Document::parse(FULL).unwrap();
    for key in KEYS {
        let mut items = vec![document.as_item()];
        for part in key.path.split('.') {
            let part = if part == "*" { "fixer" } else { part };
            let tables = |item: &'_ toml_edit::Item| item.as_array_of_tables().map_or(0, |tables| tables.len());
            items = items
                .into_iter()
                .flat_map(|item| match tables(item) {
                    0 => vec![item.get(part)],
                    many => (0..many).map(|at| item[at].get(part)).collect(),
                })
                .flatten()
                .collect();
        }
        assert!(!items.is_empty(), "{} is not in the example", key.path);
    }
}

#[test]
fn every_key_stands_once_and_under_a_table_that_stands_before_it() {
    for (index, key) in KEYS.iter().enumerate() {
        assert!(KEYS[..index].iter().all(|earlier| earlier.path != key.path), "{} stands twice", key.path);
        let known = key.parent().is_empty() || KEYS[..index].iter().any(|earlier| earlier.path == key.parent());
        assert!(known, "{} has no table", key.path);
        assert!(key.doc.ends_with(['.', '…']), "{} has no sentence", key.path);
    }
}

#[test]
fn a_key_that_is_needed_has_no_default() {
    for key in KEYS {
        assert!(key.need == Need::Optional || key.default.is_none(), "{}", key.path);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_mutation_of_a_packet_makes_the_parser_panic(
        at in 0..FULL.len(),
        cut in 0_usize..40,
        put in "\\PC{0,8}|\"unknown\"|\\[|\\]|\\{|\\}|=|\n|''|-1|nan|\\[\\[kpi\\]\\]",
    ) {
        let end = (at + cut).min(FULL.len());
        let text = format!("{}{put}{}", &FULL[..at], &FULL[end..]);
        if let Err(problems) = parse(&text) {
            prop_assert!(!problems.is_empty());
            let lines = text.lines().count() + 1;
            prop_assert!(problems.iter().all(|one| one.line >= 1 && one.line <= lines && !one.mend.is_empty()));
        }
    }
}
