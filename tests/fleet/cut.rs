//! Who is cut off, and who does not listen: in a network of the test's own, counted by what Docker saw.

use crate::faults::HASTY;
use std::process::Command;
use support::{Fleet, HUB, Packet, Seen, Witness, ready, skip, soon};

pub(crate) fn watched(fleet: &Fleet, name: &str) -> Witness {
    let state = fleet.worker_state(name);
    std::fs::create_dir_all(&state).expect("a folder");
    Witness::watch(&state.canonicalize().expect("a folder"))
}

/// When an engine of this competitor first did this, by Docker's clock.
pub(crate) fn first(witness: &Witness, name: &str, action: &str) -> Option<u64> {
    let is_it = |one: &&Seen| one.action == action && one.job.ends_with(&format!("/{name}/1/implement"));
    witness.seen().iter().find(is_it).map(|one| one.at)
}

#[test]
fn a_worker_that_is_cut_off_ends_its_engine_before_another_begins_it_and_its_late_result_is_stale() {
    const TEST: &str = "a_worker_that_is_cut_off";
    if !ready(TEST) {
        return;
    }
    let mut fleet = match Fleet::apart(&["one", "two"]) {
        Ok(fleet) => fleet,
        Err(reason) => return skip(TEST, &reason),
    };
    let told = HASTY.into_iter().chain([("ARENA_WORKER_ENGINE_SLOTS", "2"), ("ARENA_LOG", "info")]);
    fleet.env.extend(told.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let mut coordinator = fleet.coordinator();
    let (one, two) = (watched(&fleet, "one"), watched(&fleet, "two"));
    let mut cut_off = fleet.worker("one", None);
    let token = fleet.token("ann", "submitter", "blue");
    fleet.await_workers(&token, 1);
    // One engine that ends while nobody hears of it, and one that does not end in time.
    let mut run = fleet
        .submit(&token, &Packet::lower(&[("low", "sleep 10; echo 2 > value"), ("mid", "sleep 2; echo 7 > value")]));
    let begun = |witness: &Witness| ["low", "mid"].map(|name| first(witness, name, "start").is_some());
    assert!(soon(|| begun(&one) == [true; 2]), "both begin: {}", run.said());
    let network = fleet.network.as_ref().expect("a network");
    network.cut("one", &[network.address(HUB)]);
    let mut other = fleet.worker("two", None);
    assert!(soon(|| begun(&two) == [true; 2]), "the other one takes both over: {}", run.said());
    let (ended, again) = (first(&one, "low", "die"), first(&two, "low", "start"));
    assert!(ended.is_some() && ended < again, "{ended:?} before {again:?}");
    run.await_word("\"winner\":\"low\"");
    assert!(!coordinator.said().contains("came too late"), "{}", coordinator.said());
    fleet.network.as_ref().expect("a network").heal("one");
    coordinator.await_word("a report came too late");
    let spool = fleet.worker_state("one").join("worker/spool");
    assert!(soon(|| std::fs::read_dir(&spool).is_ok_and(|kept| kept.count() == 0)), "and is kept no longer");
    assert_eq!([cut_off.stop(), other.stop(), coordinator.stop()], [Some(0); 3]);
    fleet.assert_clean();
}

#[test]
fn a_watcher_that_does_not_read_holds_up_nobody_and_goes_on_where_it_was() {
    if !ready("a_watcher_that_does_not_read") {
        return;
    }
    let mut fleet = Fleet::new();
    let _coordinator = fleet.coordinator();
    let mut worker = fleet.worker("one", None);
    let token = fleet.token("ann", "submitter", "blue");
    fleet.await_workers(&token, 1);
    // More than what is on the way holds, piece by piece.
    let prints = "for n in $(seq 40); do seq 4000; sleep 0.02; done; echo 2 > value";
    let mut run = fleet.submit(&token, &Packet::lower(&[("low", &format!("sleep 2; {prints}"))]));
    run.await_word("\"phase\":\"engine\"");
    let listed = fleet.ask(&token, &["sessions", "--json"]).document();
    let id = listed[0]["session"].as_str().expect("an id").to_owned();
    let mut watcher = fleet.watch(&token, &id);
    watcher.await_word("\"phase\":\"engine\"");
    let signal = |signal: &str| {
        let pid = watcher.running.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().expect("kill").success());
    };
    signal("-STOP");
    run.await_word("\"winner\":\"low\"");
    assert!(!watcher.said().contains("\"winner\""), "it read nothing meanwhile");
    signal("-CONT");
    watcher.await_word("\"winner\":\"low\"");
    let seq = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok()?["seq"].as_u64();
    let seqs: Vec<u64> = watcher.said().lines().filter_map(seq).collect();
    assert!(seqs.is_sorted_by(|one, next| one < next), "in order, each once: {seqs:?}");
    assert!(watcher.said().contains("\"event\":\"log\""), "{}", watcher.said());
    assert_eq!(worker.stop(), Some(0));
}
