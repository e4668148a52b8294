//! Controls of the attacks on resources: without limits, each of them succeeds. `e2e/limits` shows the limits at work.

use crate::naive::docker;
use serde_json::json;
use support::{CROWD, EAT, FLOOD, Packet, World, ready};

#[test]
fn every_control_is_crowded_flooded_or_deceived() {
    if !ready("every_control_is_crowded") {
        return;
    }
    let count = "ls -d /proc/[0-9]* | wc -l";
    let crowd = docker(&["run", "--rm", "arena/base", "sh", "-c", &format!("{CROWD}; {count}")]);
    assert!(crowd.stdout.trim().parse::<u32>().unwrap() > 500, "{crowd:?}");
    let hidden = format!("{EAT}; echo eaten; exit 0");
    let oom = docker(&["run", "--rm", "--memory", "256m", "--memory-swap", "256m", "arena/base", "sh", "-c", &hidden]);
    assert_eq!((oom.code, oom.stdout.as_str()), (0, "eaten\n"), "nobody tells that a child was killed");
    let flood = docker(&["run", "--rm", "arena/base", "sh", "-c", FLOOD]);
    assert_eq!(flood.stdout.len(), 30_000_000, "all of it is taken in");
}

/// More than is waited for of any stream.
const TORRENT: &str = "echo early; head -c 300000000 /dev/zero | tr '\\0' x";

#[test]
fn whoever_prints_without_end_is_killed_and_told_so() {
    if !ready("whoever_prints_without_end") {
        return;
    }
    let printed = docker(&["run", "--rm", "arena/base", "sh", "-c", &format!("({TORRENT}) | wc -c")]);
    assert_eq!(printed.stdout.trim(), "300000006", "nothing stops the control");
    let world = World::new();
    let engines = [("honest", "echo 1 > value"), ("engine", TORRENT), ("gate", "echo 1 > value; touch flood")];
    let mut packet = Packet::lower(&engines);
    let run = serde_json::Value::from(format!("! test -e flood || {{ {TORRENT}; }}"));
    packet.gates += &format!("\n\n[[gate]]\nname = \"flood\"\nkind = \"lint\"\nrun = {run}\ntimeout = \"120s\"");
    let output = world.run(&packet);
    assert_eq!((output.code, &output.result()["winner"]), (0, &json!("honest")), "{output:?}");
    let engine = output.entry("engine");
    assert!(engine.to_string().contains("it printed more than 64 MiB"), "{engine}");
    let gate = &output.entry("gate")["gates"][1];
    assert_eq!((&gate["name"], &gate["passed"]), (&json!("flood"), &json!(false)), "{gate}");
    let session = output.result()["session"].as_str().unwrap().to_owned();
    let logs = world.arena(&["logs", &session, "gate"]).stdout;
    assert!(logs.contains("early") && logs.contains("killed: it printed more than 16 MiB"), "{logs:.200}");
    world.assert_clean();
}
