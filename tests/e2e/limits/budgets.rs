//! Rounds, wall time, stale rounds, targets: what ends a session, and with what.

use support::{Packet, World, git, ready};

#[test]
fn the_wall_budget_ends_a_session_with_what_is_measured() {
    if !ready("the_wall_budget") {
        return;
    }
    let world = World::new();
    // The quick one has long ended when the time is over; the other would sleep for an hour.
    let mut packet = Packet::lower(&[("quick", "echo 3 > value"), ("sleeper", "echo 1 > value; sleep 3600")]);
    packet.budget += "\nwall = \"30s\"";
    let output = world.run(&packet);
    assert_eq!(output.code, 0, "{output:?}");
    let result = output.result();
    assert_eq!(result["winner"], "quick", "{result}");
    assert!(result["duration_s"].as_f64().unwrap() < 55.0, "{result}");
    let entry = output.entry("sleeper");
    assert_eq!(entry["qualified"], false, "{entry}");
    assert!(entry["disqualified_for"].to_string().contains("wall time"), "{entry}");
    assert_eq!(git(&world.repo, &["status", "--porcelain"]), "");
    world.assert_clean();
}

#[test]
fn rounds_without_a_gain_end_a_competitor() {
    if !ready("rounds_without_a_gain") {
        return;
    }
    let world = World::new();
    let shell = "if [ $ARENA_ROUND = 1 ]; then echo 5 > value; else echo $ARENA_ROUND > note; fi";
    let mut packet = Packet::lower(&[("stuck", shell), ("going", "expr 10 - $ARENA_ROUND > value")]);
    packet.budget = "rounds = 5\nstale_rounds = 2".into();
    let output = world.run(&packet);
    assert_eq!(output.code, 0, "{output:?}");
    let (stuck, going) = (output.entry("stuck"), output.entry("going"));
    assert_eq!((&stuck["rounds"], &going["rounds"]), (&3.into(), &5.into()), "{stuck}");
    assert_eq!((&stuck["kpis"][0]["best"], &going["kpis"][0]["best"]), (&5.0.into(), &5.0.into()));
    let branch = stuck["branch"].as_str().unwrap();
    assert_eq!(
        git(&world.repo, &["ls-tree", "--name-only", branch]),
        "private\ntests\nvalue",
        "the best round, not the last"
    );
    world.assert_clean();
}

#[test]
fn a_target_that_is_reached_ends_the_rounds() {
    if !ready("a_target_that_is_reached") {
        return;
    }
    let world = World::new();
    let mut packet = Packet::lower(&[("halve", "expr $(cat value) / 2 > value")]);
    packet.budget = "rounds = 6\nstale_rounds = 6".into();
    packet.harness += "\ntarget = 2.5";
    let output = world.run(&packet);
    assert_eq!(output.code, 0, "{output:?}");
    let entry = output.entry("halve");
    assert_eq!((&entry["rounds"], &entry["kpis"][0]["best"]), (&2.into(), &2.0.into()), "10, 5, 2: {entry}");
    world.assert_clean();
}
