//! One transition of a session, committed whole.

use super::rows::{Also, load, save};
use crate::store::{Committed, StoreError, Transition};
use arena_domain::id::SessionId;
use arena_domain::job::{Job, Millis, State, Work};
use arena_domain::schedule::{Limits, Queue, Settled};
use arena_proto::v1;
use prost::Message;
use rusqlite::{OptionalExtension, Transaction};

pub(super) fn commit(
    transaction: &Transaction<'_>,
    limits: &Limits,
    change: Transition,
) -> Result<Committed, StoreError> {
    let Transition { session, version, settle, event, enqueue, cancel, feed, status, winner, now } = change;
    let also = Also { job: settle.as_ref().map(|(id, _)| id), session: Some(&session) };
    let mut queue = load(transaction, limits, also)?;
    // The fence before the version: a repeated report must be told apart from a conflict.
    if let Some((id, fence)) = &settle {
        match queue.settle(id, fence, now) {
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
        save(transaction, &queue, place)?;
    }
    let stop = cancel.map(|cancel| {
        let which = |job: &Job| !cancel.engines_only || matches!(job.work, Work::Implement { .. });
        queue.cancel(&session, which, now)
    });
    for place in queue.places().filter(|place| place.state == State::Cancelled && place.job.session == session) {
        save(transaction, &queue, place)?;
    }
    enqueue_all(transaction, &mut queue, enqueue, now)?;
    append(transaction, &session, version, &event, &status, &winner)?;
    touch(transaction, &session, now)?;
    for item in &feed {
        publish(transaction, session.as_str(), item)?;
    }
    Ok(Committed::Done { stop: stop.unwrap_or_default() })
}

fn enqueue_all(
    transaction: &Transaction<'_>,
    queue: &mut Queue,
    jobs: Vec<Job>,
    now: Millis,
) -> Result<(), StoreError> {
    let mut known = transaction.prepare_cached("SELECT EXISTS (SELECT 1 FROM jobs WHERE id = ?1)")?;
    for job in jobs {
        let id = job.id.clone();
        // Also one that ended long ago, and is not in the queue any more.
        if known.query_row([id.as_str()], |row| row.get::<_, bool>(0))? || !queue.enqueue(job, now, now) {
            continue;
        }
        if let Some(place) = queue.place(&id) {
            save(transaction, queue, place)?;
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
