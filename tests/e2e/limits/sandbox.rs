//! Memory, time, disk, inodes, processes, output: who goes over a limit loses nothing of anybody else's.

use serde_json::Value;
use std::path::Path;
use std::process::Command;
use support::{CROWD, EAT, FLOOD, Output, Packet, World, git, ready};

/// A competitor beside the greedy one, whose job must end as if it were alone.
const HONEST: (&str, &str) = ("honest", "echo 3 > value");

fn kinds(entry: &Value) -> Vec<String> {
    let flags = entry["flags"].as_array().cloned().unwrap_or_default();
    flags.iter().map(|flag| flag["kind"].as_str().unwrap_or_default().to_owned()).collect()
}

/// With a competitor whose engine has a time limit of its own.
fn with_timeout(mut packet: Packet, name: &str, shell: &str, timeout: &str) -> Packet {
    let shell = Value::from(shell);
    packet.rest += &format!(
        "[[competitor]]\nname = \"{name}\"\nengine = \"{name}\"\n[engine.{name}]\ncommand = [\"sh\", \"-c\", {shell}]\ntimeout = \"{timeout}\"\n"
    );
    packet
}

fn honest_won(world: &World, output: &Output) {
    assert_eq!(output.code, 0, "{output:?}");
    let entry = output.entry("honest");
    assert_eq!((&entry["qualified"], &entry["kpis"][0]["best"]), (&true.into(), &3.0.into()), "{entry}");
    assert_eq!(git(&world.repo, &["status", "--porcelain"]), "");
    world.assert_clean();
}

fn logs(world: &World, output: &Output, name: &str, raw: bool) -> Vec<u8> {
    let session = output.result()["session"].as_str().unwrap().to_owned();
    let args = ["logs", &session, name, "--raw"];
    world.command(&args[..if raw { 4 } else { 3 }]).output().unwrap().stdout
}

#[test]
fn an_engine_out_of_memory_is_flagged_whether_it_fails_or_hides_it() {
    if !ready("an_engine_out_of_memory") {
        return;
    }
    let world = World::new();
    let hidden = format!("{EAT}; echo 5 > value; exit 0");
    let whole = format!("echo 1 > value; exec {EAT}");
    let output = world.run(&Packet::lower(&[HONEST, ("hidden", &hidden), ("whole", &whole)]));
    honest_won(&world, &output);
    assert_eq!(output.result()["winner"], "honest");
    let entry = output.entry("hidden");
    assert_eq!((&entry["qualified"], kinds(&entry)), (&true.into(), vec!["oom".to_owned()]), "{entry}");
    let entry = output.entry("whole");
    assert!(entry["disqualified_for"].to_string().contains("out of memory"), "{entry}");
    assert_eq!(kinds(&entry), ["oom"], "{entry}");
    assert_eq!(kinds(&output.entry("honest")), Vec::<String>::new());
}

#[test]
fn a_gate_out_of_memory_or_time_fails_and_says_which() {
    if !ready("a_gate_out_of_memory") {
        return;
    }
    let world = World::new();
    let eat = "python3 -c \"x = bytearray(1 << 30)\"";
    let engines = [HONEST, ("hungry", "echo 2 > value; touch eat"), ("slow", "echo 1 > value; touch sleep")];
    let mut packet = Packet::lower(&engines);
    let run =
        Value::from(format!("if [ -e eat ]; then exec {eat}; fi; if [ -e sleep ]; then exec sleep 600; fi; true"));
    packet.gates += &format!("\n[[gate]]\nname = \"weigh\"\nkind = \"custom\"\nrun = {run}\ntimeout = \"5s\"");
    let output = world.run(&packet);
    honest_won(&world, &output);
    for (name, why) in [("hungry", "gate weigh failed: out of memory"), ("slow", "gate weigh failed: timed out")] {
        let entry = output.entry(name);
        assert_eq!(entry["disqualified_for"], serde_json::json!([why]), "{entry}");
        let gate = &entry["gates"][1];
        assert_eq!((&gate["passed"], &gate["exit"]), (&false.into(), &Value::Null), "{gate}");
        assert_eq!(entry["kpis"], serde_json::json!([]), "what fails a required gate is not measured");
    }
}

#[test]
fn what_a_timed_out_engine_left_is_judged() {
    if !ready("what_a_timed_out_engine_left") {
        return;
    }
    let world = World::new();
    let packet =
        with_timeout(Packet::lower(&[HONEST]), "late", "echo 2 > value; sync; sleep 600; echo 1 > value", "8s");
    let output = world.run(&packet);
    honest_won(&world, &output);
    let entry = output.entry("late");
    assert_eq!((&entry["qualified"], &entry["kpis"][0]["best"]), (&true.into(), &2.0.into()), "{entry}");
    assert_eq!(output.result()["winner"], "late");
    assert_eq!(git(&world.repo, &["show", &format!("{}:value", entry["branch"].as_str().unwrap())]), "2");
}

