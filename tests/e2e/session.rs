//! Sessions from packet to standing.

use support::{Packet, World, git, ready, run};

#[test]
fn the_better_of_two_wins_and_its_commit_is_in_the_repository() {
    if !ready("the_better_of_two_wins") {
        return;
    }
    let world = World::new();
    let output = world.run(&Packet::lower(&[("low", "echo 3 > value; echo lowered"), ("mid", "echo 7 > value")]));
    assert_eq!(output.code, 0, "{output:?}");
    let result = output.result();
    assert_eq!(result["status"], "winner");
    assert_eq!(result["winner"], "low");
    let low = output.entry("low");
    assert_eq!(low["rank"], 1);
    assert_eq!(low["kpis"][0]["ratio"], 0.3);
    assert_eq!(low["kpis"][0]["verdict"], "better");
    assert_eq!(low["files_changed"], serde_json::json!(["value"]));
    let branch = low["branch"].as_str().unwrap();
    assert_eq!(git(&world.repo, &["rev-parse", branch]), low["commit"].as_str().unwrap());
    assert_eq!(git(&world.repo, &["show", &format!("{branch}:value")]), "3");
    assert_eq!(git(&world.repo, &["rev-parse", &format!("{branch}^")]), result["base"].as_str().unwrap());
    assert_eq!(git(&world.repo, &["status", "--porcelain"]), "", "the checkout is as it was");
    world.assert_clean();
}

#[test]
fn what_is_out_of_scope_is_put_back_and_said() {
    if !ready("what_is_out_of_scope") {
        return;
    }
    let world = World::new();
    let shell = "echo 4 > value; echo x > private/key; echo exit 0 > tests/check.sh; echo y > Makefile";
    let output = world.run(&Packet::lower(&[("stray", shell)]));
    let stray = output.entry("stray");
    assert_eq!(stray["files_changed"], serde_json::json!(["value"]));
    assert_eq!(stray["scope"]["kept"], false);
    assert_eq!(stray["scope"]["reverted"], serde_json::json!(["Makefile", "private/key", "tests/check.sh"]));
    let kinds: Vec<&str> =
        stray["flags"].as_array().unwrap().iter().map(|flag| flag["kind"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"scope_violation") && kinds.contains(&"protected_changed"), "{kinds:?}");
    world.assert_clean();
}

#[test]
fn a_failing_gate_an_empty_change_and_a_failing_engine_do_not_win() {
    if !ready("a_failing_gate") {
        return;
    }
    let world = World::new();
    let engines = [("wrong", "echo -5 > value"), ("idle", "true"), ("broken", "echo 1 > value; exit 3")];
    let output = world.run(&Packet::lower(&engines));
    assert_eq!(output.code, 3, "{output:?}");
    assert_eq!(output.result()["status"], "no_winner");
    let why = |name: &str| output.entry(name)["disqualified_for"][0].as_str().unwrap().to_owned();
    assert!(why("wrong").contains("gate number failed"), "{}", why("wrong"));
    assert!(why("idle").contains("nothing was changed"), "{}", why("idle"));
    assert!(why("broken").contains("exit 3"), "{}", why("broken"));
    world.assert_clean();
}

