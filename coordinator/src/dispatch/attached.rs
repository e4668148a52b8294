//! One attached worker: what it may run, what it reports, what it must stop.

mod capacity;
mod hello;
mod leases;
mod listing;
mod stream;
#[cfg(test)]
mod tests;

use super::pulse::{Beat, Pulse};
use super::roster::{Said, Seat};
use super::session_of;
use crate::access::Caller;
use crate::api::{Desk, LOG};
use crate::sessions::SessionError;
use crate::store::StoreError;
use arena_domain::id::{Fence, JobId, Request, SessionId, WorkerId};
use arena_domain::outcome::Outcome;
use arena_domain::schedule::Ask;
use arena_proto::convert::Wire;
use arena_proto::v1::{self, down, up};
use arena_runtime::{clock, token};
use capacity::Capacity;
use std::collections::{BTreeMap, BTreeSet};
pub(crate) use stream::{Told, attach};
use tokio::sync::mpsc;

/// Bytes of one piece of what an engine prints, and of one sentence of progress.
const MOST_LOG: usize = 64 << 10;

struct Attached {
    desk: Desk,
    caller: Caller,
    worker: WorkerId,
    only: Option<SessionId>,
    capacity: Capacity,
    /// What it runs, under which fence.
    running: BTreeMap<JobId, Fence>,
    /// It has ended a job since it asked last.
    freed: bool,
    /// What it runs, since it was listed.
    changed: bool,
    /// Its worker has another stream now.
    replaced: bool,
    down: mpsc::Sender<Told>,
    /// The number of the heartbeat that was heard last.
    beat: u64,
    seat: Seat,
    pulse: Pulse,
    /// For whoever looks at the fleet.
    state: v1::WorkerState,
    /// It knows that it shall begin nothing more: it says so.
    drains: bool,
}

impl Attached {
    /// What follows from whatever happened.
    async fn go_on(&mut self) -> Result<(), SessionError> {
        self.weigh().await?;
        // What a job leads to is kept for a while for whoever ran it, so nobody else asks for it.
        if std::mem::take(&mut self.freed) {
            self.claim().await?;
        }
        // What it has free now is what `arena why` says of it.
        if std::mem::take(&mut self.changed)
            && let Some(state) = self.listed()
        {
            self.pulse.list(state);
        }
        Ok(())
    }

    async fn send(&self, message: down::Down) {
        // A worker that is gone ends the loop by its upward stream.
        let _ = self.down.send(Box::new(Ok(v1::Down { down: Some(message) }))).await;
    }

    fn store(&self) -> &crate::store::Store {
        &self.desk.coordinator.store
    }

    /// What it asks for, as long as it has a free slot.
    fn ask(&mut self) -> Option<Ask> {
        if self.state.draining || self.desk.coordinator.is_closing() {
            return None;
        }
        let offer = self.capacity.offer(&self.running)?;
        let (worker, request) = (self.worker.clone(), Request::new(token::nonce()));
        let tenant = self.caller.scope().tenant().cloned();
        Some(Ask { worker, request, only: self.only.clone(), tenant, offer })
    }

    /// As what it asks when its turn comes. Workers of one kind are answered the same but for the jobs that are kept for
    /// one of them, and for what one has a little more room for than the other: the first asks by itself when it reports,
    /// the second in its turn.
    fn kind(&mut self) -> Option<Ask> {
        let (worker, request) = (WorkerId::new(""), Request::new(""));
        self.ask().map(|ask| Ask { worker, request, offer: ask.offer.about(), ..ask })
    }

    /// Knows what those take up that were given before its stream broke.
    async fn weigh(&mut self) -> Result<(), SessionError> {
        for id in self.capacity.unknown(&self.running) {
            let job = self.store().job(&id).await?;
            self.capacity.holds(id, job.as_ref());
        }
        Ok(())
    }

    async fn told(&mut self, said: Said) -> Result<(), SessionError> {
        let Said { ask, drain, replaced, lost } = said;
        self.replaced = replaced;
        if replaced {
            return Ok(());
        }
        if drain {
            self.drain().await?;
        }
        for (job, fence) in lost {
            // It may have ended since.
            if self.running.get(&job) == Some(&fence) {
                self.tell_to_stop(&job).await;
            }
        }
        if ask {
            let given = self.claim().await?;
            // A job is told already, and the seat may have been asked anew since.
            if given != Some(true) {
                let kind = self.kind();
                self.seat.answered(given, kind);
            }
        }
        Ok(())
    }

