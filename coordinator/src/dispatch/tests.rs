//! Results into sessions: accepted once, answered the same ever after, refused under another fence.

use super::*;
use arena_domain::ending::Ending;
use arena_domain::id::{Commit, Request, WorkerId};
use arena_domain::outcome::{Evaluated, Exit, Implemented, Usage};
use arena_domain::schedule::{Ask, Limits};
use arena_proto::v1;
use std::time::Duration;
use tempfile::TempDir;

pub(crate) const PACKET: &str = r#"
[session]
title = "Sums"
goal  = "Make sums right."
[brief]
specification = "The sum of nothing is zero."
acceptance    = ["the tests pass"]
[scope]
allowed = ["src/**"]
[[competitor]]
engine = "a"
[engine.a]
command = ["true"]
[[gate]]
name = "tests"
kind = "test"
run  = "make check"
[budget]
wall = "1h"
"#;

pub(super) async fn submitted() -> (TempDir, Coordinator, SessionId) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), Limits::default()).unwrap();
    let coordinator = Coordinator::new(store, Blobs::new(folder.path().join("blobs")));
    let id = submit(&coordinator, "0123456789ab").await;
    (folder, coordinator, id)
}

pub(super) async fn submit(coordinator: &Coordinator, id: &str) -> SessionId {
    submit_for(coordinator, id, "local").await
}

pub(crate) async fn submit_for(coordinator: &Coordinator, id: &str, tenant: &str) -> SessionId {
    let id = SessionId::new(id);
    let head = v1::SessionHead {
        id: id.to_string(),
        tenant: tenant.into(),
        packet: PACKET.into(),
        base: "base".into(),
        ..v1::SessionHead::default()
    };
    coordinator.store.create(head, "Sums".into()).await.unwrap();
    coordinator.happen(&id, Event::Submitted { at: clock::now_millis(), yes: true, base_first: true }).await.unwrap();
    id
}

async fn claim(coordinator: &Coordinator, request: &str) -> (JobId, Fence) {
    let ask = Ask::any(WorkerId::new("w"), Request::new(request));
    let place = coordinator.store.claim(ask, clock::now_millis() + 120_000).await.unwrap().unwrap();
    (place.job.id.clone(), place.fence().unwrap().clone())
}

pub(crate) fn passing() -> Outcome {
    Outcome::Evaluated(Evaluated::default())
}

fn changed() -> Outcome {
    Outcome::Implemented(Implemented {
        commit: Commit::new("c1"),
        bundle: "b1".into(),
        changes: vec![arena_domain::outcome::Change {
            path: "src/sum.rs".into(),
            kind: arena_domain::outcome::ChangeKind::Modified,
            added_lines: 1,
            removed_lines: 1,
            binary: false,
        }],
        reverted: Vec::new(),
        flags: Vec::new(),
        exit: Exit::Code(0),
        ending: Ending::Done,
        ending_detail: String::new(),
        duration: Duration::from_secs(1),
        said: Vec::new(),
        usage: Usage::default(),
        own_usage: Usage::default(),
        engine_version: String::new(),
        logs: Vec::new(),
    })
}

fn outcome_of(job: &JobId) -> Outcome {
    if job.as_str().ends_with("implement") { changed() } else { passing() }
}

#[tokio::test]
async fn a_result_that_comes_again_is_answered_the_same() {
    let (_folder, coordinator, id) = submitted().await;
    let (job, fence) = claim(&coordinator, "r1").await;
    for _ in 0..3 {
        assert!(coordinator.settle(job.clone(), fence.clone(), outcome_of(&job), (None, "")).await.unwrap());
    }
    assert!(!coordinator.settle(job.clone(), Fence::new("f0"), outcome_of(&job), (None, "")).await.unwrap());
    let record = coordinator.store.record(&id).await.unwrap();
    assert_eq!(record.version, 2, "the submission, and the result once");
}

#[tokio::test]
async fn a_session_goes_through_to_its_end_and_leaves_nothing_behind() {
    let (_folder, coordinator, id) = submitted().await;
    let mut results = Vec::new();
    for turn in 0..3 {
        let (job, fence) = claim(&coordinator, &format!("r{turn}")).await;
        assert!(coordinator.settle(job.clone(), fence.clone(), outcome_of(&job), (None, "")).await.unwrap());
        results.push((job, fence));
    }
    let (_, session) = sessions::load(&coordinator.store, &id).await.unwrap();
    assert_eq!(session.status(), "winner");
    let jobs = coordinator.store.jobs(&id).await.unwrap();
    assert!(jobs.iter().all(|job| job.state == "done"), "{jobs:?}");
    // A worker that did not hear the answer sends its result to a session that has ended.
    for (job, fence) in results {
        assert!(coordinator.settle(job.clone(), fence, outcome_of(&job), (None, "")).await.unwrap());
    }
    let kinds: Vec<String> =
        coordinator.store.feed(&id, 0, 99).await.unwrap().into_iter().map(|item| item.kind).collect();
    assert_eq!(kinds.first().map(String::as_str), Some("started"));
    assert_eq!(kinds.last().map(String::as_str), Some("ended"));
}

