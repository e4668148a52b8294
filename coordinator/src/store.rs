//! The store: sessions, queue, leases and feed, durable; what the domain decided, and nothing else.
//!
//! Law: one transition is one step. The events, the jobs they enqueue, the job they settle and what watchers are told
//! become durable together or not at all. Whoever shares a store shares its limits. Two implementations pass one contract
//! suite: SQLite in a state directory for one machine, Redis for a fleet.

#[cfg(test)]
mod contract;
mod embedded;
mod error;
mod port;
mod redis;
mod shelf;
mod transition;

pub use self::redis::settings::{Nodes, Password, RedisSettings, Replicas, Tls};
pub use error::StoreError;
pub use port::{DeadLetter, Durability, News};
pub use shelf::Shelf;
pub use transition::{Cancel, Committed, Transition};

use self::redis::Begins;
use arena_domain::id::{Fence, JobId, SessionId, Tenant, WorkerId};
use arena_domain::job::{Job, Millis};
use arena_domain::schedule::{Ask, Left, Limits, Line, Place, Settled, Terms, Why};
use arena_proto::v1;
use port::{Back, Leases, Records, Shelves, Sights, Which};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Sessions of one page of a list, so that a long one holds up nobody.
pub(crate) const PAGE: u32 = 256;

/// One open store. Clones are the same one.
#[derive(Clone)]
pub struct Store {
    records: Arc<dyn Records>,
    leases: Arc<dyn Leases>,
    sights: Arc<dyn Sights>,
    shelves: Arc<dyn Shelves>,
    terms: Terms,
    aliases: Arc<BTreeMap<String, String>>,
}

/// A session's record: its head, and its events so far.
#[derive(Debug, Clone)]
pub struct Record {
    pub head: v1::SessionHead,
    /// Grows by one with each transition.
    pub version: u64,
    pub events: Vec<v1::SessionEvent>,
}

/// What a handle knows of the limits itself.
struct Known {
    terms: Terms,
    aliases: Arc<BTreeMap<String, String>>,
}

impl Known {
    fn of(limits: &Limits) -> Self {
        Self { terms: limits.terms, aliases: Arc::new(limits.aliases.clone()) }
    }
}

impl Store {
    /// The embedded store of a state directory, which is made when it is not there.
    pub fn open(folder: &Path, limits: Limits) -> Result<Self, StoreError> {
        let known = Known::of(&limits);
        Ok(Self::over(embedded::Embedded::open(folder, limits)?, known))
    }

    /// Whether the embedded store is in this folder; nothing is made by asking.
    pub fn is_in(folder: &Path) -> bool {
        embedded::is_in(folder)
    }

    /// For looking only, where nothing can be written: on a file system that is read-only, or in another user's folder.
    pub fn look(folder: &Path, limits: Limits) -> Result<Self, StoreError> {
        let known = Known::of(&limits);
        Ok(Self::over(embedded::Embedded::look(folder, limits)?, known))
    }

    /// The fleet's store. The server's profile is checked, and one that would lose or drop writes is refused; the limits
    /// become those of the whole cell.
    pub async fn connect(settings: RedisSettings, limits: Limits) -> Result<Self, StoreError> {
        let known = Known::of(&limits);
        Ok(Self::over(self::redis::Redis::connect(settings, limits, Begins::Takes, false).await?, known))
    }

    /// The same for whoever is no coordinator: the limits of the cell stay as they are, and these hold only where it has none.
    pub async fn join(settings: RedisSettings, limits: Limits) -> Result<Self, StoreError> {
        let known = Known::of(&limits);
        Ok(Self::over(self::redis::Redis::connect(settings, limits, Begins::Keeps, false).await?, known))
    }

    fn over(store: impl Records + Leases + Sights + Shelves + 'static, known: Known) -> Self {
        let (store, Known { terms, aliases }) = (Arc::new(store), known);
        Self { records: store.clone(), leases: store.clone(), sights: store.clone(), shelves: store, terms, aliases }
    }

    /// How long the leases hold that this handle gives and renews.
    pub fn terms(&self) -> Terms {
        self.terms
    }

    /// A new session before its first event; the same id twice is refused.
    pub async fn create(&self, head: v1::SessionHead, title: String) -> Result<(), StoreError> {
        self.records.create(head, title).await
    }

