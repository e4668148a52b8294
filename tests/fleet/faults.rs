//! What dies, and what becomes of its jobs: counted by what Docker saw on each worker.

use crate::earned::holds;
use arena_proto::v1;
use arena_runtime::{digest, files};
use prost::Message;
use std::path::Path;
use support::{Fleet, Packet, Service, Witness, ready, soon};

/// A fleet of two workers of one slot each, and what Docker sees of each.
struct Story {
    fleet: Fleet,
    coordinators: Vec<Service>,
    workers: Vec<Service>,
    witnesses: Vec<Witness>,
    token: String,
}

const NAMES: [&str; 2] = ["one", "two"];

/// The shortest there are.
pub(crate) const HASTY: [(&str, &str); 2] = [("ARENA_QUEUE_LEASE_S", "10"), ("ARENA_QUEUE_MARGIN_S", "3")];

impl Story {
    fn new(coordinators: usize) -> Self {
        Self::of(Fleet::new(), coordinators)
    }

    /// With leases that run out within a test.
    fn hasty(coordinators: usize) -> Self {
        let mut fleet = Fleet::new();
        fleet.env.extend(HASTY.map(|(name, value)| (name.to_owned(), value.to_owned())));
        Self::of(fleet, coordinators)
    }

    fn of(mut fleet: Fleet, coordinators: usize) -> Self {
        let coordinators = (0..coordinators).map(|_| fleet.coordinator()).collect();
        fleet.env.push(("ARENA_WORKER_ENGINE_SLOTS".into(), "1".into()));
        let watch = |name: &str| {
            let state = fleet.worker_state(name);
            std::fs::create_dir_all(&state).expect("a folder");
            Witness::watch(&state.canonicalize().expect("a folder"))
        };
        let witnesses = NAMES.map(watch).into();
        let workers = NAMES.map(|name| fleet.worker(name, None)).into();
        let token = fleet.token("ann", "submitter", "blue");
        fleet.await_workers(&token, 2);
        Self { fleet, coordinators, workers, witnesses, token }
    }

    /// How many engine containers of this competitor each worker has made.
    fn engines(&self, name: &str) -> Vec<usize> {
        let is_it = |job: &str| job.ends_with(&format!("/{name}/1/implement"));
        let made =
            |witness: &Witness| witness.seen().iter().filter(|one| one.action == "create" && is_it(&one.job)).count();
        self.witnesses.iter().map(made).collect()
    }

    /// The worker that runs the engine of this competitor.
    fn runner(&self, name: &str) -> usize {
        assert!(soon(|| self.engines(name).contains(&1)), "no engine of {name} began");
        self.engines(name).iter().position(|made| *made == 1).expect("one of them")
    }

    fn end(mut self, run: &mut Service) {
        run.await_word("\"winner\":\"low\"");
        for one in self.workers.iter_mut().chain(&mut self.coordinators) {
            if matches!(one.running.child.try_wait(), Ok(None)) {
                assert_eq!(one.stop(), Some(0), "{}", one.said());
            }
        }
    }
}

/// `low` takes its time, `mid` has ended long before.
fn packet(seconds: u32) -> Packet {
    Packet::lower(&[("low", &format!("sleep {seconds}; echo 2 > value")), ("mid", "echo 7 > value")])
}

#[test]
fn a_job_of_a_worker_that_was_killed_is_run_by_another_one_and_what_was_stored_is_not() {
    if !ready("a_job_of_a_worker_that_was_killed") {
        return;
    }
    let mut story = Story::hasty(1);
    let mut run = story.fleet.submit(&story.token, &packet(8));
    let killed = story.runner("low");
    assert!(soon(|| run.said().contains("\"round\"")), "mid is judged: {}", run.said());
    story.workers[killed].kill();
    assert!(story.witnesses[killed].soon_runs(|running| running == 0), "its containers ended with it");
    let other = 1 - killed;
    assert!(soon(|| story.engines("low")[other] == 1), "the other one takes it over: {}", run.said());
    assert_eq!(story.engines("mid").iter().sum::<usize>(), 1, "what was paid for and stored ran once");
    // What the dead one left is taken away by its next boot.
    story.workers[killed] = story.fleet.worker_again(NAMES[killed]);
    run.await_word("\"winner\":\"low\"");
    assert_eq!(story.engines("low").iter().sum::<usize>(), 2);
    story.workers.iter_mut().for_each(|one| assert_eq!(one.stop(), Some(0)));
    story.fleet.assert_clean();
}

#[test]
fn a_worker_that_comes_back_says_at_once_that_its_jobs_wait() {
    if !ready("a_worker_that_comes_back_says_at_once") {
        return;
    }
    let mut story = Story::new(1);
    let mut run = story.fleet.submit(&story.token, &packet(4));
    let killed = story.runner("low");
    let since = support::now();
    story.workers[killed].kill();
    story.workers[killed] = story.fleet.worker_again(NAMES[killed]);
    run.await_word("\"winner\":\"low\"");
    let took = (support::now() - since) / 1_000_000_000;
    assert!(took < 50, "no lease had to run out: {took} s");
    assert_eq!(story.engines("low").iter().sum::<usize>(), 2);
    story.workers.iter_mut().for_each(|one| assert_eq!(one.stop(), Some(0)));
    story.fleet.assert_clean();
}