#[test]
fn rounds_build_on_the_best_and_the_brief_tells_what_was_measured() {
    if !ready("rounds_build_on_the_best") {
        return;
    }
    let world = World::new();
    // Each round halves what the round before has left, and keeps the brief it was given.
    let shell = "cp $ARENA_BRIEF brief-$ARENA_ROUND.md; expr $(cat value) / 2 > value";
    let mut packet = Packet::lower(&[("halve", shell)]);
    packet.budget = "rounds = 3\nstale_rounds = 2".into();
    packet.harness =
        packet.harness.replace("repeats = 1", "repeats = 1\nscenarios = [\"shown\"]\nholdout = [\"unseen-9\"]");
    let output = world.run(&packet);
    let halve = output.entry("halve");
    assert_eq!(halve["rounds"], 3);
    assert_eq!(halve["kpis"][0]["best"], 1.0, "10, 5, 2, 1");
    let holdout = halve["kpis"][0]["holdout_ratio"].as_f64().unwrap();
    assert!((holdout - 0.1).abs() < 1e-9, "{holdout}");
    let branch = halve["branch"].as_str().unwrap();
    let first = git(&world.repo, &["show", &format!("{branch}:brief-1.md")]);
    assert!(first.contains("On the base: value 10.0000 points.") && !first.contains("unseen-9"), "{first}");
    let second = git(&world.repo, &["show", &format!("{branch}:brief-2.md")]);
    assert!(second.contains("Round 1: kept") && second.contains("5.0000 points now"), "{second}");
    assert!(!second.contains("unseen-9"), "a holdout scenario is never shown");
    world.assert_clean();
}

#[test]
fn a_change_that_reaches_for_what_judges_it_is_disqualified() {
    if !ready("a_change_that_reaches") {
        return;
    }
    let world = World::new();
    let sly = "echo 1 > value; echo 'import os; os._exit(0)' > end.py";
    let output = world.run(&Packet::lower(&[("honest", "echo 5 > value"), ("sly", sly)]));
    assert_eq!(output.result()["winner"], "honest");
    let sly = output.entry("sly");
    assert_eq!(sly["qualified"], false);
    assert!(sly["disqualified_for"][0].as_str().unwrap().starts_with("output_spoofed end.py"), "{sly}");
    let id = output.result()["session"].as_str().unwrap().to_owned();
    let refused = world.arena(&["adopt", &id, "sly"]);
    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(refused.stderr.contains("disqualified") && refused.stderr.contains("--allow-failing"), "{refused:?}");
    world.assert_clean();
}

#[test]
fn a_build_that_hides_a_folder_of_tests_behind_a_link_hides_nothing() {
    if !ready("a_build_that_hides") {
        return;
    }
    let world = World::new();
    world.write("checks/number_test.sh", "grep -qx '[0-9]*' value\n");
    world.write("build.sh", "true\n");
    world.commit("a folder with a test in it");
    let attack = "echo wrong > value; printf 'mkdir -p made; echo true > made/number_test.sh; rm -rf checks; ln -s made checks\\n' > build.sh";
    let mut packet = Packet::lower(&[("sly", attack), ("honest", "echo 5 > value")]);
    packet.scope = "allowed = [\"**\"]\nforbidden = []\nprotected = [\"c*/number_test.sh\"]".into();
    packet.harness = String::new();
    packet.gates =
        "[[gate]]\nname = \"build\"\nkind = \"build\"\nrun = \"sh build.sh\"\n\n[[gate]]\nname = \"tests\"\nkind = \
                    \"test\"\nrun = \"sh checks/number_test.sh\""
            .into();
    let output = world.run(&packet);
    assert_eq!(output.result()["winner"], "honest", "{output:?}");
    let sly = output.entry("sly");
    assert!(sly["disqualified_for"][0].as_str().unwrap().contains("gate tests failed"), "{sly}");
    world.assert_clean();
}

#[test]
fn a_run_whose_blobs_lie_elsewhere_says_there_that_they_are_its_own() {
    if !ready("a_run_whose_blobs_lie_elsewhere") {
        return;
    }
    let world = World::new();
    let place = world.repo.parent().expect("a folder").join("blobs");
    world.packet(&Packet::lower(&[("low", "echo 3 > value")]));
    let mut command = world.command(&["run", "arena.toml", "--json"]);
    let output = run(command.env("ARENA_BLOBS_URL", format!("file://{}", place.display())));
    assert_eq!(output.code, 0, "{output:?}");
    // Whoever else keeps blobs there takes none away while another owner is written down.
    assert_eq!(std::fs::read_dir(place.join("owners")).expect("owners").count(), 1);
    assert!(!world.state.join("blobs").exists());
    world.assert_clean();
}
