//! What befalls the store of a team in the midst of its sessions, one fault a test: on real servers, and judged as a soak is, by
//! the records of the sessions and by what Docker saw.

use support::soak::{Counted, Trial};
use support::{Fleet, Packet, ready, skip};

const ENGINE: &str = "/low/1/implement";

/// Seconds of a lease: one that outlives what befalls the store, and one that ends soon.
const LONG: u32 = 40;
const SHORT: u32 = 12;

fn team(test: &str, sessions: usize, seconds: u32, lease: u32) -> Option<Trial> {
    if !ready(test) {
        return None;
    }
    match Trial::begin(sessions, seconds, lease) {
        Ok(trial) => Some(trial),
        Err(reason) => {
            skip(test, &reason);
            None
        }
    }
}

/// Waits for an engine at work; the worker, and the server that leads.
fn midst(trial: &mut Trial) -> (&'static str, &'static str) {
    assert!(trial.soon(|trial| trial.works(ENGINE).is_some() && trial.primary().is_some()), "no engine begins");
    (trial.works(ENGINE).expect("a worker"), trial.primary().expect("a server"))
}

fn other(server: &str) -> &'static str {
    if server == "r1" { "r2" } else { "r1" }
}

fn assert_good(counted: &Counted, sessions: usize) {
    assert!(counted.is_good(), "{counted}\n{}", counted.wrongs());
    assert_eq!(counted.sessions, sessions, "{counted}");
}

#[test]
fn when_the_primary_dies_in_the_midst_of_sessions_nothing_is_lost_and_no_engine_runs_twice() {
    let Some(mut trial) = team("when_the_primary_dies", 2, 8, LONG) else { return };
    let (_, old) = midst(&mut trial);
    trial.kill(old);
    assert!(trial.soon(|trial| trial.leads(other(old))), "the replica is not promoted");
    trial.start(old);
    let counted = trial.judged();
    assert_good(&counted, 2);
    assert_eq!(counted.again, 0, "leases outlive it: {counted}");
}

#[test]
fn a_primary_that_is_cut_off_and_goes_on_has_no_say_and_no_engine_runs_in_two_places() {
    let Some(mut trial) = team("a_primary_that_is_cut_off", 1, 6, SHORT) else { return };
    let (worker, old) = midst(&mut trial);
    // On one side it, a coordinator and a worker; nobody there knows of the other one.
    let beyond = [other(old), "s"];
    trial.cut(old, &[beyond.as_slice(), &["c2"]].concat());
    trial.cut("c1", &beyond);
    trial.cut(worker, &["c2"]);
    assert!(trial.soon(|trial| trial.leads(other(old))), "the replica is not promoted");
    assert!(trial.leads(old), "it has not heard of it");
    // It comes back, and follows; the worker does not, until somebody else was given what it ran.
    [old, "c1"].iter().for_each(|place| trial.heal(place));
    trial.cut(worker, &["c1"]);
    assert!(trial.soon(|trial| !trial.leads(old)), "it follows");
    let elsewhere =
        |trial: &Trial| ["w1", "w2", "w3"].iter().filter(|one| **one != worker).any(|one| trial.ran(one, ENGINE).0 > 0);
    assert!(trial.soon(elsewhere), "another worker takes over what the one beyond held");
    trial.heal(worker);
    let counted = trial.judged();
    assert_good(&counted, 1);
}

#[test]
fn a_coordinator_that_is_cut_off_from_redis_says_so_and_comes_back_and_workers_go_on_with_the_other_one() {
    let Some(mut trial) = team("a_coordinator_that_is_cut_off_from_redis", 1, 8, LONG) else { return };
    midst(&mut trial);
    trial.cut_from_redis("c1");
    let asked = trial.ask("c1", &["sessions", "--json"]);
    assert!(asked.code == 69 && asked.stdout.contains("the store cannot be used now"), "{asked:?}");
    // Whoever was attached there is with the other one.
    let attached = |trial: &Trial| trial.ask("c2", &["workers", "--json"]).document().as_array().map(Vec::len);
    assert!(trial.soon(|trial| attached(trial) == Some(3)), "{:?}", attached(&trial));
    assert_eq!(trial.ask("c2", &["sessions", "--json"]).code, 0);
    trial.heal("c1");
    assert!(trial.soon(|trial| trial.ask("c1", &["sessions", "--json"]).code == 0), "{}", trial.said("c1"));
    let counted = trial.judged();
    assert_good(&counted, 1);
    assert_eq!(counted.again, 0, "workers took their leases along: {counted}");
}

#[test]
fn a_redis_that_forgets_its_functions_all_the_time_holds_up_no_session() {
    if !ready("a_redis_that_forgets_its_functions") {
        return;
    }
    let (mut fleet, redis) = Fleet::on_redis();
    let _coordinators = [fleet.coordinator(), fleet.coordinator()];
    let mut worker = fleet.worker("one", None);
    let token = fleet.token("ann", "submitter", "blue");
    fleet.await_workers(&token, 1);
    let mut run = fleet.submit(&token, &Packet::lower(&[("low", "sleep 1; echo 2 > value")]));
    let mut flushed = 0;
    let over = support::soon(|| {
        flushed += usize::from(redis.says(&["FUNCTION", "FLUSH"]) == "OK");
        run.said().contains("\"event\":\"result\"")
    });
    assert!(over && flushed > 20, "{flushed} times: {}", run.said());
    run.await_word("\"winner\":\"low\"");
    assert_eq!(worker.stop(), Some(0));
    fleet.assert_clean();
}

#[test]
fn when_all_are_killed_at_once_and_started_again_the_session_ends_and_what_was_stored_is_not_run_again() {
    let Some(mut trial) = team("when_all_are_killed_at_once", 1, 15, SHORT) else { return };
    midst(&mut trial);
    // The other engine's tree is stored: it is being measured, or was.
    let stored = |trial: &Trial| ["w1", "w2", "w3"].iter().any(|one| trial.ran(one, "/mid/1/evaluate").0 > 0);
    assert!(trial.soon(stored), "mid is not measured");
    trial.kill_all();
    let count = |trial: &Trial, job: &str| ["w1", "w2", "w3"].iter().map(|one| trial.ran(one, job).0).sum::<usize>();
    let before = count(&trial, "/mid/1/implement");
    trial.start_all();
    assert!(trial.soon(|trial| count(trial, ENGINE) == 2), "what was not stored runs again");
    assert_eq!((before, count(&trial, "/mid/1/implement")), (1, 1));
    let counted = trial.judged();
    assert_good(&counted, 1);
    assert_eq!(counted.again, 1, "{counted}");
}
