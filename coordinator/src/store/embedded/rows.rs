//! Rows to the reference scheduler and back.

use super::StoreError;
use crate::store::port::Which;
use arena_domain::id::{Fence, JobId, SessionId, WorkerId};
use arena_domain::job::{Job, Millis, State};
use arena_domain::schedule::{Account, Counters, Limits, Place, Queue};
use arena_proto::convert::Wire;
use arena_proto::v1;
use prost::Message;
use rusqlite::{Connection, Row, Transaction};
use std::collections::BTreeMap;

/// What is loaded beside the live jobs: a job whatever its state, and a session with its account and its dead jobs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Also<'a> {
    pub job: Option<&'a JobId>,
    pub session: Option<&'a SessionId>,
}

/// The live jobs in the reference scheduler, with the accounts and counters.
pub(super) fn load(transaction: &Transaction<'_>, limits: &Limits, also: Also<'_>) -> Result<Queue, StoreError> {
    let (job, session) = (also.job.map_or("", JobId::as_str), also.session.map_or("", SessionId::as_str));
    let mut query = transaction.prepare_cached(
        "SELECT body, state, worker, fence, time, since, reason, attempt, arrived, failed, died FROM jobs
         WHERE state IN ('queued', 'leased') OR id = ?1 OR (state = 'dead' AND session = ?2)",
    )?;
    let rows = query.query_map([job, session], |row| Ok((row.get::<_, Vec<u8>>(0)?, state(row)?, counts(row)?)))?;
    let mut places = Vec::new();
    for row in rows {
        let (body, state, (attempt, arrived, failed, died)) = row?;
        let job = Job::from_wire(v1::Job::decode(body.as_slice())?)?;
        places.push(Place { job, state, attempt, failed, died, arrived });
    }
    let tenants = accounts(transaction, "SELECT name, mark, served FROM tenants", &[])?;
    let sessions = accounts(
        transaction,
        "SELECT id, mark, served FROM sessions WHERE mark IS NOT NULL
         AND (id = ?2 OR id IN (SELECT session FROM jobs WHERE state IN ('queued', 'leased') OR id = ?1))",
        &[job, session],
    )?;
    let counters = transaction.query_row("SELECT generation, claims, arrivals FROM cell", [], |row| {
        let number = |column| row.get::<_, i64>(column).map(|number| number as u64);
        Ok(Counters { generation: number(0)?, claims: number(1)?, arrivals: number(2)? })
    })?;
    Ok(Queue::restore(limits.clone(), places, tenants, sessions, counters))
}

