//! One attached worker: what it may run, what it reports, what it must stop.

mod hello;
mod leases;
#[cfg(test)]
mod tests;

use super::session_of;
use crate::access::{Caller, Rpc};
use crate::api::{Desk, LOG};
use crate::fleet;
use crate::sessions::SessionError;
use crate::store::StoreError;
use arena_domain::id::{Fence, JobId, Request, SessionId, WorkerId};
use arena_domain::outcome::Outcome;
use arena_domain::schedule::Ask;
use arena_proto::convert::Wire;
use arena_proto::v1::{self, down, up};
use arena_runtime::{clock, token};
use hello::introduced;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc};
use tokio_stream::{Stream, StreamExt};
use tonic::Status;

/// How often a foreign change of the store is looked for.
const POLL: Duration = Duration::from_millis(300);
/// Bytes of one piece of what an engine prints.
const MOST_LOG: usize = 64 << 10;

struct Attached {
    desk: Desk,
    caller: Caller,
    worker: WorkerId,
    only: Option<SessionId>,
    slots: u32,
    /// What it runs, under which fence.
    running: BTreeMap<JobId, Fence>,
    down: mpsc::Sender<Result<v1::Down, Status>>,
    data_version: i64,
    /// The number of the heartbeat that was heard last.
    beat: u64,
    /// For whoever looks at the fleet.
    state: v1::WorkerState,
}

/// Serves one worker until its stream ends.
pub(crate) async fn attach(
    desk: Desk,
    caller: Caller,
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
    let mut attached = match Attached::begin(desk, caller, hello, down.clone()).await {
        Ok(attached) => attached,
        Err(status) => return drop(down.send(Err(status)).await),
    };
    let ended = attached.serve(&mut up).await;
    attached.end().await;
    if let Err(status) = ended {
        let _ = down.send(Err(status)).await;
    }
}

impl Attached {
    async fn begin(
        desk: Desk,
        caller: Caller,
        hello: v1::Hello,
        down: mpsc::Sender<Result<v1::Down, Status>>,
    ) -> Result<Self, Status> {
        let (protocol, state) = introduced(&caller, &hello)?;
        desk.gate.done(&caller, Rpc::Attach, &state.id, "").await;
        let only = (!hello.only_session.is_empty()).then(|| SessionId::new(hello.only_session));
        let (worker, running) = (WorkerId::new(&state.id), BTreeMap::new());
        let mut attached =
            Self { desk, caller, worker, only, slots: hello.slots, running, down, data_version: 0, beat: 0, state };
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let (worker, lease_ms) = (attached.worker.to_string(), attached.store().terms().lease_millis());
        attached.send(down::Down::Welcome(v1::Welcome { protocol, version, worker, lease_ms })).await;
        // Before anything is given: what it still runs takes up its slots.
        attached.renew(hello.leases, 0).await.map_err(|error| crate::api::status(&error))?;
        attached.register().await;
        Ok(attached)
    }