    pub async fn record(&self, id: &SessionId) -> Result<Record, StoreError> {
        self.records.record(id).await
    }

    /// An engine that goes by several names is enqueued by the one that its limit names.
    pub async fn commit(&self, mut transition: Transition) -> Result<Committed, StoreError> {
        for engine in transition.enqueue.iter_mut().filter_map(|job| job.engine.as_mut()) {
            if let Some(name) = self.aliases.get(engine) {
                engine.clone_from(name);
            }
        }
        self.records.commit(transition).await
    }

    /// Writes down that these sessions are being moved now.
    pub async fn touch(&self, ids: Vec<SessionId>, now: Millis) -> Result<(), StoreError> {
        self.records.touch(ids, now).await
    }

    /// When a process last moved this session; 0 when that was not written down.
    pub async fn touched(&self, id: &SessionId) -> Result<Millis, StoreError> {
        self.records.touched(id).await
    }

    /// The whole id for the beginning of one.
    pub async fn resolve(&self, prefix: &str) -> Result<SessionId, StoreError> {
        self.records.resolve(prefix).await
    }

    /// All of them, newest first. What is asked for again and again asks for [`Self::under_way`].
    pub async fn sessions(&self) -> Result<Vec<v1::Summary>, StoreError> {
        let mut all: Vec<v1::Summary> = Vec::new();
        loop {
            let than = all.last().map(|last| (last.created, SessionId::new(&last.id)));
            let page = self.older(than, PAGE).await?;
            let more = page.len() == PAGE as usize;
            all.extend(page);
            if !more {
                return Ok(all);
            }
        }
    }

    /// At most `most` that were made before that one, or the newest; newest first, by their ids where they are equally old.
    pub async fn older(&self, than: Option<(Millis, SessionId)>, most: u32) -> Result<Vec<v1::Summary>, StoreError> {
        self.records.sessions(Which::Older { than, most }).await
    }

    /// Those that have not ended, newest first. It costs what these are, however many have ended.
    pub async fn under_way(&self) -> Result<Vec<v1::Summary>, StoreError> {
        self.records.sessions(Which::UnderWay).await
    }

    /// Takes away all that is kept of a session that has ended; `false`: it has not, or is not there.
    pub async fn prune(&self, id: &SessionId) -> Result<bool, StoreError> {
        self.records.prune(id).await
    }

    /// Adds to what watchers see, outside of any transition: progress of a job.
    pub async fn publish(&self, id: &SessionId, item: v1::FeedItem) -> Result<(), StoreError> {
        self.records.publish(id, item).await
    }

    /// At most `most` items after `after`.
    pub async fn feed(&self, id: &SessionId, after: u64, most: u32) -> Result<Vec<v1::FeedItem>, StoreError> {
        self.records.feed(id, after, most).await
    }

    /// The next job by fair share, leased under the fence in its state; or nothing. The same request is answered the same
    /// while what it got is leased.
    pub async fn claim(&self, ask: Ask, now: Millis) -> Result<Option<Place>, StoreError> {
        self.leases.claim(ask, now).await
    }

    /// Renews leases; the jobs whose lease is lost are returned.
    pub async fn renew(&self, leases: Vec<(JobId, Fence)>, now: Millis) -> Result<Vec<JobId>, StoreError> {
        if leases.is_empty() {
            return Ok(Vec::new());
        }
        self.leases.renew(leases, now).await
    }

    /// Back to the queue, to be tried again at `due`: infrastructure failed it.
    pub async fn give_back(&self, id: JobId, fence: Fence, due: Millis, now: Millis) -> Result<Settled, StoreError> {
        self.leases.hand_back((id, fence), Back::Failed, due, now).await
    }

    /// Back to the queue, and nothing is counted: its worker was told to stop.
    pub async fn let_go(&self, id: JobId, fence: Fence, due: Millis, now: Millis) -> Result<Settled, StoreError> {
        self.leases.hand_back((id, fence), Back::LetGo, due, now).await
    }

    /// Takes away the leases whose margin has passed too, so many at a time; their jobs wait again, or are dead.
    pub async fn expire(&self, now: Millis) -> Result<Vec<JobId>, StoreError> {
        self.leases.expire(now).await
    }

