//! KPIs: every source, direction and unit; scenarios with hostile names; guards; what is missing; what is held out.

use serde_json::{Value, json};
use support::{Output, Packet, World, git, ready};

fn kpi(output: &Output, who: &str, name: &str) -> Value {
    let entry = output.entry(who);
    let kpis = entry["kpis"].as_array().cloned().unwrap_or_default();
    kpis.into_iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("no {name} of {who}: {entry}"))
}

fn kinds(entry: &Value) -> Vec<String> {
    let flags = entry["flags"].as_array().cloned().unwrap_or_default();
    flags.iter().map(|flag| flag["kind"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Ratios are joined by their logarithms, which rounds.
fn close(value: &Value, expected: f64) {
    let number = value.as_f64().unwrap_or(f64::NAN);
    assert!((number - expected).abs() < 1e-9, "{value} is not {expected}");
}

fn measured(run: &str, rest: &str, kpis: &str) -> String {
    format!("[harness]\nrun = {}\ntimeout = \"60s\"\n{rest}\n{kpis}", Value::from(run))
}

/// Each scenario has a file of its own with a number in it.
fn per_scenario(names: &[&str], holdout: &[&str]) -> (World, String) {
    let world = World::new();
    for name in names.iter().chain(holdout) {
        world.write(&format!("v-{name}"), "10\n");
    }
    world.commit("scenarios");
    let rest = format!("repeats = 1\nscenarios = {}\nholdout = {}", json!(names), json!(holdout));
    let harness = measured("cat v-{scenario}", &rest, "[[kpi]]\nname = \"v\"\nsource = \"stdout\"\nbetter = \"lower\"");
    (world, harness)
}

#[test]
fn what_the_worker_clocks_is_in_the_unit_that_the_packet_names() {
    if !ready("what_the_worker_clocks") {
        return;
    }
    let world = World::new();
    let work = "import time; n = int(open(\"value\").read()); x = b\"1\" * (n << 23); t = time.process_time()\n\
                while time.process_time() - t < n / 20: pass\ntime.sleep(n / 10)";
    let kpis = "[[kpi]]\nname = \"wall\"\nsource = \"wall_time\"\nunit = \"ms\"\n\
                [[kpi]]\nname = \"cpu\"\nsource = \"cpu_time\"\nunit = \"s\"\n\
                [[kpi]]\nname = \"memory\"\nsource = \"peak_memory\"\nunit = \"MiB\"\n";
    let mut packet = Packet::lower(&[("less", "echo 2 > value")]);
    packet.harness = measured(&format!("python3 -c '{work}'"), "repeats = 3", kpis);
    let output = world.run(&packet);
    assert_eq!(output.code, 0, "{output:?}");
    // Ten takes at least a second and a half, half a second of it computing, and 80 MiB; two takes a fifth of it.
    for (name, unit, low, high) in
        [("wall", "ms", 1500.0, 60_000.0), ("cpu", "s", 0.5, 10.0), ("memory", "MiB", 80.0, 256.0)]
    {
        let one = kpi(&output, "less", name);
        assert_eq!((&one["unit"], &one["better"]), (&unit.into(), &"lower".into()), "{one}");
        let baseline = one["baseline"].as_f64().unwrap();
        assert!((low..high).contains(&baseline), "{one}");
        assert!(one["ratio"].as_f64().unwrap() < 0.75, "{one}");
        let delta = one["delta"].as_f64().unwrap();
        assert!((delta - (one["best"].as_f64().unwrap() - baseline)).abs() < 1e-6 && delta < 0.0, "{one}");
    }
    world.assert_clean();
}

#[test]
fn what_a_harness_prints_is_read_by_pointer_and_by_pattern_and_may_be_better_when_higher() {
    if !ready("what_a_harness_prints") {
        return;
    }
    let world = World::new();
    let print = r#"n=$(cat value); printf '{"a/b": [{"rate": %s}], "text": "rate: 1 rate: %s"}' $n $n"#;
    let kpis = "[[kpi]]\nname = \"pointer\"\nsource = { json = \"/a~1b/0/rate\" }\nbetter = \"higher\"\nunit = \"ops/s\"\n\
                [[kpi]]\nname = \"pattern\"\nsource = { regex = \"rate: ([0-9.]+)\" }\nbetter = \"higher\"\nweight = 2.0\n\
                [[kpi]]\nname = \"cost\"\nsource = { regex = \"rate: ([0-9.]+)\" }\nbetter = \"lower\"\nweight = 0.0\n";
    let mut packet =
        Packet::lower(&[("more", "echo 40 > value"), ("some", "echo 15 > value"), ("less", "echo 5 > value")]);
    packet.harness = measured(print, "repeats = 1", kpis);
    let output = world.run(&packet);
    assert_eq!(output.code, 0, "{output:?}");
    assert_eq!(output.result()["winner"], "more");
    for name in ["pointer", "pattern"] {
        let one = kpi(&output, "more", name);
        assert_eq!((&one["baseline"], &one["best"]), (&json!(10.0), &json!(40.0)), "{one}");
        close(&one["ratio"], 4.0);
        assert_eq!((&one["verdict"], &one["better"]), (&"better".into(), &"higher".into()), "{one}");
    }
    assert_eq!(kpi(&output, "more", "pointer")["unit"], "ops/s");
    assert_eq!(kpi(&output, "more", "cost")["verdict"], "worse", "the other direction of the same number");
    assert_eq!(kpi(&output, "less", "pattern")["verdict"], "worse");
    let ranks: Vec<Value> = ["more", "some", "less"].map(|name| output.entry(name)["rank"].clone()).to_vec();
    assert_eq!(ranks, [json!(1), json!(2), json!(3)]);
    world.assert_clean();
}

#[test]
fn a_submission_that_prints_no_number_is_not_measured_and_does_not_win() {
    if !ready("a_submission_that_prints_no_number") {
        return;
    }
    let world = World::new();
    let engines = [
        ("words", "echo many > value"),
        ("endless", "echo inf > value"),
        ("nan", "echo nan > value"),
        ("fails", "rm value; echo x > y"),
    ];
    let mut packet = Packet::lower(&engines);
    packet.gates = String::new();
    let output = world.run(&packet);
    assert_eq!(output.code, 3, "{output:?}");
    let rows = [
        ("words", "'many' is no number"),
        ("endless", "no finite number"),
        ("nan", "no finite number"),
        ("fails", "exit 1"),
    ];
    for (name, why) in rows {
        let entry = output.entry(name);
        assert!(entry["disqualified_for"].to_string().contains(why), "{entry}");
        assert!(kinds(&entry).contains(&"scenario_missing".to_owned()), "{entry}");
    }
    world.assert_clean();
}

#[test]
fn a_harness_that_does_not_measure_the_base_fails_the_session_with_what_to_do() {
    if !ready("a_harness_that_does_not_measure") {
        return;
    }
    let world = World::new();
    let mut packet = Packet::lower(&[("low", "echo 3 > value")]);
    packet.harness = packet.harness.replace("cat value", "echo cannot open bench; exit 9");
    let output = world.run(&packet);
    assert_eq!(output.code, 1, "{output:?}");
    let result = output.result();
    assert_eq!(result["status"], "failed");
    let reason = result["reason"].as_str().unwrap();
    for part in ["does not measure the base", "exit 9", "cannot open bench", "run the harness by hand"] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
    assert!(output.events().iter().all(|event| event["phase"] != "engine"), "no engine is paid for: {output:?}");
    world.assert_clean();
}

#[test]
fn a_scenario_is_one_word_whatever_it_is_called() {
    if !ready("a_scenario_is_one_word") {
        return;
    }
    let names = [
        "a b",
        "$(touch pwned)",
        "`touch pwned`",
        "it's",
        "say \"hi\"",
        "-n",
        "*",
        "a;b|c&d>e",
        "back\\slash",
        "{scenario}",
        "grüße 🦀",
    ];
    let world = World::new();
    let hex: Vec<String> = names.iter().map(|name| name.bytes().map(|byte| format!("{byte:02x}")).collect()).collect();
    world.write("tests/names", hex.join("\n"));
    world.commit("names");
    let check = "import sys, os; assert len(sys.argv) == 2 and sys.argv[1].encode().hex() in open(\"tests/names\").read().split(), sys.argv; \
                 assert not os.path.exists(\"pwned\"); print(open(\"value\").read())";
    let kpis = "[[kpi]]\nname = \"v\"\nsource = \"stdout\"\nbetter = \"lower\"";
    let mut packet = Packet::lower(&[("low", "echo 3 > value")]);
    packet.harness = measured(
        &format!("python3 -c '{check}' {{scenario}}"),
        &format!("repeats = 1\nscenarios = {}", json!(names)),
        kpis,
    );
    let output = world.run(&packet);
    assert_eq!(output.code, 0, "{output:?}");
    close(&kpi(&output, "low", "v")["ratio"], 0.3);
    let shown = world.arena(&["report", output.result()["session"].as_str().unwrap()]);
    assert_eq!(shown.code, 0, "{shown:?}");
    world.assert_clean();
}

#[test]
fn a_guard_that_breaks_on_one_scenario_disqualifies_and_names_it() {
    if !ready("a_guard_that_breaks") {
        return;
    }
    let (world, harness) = per_scenario(&["one", "two", "three x"], &[]);
    let all =
        |one: u32, two: u32, three: u32| format!("echo {one} > v-one; echo {two} > v-two; echo {three} > 'v-three x'");
    let (fast, safe, edge) = (all(1, 1, 11), all(9, 9, 10), all(8, 8, 10));
    let mut packet = Packet::lower(&[("fast", &fast), ("safe", &safe), ("edge", &edge)]);
    packet.harness = format!("{harness}\nguard = \"2%\"");
    let output = world.run(&packet);
    assert_eq!(output.code, 0, "{output:?}");
    assert_eq!(output.result()["winner"], "edge", "{output:?}");
    let entry = output.entry("fast");
    assert_eq!(entry["disqualified_for"], json!(["guard of v: scenario 'three x' is at 1.100 of the base"]), "{entry}");
    world.assert_clean();
}

#[test]
fn a_scenario_that_is_not_measured_is_flagged_and_disqualifies() {
    if !ready("a_scenario_that_is_not_measured") {
        return;
    }
    let (world, harness) = per_scenario(&["one", "two"], &["hidden"]);
    let engines = [
        ("whole", "for f in v-*; do echo 8 > $f; done"),
        ("skips", "for f in v-*; do echo 1 > $f; done; rm v-two"),
        ("hides", "for f in v-*; do echo 1 > $f; done; rm v-hidden"),
    ];
    let mut packet = Packet::lower(&engines);
    packet.harness = harness;
    let output = world.run(&packet);
    assert_eq!(output.code, 0, "{output:?}");
    assert_eq!(output.result()["winner"], "whole", "{output:?}");
    for name in ["skips", "hides"] {
        let entry = output.entry(name);
        assert_eq!(entry["qualified"], false, "{entry}");
        assert!(entry["disqualified_for"].to_string().contains("scenario_missing"), "{entry}");
    }
    assert!(kinds(&output.entry("skips")).contains(&"scenario_missing".to_owned()));
    close(&output.entry("whole")["kpis"][0]["holdout_ratio"], 0.8);
    world.assert_clean();
}

#[test]
fn a_gain_that_the_holdout_does_not_have_is_flagged() {
    if !ready("a_gain_that_the_holdout") {
        return;
    }
    let (world, harness) = per_scenario(&["a", "b", "c"], &["unseen-x", "unseen-y"]);
    let engines = [
        ("learnt", "for s in a b c; do echo 2 > v-$s; done"),
        ("single", "echo 2 > v-a; cp $ARENA_BRIEF brief"),
        ("honest", "for f in v-*; do echo 7 > $f; done"),
    ];
    let mut packet = Packet::lower(&engines);
    packet.harness = harness;
    let output = world.run(&packet);
    assert_eq!(output.code, 0, "{output:?}");
    let learnt = output.entry("learnt");
    assert_eq!(kinds(&learnt), ["holdout_gap"], "{learnt}");
    close(&learnt["kpis"][0]["ratio"], 0.2);
    close(&learnt["kpis"][0]["holdout_ratio"], 1.0);
    let single = output.entry("single");
    assert_eq!(kinds(&single), ["holdout_gap", "single_scenario_gain"], "{single}");
    assert_eq!(kinds(&output.entry("honest")), Vec::<String>::new());
    let brief = git(&world.repo, &["show", &format!("{}:brief", single["branch"].as_str().unwrap())]);
    assert!(!brief.contains("unseen"), "a holdout scenario is never shown: {brief}");
    world.assert_clean();
}

#[test]
fn a_holdout_that_the_base_itself_fails_is_said_before_anybody_is_measured() {
    if !ready("a_holdout_that_the_base_fails") {
        return;
    }
    let world = World::new();
    let mut packet = Packet::lower(&[("low", "echo 3 > value")]);
    packet.harness = packet
        .harness
        .replace("run = \"cat value\"", "run = \"test {scenario} = shown && cat value\"")
        .replace("repeats = 1", "repeats = 1\nscenarios = [\"shown\"]\nholdout = [\"unseen\"]");
    let output = world.run(&packet);
    assert_eq!(output.code, 1, "{output:?}");
    let reason = output.result()["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("holdout scenario 'unseen'") && reason.contains("base"), "{reason}");
    world.assert_clean();
}
