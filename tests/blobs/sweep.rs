//! What no kept session names goes in its time, and nothing else: wherever blobs lie, and whoever uses them meanwhile.

use crate::contract::{Subject, pattern};
use arena_coordinator::blobs::{BlobError, Blobs};
use arena_coordinator::store::{Store, Transition};
use arena_coordinator::{Coordinator, Swept};
use arena_domain::id::{SessionId, Tenant};
use arena_domain::schedule::Limits;
use arena_proto::v1::{self, outcome, session_event};
use arena_runtime::{clock, config, tasks, token};
use futures_util::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const HOUR: u64 = 3_600_000;

/// A coordinator of a team whose sessions are kept for a while, over the subject's blobs.
pub struct Team {
    pub coordinator: Coordinator,
    blobs: Blobs,
    _state: tempfile::TempDir,
}

fn blue() -> Tenant {
    Tenant::new("blue")
}

impl Team {
    pub fn over(blobs: &Blobs) -> Self {
        let state = tempfile::tempdir().expect("a folder");
        let store = Store::open(state.path(), Limits::default()).expect("a store");
        let each = config::TenantLimits { blobs: Some(1 << 30), ..config::Limits::unlimited().each };
        let limits = config::Limits { each, ..config::Limits::unlimited() };
        let keep = Some(Duration::from_secs(86_400));
        let coordinator = Coordinator::new(store, blobs.clone()).keeping(keep).with_quotas(limits);
        Self { coordinator, blobs: blobs.of(&blue()), _state: state }
    }

    async fn put(&self, text: &str) -> String {
        self.blobs.put(text.as_bytes()).await.expect("a blob")
    }

    /// Submitted by blue just now, and under way.
    async fn session(&self, base_bundle: &str) -> SessionId {
        let head = v1::SessionHead {
            id: token::hex(12),
            tenant: "blue".into(),
            created: clock::now_millis(),
            base_bundle: base_bundle.into(),
            ..v1::SessionHead::default()
        };
        let id = SessionId::new(&head.id);
        self.coordinator.store.create(head, "a session".into()).await.expect("a session");
        id
    }

    /// One more entry of its record.
    async fn happens(&self, id: &SessionId, event: session_event::Event, status: &str) {
        let version = self.coordinator.store.record(id).await.expect("the record").version;
        let transition = Transition {
            session: id.clone(),
            version,
            settle: None,
            event: v1::SessionEvent { at: clock::now_millis(), event: Some(event) },
            enqueue: Vec::new(),
            cancel: None,
            feed: Vec::new(),
            status: status.into(),
            winner: String::new(),
            now: clock::now_millis(),
        };
        self.coordinator.store.commit(transition).await.expect("a transition");
    }

    async fn ends(&self, id: &SessionId) {
        self.happens(id, session_event::Event::Cancelled(v1::Cancelled {}), "cancelled").await;
    }

    async fn ended(&self, base_bundle: &str) -> SessionId {
        let id = self.session(base_bundle).await;
        self.ends(&id).await;
        id
    }

    /// What a sweep does so many hours from now.
    async fn sweep(&self, hours: u64) -> Swept {
        let now = clock::now_millis() + hours * HOUR;
        self.coordinator.sweep(now).await.expect("a sweep").expect("a place of its own")
    }

    /// Whether it can be had, without asking for it: what is asked for comes back.
    async fn lies(&self, subject: &Subject, digest: &str) -> bool {
        let at = subject.below.clone().join("tenants").join("blue").join(&digest[..2]).join(&digest[2..]);
        subject.raw.head(&at).await.is_ok()
    }
}

pub async fn holds(subject: &Subject) {
    what_is_named_stays_and_the_rest_goes_in_its_time(subject).await;
    what_is_pruned_takes_only_its_own_with_it(subject).await;
    what_came_since_the_oldest_session_under_way_stays(subject).await;
    what_was_said_to_be_there_stays_for_whoever_asked(subject).await;
    submissions_and_sweeps_at_once_lose_nothing(subject).await;
    what_a_tenant_has_is_counted(subject).await;
    // From here on another store keeps blobs there.
    a_place_of_two_stores_is_not_swept(subject).await;
}

async fn objects(subject: &Subject) -> usize {
    let all: Vec<_> = subject.raw.list(Some(&subject.below)).try_collect().await.expect("a list");
    all.len()
}

