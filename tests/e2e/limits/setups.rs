//! `setup`: once per base, seen by everybody, and an error that is understood.

use support::{Output, Packet, World, git, ready};

/// Leaves a random number, and says so.
const STAMP: &str =
    "mkdir -p vendor && od -An -N4 -tu4 /dev/urandom | tr -d ' ' > vendor/stamp && echo 10 > .cache-made";

fn packet(setup: &str) -> Packet {
    let mut packet = Packet::lower(&[
        ("low", "cp vendor/stamp seen; echo 3 > value"),
        ("mid", "cp vendor/stamp seen; echo 7 > value"),
    ]);
    packet.sandbox += &format!("\nsetup = {}", serde_json::Value::from(setup));
    packet.gates = packet.gates.replace("grep -qx", "cat vendor/stamp && grep -qx");
    packet.harness = packet.harness.replace("cat value", "echo value: $(cat value); echo stamp: $(cat vendor/stamp)");
    packet.harness = packet.harness.replace("\"stdout\"", "{ regex = \"value: ([0-9]+)\" }");
    packet.harness +=
        "\n\n[[kpi]]\nname = \"stamp\"\nsource = { regex = \"stamp: ([0-9]+)\" }\nbetter = \"lower\"\nweight = 0.0";
    packet
}

/// The stamp, as engine, gate and harness have seen it on the base and in every submission: one and the same.
fn stamp(world: &World, output: &Output) -> String {
    assert_eq!(output.code, 0, "{output:?}");
    let session = output.result()["session"].as_str().unwrap().to_owned();
    let mut seen = Vec::new();
    for name in ["low", "mid"] {
        let entry = output.entry(name);
        assert_eq!(
            entry["files_changed"],
            serde_json::json!(["seen", "value"]),
            "what setup left is no change: {entry}"
        );
        seen.push(git(&world.repo, &["show", &format!("{}:seen", entry["branch"].as_str().unwrap())]));
        let kpi = &entry["kpis"][1];
        seen.push(format!("{}", kpi["baseline"].as_f64().unwrap() as u64));
        seen.push(format!("{}", kpi["best"].as_f64().unwrap() as u64));
        let logs = world.arena(&["logs", &session, name]).stdout;
        let line = logs.lines().skip_while(|line| !line.contains("gate number")).nth(1);
        seen.push(line.unwrap_or_default().to_owned());
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 1, "{seen:?}");
    seen.remove(0)
}

#[test]
fn setup_runs_once_per_base_and_everybody_sees_its_tree() {
    if !ready("setup_runs_once_per_base") {
        return;
    }
    let world = World::new();
    let first = stamp(&world, &world.run(&packet(STAMP)));
    assert_eq!(stamp(&world, &world.run(&packet(STAMP))), first, "the second session runs no setup");
    world.assert_clean();
    world.write("value", "12\n");
    world.commit("another base");
    assert_ne!(stamp(&world, &world.run(&packet(STAMP))), first, "another base has a setup of its own");
    assert_eq!(git(&world.repo, &["status", "--porcelain"]), "");
    world.assert_clean();
}

#[test]
fn a_failing_setup_is_an_error_that_says_what_it_said() {
    if !ready("a_failing_setup") {
        return;
    }
    let world = World::new();
    let output = world.run(&packet("echo no such wheel >&2; exit 7"));
    assert_eq!(output.code, 1, "{output:?}");
    let result = output.result();
    assert_eq!((&result["status"], &result["winner"]), (&"failed".into(), &serde_json::Value::Null));
    let reason = result["reason"].as_str().unwrap();
    for part in ["setup ended with exit 7", "no such wheel", "[sandbox] setup"] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
    // A failure is not cached: mended, it runs.
    stamp(&world, &world.run(&packet(STAMP)));
    world.assert_clean();
}