fn accounts(transaction: &Transaction<'_>, sql: &str, of: &[&str]) -> Result<BTreeMap<String, Account>, StoreError> {
    let mut query = transaction.prepare_cached(sql)?;
    let rows = query.query_map(rusqlite::params_from_iter(of), |row| {
        let number = |column| row.get::<_, i64>(column).map(|number| number as u64);
        Ok((row.get::<_, String>(0)?, Account { mark: number(1)?, served: number(2)? }))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn state(row: &Row<'_>) -> rusqlite::Result<State> {
    let word: String = row.get(1)?;
    let fence = || row.get::<_, String>(3).map(Fence::new);
    let (time, since) = (row.get::<_, i64>(4)? as Millis, row.get::<_, i64>(5)? as Millis);
    Ok(match word.as_str() {
        "queued" => State::Queued { due: time },
        "leased" => {
            State::Leased { worker: WorkerId::new(row.get::<_, String>(2)?), fence: fence()?, since, expires: time }
        }
        "done" => State::Done { fence: fence()? },
        "dead" => State::Dead { fence: fence()?, reason: row.get(6)?, at: time },
        _ => State::Cancelled,
    })
}

fn counts(row: &Row<'_>) -> rusqlite::Result<(u32, u64, u32, u32)> {
    Ok((row.get(7)?, row.get::<_, i64>(8)? as u64, row.get(9)?, row.get(10)?))
}

/// Writes a place as a row, new or known, with the accounts of its tenant and session and the counters.
pub(super) fn save(transaction: &Transaction<'_>, queue: &Queue, place: &Place) -> Result<(), StoreError> {
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let (word, worker, fence, time, since, reason) = match &place.state {
        State::Queued { due } => ("queued", "", "", *due, 0, ""),
        State::Leased { worker, fence, since, expires } => {
            ("leased", worker.as_str(), fence.as_str(), *expires, *since, "")
        }
        State::Done { fence } => ("done", "", fence.as_str(), 0, 0, ""),
        State::Cancelled => ("cancelled", "", "", 0, 0, ""),
        State::Dead { fence, reason, at } => ("dead", "", fence.as_str(), *at, 0, reason.as_str()),
    };
    let job = &place.job;
    let mut upsert = transaction.prepare_cached(
        "INSERT INTO jobs (id, session, tenant, body, state, worker, fence, time, since, reason, attempt, arrived, failed,
                           died)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
         ON CONFLICT (id) DO UPDATE SET state = ?5, worker = ?6, fence = ?7, time = ?8, since = ?9, reason = ?10,
                                        attempt = ?11, failed = ?13, died = ?14",
    )?;
    upsert.execute(rusqlite::params![
        job.id.as_str(),
        job.session.as_str(),
        job.tenant.as_str(),
        job.to_wire().encode_to_vec(),
        word,
        worker,
        fence,
        whole(time),
        whole(since),
        reason,
        place.attempt,
        whole(place.arrived),
        place.failed,
        place.died,
    ])?;
    let (tenant, session) = queue.accounts(job);
    transaction
        .prepare_cached("INSERT OR REPLACE INTO tenants (name, mark, served) VALUES (?1, ?2, ?3)")?
        .execute((job.tenant.as_str(), whole(tenant.mark), whole(tenant.served)))?;
    transaction.prepare_cached("UPDATE sessions SET mark = ?2, served = ?3 WHERE id = ?1")?.execute((
        job.session.as_str(),
        whole(session.mark),
        whole(session.served),
    ))?;
    let Counters { generation, claims, arrivals } = queue.counters();
    transaction.prepare_cached("UPDATE cell SET generation = ?1, claims = ?2, arrivals = ?3")?.execute((
        whole(generation),
        whole(claims),
        whole(arrivals),
    ))?;
    Ok(())
}

/// Both are answered from an index (`schema.rs`).
const UNDER_WAY: &str =
    "SELECT id, title, status, winner, created, repository, tenant, CASE tenant WHEN '' THEN head END
     FROM sessions WHERE status IN ('new', 'waiting', 'running') ORDER BY created DESC, id DESC";
const OLDER: &str = "SELECT id, title, status, winner, created, repository, tenant, CASE tenant WHEN '' THEN head END
     FROM sessions WHERE (created, id) < (?1, ?2) ORDER BY created DESC, id DESC LIMIT ?3";

pub(super) fn summaries(connection: &Connection, which: Which) -> Result<Vec<v1::Summary>, StoreError> {
    let (sql, of) = match which {
        Which::UnderWay => (UNDER_WAY, None),
        Which::Older { than, most } => {
            let (created, id) = than.map_or((i64::MAX, String::new()), |(at, id)| (at as i64, id.to_string()));
            (OLDER, Some((created, id, most)))
        }
    };
    let mut query = connection.prepare_cached(sql)?;
    let mut rows = match of {
        Some(of) => query.query(of)?,
        None => query.query([])?,
    };
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let mut tenant: String = row.get(6)?;
        // It was made before a row said whose it is.
        if let Some(head) = row.get::<_, Option<Vec<u8>>>(7)? {
            tenant = v1::SessionHead::decode(head.as_slice())?.tenant;
        }
        all.push(v1::Summary {
            id: row.get(0)?,
            title: row.get(1)?,
            status: row.get(2)?,
            winner: row.get(3)?,
            created: row.get::<_, i64>(4)? as Millis,
            repository: row.get(5)?,
            tenant,
        });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_reads_no_session_that_it_does_not_hold() {
        let folder = tempfile::tempdir().unwrap();
        let connection = super::super::schema::open(folder.path()).unwrap();
        for (sql, index) in [(UNDER_WAY, "USING INDEX under_way"), (OLDER, "USING INDEX by_age")] {
            let mut query = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let mut rows = query.raw_query();
            let mut plan = Vec::new();
            while let Some(row) = rows.next().unwrap() {
                plan.push(row.get::<_, String>(3).unwrap());
            }
            assert!(plan.len() == 1 && plan[0].contains(index), "{plan:?}");
        }
    }
}
