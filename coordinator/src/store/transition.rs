//! One transition of a session, committed whole.

use super::{Store, StoreError, queue};
use arena_domain::id::{Fence, JobId, SessionId};
use arena_domain::job::{Job, Millis, State, Work};
use arena_domain::schedule::{Place, Settled};
use arena_proto::v1;
use prost::Message;
use rusqlite::{OptionalExtension, Transaction};

/// What changes together.
#[derive(Debug, Clone)]
pub struct Transition {
    pub session: SessionId,
    /// The version this was decided on; another one makes it a conflict.
    pub version: u64,
    /// The job whose result this is; a stale fence stops the whole transition.
    pub settle: Option<(JobId, Fence)>,
    pub event: v1::SessionEvent,
    pub enqueue: Vec<Job>,
    pub cancel: Option<Cancel>,
    pub feed: Vec<v1::FeedItem>,
    pub status: String,
    pub winner: String,
    pub now: Millis,
}

#[derive(Debug, Clone, Copy)]
pub struct Cancel {
    pub engines_only: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    /// Running jobs that were cancelled with it, for their workers to stop.
    Done {
        stop: Vec<JobId>,
    },
    /// Somebody else moved the session: load it again and decide again.
    Conflict,
    Stale,
    Repeated,
}

impl Store {
    pub async fn commit(&self, transition: Transition) -> Result<Committed, StoreError> {
        self.write(move |transaction, limits| {
            let Transition { session, version, settle, event, enqueue, cancel, feed, status, winner, now } = transition;
            let mut queue = queue::load(transaction, limits, settle.as_ref().map(|(id, _)| id))?;
            // The fence before the version: a repeated report must be told apart from a conflict.
            if let Some((id, fence)) = &settle {
                match queue.settle(id, fence) {
                    Settled::Accepted => {}
                    Settled::Repeated => return Ok(Committed::Repeated),
                    Settled::Stale => return Ok(Committed::Stale),
                }
            }
            let held: Option<i64> = transaction
                .query_row("SELECT version FROM sessions WHERE id = ?1", [session.as_str()], |row| row.get(0))
                .optional()?;
            if held.ok_or_else(|| StoreError::NotFound(session.to_string()))? as u64 != version {
                return Ok(Committed::Conflict);
            }
            if let Some(place) = settle.as_ref().and_then(|(id, _)| queue.place(id)) {
                queue::save(transaction, place)?;
            }
            let stop = cancel.map(|cancel| {
                queue.cancel(&session, |job| !cancel.engines_only || matches!(job.work, Work::Implement { .. }))
            });
            let cancelled = |place: &&Place| place.state == State::Cancelled && place.job.session == session;
            for place in queue.places().filter(cancelled) {
                queue::save(transaction, place)?;
            }
            enqueue_all(transaction, enqueue, now)?;
            append(transaction, &session, version, &event, &status, &winner)?;
            touch(transaction, &session, now)?;
            for item in &feed {
                publish(transaction, session.as_str(), item)?;
            }
            Ok(Committed::Done { stop: stop.unwrap_or_default() })
        })
        .await
    }
}

fn enqueue_all(transaction: &Transaction<'_>, jobs: Vec<Job>, now: Millis) -> Result<(), StoreError> {
    let mut arrived = queue::next_arrival(transaction)?;
    for job in jobs {
        let known: bool =
            transaction
                .query_row("SELECT EXISTS (SELECT 1 FROM jobs WHERE id = ?1)", [job.id.as_str()], |row| row.get(0))?;
        if !known {
            queue::save(transaction, &Place::new(job, now, arrived))?;
            arrived += 1;
        }
    }
    Ok(())
}

fn append(
    transaction: &Transaction<'_>,
    session: &SessionId,
    version: u64,
    event: &v1::SessionEvent,
    status: &str,
    winner: &str,
) -> Result<(), StoreError> {
    let next = version as i64 + 1;
    transaction.execute(
        "INSERT INTO events (session, n, body) VALUES (?1, ?2, ?3)",
        (session.as_str(), next, event.encode_to_vec()),
    )?;
    transaction.execute(
        "UPDATE sessions SET version = ?2, status = ?3, winner = ?4 WHERE id = ?1",
        (session.as_str(), next, status, winner),
    )?;
    Ok(())
}

pub(super) fn touch(transaction: &Transaction<'_>, session: &SessionId, now: Millis) -> Result<(), StoreError> {
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    transaction.execute("UPDATE sessions SET touched = MAX(touched, ?2) WHERE id = ?1", (session.as_str(), now))?;
    Ok(())
}

pub(super) fn publish(transaction: &Transaction<'_>, session: &str, item: &v1::FeedItem) -> Result<(), StoreError> {
    transaction.execute("INSERT INTO feed (session, body) VALUES (?1, ?2)", (session, item.encode_to_vec()))?;
    Ok(())
}
