//! The laws of the store, on real files: transitions are atomic and durable, handles share limits, errors are clear.

mod oracle;

use super::*;
use arena_domain::id::{CompetitorName, Fence, JobId, Tenant, WorkerId};
use arena_domain::job::{Job, Millis, Work};
use arena_domain::schedule::{Ask, Settled, Why};
use std::collections::BTreeMap;
use tempfile::TempDir;

const NOW: Millis = 1_700_000_000_000;

fn limits() -> Limits {
    Limits { fleet: 4, tenant: 3, engine: BTreeMap::from([("e0".to_owned(), 2)]) }
}

fn fresh() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), limits()).unwrap();
    (folder, store)
}

async fn create(store: &Store, id: &str) -> Result<(), StoreError> {
    let head = v1::SessionHead { id: id.into(), created: NOW, ..v1::SessionHead::default() };
    store.create(head, format!("title of {id}")).await
}

fn session(tenant: u8, number: u8) -> SessionId {
    SessionId::new(format!("t{tenant}-s{number}"))
}

fn job(tenant: u8, number: u8, which: u8, engine: u8) -> Job {
    // A session belongs to one tenant, as in life.
    let session = session(tenant, number);
    let competitor = CompetitorName::new(format!("c{which}"));
    let (kind, work) = match which % 3 {
        0 => ("evaluate", Work::Evaluate { tree: None, holdout: false }),
        _ => ("implement", Work::Implement { brief: "do it".into(), parent: None }),
    };
    Job {
        id: Job::derive_id(&session, Some(&competitor), 1, kind),
        tenant: Tenant::new(format!("t{tenant}")),
        competitor: Some(competitor),
        round: 1,
        work,
        session_limit: 2,
        engine: (kind == "implement").then(|| format!("e{engine}")),
        trace: arena_domain::job::Mark::default(),
        session,
    }
}

/// A transition that does nothing but count.
fn transition(session: &SessionId, version: u64) -> Transition {
    let event = v1::session_event::Event::WallPassed(v1::WallPassed {});
    Transition {
        session: session.clone(),
        version,
        settle: None,
        event: v1::SessionEvent { at: NOW, event: Some(event) },
        enqueue: Vec::new(),
        cancel: None,
        feed: Vec::new(),
        status: "running".into(),
        winner: String::new(),
        now: NOW,
    }
}

fn told(text: &str) -> v1::FeedItem {
    v1::FeedItem { at: NOW, kind: "round".into(), text: text.into(), ..v1::FeedItem::default() }
}

fn ask(fence: &str) -> Ask {
    Ask { worker: WorkerId::new("w"), fence: Fence::new(fence), only: None }
}

/// A session with these jobs enqueued, at version 1.
async fn with_jobs(store: &Store, jobs: Vec<Job>) -> SessionId {
    let id = jobs[0].session.clone();
    create(store, id.as_str()).await.unwrap();
    let first = Transition { enqueue: jobs, feed: vec![told("started")], ..transition(&id, 0) };
    assert_eq!(store.commit(first).await.unwrap(), Committed::Done { stop: Vec::new() });
    id
}

/// Everything that is kept of a session.
async fn kept(store: &Store, id: &SessionId) -> (String, Vec<v1::JobState>, Vec<v1::FeedItem>, Vec<v1::Summary>) {
    let record = store.record(id).await.unwrap();
    let (jobs, feed) = (store.jobs(id).await.unwrap(), store.feed(id, 0, 1000).await.unwrap());
    (format!("{record:?}"), jobs, feed, store.sessions().await.unwrap())
}

/// A transition that would change everything that can be.
fn everything(id: &SessionId, version: u64, settle: Option<(JobId, Fence)>) -> Transition {
    Transition {
        settle,
        enqueue: vec![job(0, 0, 7, 0)],
        cancel: Some(Cancel { engines_only: false }),
        feed: vec![told("more")],
        status: "winner".into(),
        winner: "c1".into(),
        ..transition(id, version)
    }
}

#[tokio::test]
async fn a_report_under_a_stale_fence_changes_nothing() {
    let (_folder, store) = fresh();
    let id = with_jobs(&store, vec![job(0, 0, 1, 1), job(0, 0, 2, 1)]).await;
    let claimed = store.claim(ask("f1"), NOW).await.unwrap().unwrap().job.id;
    let before = kept(&store, &id).await;
    for (job, fence) in [(claimed, "old"), (job(0, 0, 2, 1).id, "f1"), (JobId::new("nothing"), "f1")] {
        let stale = everything(&id, 1, Some((job.clone(), Fence::new(fence))));
        assert_eq!(store.commit(stale).await.unwrap(), Committed::Stale);
        assert_eq!(store.give_back(job.clone(), Fence::new(fence), NOW).await.unwrap(), Settled::Stale);
        assert_eq!(store.renew(vec![(job.clone(), Fence::new(fence))], NOW).await.unwrap(), vec![job.clone()]);
        assert!(!store.accepted(&job, &Fence::new(fence)).await.unwrap());
        assert_eq!(kept(&store, &id).await, before);
    }
}