#[test]
fn a_coordinator_that_was_killed_and_started_again_finds_its_workers_at_work() {
    if !ready("a_coordinator_that_was_killed_and_started_again") {
        return;
    }
    let mut story = Story::new(1);
    let mut run = story.fleet.submit(&story.token, &packet(6));
    story.runner("low");
    story.coordinators[0].kill();
    // The engine ends while nobody hears of it.
    assert!(story.witnesses.iter().all(|one| soon(|| one.soon_runs(|running| running == 0))), "the engine ends");
    story.coordinators[0] = story.fleet.coordinator_again(0);
    run.await_word("\"winner\":\"low\"");
    for name in ["low", "mid"] {
        assert_eq!(story.engines(name).iter().sum::<usize>(), 1, "{name} ran once: {}", run.said());
    }
    let fleet_is_whole = || story.fleet.ask(&story.token, &["workers", "--json"]).document();
    assert_eq!(fleet_is_whole().as_array().map(Vec::len), Some(2), "{}", fleet_is_whole());
    story.workers.iter_mut().for_each(|one| assert_eq!(one.stop(), Some(0)));
    story.fleet.assert_clean();
}

#[test]
fn workers_and_people_go_on_with_the_other_coordinator_when_one_is_killed() {
    if !ready("workers_and_people_go_on_with_the_other_coordinator") {
        return;
    }
    let mut story = Story::new(2);
    let mut run = story.fleet.submit(&story.token, &packet(6));
    story.runner("low");
    story.coordinators[0].kill();
    run.await_word("\"winner\":\"low\"");
    for name in ["low", "mid"] {
        assert_eq!(story.engines(name).iter().sum::<usize>(), 1, "{name} ran once: {}", run.said());
    }
    story.end(&mut run);
}

#[test]
fn a_coordinator_that_is_stopped_hands_over_to_the_other_one() {
    if !ready("a_coordinator_that_is_stopped_hands_over") {
        return;
    }
    let mut story = Story::new(2);
    let mut run = story.fleet.submit(&story.token, &packet(6));
    story.runner("low");
    assert_eq!(story.coordinators[0].stop(), Some(0));
    run.await_word("\"winner\":\"low\"");
    assert_eq!(story.engines("low").iter().sum::<usize>(), 1, "{}", run.said());
    story.end(&mut run);
}

#[test]
fn a_worker_that_is_stopped_gives_back_what_does_not_end_in_its_time() {
    if !ready("a_worker_that_is_stopped_gives_back") {
        return;
    }
    let mut story = Story::new(1);
    story.fleet.env.push(("ARENA_WORKER_DRAIN_S".into(), "1".into()));
    for (index, name) in NAMES.into_iter().enumerate() {
        assert_eq!(story.workers[index].stop(), Some(0));
        story.workers[index] = story.fleet.worker_again(name);
    }
    story.fleet.await_workers(&story.token, 2);
    let mut run = story.fleet.submit(&story.token, &packet(10));
    let stopped = story.runner("low");
    let since = support::now();
    assert_eq!(story.workers[stopped].stop(), Some(0));
    assert!(soon(|| story.engines("low")[1 - stopped] == 1), "{}", run.said());
    let took = (support::now() - since) / 1_000_000_000;
    assert!(took < 40, "no lease had to run out: {took} s");
    story.end(&mut run);
}

#[test]
fn a_worker_that_hears_no_coordinator_ends_its_engines_before_their_lease_does() {
    if !ready("a_worker_that_hears_no_coordinator") {
        return;
    }
    let mut story = Story::hasty(1);
    let mut run = story.fleet.submit(&story.token, &packet(14));
    let runner = story.runner("low");
    story.coordinators[0].kill();
    let since = support::now();
    assert!(soon(|| story.witnesses[runner].soon_runs(|running| running == 0)), "its engine runs on");
    let took = (support::now() - since) / 1_000_000_000;
    assert!((4..13).contains(&took), "by its own clock, and not because the engine had ended: {took} s");
    story.coordinators[0] = story.fleet.coordinator_again(0);
    run.await_word("\"winner\":\"low\"");
    assert_eq!(story.engines("low").iter().sum::<usize>(), 2, "it was given back, and ran again: {}", run.said());
    assert_eq!(story.engines("mid").iter().sum::<usize>(), 1);
    story.end(&mut run);
}

