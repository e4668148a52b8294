//! What a packet may say, what is refused, and where its author is told.

use arena_domain::packet::{Better, MAX_COMPETITORS, Paradigm, Select};
use proptest::prelude::*;

use super::keys::{KEYS, Key, Kind, Need};
use super::*;

const SMALL: &str = r#"
session.title = "t"
session.goal = "g"
brief.specification = "Sort the lines of a file"
brief.acceptance = ["tests pass"]
scope.allowed = ["src/**"]
"#;
const ONE: &str = "[[competitor]]\nengine = \"codex\"\n";

fn small(more: &str) -> String {
    format!("{SMALL}scope.forbidden = []\n{more}{ONE}")
}

fn good(text: &str) -> Packet {
    match parse(text) {
        Ok(parsed) => parsed.packet,
        Err(problems) => panic!("{problems:?}\n{text}"),
    }
}

fn problems(text: &str) -> Vec<String> {
    parse(text).expect_err(text).iter().map(ToString::to_string).collect()
}

/// Asserts that there is one problem alone and that it says so.
fn refused(text: &str, says: &str) {
    let problems = problems(text);
    assert!(problems.len() == 1 && problems[0].contains(says), "{problems:#?} should say: {says}");
}

#[test]
fn a_small_packet_has_the_defaults_that_the_table_states() {
    let spelt: String = KEYS
        .iter()
        .filter(|key| !key.path.contains('*'))
        .filter(|key| {
            ["session", "scope", "scoring", "scoring.criteria", "budget", "sandbox", "report"].contains(&key.parent())
        })
        .filter_map(|key: &Key| Some(format!("{} = {}\n", key.path, key.default?)))
        .filter(|line| !line.starts_with("scope.forbidden"))
        .collect();
    assert_eq!(good(&small(&spelt)), good(&small("")));

    let tables = [("gate", "name = \"n\"\nrun = \"r\"\n"), ("kpi", "name = \"n\"\nsource = \"wall_time\"\n")];
    let mut bare = String::from("harness.run = \"r\"\n");
    let mut full = String::from("harness.run = \"r\"\n");
    let of = |parent: &str| KEYS.iter().filter(move |key| key.parent() == parent).collect::<Vec<_>>();
    let lines = |prefix: &str, parent: &str| -> String {
        of(parent).iter().filter_map(|key| Some(format!("{prefix}{} = {}\n", key.leaf(), key.default?))).collect()
    };
    full += &lines("harness.", "harness");
    for (name, needed) in tables {
        bare += &format!("[[{name}]]\n{needed}");
        full += &format!("[[{name}]]\n{needed}{}", lines("", name));
    }
    bare += "[engine.own]\ncommand = [\"x\"]\n";
    full += &format!("[engine.own]\ncommand = [\"x\"]\n{}", lines("", "engine.*"));
    assert_eq!(good(&small(&full)), good(&small(&bare)));
}

#[test]
fn a_vague_packet_is_blocked_with_every_reason_at_once() {
    let all = problems(
        "[session]\ntitle = \" \"\n[brief]\nspecification = \"short\"\nacceptance = []\n[scope]\nallowed = []\n",
    );
    let said = [
        "title: is empty",
        "goal: is missing",
        "too vague",
        "acceptance: is empty",
        "allowed: is empty",
        "no competitor",
    ];
    for says in said {
        assert!(all.iter().any(|problem| problem.contains(says)), "{says} is not in {all:#?}");
    }
    assert_eq!(all.len(), said.len(), "{all:#?}");
    assert!(all.iter().any(|problem| problem.starts_with("line 4: brief.specification: ")), "{all:#?}");
    let empty = problems("");
    for path in ["session.title", "session.goal", "brief.specification", "brief.acceptance", "scope.allowed"] {
        assert!(empty.iter().any(|problem| problem.contains(&format!("{path}: is missing"))), "{path}: {empty:#?}");
    }
}

