//! The queue in the store: one transaction a command, in which the reference scheduler decides.

use super::rows::{Also, load, save};
use super::{Embedded, StoreError};
use crate::store::port::{Back, DeadLetter, Leases};
use arena_domain::id::{Fence, JobId, SessionId, WorkerId};
use arena_domain::job::Millis;
use arena_domain::schedule::{Ask, Left, Line, Place, Queue, Settled};
use async_trait::async_trait;

#[async_trait]
impl Leases for Embedded {
    async fn claim(&self, ask: Ask, now: Millis) -> Result<Option<Place>, StoreError> {
        self.write(move |transaction, limits| {
            let mut queue = load(transaction, limits, Also::default())?;
            let Some(place) = queue.claim(&ask, now) else { return Ok(None) };
            save(transaction, &queue, &place)?;
            Ok(Some(place))
        })
        .await
    }

    async fn renew(&self, leases: Vec<(JobId, Fence)>, now: Millis) -> Result<Vec<JobId>, StoreError> {
        self.write(move |transaction, limits| {
            let mut queue = load(transaction, limits, Also::default())?;
            let mut lost = Vec::new();
            for (id, fence) in leases {
                match (queue.renew(&id, &fence, now), queue.place(&id)) {
                    (true, Some(place)) => save(transaction, &queue, place)?,
                    (true, None) | (false, _) => lost.push(id),
                }
            }
            Ok(lost)
        })
        .await
    }

    async fn hand_back(
        &self,
        (id, fence): (JobId, Fence),
        how: Back,
        due: Millis,
        now: Millis,
    ) -> Result<Settled, StoreError> {
        self.write(move |transaction, limits| {
            let mut queue = load(transaction, limits, Also::default())?;
            let settled = match how {
                Back::Failed => queue.give_back(&id, &fence, due, now),
                Back::LetGo => queue.let_go(&id, &fence, due, now),
            };
            if let (Settled::Accepted, Some(place)) = (settled, queue.place(&id)) {
                save(transaction, &queue, place)?;
            }
            Ok(settled)
        })
        .await
    }

    async fn expire(&self, now: Millis) -> Result<Vec<JobId>, StoreError> {
        self.requeue(move |queue| queue.expire(now)).await
    }

    async fn abandon(&self, session: SessionId, left: Left, now: Millis) -> Result<Vec<JobId>, StoreError> {
        self.requeue(move |queue| queue.abandon(&session, left, now)).await
    }

    async fn bury(&self, workers: Vec<WorkerId>, now: Millis) -> Result<Vec<JobId>, StoreError> {
        self.requeue(move |queue| queue.bury(&workers, now)).await
    }

    async fn dead(&self, of: Option<&SessionId>, most: u32) -> Result<Vec<DeadLetter>, StoreError> {
        let of = of.map(SessionId::to_string);
        self.call(move |connection| {
            let mut query = connection.prepare_cached(
                "SELECT id, fence, reason, time FROM jobs WHERE state = 'dead' AND session = COALESCE(?1, session)
                 ORDER BY time, id LIMIT ?2",
            )?;
            let rows = query.query_map((of, most), |row| {
                Ok(DeadLetter {
                    job: JobId::new(row.get::<_, String>(0)?),
                    fence: Fence::new(row.get::<_, String>(1)?),
                    reason: row.get(2)?,
                    at: row.get::<_, i64>(3)? as Millis,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn revive(&self, id: &JobId, now: Millis) -> Result<bool, StoreError> {
        let id = id.clone();
        self.write(move |transaction, limits| {
            let mut queue = load(transaction, limits, Also { job: Some(&id), session: None })?;
            let revived = queue.revive(&id, now);
            if let (true, Some(place)) = (revived, queue.place(&id)) {
                save(transaction, &queue, place)?;
            }
            Ok(revived)
        })
        .await
    }

    async fn line(&self, id: &JobId, idle: Vec<SessionId>, now: Millis) -> Result<Option<Line>, StoreError> {
        let (id, limits) = (id.clone(), self.limits.clone());
        self.call(move |connection| {
            let transaction = &connection.transaction()?;
            let mut queue = load(transaction, &limits, Also::default())?;
            for session in &idle {
                queue.cancel(session, |job| job.id != id, now);
            }
            Ok(queue.line(&id, now))
        })
        .await
    }
}

impl Embedded {
    async fn requeue(
        &self,
        work: impl FnOnce(&mut Queue) -> Vec<JobId> + Send + 'static,
    ) -> Result<Vec<JobId>, StoreError> {
        self.write(move |transaction, limits| {
            let mut queue = load(transaction, limits, Also::default())?;
            let back = work(&mut queue);
            for place in back.iter().filter_map(|id| queue.place(id)) {
                save(transaction, &queue, place)?;
            }
            Ok(back)
        })
        .await
    }
}
