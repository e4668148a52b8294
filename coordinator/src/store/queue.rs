//! The queue in the store: rows to the reference scheduler and back, one transaction a command.

use super::{Store, StoreError};
use arena_domain::id::{Fence, JobId, SessionId, WorkerId};
use arena_domain::job::{Job, Millis, State};
use arena_domain::schedule::{Ask, Left, Limits, Place, Queue, Settled, Why};
use arena_proto::convert::Wire;
use arena_proto::v1;
use prost::Message;
use rusqlite::{OptionalExtension, Transaction};

impl Store {
    /// The next job by fair share, leased; or nothing.
    pub async fn claim(&self, ask: Ask, now: Millis) -> Result<Option<Place>, StoreError> {
        self.write(move |transaction, limits| {
            let mut queue = load(transaction, limits, None)?;
            let Some(place) = queue.claim(&ask, now) else { return Ok(None) };
            save(transaction, &place)?;
            transaction.execute(
                "UPDATE jobs SET claimed = (SELECT MAX(claimed) + 1 FROM jobs) WHERE id = ?1",
                [place.job.id.as_str()],
            )?;
            Ok(Some(place))
        })
        .await
    }

    /// Renews leases; the jobs whose lease is lost are returned.
    pub async fn renew(&self, leases: Vec<(JobId, Fence)>, now: Millis) -> Result<Vec<JobId>, StoreError> {
        if leases.is_empty() {
            return Ok(Vec::new());
        }
        self.write(move |transaction, limits| {
            let mut queue = load(transaction, limits, None)?;
            let mut lost = Vec::new();
            for (id, fence) in leases {
                match (queue.renew(&id, &fence, now), queue.place(&id)) {
                    (true, Some(place)) => save(transaction, place)?,
                    (true, None) | (false, _) => lost.push(id),
                }
            }
            Ok(lost)
        })
        .await
    }

    /// Back to the queue, to be tried again: infrastructure failed it.
    pub async fn give_back(&self, id: JobId, fence: Fence, due: Millis) -> Result<Settled, StoreError> {
        self.write(move |transaction, limits| {
            let mut queue = load(transaction, limits, None)?;
            let settled = queue.give_back(&id, &fence, due);
            if let Some(place) = queue.place(&id) {
                save(transaction, place)?;
            }
            Ok(settled)
        })
        .await
    }

    /// Leases that have run out.
    pub async fn expire(&self, now: Millis) -> Result<Vec<JobId>, StoreError> {
        self.requeue(move |queue| queue.expire(now)).await
    }

    /// The leases of a session whose worker is known to be gone.
    pub async fn abandon(&self, session: SessionId, left: Left, now: Millis) -> Result<Vec<JobId>, StoreError> {
        self.requeue(move |queue| queue.abandon(&session, left, now)).await
    }

    /// The leases of workers that are known to be dead.
    pub async fn bury(&self, workers: Vec<WorkerId>, now: Millis) -> Result<Vec<JobId>, StoreError> {
        if workers.is_empty() {
            return Ok(Vec::new());
        }
        self.requeue(move |queue| queue.bury(&workers, now)).await
    }

    async fn requeue(
        &self,
        work: impl FnOnce(&mut Queue) -> Vec<JobId> + Send + 'static,
    ) -> Result<Vec<JobId>, StoreError> {
        self.write(move |transaction, limits| {
            let mut queue = load(transaction, limits, None)?;
            let back = work(&mut queue);
            for place in back.iter().filter_map(|id| queue.place(id)) {
                save(transaction, place)?;
            }
            Ok(back)
        })
        .await
    }

    /// How often infrastructure failed this job before; `None` when the lease is not this fence's.
    pub async fn failures(&self, id: &JobId, fence: &Fence) -> Result<Option<u32>, StoreError> {
        let (id, fence) = (id.to_string(), fence.to_string());
        self.call(move |connection| {
            let mut query = connection
                .prepare_cached("SELECT failed FROM jobs WHERE id = ?1 AND state = 'leased' AND fence = ?2")?;
            Ok(query.query_row([id, fence], |row| row.get(0)).optional()?)
        })
        .await
    }

    /// Changes when another process wrote to the store.
    pub async fn data_version(&self) -> Result<i64, StoreError> {
        self.call(|connection| Ok(connection.query_row("PRAGMA data_version", [], |row| row.get(0))?)).await
    }

    /// Those of the leases that are not held under their fence any more.
    pub async fn not_held(&self, leases: Vec<(JobId, Fence)>) -> Result<Vec<JobId>, StoreError> {
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

    /// Whether the result of this job was accepted under this fence.
    pub async fn accepted(&self, id: &JobId, fence: &Fence) -> Result<bool, StoreError> {
        let (id, fence) = (id.to_string(), fence.to_string());
        self.call(move |connection| {
            let mut query = connection
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM jobs WHERE id = ?1 AND state = 'done' AND fence = ?2)")?;
            Ok(query.query_row([id, fence], |row| row.get(0))?)
        })
        .await
    }