#[test]
fn coordinators_without_a_store_of_their_own_share_a_redis_that_is_killed_and_comes_back() {
    if !ready("coordinators_share_a_redis") {
        return;
    }
    let (fleet, mut redis) = Fleet::on_redis();
    let mut story = Story::of(fleet, 2);
    assert!(!story.fleet.team().join("arena.db").exists(), "nothing is embedded");
    let mut run = story.fleet.submit(&story.token, &packet(25));
    story.runner("low");
    assert!(soon(|| run.said().contains("\"round\"")), "mid is judged: {}", run.said());
    redis.kill();
    std::thread::sleep(std::time::Duration::from_secs(3));
    redis.start_again();
    // The one that the person follows goes away too.
    story.coordinators[0].kill();
    run.await_word("\"winner\":\"low\"");
    for name in ["low", "mid"] {
        assert_eq!(story.engines(name).iter().sum::<usize>(), 1, "no engine of {name} runs twice");
    }
    story.end(&mut run);
}

#[test]
fn what_an_engine_was_paid_for_outlives_its_worker_though_no_coordinator_was_there_to_take_it() {
    if !ready("what_an_engine_was_paid_for") {
        return;
    }
    let mut story = Story::new(1);
    let mut run = story.fleet.submit(&story.token, &packet(4));
    let runner = story.runner("low");
    assert!(soon(|| run.said().contains("\"round\"")), "mid is judged: {}", run.said());
    story.coordinators[0].kill();
    let worker = story.fleet.worker_state(NAMES[runner]).join("worker");
    // Whichever is there first: it dies between the two.
    let earned = || holds(&worker.join("spool")) || holds(&worker.join("outbox"));
    assert!(soon(earned), "the engine has ended, and what it left is on the worker's disk");
    story.workers[runner].kill();
    story.coordinators[0] = story.fleet.coordinator_again(0);
    story.workers[runner] = story.fleet.worker_again(NAMES[runner]);
    run.await_word("\"winner\":\"low\"");
    assert_eq!(story.engines("low").iter().sum::<usize>(), 1, "it ran once: {}", run.said());
    story.workers.iter_mut().for_each(|one| assert_eq!(one.stop(), Some(0)));
    story.fleet.assert_clean();
}

#[test]
fn a_redis_without_memory_begins_nothing_new_and_what_runs_ends() {
    if !ready("a_redis_without_memory") {
        return;
    }
    let (fleet, redis) = Fleet::on_redis();
    let story = Story::of(fleet, 1);
    let mut run = story.fleet.submit(&story.token, &packet(3));
    story.runner("low");
    assert_eq!(redis.says(&["CONFIG", "SET", "maxmemory", "1"]), "OK");
    let refused = story.fleet.ask(&story.token, &["run", "arena.toml", "--json"]);
    assert!(refused.code == 69 && refused.stdout.contains("raise its maxmemory"), "{refused:?}");
    let state = |job: &str| {
        let queue = story.fleet.ask(&story.token, &["queue", "--json"]).document();
        let jobs = queue.as_array().cloned().unwrap_or_default();
        jobs.iter().find(|one| one["job"].as_str().is_some_and(|id| id.ends_with(job))).map(|one| one["state"].clone())
    };
    assert!(soon(|| state("low/1/evaluate") == Some("queued".into())), "its result was taken: {}", run.said());
    assert_eq!(redis.says(&["CONFIG", "SET", "maxmemory", "0"]), "OK");
    run.await_word("\"winner\":\"low\"");
    for name in ["low", "mid"] {
        assert_eq!(story.engines(name).iter().sum::<usize>(), 1, "no engine of {name} runs twice");
    }
    story.end(&mut run);
}

/// As an earlier boot left it that died before a coordinator had what it earned.
fn keep_a_result(worker: &Path, job: &str) {
    let lease = v1::Lease { job: job.into(), fence: "1.1.r".into() };
    let body = v1::Result { lease: Some(lease), outcome: None, trace: None }.encode_to_vec();
    let name = digest::sha256(job.as_bytes());
    files::write_atomic(&worker.join("spool").join(&name), &[digest::sha256(&body).into_bytes(), body].concat())
        .expect("a result");
    let blob = arena_runtime::token::hex(64).repeat(5 << 14).into_bytes();
    let held = worker.join("outbox").join(format!("{name}.blobs")).join("blue").join(digest::sha256(&blob));
    files::write_atomic(&held, &blob).expect("what it names");
}

#[test]
fn a_worker_that_cannot_send_what_an_earlier_boot_earned_takes_jobs_meanwhile() {
    if !ready("a_worker_that_cannot_send_what_an_earlier_boot_earned") {
        return;
    }
    let mut fleet = Fleet::new();
    // Each of the results is five minutes' worth.
    fleet.env.push(("ARENA_COORDINATOR_BLOB_MIB_PER_MINUTE".into(), "1".into()));
    let _coordinator = fleet.coordinator();
    let ann = fleet.token("ann", "submitter", "blue");
    let root = fleet.worker_state("one").join("worker");
    for number in 0..2 {
        keep_a_result(&root, &format!("0123456789ab/c{number}/1/implement"));
    }
    let _worker = fleet.worker("one", None);
    fleet.await_workers(&ann, 1);
    let left = || std::fs::read_dir(root.join("outbox")).map_or(0, Iterator::count);
    assert!(soon(|| left() == 1), "the second one waits, and the first one does not: {}", left());
}
