//! The port: what each implementation of the store does. The laws are those of `store.rs` and of the domain's scheduler;
//! the contract suite holds every implementation to them.

use super::{Committed, Record, Shelf, StoreError, Transition};
use arena_domain::id::{Fence, JobId, SessionId, Tenant, WorkerId};
use arena_domain::job::{Job, Millis};
use arena_domain::schedule::{Ask, Left, Line, Place, Settled, Why};
use arena_proto::v1;
use async_trait::async_trait;
use std::time::Duration;

/// A job that nobody runs again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub job: JobId,
    /// Of its last lease: a result, or the word that it is given up, is accepted under it.
    pub fence: Fence,
    pub reason: String,
    pub at: Millis,
}

/// Why a lease is handed back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Back {
    /// Infrastructure failed it, which is counted.
    Failed,
    /// Its worker was told to stop.
    LetGo,
}

/// What every answer outlives. One that would outlive less is an error, not an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It is on the disk: the machine may lose its power.
    Disk,
    /// It is in the memory of one server, and on its disk within a second.
    Server,
    /// It is in the memory of the server and of so many replicas.
    Replicated { replicas: u32 },
}

/// What happened since a version of the store, as far as it is known: what is told may not have happened, and what is not
/// told may be late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct News {
    pub version: i64,
    /// A job waits that did not wait before, or a limit holds no more.
    pub work: bool,
    /// Leases ended that their workers did not end.
    pub leases: bool,
    /// A worker shall be drained.
    pub drains: bool,
    /// There is more to see in a feed.
    pub feed: bool,
}

/// Which sessions a list holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Which {
    /// Those that have not ended.
    UnderWay,
    /// At most `most` that are older than this one, or the newest.
    Older { than: Option<(Millis, SessionId)>, most: u32 },
}

/// Sessions: records, transitions, feeds. A transition that is refused changes nothing; one that is answered is there
/// whatever happens next, as far as [`Durability`] says; feeds are in the order of transitions.
#[async_trait]
pub(super) trait Records: Send + Sync {
    async fn create(&self, head: v1::SessionHead, title: String) -> Result<(), StoreError>;
    async fn record(&self, id: &SessionId) -> Result<Record, StoreError>;
    async fn commit(&self, transition: Transition) -> Result<Committed, StoreError>;
    async fn touch(&self, ids: Vec<SessionId>, now: Millis) -> Result<(), StoreError>;
    async fn touched(&self, id: &SessionId) -> Result<Millis, StoreError>;
    async fn resolve(&self, prefix: &str) -> Result<SessionId, StoreError>;
    async fn sessions(&self, which: Which) -> Result<Vec<v1::Summary>, StoreError>;
    async fn prune(&self, id: &SessionId) -> Result<bool, StoreError>;
    async fn publish(&self, id: &SessionId, item: v1::FeedItem) -> Result<(), StoreError>;
    async fn feed(&self, id: &SessionId, after: u64, most: u32) -> Result<Vec<v1::FeedItem>, StoreError>;
}

/// The queue: answers are those of `arena_domain::schedule::Queue` for the same commands and the same clock.
#[async_trait]
pub(super) trait Leases: Send + Sync {
    async fn claim(&self, ask: Ask, now: Millis) -> Result<Option<Place>, StoreError>;
    async fn renew(&self, leases: Vec<(JobId, Fence)>, now: Millis) -> Result<Vec<JobId>, StoreError>;
    async fn hand_back(
        &self,
        lease: (JobId, Fence),
        how: Back,
        due: Millis,
        now: Millis,
    ) -> Result<Settled, StoreError>;
    async fn expire(&self, now: Millis) -> Result<Vec<JobId>, StoreError>;
    async fn abandon(&self, session: SessionId, left: Left, now: Millis) -> Result<Vec<JobId>, StoreError>;
    async fn bury(&self, workers: Vec<WorkerId>, now: Millis) -> Result<Vec<JobId>, StoreError>;
    async fn dead(&self, of: Option<&SessionId>, most: u32) -> Result<Vec<DeadLetter>, StoreError>;
    async fn revive(&self, id: &JobId, now: Millis) -> Result<bool, StoreError>;
    async fn line(&self, id: &JobId, idle: Vec<SessionId>, now: Millis) -> Result<Option<Line>, StoreError>;
}

/// Small records by key, each shelf in the order of its keys.
#[async_trait]
pub(super) trait Shelves: Send + Sync {
    async fn keep(&self, shelf: Shelf, key: String, body: Vec<u8>) -> Result<(), StoreError>;
    async fn keep_all(&self, shelf: Shelf, records: Vec<(String, Vec<u8>)>) -> Result<(), StoreError>;
    async fn keep_new(&self, shelf: Shelf, key: String, body: Vec<u8>) -> Result<bool, StoreError>;
    async fn kept(&self, shelf: Shelf, key: &str) -> Result<Option<Vec<u8>>, StoreError>;
    async fn shelf(&self, shelf: Shelf, after: &str, most: u32) -> Result<Vec<(String, Vec<u8>)>, StoreError>;
    async fn last_kept(&self, shelf: Shelf) -> Result<Option<(String, Vec<u8>)>, StoreError>;
    async fn discard(&self, shelf: Shelf, key: &str, only: Option<Vec<u8>>) -> Result<bool, StoreError>;
}

/// What looks, and changes no job.
#[async_trait]
pub(super) trait Sights: Send + Sync {
    async fn failures(&self, id: &JobId, fence: &Fence) -> Result<Option<u32>, StoreError>;
    async fn not_held(&self, leases: Vec<(JobId, Fence)>) -> Result<Vec<JobId>, StoreError>;
    async fn accepted(&self, id: &JobId, fence: &Fence) -> Result<bool, StoreError>;
    async fn why(&self, id: JobId, idle: Vec<SessionId>, now: Millis) -> Result<Why, StoreError>;
    async fn job(&self, id: &JobId) -> Result<Option<Job>, StoreError>;
    async fn jobs(&self, session: &SessionId) -> Result<Vec<v1::JobState>, StoreError>;
    /// How many kinds of workers the tenant's jobs wait for, where that costs anybody anything.
    async fn kinds(&self, _: &Tenant) -> Result<u32, StoreError> {
        Ok(0)
    }
    async fn live(&self) -> Result<Vec<(Job, &'static str)>, StoreError>;
    async fn data_version(&self) -> Result<i64, StoreError>;
    async fn news(&self, seen: i64, patience: Duration) -> Result<News, StoreError>;
    async fn sweep(&self) -> Result<Vec<String>, StoreError>;
    async fn now(&self) -> Result<Millis, StoreError>;
    fn durability(&self) -> Durability;
}
