//! One attached worker: what it may run, what it reports, what it must stop.

use super::{Coordinator, session_of};
use crate::sessions::SessionError;
use arena_domain::id::{Fence, JobId, SessionId, WorkerId};
use arena_domain::outcome::Outcome;
use arena_domain::schedule::Ask;
use arena_proto::convert::Wire;
use arena_proto::v1::{self, down, up};
use arena_runtime::{clock, token};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc};
use tokio_stream::StreamExt;
use tonic::Status;

/// How often a foreign change of the store is looked for.
const POLL: Duration = Duration::from_millis(300);

struct Attached {
    coordinator: Coordinator,
    worker: WorkerId,
    only: Option<SessionId>,
    free: u32,
    /// What it runs, under which fence, at which attempt.
    running: BTreeMap<JobId, (Fence, u32)>,
    down: mpsc::Sender<Result<v1::Down, Status>>,
    data_version: i64,
}

/// Serves one worker until its stream ends.
pub(crate) async fn attach(
    coordinator: Coordinator,
    mut up: tonic::Streaming<v1::Up>,
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
    let running = BTreeMap::new();
    let worker = WorkerId::new(hello.worker);
    let mut attached = Attached { coordinator, worker, only, free: hello.slots, running, down, data_version: 0 };
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
        while self.free > 0 {
            let fence = Fence::new(token::nonce());
            let ask = Ask { worker: self.worker.clone(), fence: fence.clone(), only: self.only.clone() };
            let Some(place) = self.coordinator.store.claim(ask, clock::now_millis()).await? else { return Ok(()) };
            let record = self.coordinator.store.record(&place.job.session).await?;
            self.free -= 1;
            self.running.insert(place.job.id.clone(), (fence.clone(), place.attempt));
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
        let now = clock::now_millis();
        let leases: Vec<(JobId, Fence)> =
            heartbeat.leases.into_iter().map(|one| (JobId::new(one.job), Fence::new(one.fence))).collect();
        // Also a session that only waits for slots is being moved: what passes is its wall time.
        let moved: BTreeSet<SessionId> =
            leases.iter().filter_map(|(job, _)| session_of(job)).chain(self.only.clone()).collect();
        self.coordinator.store.touch(moved.into_iter().collect(), now).await?;
        for job in self.coordinator.store.renew(leases, now).await? {
            self.stop(job).await?;
        }
        // After its own are renewed: what ran out belongs to workers that are gone, and holds slots back.
        self.coordinator.store.reclaim(None, clock::now_millis()).await?;
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
        let attempt = match self.running.get(&job) {
            Some((fence, attempt)) if fence.as_str() == lease.fence => *attempt,
            // A result of an earlier boot or attempt: the store knows its fence, or calls it stale.
            Some(_) | None => u32::MAX,
        };
        let outcome = match result.outcome.map(Outcome::from_wire) {
            Some(Ok(outcome)) => outcome,
            Some(Err(error)) => return Err(error.into()),
            None => return Ok(()),
        };
        let accepted = self.coordinator.settle(job.clone(), Fence::new(lease.fence), attempt, outcome).await?;
        if attempt != u32::MAX {
            self.running.remove(&job);
            self.free += 1;
        }
        self.send(down::Down::Acknowledged(v1::Acknowledged { job: lease.job, accepted })).await;
        Ok(())
    }

    fn holds(&self, job: &JobId, fence: &str) -> bool {
        self.running.get(job).is_some_and(|(held, _)| held.as_str() == fence)
    }

    async fn stop(&mut self, job: JobId) -> Result<(), SessionError> {
        if self.running.contains_key(&job) {
            let reason = "cancelled, or its lease is lost".to_owned();
            self.send(down::Down::Stop(v1::Stop { job: job.to_string(), reason })).await;
        }
        Ok(())
    }

    /// Looks for what other processes did to the store, and for passed times.
    async fn look(&mut self) -> Result<(), SessionError> {
        self.coordinator.check_walls().await;
        self.coordinator.take_expired(clock::now_millis()).await?;
        let version = self.coordinator.store.data_version().await?;
        if version != self.data_version {
            self.data_version = version;
            self.coordinator.changed();
            self.check_leases().await?;
        }
        Ok(())
    }

    async fn check_leases(&mut self) -> Result<(), SessionError> {
        let held: Vec<(JobId, Fence)> =
            self.running.iter().map(|(job, (fence, _))| (job.clone(), fence.clone())).collect();
        for job in self.coordinator.store.not_held(held).await? {
            self.stop(job).await?;
        }
        Ok(())
    }
}
