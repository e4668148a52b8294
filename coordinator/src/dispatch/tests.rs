//! Results into sessions: accepted once, answered the same ever after, refused under another fence.

use super::*;
use crate::access::{Caller, Role, Scope};
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
        created: clock::now_millis(),
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

fn caller(tenant: &str) -> Caller {
    Caller::Person { name: "ann".into(), role: Role::Submitter, scope: Scope::Only(Tenant::new(tenant)) }
}

async fn requeue(coordinator: &Coordinator, tenant: &str, job: &JobId) -> Option<(bool, String)> {
    let requeued = coordinator.requeue(&caller(tenant), job.as_str()).await.unwrap();
    requeued.map(|(one, _)| (one.done, one.why))
}

async fn would_requeue(coordinator: &Coordinator, tenant: &str, job: &JobId) -> Option<(bool, String)> {
    let would = coordinator.would_requeue(&caller(tenant), job.as_str()).await.unwrap();
    would.map(|one| (one.done, one.why))
}

#[tokio::test]
async fn a_dead_job_that_is_held_may_be_requeued_before_its_session_is_told() {
    let (_folder, coordinator, id) = submitted().await;
    let coordinator = coordinator.holding_dead_jobs(Duration::from_secs(3600));
    let job = wear_out(&coordinator).await;
    coordinator.give_up_dead(None).await.unwrap();
    let (_, session) = sessions::load(&coordinator.store, &id).await.unwrap();
    assert_eq!(session.status(), "running");
    let listed = coordinator.dead_jobs(&caller("local")).await.unwrap();
    assert_eq!(listed.iter().map(|dead| (dead.id.as_str(), dead.held)).collect::<Vec<_>>(), [(job.as_str(), true)]);
    assert_eq!(coordinator.dead_jobs(&caller("red")).await.unwrap(), []);
    for (tenant, answer) in
        [("red", None), ("local", Some((true, String::new()))), ("local", Some((true, String::new())))]
    {
        assert_eq!(would_requeue(&coordinator, tenant, &job).await, answer, "as often as it is asked");
    }
    assert_eq!(requeue(&coordinator, "red", &job).await, None, "what another tenant has does not exist");
    assert_eq!(requeue(&coordinator, "local", &job).await, Some((true, String::new())));
    assert_eq!(coordinator.dead_jobs(&caller("local")).await.unwrap(), []);
    let (again, fence) = claim(&coordinator, "again").await;
    assert_eq!(again, job);
    assert!(requeue(&coordinator, "local", &job).await.unwrap().1.contains("it runs on w"));
    assert!(would_requeue(&coordinator, "local", &job).await.unwrap().1.contains("it runs on w"));
    assert!(coordinator.settle(job.clone(), fence, passing(), (None, "")).await.unwrap());
    assert_eq!(requeue(&coordinator, "local", &job).await, Some((false, "it has ended".into())));
    assert_eq!(would_requeue(&coordinator, "local", &job).await, Some((false, "it has ended".into())));
    let nobody = JobId::new(format!("{id}/nobody/1/implement"));
    assert_eq!(requeue(&coordinator, "local", &nobody).await, None);
    assert_eq!(would_requeue(&coordinator, "local", &nobody).await, None);
}

#[tokio::test]
async fn the_last_failure_that_is_reported_is_held_with_its_reason_and_told_when_nobody_requeued_it() {
    let (_folder, coordinator, id) = submitted().await;
    let holding = coordinator.clone().holding_dead_jobs(Duration::from_secs(3600));
    let failed = || Outcome::Failed(Failure::Infrastructure("no disk".into()));
    let mut last = None;
    for turn in 0..MAX_ATTEMPTS {
        let (job, fence) = claim(&holding, &format!("r{turn}")).await;
        assert!(holding.settle(job.clone(), fence.clone(), failed(), (None, "")).await.unwrap());
        last = Some((job, fence));
    }
    let (job, fence) = last.unwrap();
    assert!(
        holding.settle(job.clone(), fence, failed(), (None, "")).await.unwrap(),
        "the same report again is answered the same"
    );
    let dead = holding.dead_jobs(&caller("local")).await.unwrap().remove(0);
    assert_eq!((dead.reason.as_str(), dead.held, dead.until), ("no disk", true, dead.at + 3_600_000));
    assert_eq!(coordinator.store.record(&id).await.unwrap().version, 1, "its session was not told");
    // The time is over.
    coordinator.give_up_dead(None).await.unwrap();
    let (record, session) = sessions::load(&coordinator.store, &id).await.unwrap();
    assert_eq!((session.status(), format!("{:?}", record.events).contains("no disk")), ("failed", true));
    let (done, why) = requeue(&coordinator, "local", &job).await.unwrap();
    assert!(!done && why.contains("was told at") && why.contains("`arena run`"), "{why}");
    assert!(!coordinator.dead_jobs(&caller("local")).await.unwrap()[0].held);
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

#[tokio::test]
async fn what_ended_longer_ago_than_it_is_kept_is_taken_away_and_written_down() {
    let (_folder, coordinator, id) = submitted().await;
    let running = submit(&coordinator, "ffffffffffff").await;
    coordinator.happen(&id, Event::Cancelled { at: clock::now_millis() }).await.unwrap();
    let (day, later) = (Duration::from_secs(86_400), clock::now_millis() + 86_400_000 * 2);
    assert_eq!(coordinator.prune(later).await.unwrap(), 0, "for ever");
    let coordinator = coordinator.keeping(Some(day));
    assert_eq!(coordinator.prune(clock::now_millis()).await.unwrap(), 0, "its day is not over");
    assert_eq!(coordinator.prune(later).await.unwrap(), 1);
    let left: Vec<String> = coordinator.store.sessions().await.unwrap().into_iter().map(|one| one.id).collect();
    assert_eq!(left, [running.to_string()]);
    let written = crate::access::audit::read(&coordinator.store, 0).await.unwrap();
    assert_eq!((written[0].action.as_str(), written[0].subject.as_str()), ("prune", id.as_str()));
}
