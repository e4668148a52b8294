//! The laws of the store, on real files and a real Redis: transitions are atomic and durable, handles share limits, answers
//! are those of the reference scheduler, errors are clear.

mod chaos;
mod damage;
mod embedded;
mod faults;
mod fleet;
mod laws;
mod lists;
mod model;
mod oracle;
mod reach;
mod rows;
mod server;
mod tenants;

use super::*;
use arena_domain::id::{CompetitorName, Request, Tenant};
use arena_domain::job::{Job, MAX_ATTEMPTS, Work};
use arena_domain::placement::{self, Needs, Offer, Room, Slot};
use arena_domain::schedule::{Provider, TenantLimits, Terms};
use server::Server;
use std::collections::{BTreeMap, BTreeSet};
use tempfile::TempDir;

const NOW: Millis = 1_700_000_000_000;
/// Not the usual ones: a store that knew only those would not agree.
const TERMS: Terms = Terms { lease: Duration::from_secs(50), margin: Duration::from_secs(12) };

fn limits() -> Limits {
    Limits {
        fleet: 4,
        tenant: 3,
        tenants: BTreeMap::from([("t2".to_owned(), TenantLimits { running: 2, weight: 2 })]),
        engine: BTreeMap::from([("e0".to_owned(), 2)]),
        provider: BTreeMap::from([("p".to_owned(), provider())]),
        terms: TERMS,
        ..Limits::default()
    }
}

fn provider() -> Provider {
    Provider { running: 3, engines: BTreeSet::from(["e0".to_owned(), "e1".to_owned()]) }
}

/// Where a store keeps what it has.
enum Home {
    Folder(TempDir),
    Server(Server),
}

impl Home {
    fn folder() -> Self {
        Self::Folder(tempfile::tempdir().unwrap())
    }

    /// One more handle.
    async fn open(&self) -> Store {
        self.open_with(limits()).await
    }

    async fn open_with(&self, limits: Limits) -> Store {
        match self {
            Self::Folder(folder) => Store::open(folder.path(), limits).unwrap(),
            Self::Server(server) => server.store(server.settings(), limits).await.unwrap(),
        }
    }
}

macro_rules! on_every_store {
    ($($law:ident)*) => {
        mod on_files {
            use super::*;
            $(#[tokio::test] async fn $law() { laws::$law(Home::folder()).await; })*
        }
        mod on_redis {
            use super::*;
            $(#[tokio::test] async fn $law() {
                if let Some(server) = Server::start(stringify!($law)) {
                    laws::$law(Home::Server(server)).await;
                }
            })*
        }
    };
}

on_every_store! {
    a_report_under_a_stale_fence_changes_nothing
    a_transition_decided_on_an_old_version_changes_nothing
    a_repeated_result_is_answered_the_same_and_changes_nothing
    a_transition_of_a_session_that_is_not_there_is_an_error
    two_handles_share_the_limits
    whatever_was_answered_is_there_after_opening_again
    the_feed_is_in_the_order_of_the_transitions_and_resumes_after_any_item
    the_beginning_of_an_id_finds_its_session
    the_same_session_is_not_made_twice
    who_moves_a_session_leaves_the_time_and_never_an_earlier_one
    the_same_request_is_answered_the_same_as_long_as_its_lease_is_held
    a_suspect_keeps_its_job_until_the_margin_has_passed
    a_dead_job_says_why_and_runs_again_when_it_is_requeued
    a_delayed_job_waits_until_it_is_due
    a_tenant_with_many_jobs_delays_anothers_first_job_by_one_turn_at_most
    a_worker_of_one_tenant_gets_no_job_of_another
    room_for_what_a_worker_may_not_have_is_no_room_for_the_rest
    names_that_look_like_patterns_or_keys_harm_nobody
    news_is_heard_of_while_one_waits_for_it
    live_jobs_are_those_that_wait_or_run_each_as_it_was_put_in
    what_is_let_go_waits_again_and_nothing_is_counted
    ten_thousand_jobs_of_one_tenant_delay_anothers_first_by_one_turn_at_most
    other_limits_hold_at_once_for_what_waits
    another_patience_holds_for_what_is_kept_already
    what_comes_due_again_is_kept_for_its_home_before_anybody_asks
    what_has_ended_is_taken_away_whole_and_what_has_not_is_not
    an_engine_of_two_names_has_one_limit
    a_shelf_keeps_its_order_and_what_is_new_never_replaces
    a_list_comes_in_pages_each_session_once_by_its_age
    what_has_not_ended_is_listed_by_itself
}

async fn create(store: &Store, id: &str) -> Result<(), StoreError> {
    // As its jobs have it.
    let tenant = id.split('-').next().unwrap_or_default().to_owned();
    let head = v1::SessionHead { id: id.into(), created: NOW, tenant, ..v1::SessionHead::default() };
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
        session_weight: 1 + u32::from(number),
        priority: u32::from(number),
        engine: (kind == "implement").then(|| format!("e{engine}")),
        needs: Needs {
            ability: (which == 1).then(|| format!("e{engine}")),
            labels: (which == 2 || which == 4).then(|| "rack=\"7\"".to_owned()).into_iter().collect(),
            room: Room { memory: 20 * u32::from(which % 4), disk: 1 },
        },
        home: match which {
            4 | 6 => Some(placement::Home::Worker("near".into())),
            7 | 8 => Some(placement::Home::Hardware("big".into())),
            _ => None,
        },
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

fn ask(request: &str) -> Ask {
    let labels = BTreeSet::from(["rack=\"7\"".to_owned()]);
    let offer = Offer { name: "near".into(), hardware: "big".into(), labels, ..Offer::everything("w") };
    Ask { offer, ..Ask::any(WorkerId::new("w"), Request::new(request)) }
}

/// A worker as chance has it; the most able one for 0.
fn offer(dice: u16, engine: Option<u8>) -> Offer {
    let lacks = |bit: u16| dice >> bit & 1 == 1;
    let whole = Room { memory: if lacks(5) { 40 } else { 60 }, disk: 1 };
    let used = Room { memory: 20 * u32::from(dice >> 6 & 3), disk: u32::from(dice >> 8 & 7 == 7) };
    Offer {
        name: if lacks(0) { "far" } else { "near" }.into(),
        hardware: if lacks(1) { "small" } else { "big" }.into(),
        abilities: engine.map(|number| BTreeSet::from([format!("e{number}")])),
        labels: (!lacks(2)).then(|| "rack=\"7\"".to_owned()).into_iter().collect(),
        slots: [(3, Slot::Engine), (4, Slot::Measure)]
            .into_iter()
            .filter(|(bit, _)| !lacks(*bit))
            .map(|(_, s)| s)
            .collect(),
        whole,
        free: whole.without(used),
    }
}

/// The next job, and its fence.
async fn claim(store: &Store, request: &str) -> (JobId, Fence) {
    let place = store.claim(ask(request), NOW).await.unwrap().unwrap();
    (place.job.id.clone(), place.fence().unwrap().clone())
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

/// Until it holds, for at most a minute.
async fn until(mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..600 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it did not come to hold within a minute");
}

fn roomy() -> Limits {
    Limits { fleet: 100_000, ..Limits::default() }
}

fn numbered(number: u32) -> Job {
    Job { id: JobId::new(format!("t0-s0/n{number}/1/implement")), session_limit: 100_000, ..job(0, 0, 1, 7) }
}