async fn what_is_named_stays_and_the_rest_goes_in_its_time(subject: &Subject) {
    let team = Team::fresh(subject).await;
    let mut named = Vec::new();
    for what in ["base", "bundle", "log", "gate"] {
        named.push(team.put(what).await);
    }
    let id = team.session(&named[0]).await;
    let implemented = v1::Implemented {
        bundle: named[1].clone(),
        logs: vec![format!("stdout={}", named[2])],
        ..v1::Implemented::default()
    };
    let gates = vec![v1::GateResult { log: named[3].clone(), ..v1::GateResult::default() }];
    let outcomes = [
        outcome::Outcome::Implemented(implemented),
        outcome::Outcome::Evaluated(v1::Evaluated { gates, ..v1::Evaluated::default() }),
    ];
    for outcome in outcomes {
        let outcome = Some(v1::Outcome { outcome: Some(outcome) });
        let settled = v1::Settled { job: "j".into(), outcome };
        team.happens(&id, session_event::Event::Settled(settled), "running").await;
    }
    team.ends(&id).await;
    let unnamed = team.put("nobody's").await;
    let new = team.coordinator.sweep(clock::now_millis()).await.expect("a look");
    assert_eq!(new, None, "a store that is new here does not know yet who else is");
    assert_eq!(team.sweep(20).await.aside, 0, "whoever stored it may still submit what names it");
    assert_eq!(team.sweep(25).await.aside, 1);
    assert!(!team.lies(subject, &unnamed).await);
    assert_eq!(team.blobs.get(&unnamed).await.expect("it is set aside, and within reach"), b"nobody's");
    assert!(team.lies(subject, &unnamed).await, "and it came back by that");
    let swept = [team.sweep(25).await, team.sweep(48).await].map(|swept| (swept.aside, swept.gone));
    assert_eq!(swept, [(1, 0), (0, 0)], "not before a day is over");
    assert!(team.sweep(50).await.gone >= 1);
    assert!(matches!(team.blobs.get(&unnamed).await, Err(BlobError::NotFound)), "now it is gone");
    assert!(!team.blobs.has(&unnamed).await.expect("an answer"));
    for digest in &named {
        assert!(team.lies(subject, digest).await, "{digest}");
    }
}

async fn what_is_pruned_takes_only_its_own_with_it(subject: &Subject) {
    let team = Team::fresh(subject).await;
    let (shared, own) = (team.put("shared by two sessions").await, team.put("of the old one alone").await);
    let old = team.session(&shared).await;
    let settled = v1::Implemented { bundle: own.clone(), ..v1::Implemented::default() };
    let outcome = Some(v1::Outcome { outcome: Some(outcome::Outcome::Implemented(settled)) });
    team.happens(&old, session_event::Event::Settled(v1::Settled { job: "j".into(), outcome }), "running").await;
    team.ends(&old).await;
    team.ended(&shared).await;
    assert_eq!(team.sweep(100).await.aside, 0, "both are kept");
    assert!(team.coordinator.store.prune(&old).await.expect("an answer"));
    assert_eq!(team.sweep(100).await.aside, 1);
    assert_eq!(team.sweep(125).await.gone, 1);
    assert!(team.lies(subject, &shared).await && !team.blobs.has(&own).await.expect("an answer"));
}

/// A worker brings the blobs of a result before the result, and may die between the two; its next boot may be days away.
async fn what_came_since_the_oldest_session_under_way_stays(subject: &Subject) {
    let team = Team::fresh(subject).await;
    let base = team.put("the base of a session under way").await;
    let id = team.session(&base).await;
    let brought = team.put("a result that nobody heard of yet").await;
    assert_eq!(team.sweep(500).await.aside, 0);
    team.ends(&id).await;
    assert_eq!(team.sweep(500).await.aside, 1, "the session has ended without it");
    assert!(!team.lies(subject, &brought).await && team.lies(subject, &base).await);
}

async fn what_was_said_to_be_there_stays_for_whoever_asked(subject: &Subject) {
    let team = Team::fresh(subject).await;
    team.ended("").await;
    let base = team.put("a base of an old session").await;
    // Asked just before, and just after it was set aside; then it is submitted.
    for after in [false, true] {
        let asked_before = !after && team.blobs.has(&base).await.expect("an answer");
        assert_eq!(team.sweep(25).await.aside, 1, "{after}");
        assert!(asked_before || team.blobs.has(&base).await.expect("an answer"), "it is still there");
        let id = team.ended(&base).await;
        let swept = team.sweep(60).await;
        assert_eq!((swept.back, swept.gone), if after { (0, 1) } else { (1, 1) });
        assert!(team.lies(subject, &base).await);
        assert!(team.coordinator.store.prune(&id).await.expect("an answer"));
    }
}

