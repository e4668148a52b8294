//! Ctrl-C once stops cleanly, twice at once; a polite kill is like Ctrl-C once.

use crate::common::{Story, assert_clean, packet};
use rustix::process::{Pid, Signal, kill_process};
use support::{Running, World, leftovers, ready};

fn send(running: &Running, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(running.child.id()).expect("a pid")).expect("a pid");
    kill_process(pid, signal).expect("a signal");
}

/// Signals when competitors have come to a phase so many times; then resumed to the end.
fn stopped(test: &str, signal: Signal, phase: &str, times: usize) {
    if !ready(test) {
        return;
    }
    let mut story = Story::begun(World::new(), &packet(), &[]);
    story.until_phase(phase, times);
    send(&story.running, signal);
    assert_interrupted(&mut story);
    assert_clean(&story.world);
    story.resumed();
}

fn assert_interrupted(story: &mut Story) {
    let code = story.ends();
    let said = story.world.said();
    assert_eq!(code, Some(130), "{said}");
    let id = story.world.session();
    let mend = format!("arena resume {id}");
    let mut events = said.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let last = serde_json::json!({ "event": "interrupted", "session": id, "mend": mend });
    assert_eq!(events.next_back(), Some(last), "{said}");
}

#[test]
fn an_interrupt_while_engines_work_keeps_what_is_paid_for() {
    stopped("an_interrupt_while_engines_work", Signal::INT, "engine", 2);
}

#[test]
fn an_interrupt_while_a_tree_is_collected_keeps_it() {
    stopped("an_interrupt_while_a_tree_is_collected", Signal::INT, "collect", 1);
}

#[test]
fn an_interrupt_while_it_measures_keeps_the_trees() {
    stopped("an_interrupt_while_it_measures", Signal::INT, "measure", 1);
}

#[test]
fn a_polite_kill_is_an_interrupt() {
    stopped("a_polite_kill", Signal::TERM, "engine", 3);
}

#[test]
fn a_closed_terminal_is_an_interrupt() {
    stopped("a_closed_terminal", Signal::HUP, "engine", 1);
}

#[test]
fn a_second_interrupt_ends_it_at_once_and_leaves_no_container() {
    if !ready("a_second_interrupt") {
        return;
    }
    let mut story = Story::begun(World::new(), &packet(), &[]);
    story.until_phase("engine", 2);
    send(&story.running, Signal::INT);
    story.world.await_word("once more stops at once", &mut story.running);
    send(&story.running, Signal::INT);
    assert_interrupted(&mut story);
    assert_eq!(leftovers(&story.world.state).containers, Vec::<String>::new(), "{}", story.world.said());
    story.resumed();
}
