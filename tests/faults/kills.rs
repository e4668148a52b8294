//! `kill -9` of `arena run` at any moment, then `arena resume`.

use crate::common::{assert_clean, assert_not_again, assert_won, packet, start_with, stored};
use std::time::Duration;
use support::{Running, Witness, World, now, ready};

/// Kills without a warning, and waits until the process is gone.
fn kill(running: &mut Running) {
    running.child.kill().expect("a kill");
    running.child.wait().expect("its end");
}

/// Runs, kills as soon as `done` says so of what was said, when at least `least` trees must be stored, and resumes to
/// the end.
fn killed_and_resumed(test: &str, least: usize, done: impl Fn(&str) -> bool) {
    if !ready(test) {
        return;
    }
    let world = World::new();
    world.packet(&packet());
    let witness = Witness::watch(&world.state);
    let mut running = world.start(&["run", "arena.toml", "--json"]);
    world.until(test, &mut running, done);
    kill(&mut running);
    let id = world.session();
    let (kept, since) = (stored(&world, &id), now());
    assert!(kept.len() >= least, "stored: {kept:?}");
    let output = world.arena(&["resume", &id, "--json"]);
    assert_won(&output);
    assert_not_again(&witness, &kept, since);
    assert_clean(&world);
}

fn count(said: &str, word: &str) -> usize {
    said.matches(word).count()
}

#[test]
fn killed_while_it_prepares() {
    killed_and_resumed("killed_while_it_prepares", 0, |said| said.contains("\"phase\":\"prepare\""));
}

#[test]
fn killed_while_engines_work() {
    killed_and_resumed("killed_while_engines_work", 0, |said| said.contains("\"phase\":\"engine\""));
}

#[test]
fn killed_while_a_tree_is_collected() {
    killed_and_resumed("killed_while_a_tree_is_collected", 0, |said| said.contains("\"phase\":\"collect\""));
}

#[test]
fn killed_while_a_gate_runs() {
    killed_and_resumed("killed_while_a_gate_runs", 0, |said| said.contains("\"phase\":\"gate\""));
}

#[test]
fn killed_while_it_measures() {
    killed_and_resumed("killed_while_it_measures", 0, |said| said.contains("\"phase\":\"measure\""));
}

#[test]
fn killed_between_two_rounds() {
    killed_and_resumed("killed_between_two_rounds", 1, |said| said.contains("\"event\":\"round\""));
}

#[test]
fn killed_in_the_second_round() {
    killed_and_resumed("killed_in_the_second_round", 1, |said| count(said, "\"phase\":\"engine\"") >= 3);
}

#[test]
fn killed_when_the_holdout_begins() {
    killed_and_resumed("killed_when_the_holdout_begins", 4, |said| said.contains("\"event\":\"holdout\""));
}

#[test]
fn killed_just_before_the_end() {
    killed_and_resumed("killed_just_before_the_end", 4, |said| {
        said.split_once("\"event\":\"holdout\"").is_some_and(|(_, after)| count(after, "\"phase\":\"measure\"") >= 2)
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
    let world = World::new();
    let mut slow = packet();
    slow.engines.iter_mut().for_each(|(_, shell)| *shell = shell.replace("sleep 0.4", "sleep 1.5"));
    world.packet(&slow);
    let witness = Witness::watch(&world.state);
    let mut running = world.start(&["run", "arena.toml", "--json"]);
    world.await_word("\"event\":\"started\"", &mut running);
    let id = world.session();
    for moment in moments(20_240_607).take(6) {
        std::thread::sleep(moment);
        kill(&mut running);
        let (kept, since) = (stored(&world, &id), now());
        running = world.start(&["resume", &id, "--json"]);
        // The feed is told from its beginning, so this run has taken the session up; or the session has ended.
        world.until("a beginning", &mut running, |said| {
            said.contains("\"event\":\"started\"") || said.contains("\"winner\"")
        });
        assert_not_again(&witness, &kept, since);
    }
    let (kept, since) = (stored(&world, &id), now());
    drop(running);
    assert_won(&world.arena(&["resume", &id, "--json"]));
    assert_not_again(&witness, &kept, since);
    assert_clean(&world);
}

#[test]
fn the_next_session_takes_away_what_a_killed_one_left() {
    if !ready("the_next_session_takes_away") {
        return;
    }
    let world = World::new();
    let mut endless = packet();
    endless.engines.iter_mut().for_each(|(_, shell)| *shell = "sleep 50".into());
    world.packet(&endless);
    // The dead session's leases must not hold the only slot for ever.
    let mut running = start_with(&world, &["run", "arena.toml", "--json"], &[("ARENA_LIMITS_FLEET", "1")]);
    world.await_word("\"phase\":\"engine\"", &mut running);
    kill(&mut running);
    assert_ne!(support::leftovers(&world.state), support::Leftovers::default(), "the kill leaves something to reap");
    world.packet(&packet());
    let output =
        world.command(&["run", "arena.toml", "--json"]).env("ARENA_LIMITS_FLEET", "1").output().expect("a run");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_clean(&world);
}