#[test]
fn one_fault_in_a_good_packet_is_one_problem_with_its_line() {
    let rows = [
        ("session.titel = \"x\"\n".to_owned(), "line 8: session.titel: unknown key; did you mean `session.title`?"),
        ("session.parallel = 0\n".into(), "session.parallel: 0 does not fit; write a whole number from 1"),
        ("budget.rounds = 0\n".into(), "budget.rounds"),
        ("session.mode = \"tem\"\n".into(), "did you mean \"team\"?"),
        ("session.base = \"--upload-pack=x\"\n".into(), "no branch, tag or commit"),
        ("session.repository = \"ext::sh -c x\"\n".into(), "neither a path nor a URL"),
        ("budget.wall = 60\n".into(), "write a duration with its unit"),
        ("sandbox.memory = \"2 gigs\"\n".into(), "write a size with its unit"),
        ("sandbox.cpus = inf\n".into(), "write a number"),
        ("scoring.confidence = 0.5\n".into(), "between 0.5 and 1"),
        ("scoring.confidence = 1\n".into(), "between 0.5 and 1"),
        ("scoring.min_effect = 2\n".into(), "write a share"),
        ("scoring.criteria = { safety = -1 }\n".into(), "scoring.criteria.safety"),
        ("scoring.criteria = { speed = 1 }\n".into(), "scoring.criteria.speed: unknown key"),
        ("brief.targets = [\"/etc/passwd\"]\n".into(), "brief.targets[0]: \"/etc/passwd\" is absolute"),
        ("scope.protected = [\"a\", \"../b\"]\n".into(), "scope.protected[1]: \"../b\" leads upwards"),
        ("scope.protected = [\"\"]\n".into(), "scope.protected[0]: is empty"),
        (format!("scope.protected = [{}]\n", "\"a\",".repeat(600)), "has 601 patterns; the limit is 512"),
        ("gate = 3\n".into(), "write [[gate]]"),
        ("[[gate]]\nname = \"a\"\n".into(), "gate[0].run: is missing"),
        (
            "[[gate]]\nname = \"a\"\nrun = \"x\"\n[[gate]]\nname = \"a\"\nrun = \"y\"\n".into(),
            "gate[1].name: \"a\" is taken",
        ),
        ("[engine.x]\n".into(), "engine.x.command: is missing"),
        ("[engine.x]\ncommand = []\n".into(), "engine.x.command: is empty"),
        ("[engine.x]\ncommand = [\"x\"]\negress = [\"host\"]\n".into(), "write \"host:port\""),
        ("[engine.x]\ncommand = [\"x\"]\nfiles = [\"/x\"]\n".into(), "is absolute"),
        ("[engine.\"a b\"]\ncommand = [\"x\"]\n".into(), "no name for an engine"),
        ("[[competitor]]\nengine = \"codx\"\n".into(), "did you mean \"codex\"?"),
        ("[[competitor]]\nname = \"a b\"\nengine = \"kimi\"\n".into(), "is no name"),
        (
            "[[competitor]]\nname = \"a\"\nengine = \"kimi\"\n[[competitor]]\nname = \"a\"\nengine = \"kimi\"\n".into(),
            "is taken",
        ),
        ("[matrix]\napproach = [\"a\"]\n".into(), "matrix.engine: is missing"),
        ("[matrix]\nengine = [\"codex\"]\nverbosity = [\"loud\"]\n".into(), "is no verbosity"),
        ("[session\n".into(), "is not TOML"),
        ("session.kind = \"a\"\nsession.kind = \"b\"\n".into(), "is not TOML: duplicate key"),
        ("session.kind = \"a\\u0000\"\n".into(), "NUL"),
    ];
    for (more, says) in rows {
        // A competitor of a row stands before the good one.
        refused(&small(&more), says);
    }
}