    /// The leases of a session whose worker is known to be gone.
    pub async fn abandon(&self, session: SessionId, left: Left, now: Millis) -> Result<Vec<JobId>, StoreError> {
        self.leases.abandon(session, left, now).await
    }

    /// The leases of workers that are known to be dead.
    pub async fn bury(&self, workers: Vec<WorkerId>, now: Millis) -> Result<Vec<JobId>, StoreError> {
        if workers.is_empty() {
            return Ok(Vec::new());
        }
        self.leases.bury(workers, now).await
    }

    /// At most `most` jobs that nobody runs again, of this session or of all, the longest dead first.
    pub async fn dead(&self, of: Option<&SessionId>, most: u32) -> Result<Vec<DeadLetter>, StoreError> {
        self.leases.dead(of, most).await
    }

    /// Gives a dead job another life; `false`: it is not dead.
    pub async fn revive(&self, id: &JobId, now: Millis) -> Result<bool, StoreError> {
        self.leases.revive(id, now).await
    }

    /// Where a job that waits and is due stands beside others; nothing of any other. Beyond so many sessions of one tenant, or
    /// so many tenants, at the head of the line, the figures are the least that they can be.
    pub async fn line(&self, id: &JobId, idle: Vec<SessionId>, now: Millis) -> Result<Option<Line>, StoreError> {
        self.leases.line(id, idle, now).await
    }

    /// How often infrastructure failed this job before; `None` when the lease is not this fence's.
    pub async fn failures(&self, id: &JobId, fence: &Fence) -> Result<Option<u32>, StoreError> {
        self.sights.failures(id, fence).await
    }

    /// Those of the leases that are not held under their fence any more.
    pub async fn not_held(&self, leases: Vec<(JobId, Fence)>) -> Result<Vec<JobId>, StoreError> {
        self.sights.not_held(leases).await
    }

    /// Whether the result of this job was accepted under this fence.
    pub async fn accepted(&self, id: &JobId, fence: &Fence) -> Result<bool, StoreError> {
        self.sights.accepted(id, fence).await
    }

    /// As if the `idle` sessions were not there: nobody takes their jobs.
    pub async fn why(&self, id: JobId, idle: Vec<SessionId>, now: Millis) -> Result<Why, StoreError> {
        self.sights.why(id, idle, now).await
    }

    /// A job that waits, runs or is dead.
    pub async fn job(&self, id: &JobId) -> Result<Option<Job>, StoreError> {
        self.sights.job(id).await
    }

    /// All jobs of a session, for those who look.
    pub async fn jobs(&self, session: &SessionId) -> Result<Vec<v1::JobState>, StoreError> {
        self.sights.jobs(session).await
    }

    /// All jobs that wait (`queued`) or run (`leased`), in any order. Only figures are made of it, so the answer of a moment
    /// ago will do; no rule looks at it.
    pub async fn live(&self) -> Result<Vec<(Job, &'static str)>, StoreError> {
        self.sights.live().await
    }

    /// How many kinds of workers the tenant's jobs wait for, where that costs anybody anything.
    pub async fn kinds(&self, tenant: &Tenant) -> Result<u32, StoreError> {
        self.sights.kinds(tenant).await
    }

    /// Changes when somebody else did what others wait for: put jobs in the line, ended leases, told of a session.
    pub async fn data_version(&self) -> Result<i64, StoreError> {
        self.sights.data_version().await
    }

    /// Waits until something happened after the version `seen`, at most for `patience`. A hint over a poll: it may come
    /// late, and for nothing.
    pub async fn news(&self, seen: i64, patience: Duration) -> Result<News, StoreError> {
        self.sights.news(seen, patience).await
    }

    /// Looks through a part of the store for indexes that do not agree with the jobs, and mends them; what it mended. Each
    /// call takes the next part.
    pub async fn sweep(&self) -> Result<Vec<String>, StoreError> {
        self.sights.sweep().await
    }

    /// The time by the clock that all who share the store have; those of coordinators differ.
    pub async fn now(&self) -> Result<Millis, StoreError> {
        self.sights.now().await
    }

    /// What every answer of this store outlives.
    pub fn durability(&self) -> Durability {
        self.sights.durability()
    }
}