/// Each base is old and nobody's when it is asked for, and is submitted once: who was told that it is there sends it no more.
async fn submissions_and_sweeps_at_once_lose_nothing(subject: &Subject) {
    let team = Arc::new(Team::fresh(subject).await);
    team.ended("").await;
    let done = Arc::new(AtomicBool::new(false));
    let sweeping = [(); 2].map(|()| {
        let (team, done) = (team.clone(), done.clone());
        tasks::spawn(async move {
            while !done.load(Ordering::Relaxed) {
                team.sweep(25).await;
            }
        })
    });
    let submitting = [0, 1, 2].map(|one| {
        let team = team.clone();
        tasks::spawn(async move {
            let mut bases = Vec::new();
            for turn in 0..30 {
                let text = format!("base {turn} of {one}");
                let digest = team.put(&text).await;
                if !team.blobs.has(&digest).await.expect("an answer") {
                    assert_eq!(team.put(&text).await, digest);
                }
                // Some are not submitted in the end.
                if turn % 5 > 0 {
                    team.ended(&digest).await;
                }
                bases.push((digest, turn % 5 > 0));
            }
            bases
        })
    });
    let mut bases = Vec::new();
    for one in submitting {
        bases.extend(one.await.expect("no panic"));
    }
    done.store(true, Ordering::Relaxed);
    for one in sweeping {
        one.await.expect("no panic");
    }
    for hours in [60, 90] {
        team.sweep(hours).await;
    }
    for (digest, submitted) in bases {
        assert_eq!(team.lies(subject, &digest).await, submitted, "{digest}");
    }
}

async fn what_a_tenant_has_is_counted(subject: &Subject) {
    let team = Team::fresh(subject).await;
    let red = team.coordinator.blobs.of(&Tenant::new("red"));
    let (large, small) =
        (team.blobs.put(&pattern(100_000)).await.expect("a blob"), red.put(&[1; 10]).await.expect("a blob"));
    let has = async |name: &str| team.coordinator.stored_by(&Tenant::new(name)).await.expect("a count");
    assert_eq!((has("blue").await, has("red").await, has("green").await), (100_000, 10, 0), "as it was found");
    for bytes in [5, 7] {
        team.coordinator.came(&blue(), bytes).await.expect("a note");
    }
    assert_eq!(has("blue").await, 100_012);
    let other = Coordinator::new(team.coordinator.store.clone(), team.coordinator.blobs.clone())
        .with_quotas((*unbounded_but(1 << 30)).clone());
    other.came(&blue(), 8).await.expect("a note");
    assert_eq!(
        has("blue").await,
        100_020,
        "what came by another coordinator, or by this one before it was started again"
    );
    team.ended(&large).await;
    let swept = team.sweep(25).await;
    assert_eq!(swept.bytes.get(&blue()), Some(&100_000));
    assert_eq!((has("blue").await, has("red").await), (100_000, 0), "a sweep counts what is left");
    other.came(&blue(), 8).await.expect("a note");
    assert_eq!(has("blue").await, 100_008);
    assert!(red.has(&small).await.expect("an answer"), "what is aside counts for nobody, and is within reach");
}

fn unbounded_but(blobs: u64) -> Box<config::Limits> {
    let each = config::TenantLimits { blobs: Some(blobs), ..config::Limits::unlimited().each };
    Box::new(config::Limits { each, tenants: BTreeMap::new(), ..config::Limits::unlimited() })
}

async fn a_place_of_two_stores_is_not_swept(subject: &Subject) {
    let (team, other) = (Team::fresh(subject).await, Team::over(&subject.blobs));
    let far = clock::now_millis() + 500 * HOUR;
    assert_eq!(team.coordinator.sweep(far).await.expect("a look"), None, "a store without a session names nothing");
    for one in [&team, &other] {
        one.put("of one of the two").await;
        one.ended("").await;
        one.coordinator.sweep(clock::now_millis()).await.expect("a look, as at the start of each");
    }
    let before = objects(subject).await;
    for one in [&team, &other] {
        assert_eq!(one.coordinator.sweep(far).await.expect("a look"), None, "nobody knows what the other one names");
    }
    assert_eq!(objects(subject).await, before);
}

impl Team {
    /// Over the subject's blobs, of which there are none.
    async fn fresh(subject: &Subject) -> Self {
        let all: Vec<_> = subject.raw.list(Some(&subject.below)).try_collect().await.expect("a list");
        for object in all {
            subject.raw.delete(&object.location).await.expect("a place that can be emptied");
        }
        Self::over(&subject.blobs)
    }
}