#[tokio::test]
async fn live_jobs_are_those_that_wait_or_run_each_as_it_was_put_in() {
    let (_folder, store) = fresh();
    let trace = arena_domain::job::Mark { context: "00-a-b-01".into(), since: NOW };
    let jobs: Vec<Job> = (1..4).map(|which| Job { trace: trace.clone(), ..job(0, 0, which, 1) }).collect();
    let id = with_jobs(&store, jobs.clone()).await;
    let done = store.claim(ask("f1"), NOW).await.unwrap().unwrap().job;
    let settled = Transition { settle: Some((done.id.clone(), Fence::new("f1"))), ..transition(&id, 1) };
    assert_eq!(store.commit(settled).await.unwrap(), Committed::Done { stop: Vec::new() });
    let runs = store.claim(ask("f2"), NOW).await.unwrap().unwrap().job;
    let mut live = store.live().await.unwrap();
    live.sort_by_key(|(job, _)| job.id.clone());
    let state = |job: &Job| if job.id == runs.id { "leased" } else { "queued" };
    let left = jobs.into_iter().filter(|job| job.id != done.id);
    assert_eq!(live, left.map(|job| (job.clone(), state(&job))).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_transition_decided_on_an_old_version_changes_nothing() {
    let (_folder, store) = fresh();
    let id = with_jobs(&store, vec![job(0, 0, 1, 1)]).await;
    let claimed = store.claim(ask("f1"), NOW).await.unwrap().unwrap().job.id;
    let before = kept(&store, &id).await;
    for version in [0, 2, 99] {
        let late = everything(&id, version, Some((claimed.clone(), Fence::new("f1"))));
        assert_eq!(store.commit(late).await.unwrap(), Committed::Conflict);
        assert_eq!(kept(&store, &id).await, before);
    }
}

#[tokio::test]
async fn a_repeated_result_is_answered_the_same_and_changes_nothing() {
    let (_folder, store) = fresh();
    let id = with_jobs(&store, vec![job(0, 0, 1, 1)]).await;
    let claimed = store.claim(ask("f1"), NOW).await.unwrap().unwrap().job.id;
    let settle = || Some((claimed.clone(), Fence::new("f1")));
    let first = Transition { settle: settle(), ..transition(&id, 1) };
    assert_eq!(store.commit(first).await.unwrap(), Committed::Done { stop: Vec::new() });
    let before = kept(&store, &id).await;
    for version in [1, 2] {
        assert_eq!(store.commit(everything(&id, version, settle())).await.unwrap(), Committed::Repeated);
        assert_eq!(kept(&store, &id).await, before);
    }
    assert!(store.accepted(&claimed, &Fence::new("f1")).await.unwrap());
}

#[tokio::test]
async fn a_transition_that_fails_midway_changes_nothing() {
    let (folder, store) = fresh();
    let id = with_jobs(&store, vec![job(0, 0, 1, 1)]).await;
    let claimed = store.claim(ask("f1"), NOW).await.unwrap().unwrap().job.id;
    let before = kept(&store, &id).await;
    // The event's place is taken, as if a damaged store had kept an event without its version.
    let other = Connection::open(folder.path().join("arena.db")).unwrap();
    other.execute("INSERT INTO events (session, n, body) VALUES (?1, 2, x'')", [id.as_str()]).unwrap();
    let refused = store.commit(everything(&id, 1, Some((claimed, Fence::new("f1"))))).await;
    assert!(matches!(refused, Err(StoreError::Sql(_))), "{refused:?}");
    other.execute("DELETE FROM events WHERE n = 2", []).unwrap();
    assert_eq!(kept(&store, &id).await, before);
}

#[tokio::test]
async fn a_transition_of_a_session_that_is_not_there_is_an_error() {
    let (_folder, store) = fresh();
    let refused = store.commit(transition(&SessionId::new("none"), 0)).await;
    assert!(matches!(refused, Err(StoreError::NotFound(id)) if id == "none"));
}

#[tokio::test]
async fn two_handles_on_one_folder_share_the_limits() {
    let (folder, one) = fresh();
    let two = Store::open(folder.path(), limits()).unwrap();
    with_jobs(&one, (0..9).map(|which| job(0, 0, which, 1)).collect()).await;
    let version = two.data_version().await.unwrap();
    assert!(one.claim(ask("f1"), NOW).await.unwrap().is_some());
    assert_ne!(two.data_version().await.unwrap(), version, "the other handle sees that something changed");
    let second = two.claim(ask("f2"), NOW).await.unwrap().unwrap().job.id;
    assert_eq!(one.claim(ask("f3"), NOW).await.unwrap(), None, "two of this session run, whoever claimed them");
    assert_eq!(two.claim(ask("f4"), NOW).await.unwrap(), None);
    let waiting = job(0, 0, 8, 1).id;
    let why = Why::Limit { dimension: "session", name: "t0-s0".into(), running: 2, limit: 2 };
    assert_eq!(one.why(waiting, Vec::new(), NOW).await.unwrap(), why);
    assert_eq!(one.give_back(second, Fence::new("f2"), NOW).await.unwrap(), Settled::Accepted);
    assert!(two.claim(ask("f5"), NOW).await.unwrap().is_some());
}

#[test]
fn eight_first_openings_at_the_same_time_work() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep").join("state");
    std::thread::scope(|scope| {
        let opened: Vec<_> = (0..8).map(|_| scope.spawn(|| Store::open(&path, limits()).map(drop))).collect();
        for handle in opened {
            handle.join().unwrap().unwrap();
        }
    });
}

#[test]
fn handles_in_many_threads_claim_every_job_once() {
    let (folder, store) = fresh();
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let limits = Limits { fleet: 64, ..Limits::default() };
    runtime().block_on(with_jobs(&store, (0..16).map(|n| Job { session_limit: 64, ..job(0, 0, n, 1) }).collect()));
    let claims: Vec<JobId> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let (path, limits) = (folder.path(), limits.clone());
                scope.spawn(move || {
                    let store = Store::open(path, limits).unwrap();
                    runtime().block_on(async {
                        let mut claimed = Vec::new();
                        while let Some(place) =
                            store.claim(ask(&format!("{thread}-{}", claimed.len())), NOW).await.unwrap()
                        {
                            claimed.push(place.job.id);
                        }
                        claimed
                    })
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let mut once = claims.clone();
    once.sort();
    once.dedup();
    assert_eq!((claims.len(), once.len()), (16, 16));
}

#[tokio::test]
async fn whatever_was_answered_is_there_after_opening_again() {
    let (folder, store) = fresh();
    let id = with_jobs(&store, vec![job(0, 0, 1, 1), job(0, 0, 2, 1), job(0, 0, 3, 1)]).await;
    let claimed = store.claim(ask("f1"), NOW).await.unwrap().unwrap().job.id;
    store.publish(&id, told("progress")).await.unwrap();
    let before = kept(&store, &id).await;
    drop(store);

    let store = Store::open(folder.path(), limits()).unwrap();
    assert_eq!(kept(&store, &id).await, before);
    let lease = vec![(claimed.clone(), Fence::new("f1"))];
    assert_eq!(store.not_held(lease.clone()).await.unwrap(), [], "a lease outlives the process that gave it");
    assert_eq!(store.renew(lease.clone(), NOW).await.unwrap(), []);
    let settle = Transition { settle: lease.into_iter().next(), ..transition(&id, 1) };
    assert_eq!(store.commit(settle).await.unwrap(), Committed::Done { stop: Vec::new() });
}

#[tokio::test]
async fn the_feed_is_in_the_order_of_the_transitions_and_resumes_after_any_item() {
    let (_folder, store) = fresh();
    let (one, two) = (session(0, 0), session(0, 1));
    create(&store, one.as_str()).await.unwrap();
    create(&store, two.as_str()).await.unwrap();
    for version in 0..5 {
        for id in [&one, &two] {
            let feed = ["a", "b"].map(|part| told(&format!("{id} {version}{part}"))).to_vec();
            store.commit(Transition { feed, ..transition(id, version) }).await.unwrap();
        }
        store.publish(&one, told(&format!("{one} {version}c"))).await.unwrap();
    }
    let feed = store.feed(&one, 0, 1000).await.unwrap();
    let texts: Vec<&str> = feed.iter().map(|item| item.text.as_str()).collect();
    let expected: Vec<String> =
        (0..5).flat_map(|version| ["a", "b", "c"].map(|part| format!("{one} {version}{part}"))).collect();
    assert_eq!(texts, expected);
    assert!(feed.windows(2).all(|pair| pair[0].seq < pair[1].seq));
    for (index, item) in feed.iter().enumerate() {
        assert_eq!(store.feed(&one, item.seq, 1000).await.unwrap(), feed[index + 1..]);
    }
    assert_eq!(store.feed(&one, 0, 4).await.unwrap(), feed[..4]);
}

#[tokio::test]
async fn the_beginning_of_an_id_finds_its_session() {
    let (_folder, store) = fresh();
    for id in ["abc1", "abc2", "abc", "d%", "e_f"] {
        create(&store, id).await.unwrap();
    }
    let rows: [(&str, Result<&str, &str>); 10] = [
        ("abc1", Ok("abc1")),
        ("abc", Ok("abc")),
        ("d", Ok("d%")),
        ("e_", Ok("e_f")),
        ("ab", Err("'ab' is the beginning of several sessions: abc, abc1, abc2")),
        ("x", Err("no session 'x'")),
        ("%", Err("no session '%'")),
        ("_", Err("no session '_'")),
        ("abc1x", Err("no session 'abc1x'")),
        ("ABC1", Err("no session 'ABC1'")),
    ];
    for (prefix, expected) in rows {
        let found = store.resolve(prefix).await;
        assert_eq!(
            found.map(|id| id.to_string()).map_err(|e| e.to_string()),
            expected.map(Into::into).map_err(Into::into)
        );
    }
    assert!(matches!(store.resolve("").await, Err(StoreError::Ambiguous(..))));
}

#[tokio::test]
async fn the_same_session_is_not_made_twice() {
    let (_folder, store) = fresh();
    create(&store, "abc").await.unwrap();
    assert!(create(&store, "abc").await.is_err());
    assert_eq!(store.sessions().await.unwrap().len(), 1);
}

#[test]
fn a_folder_that_cannot_be_written_is_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    // Not even root makes files in these.
    for path in [file.join("state"), "/proc/self/fdinfo".into(), "/proc/arena".into()] {
        let error = Store::open(&path, limits()).map(drop).unwrap_err();
        assert!(matches!(error, StoreError::ReadOnly(_)), "{path:?}: {error:?}");
        assert!(error.to_string().starts_with("the state directory cannot be written: "), "{error}");
    }
}

#[test]
fn a_store_of_a_newer_version_is_left_alone_and_says_what_to_do() {
    let (folder, store) = fresh();
    drop(store);
    let database = Connection::open(folder.path().join("arena.db")).unwrap();
    database.pragma_update(None, "user_version", 9).unwrap();
    let error = Store::open(folder.path(), limits()).map(drop).unwrap_err().to_string();
    assert!(error.contains("a newer arena (schema 9, known 2); update arena"), "{error}");
    let version: i64 = database.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 9);
}

#[tokio::test]
async fn a_store_of_the_first_version_is_brought_up_with_all_that_is_in_it() {
    let (folder, store) = fresh();
    let id = with_jobs(&store, vec![job(0, 0, 1, 1)]).await;
    let before = kept(&store, &id).await;
    drop(store);
    let database = Connection::open(folder.path().join("arena.db")).unwrap();
    database
        .execute_batch(
            "ALTER TABLE sessions DROP COLUMN touched; ALTER TABLE jobs DROP COLUMN failed;
             ALTER TABLE jobs DROP COLUMN died; PRAGMA user_version = 1;",
        )
        .unwrap();
    drop(database);
    for _ in 0..2 {
        let store = Store::open(folder.path(), limits()).unwrap();
        assert_eq!(kept(&store, &id).await, before);
        assert_eq!(store.touched(&id).await.unwrap(), 0, "nobody wrote that down then");
    }
}

#[tokio::test]
async fn who_moves_a_session_leaves_the_time_and_never_an_earlier_one() {
    let (_folder, store) = fresh();
    let (id, other) = (session(0, 0), session(0, 1));
    create(&store, id.as_str()).await.unwrap();
    create(&store, other.as_str()).await.unwrap();
    store.commit(transition(&id, 0)).await.unwrap();
    assert_eq!(store.touched(&id).await.unwrap(), NOW);
    for (now, expected) in [(NOW + 5, NOW + 5), (NOW + 3, NOW + 5)] {
        store.touch(vec![id.clone()], now).await.unwrap();
        assert_eq!(store.touched(&id).await.unwrap(), expected);
    }
    assert_eq!(store.touched(&other).await.unwrap(), 0);
}

#[test]
fn a_file_that_is_no_store_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("arena.db"), "this is no database, and it is long enough to be told".repeat(9))
        .unwrap();
    assert!(Store::open(folder.path(), limits()).is_err());
}