#[test]
fn what_nobody_has_written_is_warned_of_and_never_runs() {
    let text =
        small("brief.constraints = [\"kept\", \"EDIT: what else\"]\n").replace("Sort the lines", "EDIT the lines");
    let parsed = parse(&text).unwrap();
    let said: Vec<String> = parsed.unwritten.iter().map(|one| format!("{} {}", one.line, one.path)).collect();
    assert_eq!(said, ["4 brief.specification", "8 brief.constraints[1]"]);
    assert!(parsed.unwritten.iter().all(|one| parsed.warnings.contains(one)), "{:?}", parsed.warnings);
    assert!(parsed.unwritten[0].reason.contains("EDIT, and `arena run` refuses it"), "{:?}", parsed.unwritten);
    assert_eq!(parse_anywhere(&text), Err(parsed.unwritten));
    assert!(recall(&text).is_ok());
}

#[test]
fn what_is_not_in_this_version_is_refused_and_can_still_be_recalled() {
    let rows = [
        ("session.paradigm = \"collaborate\"\n", "session.paradigm"),
        ("session.mode = \"quick\"\n", "session.mode"),
        ("[matrix]\nengine = [\"codex\"]\ndeck = [\"a.md\"]\n", "line 10: matrix.deck"),
        ("[[competitor]]\nengine = \"codex\"\ndeck = \"a.md\"\n", "line 10: competitor[0].deck"),
        ("[[competitor]]\nengine = \"codex\"\nsubtask = \"a\"\n", "competitor[0].subtask"),
    ];
    for (more, path) in rows {
        let all = problems(&small(more));
        assert!(all.len() == 1 && all[0].contains(path) && all[0].contains("not in this version yet"), "{all:?}");
        assert!(recall(&small(more)).is_ok(), "{more}");
    }
    for fine in ["paradigm = \"auto\"", "paradigm = \"compete\"", "mode = \"auto\"", "mode = \"solo\""] {
        good(&small(&format!("session.{fine}\n")));
    }
}

#[test]
fn one_fault_in_what_measures_is_one_problem() {
    let kpi = |rest: &str| format!("harness.run = \"r\"\n[[kpi]]\nname = \"n\"\n{rest}\n");
    let rows = [
        ("[harness]\nrun = \"r\"\n".into(), "there is no KPI"),
        ("[[kpi]]\nname = \"n\"\nsource = \"stdout\"\nbetter = \"lower\"\n".into(), "there is no harness"),
        (kpi(""), "kpi[0].source: is missing"),
        (kpi("source = \"walltime\""), "did you mean \"wall_time\"?"),
        (kpi("source = \"stdout\""), "kpi[0].better"),
        (kpi("better = \"lower\"\nsource = { json = \"a\" }"), "begin it with a slash: \"/a\""),
        (kpi("better = \"lower\"\nsource = { regex = \"([0-9]\" }"), "unclosed group"),
        (kpi("better = \"lower\"\nsource = { regex = \"[0-9]+\" }"), "has no group"),
        (kpi("better = \"lower\"\nsource = { regex = \"(a{999}{999}{999})\" }"), "does not compile"),
        (kpi("better = \"lower\"\nsource = { regex = \"(a)\", json = \"/a\" }"), "exactly one"),
        (kpi("source = \"wall_time\"\nweight = -1"), "of at least 0"),
        (kpi("source = \"wall_time\"\nweight = 0"), "every KPI weighs nothing"),
        (kpi("source = \"wall_time\"\ntarget = nan"), "kpi[0].target"),
        (kpi("source = \"wall_time\"\n[[kpi]]\nname = \"n\"\nsource = \"cpu_time\""), "kpi[1].name: \"n\" is taken"),
        ("harness.repeats = 1001\n".to_owned() + &kpi("source = \"wall_time\""), "from 1 to 1000"),
        ("harness.scenarios = [\"1\", \"1\"]\n".to_owned() + &kpi("source = \"wall_time\""), "harness.scenarios[1]"),
        (
            "harness.scenarios = [\"1\"]\nharness.holdout = [\"1\"]\n".to_owned() + &kpi("source = \"wall_time\""),
            "hold out",
        ),
        ("harness.scenarios = [1]\n".to_owned() + &kpi("source = \"wall_time\""), "write it in quotes"),
    ];
    for (more, says) in rows {
        refused(&small(&more), says);
    }
}