    /// As if the `idle` sessions were not there: nobody takes their jobs. It only looks, so it needs no write lock.
    pub async fn why(&self, id: JobId, idle: Vec<SessionId>, now: Millis) -> Result<Why, StoreError> {
        let limits = self.limits.clone();
        self.call(move |connection| {
            let transaction = &connection.transaction()?;
            let mut queue = load(transaction, &limits, None)?;
            for session in &idle {
                queue.cancel(session, |job| job.id != id);
            }
            let ended: bool =
                transaction
                    .query_row("SELECT EXISTS (SELECT 1 FROM jobs WHERE id = ?1)", [id.as_str()], |row| row.get(0))?;
            let why = queue.why(&id, now);
            Ok(if why == Why::Unknown && ended { Why::Ended } else { why })
        })
        .await
    }

    /// All jobs that wait (`queued`) or run (`leased`), in any order. One read without a lock, every five seconds and only
    /// while somebody looks at figures, so the answer of a moment ago will do; no rule looks at it.
    pub async fn live(&self) -> Result<Vec<(Job, &'static str)>, StoreError> {
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

    /// All jobs of a session, for those who look.
    pub async fn jobs(&self, session: &SessionId) -> Result<Vec<v1::JobState>, StoreError> {
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
}

/// The live jobs (and one more by id) in the reference scheduler.
pub(super) fn load(transaction: &Transaction<'_>, limits: &Limits, also: Option<&JobId>) -> Result<Queue, StoreError> {
    let mut query = transaction.prepare_cached(
        "SELECT body, state, worker, fence, time, attempt, arrived, failed, died FROM jobs
         WHERE state IN ('queued', 'leased') OR id = ?1",
    )?;
    let rows = query.query_map([also.map_or("", JobId::as_str)], |row| {
        Ok((
            row.get::<_, Vec<u8>>(0)?,
            state(&row.get::<_, String>(1)?, row.get(2)?, row.get(3)?, row.get::<_, i64>(4)? as Millis),
            row.get::<_, u32>(5)?,
            row.get::<_, i64>(6)? as u64,
            (row.get::<_, u32>(7)?, row.get::<_, u32>(8)?),
        ))
    })?;
    let mut places = Vec::new();
    for row in rows {
        let (body, state, attempt, arrived, (failed, died)) = row?;
        let job = Job::from_wire(v1::Job::decode(body.as_slice())?)?;
        places.push(Place { job, state, attempt, failed, died, arrived });
    }
    let mut served = Vec::new();
    for (column, prefix) in [("tenant", "t"), ("session", "s")] {
        let sql = format!("SELECT {column}, MAX(claimed) FROM jobs GROUP BY {column} HAVING MAX(claimed) > 0");
        let mut query = transaction.prepare_cached(&sql)?;
        let rows = query.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)? as u64)))?;
        for row in rows {
            let (name, claims) = row?;
            served.push((format!("{prefix}/{name}"), claims));
        }
    }
    Ok(Queue::restore(limits.clone(), places, served))
}

fn state(word: &str, worker: String, fence: String, time: Millis) -> State {
    match word {
        "queued" => State::Queued { due: time },
        "leased" => State::Leased { worker: WorkerId::new(worker), fence: Fence::new(fence), expires: time },
        "done" => State::Done { fence: Fence::new(fence) },
        _ => State::Cancelled,
    }
}

/// Writes a place as a row, new or known.
pub(super) fn save(transaction: &Transaction<'_>, place: &Place) -> Result<(), StoreError> {
    let (word, worker, fence, time) = match &place.state {
        State::Queued { due } => ("queued", "", "", *due),
        State::Leased { worker, fence, expires } => ("leased", worker.as_str(), fence.as_str(), *expires),
        State::Done { fence } => ("done", "", fence.as_str(), 0),
        State::Cancelled => ("cancelled", "", "", 0),
    };
    let job = &place.job;
    let mut upsert = transaction.prepare_cached(
        "INSERT INTO jobs (id, session, tenant, body, state, worker, fence, time, attempt, arrived, claimed, failed,
                           died)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, ?11, ?12)
         ON CONFLICT (id) DO UPDATE SET state = ?5, worker = ?6, fence = ?7, time = ?8, attempt = ?9, failed = ?11,
                                        died = ?12",
    )?;
    upsert.execute(rusqlite::params![
        job.id.as_str(),
        job.session.as_str(),
        job.tenant.as_str(),
        job.to_wire().encode_to_vec(),
        word,
        worker,
        fence,
        i64::try_from(time).unwrap_or(i64::MAX),
        place.attempt,
        i64::try_from(place.arrived).unwrap_or(i64::MAX),
        place.failed,
        place.died,
    ])?;
    Ok(())
}

/// The arrival number after every one that was given.
pub(super) fn next_arrival(transaction: &Transaction<'_>) -> Result<u64, StoreError> {
    let next: i64 = transaction.query_row("SELECT COALESCE(MAX(arrived) + 1, 0) FROM jobs", [], |row| row.get(0))?;
    Ok(next as u64)
}