#[tokio::test]
async fn infrastructure_that_fails_is_tried_again_and_then_told() {
    let (_folder, coordinator, id) = submitted().await;
    let failed = || Outcome::Failed(Failure::Infrastructure("no disk".into()));
    let (base, fence) = claim(&coordinator, "r1").await;
    assert!(base.as_str().ends_with("/base/0/evaluate"), "{base} was enqueued first");
    assert!(coordinator.settle(base.clone(), fence, failed(), (None, "")).await.unwrap());
    let job = coordinator.store.jobs(&id).await.unwrap().into_iter().find(|job| job.id == base.as_str()).unwrap();
    assert_eq!((job.state.as_str(), job.attempt), ("queued", 1));
    for request in ["r2", "r3"] {
        let (job, fence) = claim(&coordinator, request).await;
        assert_eq!(job, base);
        assert!(coordinator.settle(job, fence, failed(), (None, "")).await.unwrap());
    }
    let (_, session) = sessions::load(&coordinator.store, &id).await.unwrap();
    assert_eq!(session.status(), "failed");
}

#[tokio::test]
async fn a_cancelled_session_stops_what_runs_and_its_late_result_is_stale() {
    let (_folder, coordinator, id) = submitted().await;
    let mut stops = coordinator.stops.subscribe();
    let (job, fence) = claim(&coordinator, "r1").await;
    coordinator.happen(&id, Event::Cancelled { at: clock::now_millis() }).await.unwrap();
    assert_eq!(stops.recv().await.unwrap(), job);
    assert!(!coordinator.settle(job.clone(), fence.clone(), outcome_of(&job), (None, "")).await.unwrap());
    let jobs = coordinator.store.jobs(&id).await.unwrap();
    assert!(jobs.iter().all(|job| job.state == "cancelled"), "{jobs:?}");
}

#[tokio::test]
async fn the_wall_of_a_session_that_is_taken_up_is_put_off_by_the_time_nobody_moved_it() {
    let (_folder, coordinator, id) = submitted().await;
    let wall = || coordinator.walls.lock().unwrap().get(&id).copied().unwrap();
    let before = wall();
    coordinator.take_up(&id).await.unwrap();
    assert_eq!((wall(), coordinator.store.record(&id).await.unwrap().version), (before, 1), "nothing to record");

    // As if it had been submitted and killed an hour ago.
    let database = rusqlite::Connection::open(_folder.path().join("arena.db")).unwrap();
    database.execute("UPDATE sessions SET touched = 0", []).unwrap();
    let hour = 3_600_000;
    let record = coordinator.store.record(&id).await.unwrap();
    let event = v1::SessionEvent { at: record.events[0].at - hour, ..record.events[0].clone() };
    database.execute("UPDATE events SET body = ?1", [prost::Message::encode_to_vec(&event)]).unwrap();
    coordinator.take_up(&id).await.unwrap();
    let (_, session) = sessions::load(&coordinator.store, &id).await.unwrap();
    assert!(session.idle >= hour && session.lasted() == 0, "{} of {}", session.idle, session.lasted());
    assert_eq!(wall(), session.wall_ends().unwrap());
    assert!(wall() >= before, "an hour of wall time is left");

    let version = coordinator.store.record(&id).await.unwrap().version;
    coordinator.put_down(&id).await.unwrap();
    coordinator.take_up(&id).await.unwrap();
    assert_eq!(coordinator.store.record(&id).await.unwrap().version, version, "it was moved until now");
}

#[tokio::test]
async fn a_wall_that_has_passed_is_recorded_once() {
    let (_folder, coordinator, id) = submitted().await;
    assert_eq!(coordinator.walls.lock().unwrap().len(), 1);
    coordinator.walls.lock().unwrap().insert(id.clone(), 1);
    coordinator.check_walls().await;
    coordinator.check_walls().await;
    let record = coordinator.store.record(&id).await.unwrap();
    assert_eq!(record.version, 2);
    assert_eq!(coordinator.walls.lock().unwrap().len(), 0);
}

/// The first job of a session, dead.
async fn wear_out(coordinator: &Coordinator) -> JobId {
    let mut last = None;
    for turn in 0..MAX_ATTEMPTS {
        let (job, fence) = claim(coordinator, &format!("r{turn}")).await;
        let now = clock::now_millis();
        coordinator.store.give_back(job.clone(), fence, now, now).await.unwrap();
        last = Some(job);
    }
    last.unwrap()
}

#[tokio::test]
async fn a_dead_job_that_is_held_may_be_requeued_before_its_session_is_told() {
    let (_folder, coordinator, id) = submitted().await;
    let coordinator = coordinator.holding_dead_jobs(Duration::from_secs(3600));
    let job = wear_out(&coordinator).await;
    coordinator.give_up_dead(None).await.unwrap();
    let (_, session) = sessions::load(&coordinator.store, &id).await.unwrap();
    assert_eq!(session.status(), "running");
    assert!(coordinator.store.revive(&job, clock::now_millis()).await.unwrap());
    assert_eq!(claim(&coordinator, "again").await.0, job);
}

#[tokio::test]
async fn whoever_moves_one_session_tells_no_other_of_its_dead_jobs() {
    let (_folder, coordinator, id) = submitted().await;
    wear_out(&coordinator).await;
    let status = async || sessions::load(&coordinator.store, &id).await.unwrap().1.status();
    coordinator.give_up_dead(Some(&SessionId::new("another"))).await.unwrap();
    assert_eq!(status().await, "running");
    coordinator.give_up_dead(Some(&id)).await.unwrap();
    assert_eq!(status().await, "failed");
}