#[test]
fn a_value_that_is_unknown_takes_its_default_and_is_listed() {
    let text = small(
        "session.base = \"unknown\"\nbudget.cost_usd = \"unknown\"\nbrief.constraints = [\"a\", \"unknown\"]\nreport = \"unknown\"\n\
         harness.run = \"r\"\n[[kpi]]\nname = \"n\"\nsource = \"wall_time\"\nknown_baseline = \"unknown\"\n",
    )
    .replace("goal = \"g\"", "goal = \"unknown\"");
    let packet = good(&text);
    let mut unknown = packet.unknown;
    unknown.sort();
    let listed =
        ["brief.constraints[1]", "budget.cost_usd", "kpi[0].known_baseline", "report", "session.base", "session.goal"];
    assert_eq!(unknown, listed);
    assert_eq!((packet.base, packet.budget.cost_usd, packet.goal.as_str()), (None, None, "unknown"));
    assert_eq!((packet.brief.constraints, packet.kpis[0].known_baseline), (vec!["a".to_owned()], None));
    refused(&small("").replace("[\"src/**\"]", "\"unknown\""), "scope.allowed: is unknown");
    refused(&small("").replace("[\"tests pass\"]", "[\"unknown\"]"), "no known criterion");
}

#[test]
fn a_scope_without_forbidden_paths_and_an_idle_scenario_list_are_warned_of() {
    let text = format!(
        "{SMALL}harness = {{ run = \"r\", scenarios = [\"1\"] }}\n[[kpi]]\nname = \"n\"\nsource = \"cpu_time\"\n{ONE}"
    );
    let parsed = parse(&text).unwrap();
    let paths: Vec<&str> = parsed.warnings.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(paths, ["scope.forbidden", "harness.run"]);
    assert_eq!(parsed.packet.kpis[0].better, Better::Lower);
}

#[test]
fn made_names_give_way_to_declared_ones_and_to_each_other() {
    let more = "[matrix]\nengine = [\"codex\", \"codex\"]\n[[competitor]]\nname = \"codex-2\"\nengine = \"kimi\"\n";
    let names: Vec<String> = good(&small(more)).competitors.iter().map(|one| one.name.to_string()).collect();
    assert_eq!(names, ["codex-2", "codex", "codex-3", "codex-4"]);
}

#[test]
fn ten_thousand_competitors_are_refused_without_being_expanded() {
    let list = |count: usize| (0..count).map(|at| format!("\"a{at}\"")).collect::<Vec<_>>().join(",");
    let wide = list(1000);
    let matrix =
        format!("[matrix]\nengine=[\"codex\"]\nmodel=[{wide}]\napproach=[{wide}]\nverbosity=[{wide}]\ndeck=[{wide}]\n");
    let all = problems(&small(&matrix));
    let says = format!("1000000000001 competitors in all; the limit is {MAX_COMPETITORS}");
    assert!(all.len() == 2 && all[0].contains(&says) && all[1].contains("matrix.deck"), "{all:?}");
    let many = "[[competitor]]\n".repeat(10_000);
    refused(&small(&many), "10001 of them; the limit is 64");
    let some = format!("[matrix]\nengine=[\"codex\"]\nmodel=[{}]\n", list(MAX_COMPETITORS));
    refused(&small(&some), "65 competitors in all");
}

#[test]
fn a_packet_over_the_limit_is_not_even_parsed() {
    refused(&"[".repeat(MAX_PACKET_BYTES + 1), "the limit is 262144");
    refused(&"x = 1\n".repeat(1 << 18), "the limit is 262144");
    let deep = format!("x = {}", "[".repeat(100_000));
    assert_eq!(problems(&deep).len(), 1);
    assert_eq!(problems(&format!("[{}a]", "a.".repeat(100_000))).len(), 1);
}

#[test]
fn thousands_of_unknown_keys_are_counted_and_not_listed() {
    let many: String = (0..20_000).map(|at| format!("k{at}=1\n")).collect();
    let all = problems(&many);
    assert!(all.len() < 120, "{}", all.len());
    assert!(all.iter().any(|problem| problem.contains("19900 more unknown keys")));
}

