//! The embedded store: sessions, queue, leases and feed in SQLite. The reference scheduler of the domain is its logic.
//!
//! Several processes may share one store; every write takes the write lock first, so they share the limits too.

mod queue;
mod rows;
mod schema;
mod shelf;
mod sights;
mod transition;

use super::port::{Records, Which};
use super::{Committed, Record, StoreError, Transition};
use arena_domain::id::SessionId;
use arena_domain::job::Millis;
use arena_domain::schedule::Limits;
use arena_proto::v1;
use async_trait::async_trait;
use prost::Message;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

pub(super) fn is_in(folder: &Path) -> bool {
    folder.join(schema::DATABASE).exists()
}

/// One open state directory.
pub(super) struct Embedded {
    connection: Arc<Mutex<Connection>>,
    limits: Limits,
}

impl Embedded {
    pub(super) fn open(folder: &Path, limits: Limits) -> Result<Self, StoreError> {
        let connection = Arc::new(Mutex::new(schema::open(folder)?));
        Ok(Self { connection, limits })
    }

    pub(super) fn look(folder: &Path, limits: Limits) -> Result<Self, StoreError> {
        let connection = Arc::new(Mutex::new(schema::look(folder)?));
        Ok(Self { connection, limits })
    }

    /// Runs one transaction that holds the write lock from its beginning.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&rusqlite::Transaction<'_>, &Limits) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let limits = self.limits.clone();
        self.call(move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction, &limits)?;
            transaction.commit()?;
            Ok(value)
        })
        .await
    }

    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let connection = self.connection.clone();
        let call = move || work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner));
        let done = tokio::task::spawn_blocking(call).await;
        done.map_err(|error| StoreError::Record(format!("the store's thread ended: {error}")))?
    }
}

#[async_trait]
impl Records for Embedded {
    async fn create(&self, head: v1::SessionHead, title: String) -> Result<(), StoreError> {
        self.write(move |transaction, _| {
            transaction.execute(
                "INSERT INTO sessions (id, version, created, status, winner, title, repository, tenant, head)
                 VALUES (?1, 0, ?2, 'new', '', ?3, ?4, ?5, ?6)",
                (&head.id, head.created as i64, title, &head.repository, &head.tenant, head.encode_to_vec()),
            )?;
            Ok(())
        })
        .await
    }

    async fn record(&self, id: &SessionId) -> Result<Record, StoreError> {
        let id = id.to_string();
        self.call(move |connection| {
            let row = connection
                .query_row("SELECT version, head FROM sessions WHERE id = ?1", [&id], |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
                })
                .optional()?;
            let Some((version, head)) = row else { return Err(StoreError::NotFound(id)) };
            let mut query = connection.prepare_cached("SELECT body FROM events WHERE session = ?1 ORDER BY n")?;
            let bodies = query.query_map([&id], |row| row.get::<_, Vec<u8>>(0))?;
            let events = bodies
                .map(|body| Ok(v1::SessionEvent::decode(body?.as_slice())?))
                .collect::<Result<Vec<_>, StoreError>>()?;
            Ok(Record { head: v1::SessionHead::decode(head.as_slice())?, version: version as u64, events })
        })
        .await
    }

    async fn commit(&self, transition: Transition) -> Result<Committed, StoreError> {
        self.write(move |transaction, limits| transition::commit(transaction, limits, transition)).await
    }

    async fn touch(&self, ids: Vec<SessionId>, now: Millis) -> Result<(), StoreError> {
        self.write(move |transaction, _| ids.iter().try_for_each(|id| transition::touch(transaction, id, now))).await
    }

    async fn touched(&self, id: &SessionId) -> Result<Millis, StoreError> {
        let id = id.to_string();
        self.call(move |connection| {
            let mut query = connection.prepare_cached("SELECT touched FROM sessions WHERE id = ?1")?;
            Ok(query.query_row([&id], |row| row.get::<_, i64>(0))? as Millis)
        })
        .await
    }

    async fn resolve(&self, prefix: &str) -> Result<SessionId, StoreError> {
        let prefix = prefix.to_owned();
        self.call(move |connection| {
            let mut query = connection.prepare_cached(
                "SELECT id FROM sessions WHERE substr(id, 1, length(?1)) = ?1 ORDER BY created DESC, id",
            )?;
            let ids: Vec<String> = query.query_map([&prefix], |row| row.get(0))?.collect::<Result<_, _>>()?;
            match ids.as_slice() {
                [one] if !prefix.is_empty() => Ok(SessionId::new(one)),
                many if many.contains(&prefix) => Ok(SessionId::new(prefix)),
                [] => Err(StoreError::NotFound(prefix)),
                many => Err(StoreError::Ambiguous(prefix, many.join(", "))),
            }
        })
        .await
    }

    async fn sessions(&self, which: Which) -> Result<Vec<v1::Summary>, StoreError> {
        self.call(move |connection| rows::summaries(connection, which)).await
    }

    async fn prune(&self, id: &SessionId) -> Result<bool, StoreError> {
        let id = id.to_string();
        self.write(move |transaction, _| {
            let ended = transaction.execute(
                "DELETE FROM sessions WHERE id = ?1 AND status NOT IN ('new', 'waiting', 'running')
                 AND NOT EXISTS (SELECT 1 FROM jobs WHERE session = ?1 AND state IN ('queued', 'leased'))",
                [&id],
            )?;
            if ended > 0 {
                for of in ["jobs", "events", "feed"] {
                    transaction.execute(&format!("DELETE FROM {of} WHERE session = ?1"), [&id])?;
                }
            }
            Ok(ended > 0)
        })
        .await
    }

    async fn publish(&self, id: &SessionId, item: v1::FeedItem) -> Result<(), StoreError> {
        let id = id.to_string();
        self.write(move |transaction, _| transition::publish(transaction, &id, &item)).await
    }

    async fn feed(&self, id: &SessionId, after: u64, most: u32) -> Result<Vec<v1::FeedItem>, StoreError> {
        let id = id.to_string();
        self.call(move |connection| {
            let mut query = connection
                .prepare_cached("SELECT seq, body FROM feed WHERE session = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3")?;
            let rows = query.query_map((&id, after as i64, most), |row| {
                Ok((row.get::<_, i64>(0)? as u64, row.get::<_, Vec<u8>>(1)?))
            })?;
            rows.map(|row| {
                let (seq, body) = row?;
                Ok(v1::FeedItem { seq, ..v1::FeedItem::decode(body.as_slice())? })
            })
            .collect()
        })
        .await
    }
}