    async fn serve(&mut self, up: &mut (impl Stream<Item = Result<v1::Up, Status>> + Unpin)) -> Result<(), Status> {
        let coordinator = self.desk.coordinator.clone();
        let mut stops = coordinator.stops.subscribe();
        let mut changes = coordinator.changes();
        let mut tick = tokio::time::interval(POLL);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let done = tokio::select! {
                message = up.next() => match message {
                    Some(Ok(message)) => self.heard(message).await,
                    Some(Err(_)) | None => return Ok(()),
                },
                stop = stops.recv() => match stop {
                    Ok(job) => self.stop(job).await,
                    Err(broadcast::error::RecvError::Lagged(_)) => self.check_leases().await,
                    Err(broadcast::error::RecvError::Closed) => return Ok(()),
                },
                _ = changes.recv() => Ok(()),
                _ = tick.tick() => self.look().await,
                () = coordinator.closing() => {
                    return Err(Status::unavailable("this coordinator is being stopped; go on with another one"));
                },
            };
            let done = match done {
                Ok(()) => self.fill().await,
                Err(error) => Err(error),
            };
            done.map_err(|error| crate::api::status(&error))?;
        }
    }

    /// For whoever looks at the fleet: a store that takes nothing new is no reason to hear no results.
    async fn register(&mut self) {
        if self.desk.gate.is_local() {
            return;
        }
        self.state.heard = clock::now_millis();
        self.state.running = self.running.keys().map(ToString::to_string).collect();
        if let Err(error) = fleet::register(&self.desk.coordinator.store, &self.state).await {
            tracing::warn!(%error, worker = %self.worker, "a worker could not be listed");
        }
    }

    async fn end(&self) {
        if !self.desk.gate.is_local()
            && let Err(error) = fleet::leave(&self.desk.coordinator.store, &self.state.id).await
        {
            tracing::warn!(%error, worker = %self.worker, "a worker that left is listed until its lease ends");
        }
    }

    async fn send(&self, message: down::Down) {
        // A worker that is gone ends the loop by its upward stream.
        let _ = self.down.send(Ok(v1::Down { down: Some(message) })).await;
    }

    fn store(&self) -> &crate::store::Store {
        &self.desk.coordinator.store
    }

    /// Gives the worker jobs while it has free slots.
    async fn fill(&mut self) -> Result<(), SessionError> {
        if self.state.draining || self.desk.coordinator.is_closing() {
            return Ok(());
        }
        while self.running.len() < self.slots as usize {
            let tenant = self.caller.scope().tenant().cloned();
            let any = Ask::any(self.worker.clone(), Request::new(token::nonce()));
            let ask = Ask { only: self.only.clone(), tenant, ..any };
            let (now, after) = (clock::now_millis(), Some(self.beat));
            let place = match self.store().claim(ask, now).await {
                Ok(Some(place)) => place,
                Ok(None) => return Ok(()),
                // A store that cannot be read ends the stream by the next look; one that only takes nothing new does not.
                Err(error @ StoreError::Unavailable(_)) => {
                    tracing::debug!(%error, worker = %self.worker, "nothing can be given now");
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            };
            self.desk.coordinator.claimed(&place, now);
            let Some(fence) = place.fence().cloned() else { return Ok(()) };
            let record = self.store().record(&place.job.session).await?;
            self.running.insert(place.job.id.clone(), fence.clone());
            let run = v1::Run {
                job: Some(place.job.to_wire()),
                fence: fence.to_wire(),
                attempt: place.attempt,
                head: Some(record.head),
                after,
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
            Some(up::Up::Gone(gone)) => self.gone(gone).await,
            Some(up::Up::Released(released)) => self.released(released).await,
            Some(up::Up::Log(log)) => self.log(log).await,
            Some(up::Up::Hello(_)) | None => Ok(()),
        }
    }

    async fn heartbeat(&mut self, heartbeat: v1::Heartbeat) -> Result<(), SessionError> {
        // Also a session that only waits for slots is being moved: what passes is its wall time.
        let leased = heartbeat.leases.iter().filter_map(|lease| session_of(&JobId::new(&lease.job)));
        let moved: BTreeSet<SessionId> = leased.chain(self.only.clone()).collect();
        self.store().touch(moved.into_iter().collect(), clock::now_millis()).await?;
        self.state.draining |= heartbeat.draining;
        self.beat = heartbeat.number;
        self.renew(heartbeat.leases, heartbeat.number).await?;
        self.register().await;
        Ok(())
    }

    async fn progress(&mut self, progress: v1::Progress) -> Result<(), SessionError> {
        let Some(lease) = progress.lease else { return Ok(()) };
        let job = JobId::new(lease.job);
        if !self.holds(&job, &lease.fence) {
            return Ok(());
        }
        self.publish(&job, format!("phase:{}", progress.phase), progress.text).await
    }

    /// What an engine prints, for those who watch it print. The whole of it comes with the result.
    async fn log(&mut self, log: v1::Log) -> Result<(), SessionError> {
        let Some(lease) = log.lease else { return Ok(()) };
        let job = JobId::new(lease.job);
        if !self.holds(&job, &lease.fence) || log.data.len() > MOST_LOG {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&log.data).into_owned();
        self.publish(&job, format!("{LOG}{}", log.stream), text).await
    }

    async fn publish(&self, job: &JobId, kind: String, text: String) -> Result<(), SessionError> {
        let mut parts = job.as_str().split('/');
        let session = SessionId::new(parts.next().unwrap_or_default());
        let competitor = parts.next().unwrap_or_default().to_owned();
        let round = parts.next().and_then(|text| text.parse().ok()).unwrap_or(0);
        let item = v1::FeedItem { at: clock::now_millis(), kind, competitor, round, text, ..v1::FeedItem::default() };
        match self.store().publish(&session, item).await {
            Ok(()) => self.desk.coordinator.changed(),
            // It is only seen; what counts comes with the result.
            Err(error @ StoreError::Unavailable(_)) => tracing::debug!(%error, %job, "progress is not shown"),
            Err(error) => return Err(error.into()),
        }
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
        let fence = Fence::new(&lease.fence);
        // Of an earlier boot or attempt: the store knows its fence, or calls it stale.
        let accepted = self.is_own(&job, &fence, "report").await?
            && self.desk.coordinator.settle(job.clone(), fence, outcome, &cause).await?;
        if !accepted {
            tracing::info!(worker = %self.worker, %job, "a report came too late, or under a fence of somebody else");
        }
        if self.holds(&job, &lease.fence) {
            self.running.remove(&job);
        }
        self.send(down::Down::Acknowledged(v1::Acknowledged { job: lease.job, accepted })).await;
        Ok(())
    }

    fn holds(&self, job: &JobId, fence: &str) -> bool {
        self.running.get(job).is_some_and(|held| held.as_str() == fence)
    }

    /// Somebody else may have lost a job that was given to this worker since: what it holds, it goes on with.
    async fn stop(&mut self, job: JobId) -> Result<(), SessionError> {
        let Some(fence) = self.running.get(&job).cloned() else { return Ok(()) };
        for lost in self.store().not_held(vec![(job, fence)]).await? {
            self.tell_to_stop(&lost).await;
        }
        Ok(())
    }

    async fn tell_to_stop(&self, job: &JobId) {
        let reason = "cancelled, or its lease is lost".to_owned();
        self.send(down::Down::Stop(v1::Stop { job: job.to_string(), reason })).await;
    }

    /// Looks for what other processes did to the store, and for passed times.
    async fn look(&mut self) -> Result<(), SessionError> {
        self.desk.coordinator.check_walls().await;
        self.desk.coordinator.take_expired(clock::now_millis()).await?;
        self.desk.coordinator.give_up_dead(self.only.as_ref()).await?;
        self.desk.coordinator.tell_depths(clock::now_millis()).await;
        let version = self.desk.coordinator.store.data_version().await?;
        if version != self.data_version {
            self.data_version = version;
            self.desk.coordinator.changed();
            self.check_leases().await?;
            self.check_drain().await?;
        }
        Ok(())
    }

    async fn check_drain(&mut self) -> Result<(), SessionError> {
        if !self.desk.gate.is_local() && !self.state.draining && fleet::is_drained(self.store(), &self.state.id).await?
        {
            self.state.draining = true;
            self.register().await;
            self.send(down::Down::Drain(v1::Drain {})).await;
        }
        Ok(())
    }

    async fn check_leases(&mut self) -> Result<(), SessionError> {
        let held = self.running.iter().map(|(job, fence)| (job.clone(), fence.clone())).collect();
        for job in self.store().not_held(held).await? {
            self.tell_to_stop(&job).await;
        }
        Ok(())
    }
}
