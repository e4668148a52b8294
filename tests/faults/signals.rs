//! Ctrl-C once stops cleanly, twice at once; a polite kill is like Ctrl-C once.

use crate::common::{assert_clean, assert_not_again, assert_won, packet, stored};
use rustix::process::{Pid, Signal, kill_process};
use support::{Running, Witness, World, leftovers, now, ready};

fn send(running: &Running, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(running.child.id()).expect("a pid")).expect("a pid");
    kill_process(pid, signal).expect("a signal");
}

fn code(running: &mut Running) -> Option<i32> {
    running.child.wait().expect("its end").code()
}

/// One signal when `word` has been said `times` times; then resumed to the end.
fn stopped(test: &str, signal: Signal, word: &str, times: usize) {
    if !ready(test) {
        return;
    }
    let world = World::new();
    world.packet(&packet());
    let witness = Witness::watch(&world.state);
    let mut running = world.start(&["run", "arena.toml", "--json"]);
    world.until(word, &mut running, |said| said.matches(word).count() >= times);
    send(&running, signal);
    assert_eq!(code(&mut running), Some(130), "{}", world.said());
    let id = world.session();
    assert!(world.said().contains(&format!("arena resume {id}")), "{}", world.said());
    assert_clean(&world);
    let (kept, since) = (stored(&world, &id), now());
    assert_won(&world.arena(&["resume", &id, "--json"]));
    assert_not_again(&witness, &kept, since);
    assert_clean(&world);
}

#[test]
fn an_interrupt_while_engines_work_keeps_what_is_paid_for() {
    stopped("an_interrupt_while_engines_work", Signal::INT, "\"phase\":\"engine\"", 2);
}

#[test]
fn an_interrupt_while_a_tree_is_collected_keeps_it() {
    stopped("an_interrupt_while_a_tree_is_collected", Signal::INT, "\"phase\":\"collect\"", 1);
}

#[test]
fn an_interrupt_while_it_measures_keeps_the_trees() {
    stopped("an_interrupt_while_it_measures", Signal::INT, "\"phase\":\"measure\"", 2);
}

#[test]
fn a_polite_kill_is_an_interrupt() {
    stopped("a_polite_kill", Signal::TERM, "\"event\":\"round\"", 1);
}

#[test]
fn a_closed_terminal_is_an_interrupt() {
    stopped("a_closed_terminal", Signal::HUP, "\"phase\":\"engine\"", 1);
}

#[test]
fn a_second_interrupt_ends_it_at_once_and_leaves_no_container() {
    if !ready("a_second_interrupt") {
        return;
    }
    let world = World::new();
    world.packet(&packet());
    let witness = Witness::watch(&world.state);
    let mut running = world.start(&["run", "arena.toml", "--json"]);
    world.until("engines", &mut running, |said| said.matches("\"phase\":\"engine\"").count() >= 2);
    send(&running, Signal::INT);
    world.await_word("once more stops at once", &mut running);
    send(&running, Signal::INT);
    assert_eq!(code(&mut running), Some(130), "{}", world.said());
    assert_eq!(leftovers(&world.state).containers, Vec::<String>::new(), "{}", world.said());
    let id = world.session();
    assert!(world.said().contains(&format!("arena resume {id}")), "{}", world.said());
    let (kept, since) = (stored(&world, &id), now());
    assert_won(&world.arena(&["resume", &id, "--json"]));
    assert_not_again(&witness, &kept, since);
    assert_clean(&world);
}
