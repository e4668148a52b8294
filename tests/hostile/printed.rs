//! Engines that print the number they are measured by, or leave it where the harness looks for it.

use crate::naive::Naive;
use serde_json::{Value, json};
use support::{Packet, World, ready};

/// The harness reads its token before it loads what it measures, and says it when it has come to its end.
const BENCH: &str = "\
import json, sys
word = sys.stdin.readline().strip()
import lib
json.dump({'cost': lib.cost()}, open('report.json', 'w'))
print(open('report.json').read())
print('arena-token:', word)
";

const HONEST: &str = "printf 'def cost():\\n    return 5.0\\n' > lib.py";
/// Prints its number and ends the process; no word in it is suspicious.
const PRINTED: &str = "printf 'import os\\nprint(\"{\\\\\"cost\\\\\": 0.1}\", flush=True)\\ngetattr(os, \"_ex\" + \"it\")(0)\\n' > lib.py";
/// The same, and a guess at the token.
const GUESSED: &str = "printf 'import os\\nprint(\"{\\\\\"cost\\\\\": 0.1}\\\\narena-token: 0123456789abcdef\", flush=True)\\n\
                       getattr(os, \"_ex\" + \"it\")(0)\\n' > lib.py";
/// A report from before, which is still there when the harness has written none.
const SEEDED: &str =
    "echo '{\"cost\": 0.1}' > report.json; printf 'import os\\ngetattr(os, \"_ex\" + \"it\")(0)\\n' > lib.py";

fn world() -> World {
    let world = World::bare();
    world.write("lib.py", "def cost():\n    return 10.0\n");
    world.write("bench.py", BENCH);
    world.commit("base");
    world
}

fn packet(engines: &[(&str, &str)], run: &str, token: bool) -> Packet {
    let mut packet = Packet::lower(engines);
    packet.scope = "allowed = [\"lib.py\"]\nprotected = [\"bench.py\"]".into();
    packet.gates = String::new();
    let run = Value::from(run);
    packet.harness = format!(
        "[harness]\nrun = {run}\nrepeats = 1\ntimeout = \"60s\"\ntoken = {token}\n\n[[kpi]]\nname = \"cost\"\nsource = \
         {{ json = \"/cost\" }}\nbetter = \"lower\""
    );
    packet
}

/// What a judge believes who reads the output, or the report.
fn control(attack: &str, run: &str) -> f64 {
    let naive = Naive::of(&world());
    assert_eq!(naive.inside(attack).code, 0);
    let said = naive.inside(&format!("{run} | grep -v arena-token"));
    let document: Value = serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:?}"));
    document["cost"].as_f64().unwrap()
}

#[test]
fn a_number_that_the_submission_prints_itself_does_not_count() {
    if !ready("a_number_that_the_submission_prints") {
        return;
    }
    assert_eq!(control("true", "python3 bench.py"), 10.0);
    for attack in [PRINTED, GUESSED] {
        assert_eq!(control(attack, "python3 bench.py"), 0.1, "the control believes it: {attack}");
    }
    let world = world();
    let engines = [("honest", HONEST), ("printed", PRINTED), ("guessed", GUESSED)];
    let output = world.run(&packet(&engines, "python3 bench.py", true));
    assert_eq!((output.code, &output.result()["winner"]), (0, &json!("honest")), "{output:?}");
    assert_eq!(output.entry("honest")["kpis"][0]["best"], 5.0);
    for name in ["printed", "guessed"] {
        let entry = output.entry(name);
        assert_eq!((&entry["qualified"], &entry["kpis"]), (&json!(false), &json!([])), "{entry}");
        let why = entry["disqualified_for"].to_string();
        assert!(why.contains("output_spoofed") && why.contains("its token is missing"), "{why}");
    }
    world.assert_clean();
}

#[test]
fn a_report_that_was_there_before_is_not_read() {
    if !ready("a_report_that_was_there_before") {
        return;
    }
    let run = "python3 bench.py > said; cat report.json";
    assert_eq!(control(SEEDED, run), 0.1, "the control reads the old one");
    let world = world();
    let output = world.run(&packet(&[("honest", HONEST), ("seeded", SEEDED)], run, false));
    assert_eq!((output.code, &output.result()["winner"]), (0, &json!("honest")), "{output:?}");
    let seeded = output.entry("seeded");
    assert_eq!(seeded["scope"]["reverted"], json!(["report.json"]), "{seeded}");
    assert!(seeded["disqualified_for"].to_string().contains("report.json: No such file"), "{seeded}");
    world.assert_clean();
}

#[test]
fn a_harness_that_does_not_say_its_token_measures_nothing_and_check_advises_one() {
    if !ready("a_harness_that_does_not_say_its_token") {
        return;
    }
    let world = world();
    let silent = "python3 bench.py | grep -v arena-token";
    let output = world.run(&packet(&[("honest", HONEST)], silent, true));
    assert_eq!(output.code, 1, "{output:?}");
    let reason = output.result()["reason"].to_string();
    assert!(reason.contains("does not measure the base") && reason.contains("arena-token: "), "{reason}");
    let advised = world.arena(&["check", "arena.toml", "--json"]).document()["advice"].clone();
    assert_eq!(advised, Value::Null);
    world.packet(&packet(&[("honest", HONEST)], silent, false));
    let checked = world.arena(&["check", "arena.toml", "--json"]);
    assert!(
        checked.code == 0 && checked.document()["advice"].to_string().contains("harness.token = true"),
        "{checked:?}"
    );
    world.assert_clean();
}
