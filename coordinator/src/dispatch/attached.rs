//! One attached worker: what it may run, what it reports, what it must stop.

#[cfg(test)]
mod tests;

use super::{Coordinator, session_of};
use crate::figures;
use crate::sessions::SessionError;
use arena_domain::id::{Fence, JobId, SessionId, WorkerId};
use arena_domain::outcome::{Failure, Outcome};
use arena_domain::schedule::Ask;
use arena_proto::convert::Wire;
use arena_proto::v1::{self, down, up};
use arena_runtime::{clock, token};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc};
use tokio_stream::{Stream, StreamExt};
use tonic::Status;

/// How often a foreign change of the store is looked for.
const POLL: Duration = Duration::from_millis(300);

struct Attached {
    coordinator: Coordinator,
    worker: WorkerId,
    only: Option<SessionId>,
    slots: u32,
    /// What it runs, under which fence.
    running: BTreeMap<JobId, Fence>,
    down: mpsc::Sender<Result<v1::Down, Status>>,
    data_version: i64,
}

/// Serves one worker until its stream ends.
pub(crate) async fn attach(
    coordinator: Coordinator,
    mut up: impl Stream<Item = Result<v1::Up, Status>> + Unpin,
    down: mpsc::Sender<Result<v1::Down, Status>>,
) {
    let hello = match up.next().await {
        Some(Ok(v1::Up { up: Some(up::Up::Hello(hello)) })) => hello,
        Some(_) | None => {
            let _ = down.send(Err(Status::invalid_argument("the first message of a worker is Hello"))).await;
            return;
        }
    };
    let mut stops = coordinator.stops.subscribe();
    let mut changes = coordinator.changes();
    let mut tick = tokio::time::interval(POLL);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let only = (!hello.only_session.is_empty()).then(|| SessionId::new(hello.only_session));
    let (worker, running) = (WorkerId::new(hello.worker), BTreeMap::new());
    let mut attached = Attached { coordinator, worker, only, slots: hello.slots, running, down, data_version: 0 };
    // Before anything is given: what it still runs takes up its slots.
    if let Err(error) = attached.renew(hello.leases).await {
        let _ = attached.down.send(Err(crate::api::status(&error))).await;
        return;
    }
    loop {
        let done = tokio::select! {
            message = up.next() => match message {
                Some(Ok(message)) => attached.heard(message).await,
                Some(Err(_)) | None => return,
            },
            stop = stops.recv() => match stop {
                Ok(job) => attached.stop(job).await,
                Err(broadcast::error::RecvError::Lagged(_)) => attached.check_leases().await,
                Err(broadcast::error::RecvError::Closed) => return,
            },
            _ = changes.recv() => Ok(()),
            _ = tick.tick() => attached.look().await,
        };
        let done = match done {
            Ok(()) => attached.fill().await,
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            let _ = attached.down.send(Err(crate::api::status(&error))).await;
            return;
        }
    }
}

impl Attached {
    async fn send(&self, message: down::Down) {
        // A worker that is gone ends the loop by its upward stream.
        let _ = self.down.send(Ok(v1::Down { down: Some(message) })).await;
    }

    /// Gives the worker jobs while it has free slots.
    async fn fill(&mut self) -> Result<(), SessionError> {
        while self.running.len() < self.slots as usize {
            let fence = Fence::new(token::nonce());
            let ask = Ask { worker: self.worker.clone(), fence: fence.clone(), only: self.only.clone() };
            let now = clock::now_millis();
            let Some(place) = self.coordinator.store.claim(ask, now).await? else { return Ok(()) };
            self.coordinator.claimed(&place, now);
            if let Some(reason) = place.worn_out() {
                let failed = Outcome::Failed(Failure::Infrastructure(reason));
                self.coordinator.record(place.job.id, fence, failed, "").await?;
                continue;
            }
            let record = self.coordinator.store.record(&place.job.session).await?;
            self.running.insert(place.job.id.clone(), fence.clone());
            let run = v1::Run {
                job: Some(place.job.to_wire()),
                fence: fence.to_wire(),
                attempt: place.attempt,
                head: Some(record.head),
            };
            self.send(down::Down::Run(run)).await;
        }
        Ok(())
    }

    async fn heard(&mut self, message: v1::Up) -> Result<(), SessionError> {
        match message.up {
            Some(up::Up::Heartbeat(heartbeat)) => self.heartbeat(heartbeat).await,
            Some(up::Up::Progress(progress)) => self.progress(progress).await,
            Some(up::Up::Result(result)) => self.result(result).await,
            Some(up::Up::Hello(_)) | None => Ok(()),
        }
    }