#[test]
fn a_full_disk_and_a_disk_without_inodes_are_the_engines_own() {
    if !ready("a_full_disk") {
        return;
    }
    let world = World::new();
    let fill = "dd if=/dev/urandom of=big bs=1M count=200; stat -c %s big >&2; rm big; echo 2 > value";
    let inodes = "python3 -c 'import os\nd = \"n\"; os.mkdir(d); i = 0\ntry:\n    while True: open(d + \"/%d\" % i, \"w\").close(); i += 1\nexcept OSError as e: print(i, e)'; rm -rf n; echo 4 > value";
    let keep = "head -c 200000000 /dev/zero > kept; true";
    let output = world.run(&Packet::lower(&[HONEST, ("fill", fill), ("inodes", inodes), ("keep", keep)]));
    honest_won(&world, &output);
    assert_eq!(output.result()["winner"], "fill", "who cleans up is judged like anybody");
    let said = String::from_utf8_lossy(&logs(&world, &output, "fill", false)).into_owned();
    assert!(said.contains("No space left on device"), "{said}");
    let size: u64 = said.lines().rev().find_map(|line| line.parse().ok()).unwrap();
    assert!(size <= 64 << 20 && size > 32 << 20, "{size}");
    let said = String::from_utf8_lossy(&logs(&world, &output, "inodes", false)).into_owned();
    let line = said.lines().find(|line| line.contains("No space left")).unwrap_or_else(|| panic!("{said}"));
    let made: u64 = line.split(' ').next().unwrap().parse().unwrap();
    assert!((1000..20_000).contains(&made), "{line}");
    let entry = output.entry("keep");
    let why = entry["disqualified_for"].to_string();
    assert!(entry["qualified"] == true || why.contains("does not fit") && why.contains("[sandbox] disk"), "{entry}");
    assert!(disk_of(&world.state) < 400 << 20, "the quota holds on the host: {}", disk_of(&world.state));
}

/// Bytes that a folder really takes.
fn disk_of(folder: &Path) -> u64 {
    let output = Command::new("du").args(["-s", "-B1"]).arg(folder).output().unwrap();
    String::from_utf8_lossy(&output.stdout).split('\t').next().unwrap().parse().unwrap()
}

#[test]
fn a_fork_bomb_is_contained() {
    if !ready("a_fork_bomb") {
        return;
    }
    let world = World::new();
    let bomb = "bomb() { bomb & bomb & wait; }; bomb";
    let quiet = format!("{CROWD}; echo 2 > value");
    let packet = with_timeout(Packet::lower(&[HONEST]), "bomb", bomb, "10s");
    let packet = with_timeout(packet, "quiet", &quiet, "30s");
    let output = world.run(&packet);
    honest_won(&world, &output);
    let ending = |name: &str| (output.entry(name)["qualified"].clone(), output.entry(name)["disqualified_for"].clone());
    let said = serde_json::json!(["the engine failed: an error of its own: exit 2"]);
    assert_eq!(ending("quiet"), (false.into(), said), "its shell is refused one process too many");
    assert_eq!((ending("bomb").0, &output.entry("bomb")["commit"]), (false.into(), &Value::Null), "it changed nothing");
}

#[test]
fn a_flood_of_output_is_cut_and_fills_no_disk() {
    if !ready("a_flood_of_output") {
        return;
    }
    let world = World::new();
    let some = format!("echo 2 > value; {FLOOD}");
    let flood = "echo 1 > value; yes flood | head -c 1000000000; echo 1 > value";
    let output = world.run(&Packet::lower(&[HONEST, ("some", &some), ("flood", flood)]));
    honest_won(&world, &output);
    let kept = logs(&world, &output, "some", true).len();
    assert!((1 << 20..=17 << 20).contains(&kept), "{kept}");
    assert_eq!(output.entry("some")["qualified"], true, "what is over the cap is dropped, and that is all");
    let entry = output.entry("flood");
    let why = entry["disqualified_for"][0].as_str().unwrap_or_default();
    assert!(why.starts_with("the engine failed: killed: ") && why.contains(" MiB"), "the flood is named: {entry}");
    assert_eq!(entry["qualified"], false, "{entry}");
    assert!(logs(&world, &output, "flood", true).len() <= 17 << 20);
    assert!(disk_of(&world.state.join("blobs")) < 64 << 20, "{}", disk_of(&world.state.join("blobs")));
}