    /// Gives the worker one job and tells its seat, when there is one for it; `None`: it has no free slot.
    async fn claim(&mut self) -> Result<Option<bool>, SessionError> {
        let Some(ask) = self.ask() else { return Ok(None) };
        let (now, after) = (clock::now_millis(), Some(self.beat));
        let place = match self.store().claim(ask, now).await {
            Ok(Some(place)) => place,
            Ok(None) => return Ok(Some(false)),
            // A store that cannot be read ends the stream by the next look; one that only takes nothing new does not.
            Err(error @ StoreError::Unavailable(_)) => {
                tracing::debug!(%error, worker = %self.worker, "nothing can be given now");
                return Ok(Some(false));
            }
            Err(error) => return Err(error.into()),
        };
        self.desk.coordinator.claimed(&place, now);
        let Some(fence) = place.fence().cloned() else { return Ok(Some(false)) };
        // Before it is sent: the next one asks meanwhile.
        self.hold(place.job.id.clone(), fence.clone());
        self.capacity.holds(place.job.id.clone(), Some(&place.job));
        let kind = self.kind();
        self.seat.answered(Some(true), kind);
        match self.store().record(&place.job.session).await {
            Ok(record) => {
                let run = v1::Run {
                    job: Some(place.job.to_wire()),
                    fence: fence.to_wire(),
                    attempt: place.attempt,
                    head: Some(record.head),
                    after,
                };
                self.send(down::Down::Run(Box::new(run))).await;
            }
            Err(error) => self.take_back(place.job.id, fence, error).await?,
        }
        Ok(Some(true))
    }

    fn hold(&mut self, job: JobId, fence: Fence) {
        self.seat.holds(&job, &fence);
        self.running.insert(job, fence);
        self.changed = true;
    }

    fn let_go(&mut self, job: &JobId) {
        self.seat.lets_go(job);
        self.running.remove(job);
        self.changed = true;
    }

    async fn heard(&mut self, message: v1::Up) -> Result<(), SessionError> {
        match message.up {
            Some(up::Up::Heartbeat(heartbeat)) => self.heartbeat(heartbeat).await,
            Some(up::Up::Progress(progress)) => self.progress(progress).await,
            Some(up::Up::Result(result)) => self.result(*result).await,
            Some(up::Up::Gone(gone)) => self.gone(gone).await,
            Some(up::Up::Released(released)) => self.released(released).await,
            Some(up::Up::Log(log)) => self.log(log).await,
            Some(up::Up::Hello(_)) | None => Ok(()),
        }
    }

    async fn heartbeat(&mut self, heartbeat: v1::Heartbeat) -> Result<(), SessionError> {
        self.drains |= heartbeat.draining;
        self.state.draining |= self.drains;
        self.capacity.has_disk(heartbeat.disk_mib);
        self.beat = heartbeat.number;
        let leases = self.own(heartbeat.leases).await?;
        // Also a session that only waits for slots is being moved: what passes is its wall time.
        let leased = leases.iter().filter_map(|(job, _)| session_of(job));
        let sessions: BTreeSet<SessionId> = leased.chain(self.only.clone()).collect();
        let beat = Beat { sessions, leases: leases.clone(), state: self.listed() };
        let lost = self.pulse.beat(beat).await?;
        self.renewed(leases, &lost, heartbeat.number).await;
        Ok(())
    }

    async fn progress(&mut self, progress: v1::Progress) -> Result<(), SessionError> {
        let Some(lease) = progress.lease else { return Ok(()) };
        let job = JobId::new(lease.job);
        if !self.holds(&job, &lease.fence) || progress.text.len() > MOST_LOG {
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
        let accepted = self.is_own(&job, &fence, "report").await? && {
            let settled = self.desk.coordinator.settle(job.clone(), fence, outcome, (self.home(), &cause)).await;
            settled.or_else(|error| match error.is_transient() {
                true => Err(error),
                // It would be the same each time, and what else this worker has to say comes behind it.
                false => {
                    tracing::error!(worker = %self.worker, %job, %error, "a report could not be recorded");
                    Ok(false)
                }
            })?
        };
        if !accepted {
            tracing::info!(worker = %self.worker, %job, "a report came too late, or under a fence of somebody else");
        }
        if self.holds(&job, &lease.fence) {
            self.let_go(&job);
            self.freed = true;
        }
        self.send(down::Down::Acknowledged(v1::Acknowledged { job: lease.job, accepted, fence: lease.fence })).await;
        Ok(())
    }

    /// The name by which a session's next jobs find this worker again. On one machine there is no other.
    fn home(&self) -> Option<&str> {
        (!self.desk.gate.is_local()).then_some(self.state.name.as_str())
    }

    fn holds(&self, job: &JobId, fence: &str) -> bool {
        self.running.get(job).is_some_and(|held| held.as_str() == fence)
    }

    async fn tell_to_stop(&self, job: &JobId) {
        let reason = "cancelled, or its lease is lost".to_owned();
        self.send(down::Down::Stop(v1::Stop { job: job.to_string(), reason })).await;
    }
}