#[test]
fn collaborate_and_criteria_are_accepted() {
    let text = small("session.paradigm = \"collaborate\"\nscoring.select = \"criteria\"\n");
    let packet = recall(&text).unwrap().packet;
    assert_eq!((packet.paradigm, packet.scoring.select), (Paradigm::Collaborate, Select::Criteria));
}

/// A packet with nothing but this key, at this value, on the second line.
fn alone(key: &Key, value: &str) -> String {
    let path = key.path.replace('*', "x");
    match path.split_once('.') {
        Some((table @ ("kpi" | "gate" | "competitor"), rest)) => format!("[[{table}]]\n{rest} = {value}\n"),
        Some(_) | None => format!("\n{path} = {value}\n"),
    }
}

#[test]
fn every_key_refuses_a_value_of_another_type() {
    for key in KEYS {
        for value in ["1979-05-27", "[[[1]]]", "-1e308", "''"] {
            assert!(!problems(&alone(key, value)).is_empty(), "{} = {value}", key.path);
        }
    }
}

#[test]
fn every_key_that_is_not_needed_may_say_unknown() {
    // Nobody can take part in a session of unknown competitors, and a command means what it says.
    let single = |key: &&Key| {
        key.path != "competitor"
            && key.need != Need::Known
            && !matches!(key.kind, Kind::Table | Kind::Words)
            && !key.path.contains("source.")
    };
    for key in KEYS.iter().filter(single) {
        let found = parse(&alone(key, "\"unknown\"")).expect_err(key.path);
        let complains = found.iter().any(|one| one.path.rsplit('.').next() == Some(key.leaf()) && one.line == 2);
        assert!(!complains, "{}: {found:#?}", key.path);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,200}|[\\[\\]{}=\"'a-z.,\n0-9 ]{0,200}") {
        let _ = parse(&text);
    }
}

#[test]
fn a_packet_adds_ways_out_to_an_engine_that_comes_with_arena() {
    let packet = good(&small("[engine.codex]\negress = [\"pypi.org:443\"]\n[engine.own]\ncommand = [\"x\"]\n"));
    assert_eq!(packet.egress, [("codex".to_owned(), vec!["pypi.org:443".to_owned()])].into());
    assert_eq!(packet.engines.keys().collect::<Vec<_>>(), ["own"], "codex stays the engine that it is");
    let text = small("[engine.mine]\negress = [\"pypi.org:443\"]\n");
    let known = parse_among(&text, &["mine".to_owned()]).expect("an engine of a file beside the configuration");
    assert_eq!((known.packet.egress.len(), known.warnings), (1, Vec::new()));
    // Who reads it later does not know which engines there were.
    assert_eq!(recall(&text).expect("a packet that was accepted").packet.egress, known.packet.egress);
    refused(&text, "line 8: engine.mine.command: is missing; add `command = …`");
    refused(&small("[engine.codx]\negress = []\n"), "did you mean \"codex\"?");
    refused(&small("[engine.codex]\negress = [\"pypi.org\"]\n"), "engine.codex.egress[0]: \"pypi.org\" is no address");
    refused(&small("[engine.x]\ncommand = []\n"), "engine.x.command: is empty");
}

#[test]
fn nothing_else_of_an_engine_that_comes_with_arena_is_the_packets_to_say() {
    let rows = [
        ("files = [\"a\"]", "engine.codex.files: is for engines with a `command`; codex has its own"),
        ("timeout = \"5m\"", "`engine_time` of [budget]"),
        ("provider = \"openai\"", "engine.codex.provider"),
        ("brief = \"directive\"", "engine.codex.brief"),
    ];
    for (line, says) in rows {
        refused(&small(&format!("[engine.codex]\n{line}\n")), says);
        refused(&small(&format!("[engine.codex]\negress = [\"pypi.org:443\"]\n{line}\n")), says);
    }
    let parsed = parse(&small("[engine.codex]\n")).expect("a packet");
    assert!(parsed.warnings.len() == 1 && parsed.warnings[0].reason == "says nothing", "{:?}", parsed.warnings);
}