    async fn heartbeat(&mut self, heartbeat: v1::Heartbeat) -> Result<(), SessionError> {
        // Also a session that only waits for slots is being moved: what passes is its wall time.
        let leased = heartbeat.leases.iter().filter_map(|lease| session_of(&JobId::new(&lease.job)));
        let moved: BTreeSet<SessionId> = leased.chain(self.only.clone()).collect();
        self.coordinator.store.touch(moved.into_iter().collect(), clock::now_millis()).await?;
        self.renew(heartbeat.leases).await
    }

    /// Renews what the worker says it runs. What it holds and was not known here was given before its stream broke, and is
    /// taken up again; what it does not hold any more it must stop.
    async fn renew(&mut self, leases: Vec<v1::Lease>) -> Result<(), SessionError> {
        let leases: Vec<(JobId, Fence)> =
            leases.into_iter().map(|one| (JobId::new(one.job), Fence::new(one.fence))).collect();
        let lost = self.coordinator.store.renew(leases.clone(), clock::now_millis()).await?;
        figures::lease("renewed", leases.len().saturating_sub(lost.len()));
        figures::lease("lost", lost.len());
        for (job, fence) in leases {
            if !lost.contains(&job) {
                self.running.insert(job, fence);
            } else if self.running.get(&job).is_none_or(|held| *held == fence) {
                // Of a job that was given to it anew, only the older lease is lost.
                self.tell_to_stop(&job).await;
            }
        }
        Ok(())
    }

    async fn progress(&mut self, progress: v1::Progress) -> Result<(), SessionError> {
        let Some(lease) = progress.lease else { return Ok(()) };
        let job = JobId::new(lease.job);
        if !self.holds(&job, &lease.fence) {
            return Ok(());
        }
        let mut parts = job.as_str().split('/');
        let session = SessionId::new(parts.next().unwrap_or_default());
        let competitor = parts.next().unwrap_or_default().to_owned();
        let round = parts.next().and_then(|text| text.parse().ok()).unwrap_or(0);
        let item = v1::FeedItem {
            at: clock::now_millis(),
            kind: format!("phase:{}", progress.phase),
            competitor,
            round,
            text: progress.text,
            ..v1::FeedItem::default()
        };
        self.coordinator.store.publish(&session, item).await?;
        self.coordinator.changed();
        Ok(())
    }

    async fn result(&mut self, result: v1::Result) -> Result<(), SessionError> {
        let Some(lease) = result.lease else { return Ok(()) };
        let job = JobId::new(&lease.job);
        let cause = result.trace.map(|trace| trace.context).unwrap_or_default();
        let outcome = match result.outcome.map(Outcome::from_wire) {
            Some(Ok(outcome)) => outcome,
            Some(Err(error)) => return Err(error.into()),
            None => return Ok(()),
        };
        // Of an earlier boot or attempt: the store knows its fence, or calls it stale.
        let accepted = self.coordinator.settle(job.clone(), Fence::new(&lease.fence), outcome, &cause).await?;
        if self.holds(&job, &lease.fence) {
            self.running.remove(&job);
        }
        self.send(down::Down::Acknowledged(v1::Acknowledged { job: lease.job, accepted })).await;
        Ok(())
    }

    fn holds(&self, job: &JobId, fence: &str) -> bool {
        self.running.get(job).is_some_and(|held| held.as_str() == fence)
    }

    async fn stop(&mut self, job: JobId) -> Result<(), SessionError> {
        if self.running.contains_key(&job) {
            self.tell_to_stop(&job).await;
        }
        Ok(())
    }

    async fn tell_to_stop(&self, job: &JobId) {
        let reason = "cancelled, or its lease is lost".to_owned();
        self.send(down::Down::Stop(v1::Stop { job: job.to_string(), reason })).await;
    }

    /// Looks for what other processes did to the store, and for passed times.
    async fn look(&mut self) -> Result<(), SessionError> {
        self.coordinator.check_walls().await;
        self.coordinator.take_expired(clock::now_millis()).await?;
        self.coordinator.tell_depths(clock::now_millis()).await;
        let version = self.coordinator.store.data_version().await?;
        if version != self.data_version {
            self.data_version = version;
            self.coordinator.changed();
            self.check_leases().await?;
        }
        Ok(())
    }

    async fn check_leases(&mut self) -> Result<(), SessionError> {
        let held = self.running.iter().map(|(job, fence)| (job.clone(), fence.clone())).collect();
        for job in self.coordinator.store.not_held(held).await? {
            self.stop(job).await?;
        }
        Ok(())
    }
}
