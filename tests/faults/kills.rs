//! `kill -9` of `arena run` at any moment, then `arena resume`.

use crate::common::{Story, assert_clean, assert_not_again, assert_won, competitors_in, packet, slow, stored};
use std::process::Command;
use std::time::Duration;
use support::{Leftovers, World, leftovers, now, ready};

/// Runs, kills as soon as `done` says so of what was said, when at least `least` trees must be stored, and resumes to
/// the end.
fn killed_and_resumed(test: &str, least: usize, done: impl Fn(&str) -> bool) {
    if !ready(test) {
        return;
    }
    let mut story = Story::begun(World::new(), &packet(), &[]);
    story.world.until(test, &mut story.running, done);
    story.kill();
    let kept = story.resumed();
    assert!(kept.len() >= least, "stored: {kept:?}");
}

#[test]
fn killed_while_the_base_is_measured() {
    killed_and_resumed("killed_while_the_base_is_measured", 0, |said| said.contains("\"phase\":\"measure\""));
}

#[test]
fn killed_between_two_rounds() {
    killed_and_resumed("killed_between_two_rounds", 1, |said| said.contains("\"event\":\"round\""));
}

#[test]
fn killed_in_the_second_round() {
    killed_and_resumed("killed_in_the_second_round", 1, |said| competitors_in(said, "engine") >= 3);
}

#[test]
fn killed_when_the_holdout_begins() {
    killed_and_resumed("killed_when_the_holdout_begins", 4, |said| said.contains("\"event\":\"holdout\""));
}

#[test]
fn killed_just_before_the_end() {
    killed_and_resumed("killed_just_before_the_end", 4, |said| {
        said.split_once("\"event\":\"holdout\"").is_some_and(|(_, after)| competitors_in(after, "measure") >= 2)
    });
}

#[test]
fn killed_just_after_the_end() {
    killed_and_resumed("killed_just_after_the_end", 4, |said| said.contains("\"event\":\"ended\""));
}

/// Numbers that look like chance and are the same every time.
fn moments(mut seed: u64) -> impl Iterator<Item = Duration> {
    std::iter::from_fn(move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Some(Duration::from_millis((seed >> 33) % 1500))
    })
}

#[test]
fn killed_six_times_at_moments_of_chance() {
    if !ready("killed_six_times_at_moments_of_chance") {
        return;
    }
    let mut story = Story::begun(World::new(), &slow("1.5"), &[]);
    story.world.await_word("\"event\":\"started\"", &mut story.running);
    let id = story.world.session();
    for moment in moments(20_240_607).take(6) {
        std::thread::sleep(moment);
        story.kill();
        let (kept, since) = (stored(&story.world, &id), now());
        story.running = story.world.start(&["resume", &id, "--json"]);
        // The feed is told from its beginning, so this run has taken the session up; or the session has ended.
        story.world.until("a beginning", &mut story.running, |said| {
            said.contains("\"event\":\"started\"") || said.contains("\"winner\"")
        });
        assert_not_again(&story.witness, &kept, since);
    }
    story.kill();
    story.resumed();
}

/// Engines that never end, killed while they work, with something of theirs to take away.
fn killed_for_good(env: &[(&str, &str)]) -> Story {
    let mut endless = packet();
    endless.engines.iter_mut().for_each(|(_, shell)| *shell = "sleep 50".into());
    let mut story = Story::begun(World::new(), &endless, env);
    story.until_phase("engine", 1);
    story
}

#[test]
fn what_a_killed_session_ran_ends_at_once_and_by_itself() {
    if !ready("what_a_killed_session_ran_ends_at_once") {
        return;
    }
    let mut story = killed_for_good(&[]);
    story.world.until("both engines", &mut story.running, |said| competitors_in(said, "engine") >= 2);
    assert!(story.witness.soon_runs(|running| running >= 1), "an engine runs");
    story.kill();
    assert!(
        story.witness.soon_runs(|running| running == 0),
        "an engine outlived its worker: {:?}",
        story.witness.seen()
    );
    let id = story.world.session();
    assert_eq!(story.world.arena(&["cancel", &id]).code, 0);
    story.world.packet(&packet());
    assert_won(&story.world.arena(&["run", "arena.toml", "--json"]));
    assert_clean(&story.world);
}

#[test]
fn the_next_session_takes_away_what_a_killed_one_left() {
    if !ready("the_next_session_takes_away") {
        return;
    }
    // The dead session's leases must not hold the only slot for ever.
    let env = [("ARENA_LIMITS_FLEET", "1")];
    let mut story = killed_for_good(&env);
    story.kill();
    assert_ne!(leftovers(&story.world.state), Leftovers::default(), "the kill leaves something to reap");
    story.world.packet(&packet());
    let output = story.world.command(&["run", "arena.toml", "--json"]).envs(env).output().expect("a run");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_clean(&story.world);
}

#[test]
fn what_ran_when_its_state_directory_was_deleted_is_taken_away_by_the_next_start() {
    if !ready("what_ran_when_its_state_directory_was_deleted") {
        return;
    }
    let mut story = killed_for_good(&[]);
    // A phase is told before its container is there.
    assert!(story.witness.soon_runs(|running| running >= 1), "an engine runs");
    // What is mounted stays; all else goes, the locks too.
    let deleted = Command::new("rm").arg("-rf").arg(&story.world.state).output().expect("rm");
    assert!(!story.world.state.join("arena.db").exists(), "{deleted:?}");
    story.kill();
    assert_ne!(leftovers(&story.world.state).containers, Vec::<String>::new(), "something is left to reap");
    assert_won(&story.world.run(&packet()));
    assert_clean(&story.world);
}

#[test]
fn a_holder_that_was_made_and_never_started_is_taken_away_by_the_next_start() {
    if !ready("a_holder_that_was_made_and_never_started") {
        return;
    }
    let world = World::new();
    let root = world.state.join("worker");
    let state = &arena_runtime::digest::sha256(root.as_os_str().as_encoded_bytes())[..16];
    let labels = ["arena=holder".to_owned(), format!("arena.state={state}"), "arena.boot=0123456789ab".to_owned()];
    let mut create = Command::new("docker");
    create.arg("create").args(labels.iter().flat_map(|label| ["--label", label])).args(["arena/base", "true"]);
    let made = create.output().expect("docker");
    assert!(made.status.success(), "{made:?}");
    assert_eq!(leftovers(&world.state).containers.len(), 1, "it is this state directory's");
    assert_won(&world.run(&packet()));
    assert_clean(&world);
}
