//! What only looks: no write lock is taken.

use super::rows::{Also, load};
use super::{Embedded, StoreError};
use crate::store::port::{Durability, News, Sights};
use arena_domain::id::{Fence, JobId, SessionId};
use arena_domain::job::{Job, Millis};
use arena_domain::schedule::Why;
use arena_proto::convert::Wire;
use arena_proto::v1;
use arena_runtime::clock::{self, Stopwatch};
use async_trait::async_trait;
use prost::Message;
use rusqlite::OptionalExtension;
use std::time::Duration;

/// How often another process' writes are looked for while somebody waits for news.
const LOOK: Duration = Duration::from_millis(200);

#[async_trait]
impl Sights for Embedded {
    async fn failures(&self, id: &JobId, fence: &Fence) -> Result<Option<u32>, StoreError> {
        let (id, fence) = (id.to_string(), fence.to_string());
        self.call(move |connection| {
            let mut query = connection
                .prepare_cached("SELECT failed FROM jobs WHERE id = ?1 AND state = 'leased' AND fence = ?2")?;
            Ok(query.query_row([id, fence], |row| row.get(0)).optional()?)
        })
        .await
    }

    async fn not_held(&self, leases: Vec<(JobId, Fence)>) -> Result<Vec<JobId>, StoreError> {
        self.call(move |connection| {
            let mut query = connection.prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM jobs WHERE id = ?1 AND state = 'leased' AND fence = ?2)",
            )?;
            let mut lost = Vec::new();
            for (id, fence) in leases {
                if !query.query_row([id.as_str(), fence.as_str()], |row| row.get::<_, bool>(0))? {
                    lost.push(id);
                }
            }
            Ok(lost)
        })
        .await
    }

    async fn accepted(&self, id: &JobId, fence: &Fence) -> Result<bool, StoreError> {
        let (id, fence) = (id.to_string(), fence.to_string());
        self.call(move |connection| {
            let mut query = connection
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM jobs WHERE id = ?1 AND state = 'done' AND fence = ?2)")?;
            Ok(query.query_row([id, fence], |row| row.get(0))?)
        })
        .await
    }

    async fn why(&self, id: JobId, idle: Vec<SessionId>, now: Millis) -> Result<Why, StoreError> {
        let limits = self.limits.clone();
        self.call(move |connection| {
            let transaction = &connection.transaction()?;
            let mut queue = load(transaction, &limits, Also { job: Some(&id), session: None })?;
            for session in &idle {
                queue.cancel(session, |job| job.id != id, now);
            }
            Ok(queue.why(&id, now))
        })
        .await
    }

    async fn job(&self, id: &JobId) -> Result<Option<Job>, StoreError> {
        let id = id.to_string();
        self.call(move |connection| {
            let mut query = connection
                .prepare_cached("SELECT body FROM jobs WHERE id = ?1 AND state IN ('queued', 'leased', 'dead')")?;
            let body = query.query_row([id], |row| row.get::<_, Vec<u8>>(0)).optional()?;
            body.map(|body| Ok(Job::from_wire(v1::Job::decode(body.as_slice())?)?)).transpose()
        })
        .await
    }

    async fn jobs(&self, session: &SessionId) -> Result<Vec<v1::JobState>, StoreError> {
        let session = session.to_string();
        self.call(move |connection| {
            let mut query = connection.prepare_cached(
                "SELECT id, state, worker, attempt FROM jobs WHERE session = ?1 ORDER BY arrived, id",
            )?;
            let rows = query.query_map([&session], |row| {
                Ok(v1::JobState { id: row.get(0)?, state: row.get(1)?, worker: row.get(2)?, attempt: row.get(3)? })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn live(&self) -> Result<Vec<(Job, &'static str)>, StoreError> {
        self.call(|connection| {
            let mut query = connection
                .prepare_cached("SELECT body, state = 'leased' FROM jobs WHERE state IN ('queued', 'leased')")?;
            let rows = query.query_map([], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, bool>(1)?)))?;
            rows.map(|row| {
                let (body, leased) = row?;
                let job = Job::from_wire(v1::Job::decode(body.as_slice())?)?;
                Ok((job, if leased { "leased" } else { "queued" }))
            })
            .collect()
        })
        .await
    }

    /// Of other processes' writes: those of this one are known here.
    async fn data_version(&self) -> Result<i64, StoreError> {
        self.call(|connection| Ok(connection.query_row("PRAGMA data_version", [], |row| row.get(0))?)).await
    }

    /// What another process did is not known, so it may be everything.
    async fn news(&self, seen: i64, patience: Duration) -> Result<News, StoreError> {
        let waited = Stopwatch::start();
        loop {
            let version = self.data_version().await?;
            let left = patience.saturating_sub(waited.elapsed());
            if version != seen || left.is_zero() {
                let new = version != seen;
                return Ok(News { version, work: new, leases: new, drains: new, feed: new });
            }
            tokio::time::sleep(LOOK.min(left)).await;
        }
    }

    /// Nothing: each job is one row, which is its own index.
    async fn sweep(&self) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    /// Whoever shares it is on one machine.
    async fn now(&self) -> Result<Millis, StoreError> {
        Ok(clock::now_millis())
    }

    fn durability(&self) -> Durability {
        Durability::Disk
    }
}
