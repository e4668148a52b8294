//! Free slots -> claim -> send; results -> settle -> acknowledge. One loop for each attached worker.

mod attached;
mod keeper;
#[cfg(test)]
pub(crate) mod tests;
mod vigil;
pub(crate) mod why;

use crate::blobs::Blobs;
use crate::figures;
use crate::sessions::{self, SessionError, Stepped};
use crate::store::Store;
use crate::trace::Watched;
use arena_domain::id::{Fence, JobId, SessionId, Tenant, WorkerId};
use arena_domain::job::{MAX_ATTEMPTS, Millis, backoff};
use arena_domain::outcome::{Failure, Outcome};
use arena_domain::schedule::{Left, Settled};
use arena_domain::session::{Event, Phase};
use arena_proto::v1::DeadJob;
use arena_runtime::{clock, telemetry, token};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

pub(crate) use attached::attach;
use vigil::Vigil;

/// A shorter time in which nobody moved a session is not told from that of a start, in milliseconds.
const WORTH_RECORDING: Millis = 1_000;

/// Dead jobs that one look tells their sessions of.
const MOST_DEAD: u32 = 64;

/// The coordinator of one state directory. Clones are the same one.
#[derive(Clone)]
pub struct Coordinator {
    pub store: Store,
    pub blobs: Blobs,
    /// Jobs whose workers must stop.
    stops: broadcast::Sender<JobId>,
    /// Something changed: look for jobs, look at feeds.
    changes: broadcast::Sender<()>,
    /// When the wall time of each session that was moved here is used up.
    walls: Arc<Mutex<BTreeMap<SessionId, Millis>>>,
    vigil: Arc<Mutex<Vigil>>,
    /// Dead jobs wait this long for a person to requeue them, before their sessions are told.
    hold: Duration,
    /// Whose each session is, of those that were asked for: it never changes.
    tenants: Arc<Mutex<BTreeMap<SessionId, Tenant>>>,
    /// This coordinator takes no work any more.
    closing: CancellationToken,
    watched: Arc<Mutex<Watched>>,
}

impl Coordinator {
    pub fn new(store: Store, blobs: Blobs) -> Self {
        let (stops, changes) = (broadcast::channel(1024).0, broadcast::channel(16).0);
        let (walls, vigil, tenants) = (Arc::default(), Arc::default(), Arc::default());
        let (hold, closing) = (Duration::ZERO, CancellationToken::new());
        Self { store, blobs, stops, changes, walls, vigil, hold, tenants, closing, watched: Arc::default() }
    }

    /// Gives a person this long to requeue a dead job before its session takes it for failed.
    pub fn holding_dead_jobs(self, hold: Duration) -> Self {
        Self { hold, ..self }
    }

    /// Takes no new work, and hands over what it has: streams end, and go on with another coordinator.
    pub fn close(&self) {
        self.closing.cancel();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.is_cancelled()
    }

    pub(crate) async fn closing(&self) {
        self.closing.cancelled().await;
    }

    pub(crate) async fn tenant_of(&self, id: &SessionId) -> Result<Tenant, SessionError> {
        let known = self.tenants.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        if let Some(tenant) = known {
            return Ok(tenant);
        }
        let tenant = Tenant::new(self.store.record(id).await?.head.tenant);
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), tenant.clone());
        Ok(tenant)
    }

    /// Applies an event that no job brought.
    pub async fn happen(&self, id: &SessionId, event: Event) -> Result<(), SessionError> {
        match sessions::step(&self.store, id, None, event, &telemetry::current()).await? {
            Stepped::Done { session, stop } => self.moved(&session, stop),
            Stepped::Repeated | Stepped::Stale => {}
        }
        Ok(())
    }

    /// Takes a session up again after a restart: its leases belong to nobody any more.
    pub async fn take_up(&self, id: &SessionId) -> Result<Vec<JobId>, SessionError> {
        let now = clock::now_millis();
        let back = self.store.abandon(id.clone(), Left::Dead, now).await?;
        let (_, session) = sessions::load(&self.store, id).await?;
        let since = self.store.touched(id).await?.max(session.latest);
        self.put_back(id, &back, since, now).await;
        if session.phase == Phase::Running && now.saturating_sub(since) >= WORTH_RECORDING {
            self.happen(id, Event::Resumed { at: now, since }).await?;
        } else {
            self.moved(&session, Vec::new());
        }
        Ok(back)
    }

    /// The leases of workers that are known to be dead belong to nobody any more.
    pub async fn bury(&self, workers: Vec<WorkerId>) -> Result<Vec<JobId>, SessionError> {
        let now = clock::now_millis();
        let mut back: BTreeMap<SessionId, Vec<JobId>> = BTreeMap::new();
        let buried = self.store.bury(workers, now).await?;
        for job in &buried {
            if let Some(session) = session_of(job) {
                back.entry(session).or_default().push(job.clone());
            }
        }
        for (id, jobs) in back {
            let seen = self.store.touched(&id).await?;
            self.put_back(&id, &jobs, seen, now).await;
        }
        Ok(buried)
    }

    /// Lets a session lie: its worker here has ended, and the slots of its leases are free for other sessions.
    pub async fn put_down(&self, id: &SessionId) -> Result<(), SessionError> {
        let now = clock::now_millis();
        self.store.abandon(id.clone(), Left::Politely, now).await?;
        Ok(self.store.touch(vec![id.clone()], now).await?)
    }

    /// A worker's result: into the session, or back to the queue when only infrastructure failed. `true`: it is durable
    /// and was accepted, now or before.
    /// `cause`: the worker's span, empty when it has none.
    pub(crate) async fn settle(
        &self,
        job: JobId,
        fence: Fence,
        outcome: Outcome,
        cause: &str,
    ) -> Result<bool, SessionError> {
        if let Outcome::Failed(Failure::Infrastructure(_)) = &outcome
            && let Some(failed) = self.store.failures(&job, &fence).await?
            && failed + 1 < MAX_ATTEMPTS
        {
            let now = clock::now_millis();
            let due = now + backoff(failed + 1, token::chance()).as_millis() as Millis;
            self.returned(&job, due, cause);
            figures::lease("returned", 1);
            return Ok(self.store.give_back(job, fence, due, now).await? == Settled::Accepted);
        }
        self.record(job, fence, outcome, cause).await
    }

    /// Into the session, whatever it is.
    async fn record(&self, job: JobId, fence: Fence, outcome: Outcome, cause: &str) -> Result<bool, SessionError> {
        let Some(session) = session_of(&job) else { return Ok(false) };
        let given_up = match &outcome {
            Outcome::Failed(Failure::Infrastructure(reason)) => Some(reason.clone()),
            Outcome::Failed(Failure::Setup { .. } | Failure::Cancelled)
            | Outcome::Implemented(_)
            | Outcome::Evaluated(_) => None,
        };
        let at = clock::now_millis();
        let event = Event::Settled { at, job: job.clone(), outcome };
        match sessions::step(&self.store, &session, Some((job.clone(), fence)), event, cause).await? {
            Stepped::Done { session, stop } => {
                if let Some(reason) = given_up {
                    let dead = DeadJob { id: job.to_string(), tenant: session.tenant.to_string(), reason, at };
                    crate::fleet::bury(&self.store, &dead).await?;
                }
                self.moved(&session, stop);
                Ok(true)
            }
            Stepped::Repeated => Ok(true),
            Stepped::Stale => Ok(false),
        }
    }

    /// Tells sessions of the jobs that nobody runs again, so that none waits for one: this session, or all of a store
    /// whose sessions everybody may move.
    async fn give_up_dead(&self, only: Option<&SessionId>) -> Result<(), SessionError> {
        let since = clock::now_millis().saturating_sub(self.hold.as_millis() as Millis);
        for letter in self.store.dead(only, MOST_DEAD).await?.into_iter().filter(|letter| letter.at <= since) {
            let failed = Outcome::Failed(Failure::Infrastructure(letter.reason));
            // One session whose record cannot be read holds up no other.
            if let Err(error) = self.record(letter.job.clone(), letter.fence, failed, "").await {
                tracing::warn!(job = %letter.job, %error, "a dead job's session could not be told");
            }
        }
        Ok(())
    }

    fn knows_wall(&self, id: &SessionId) -> bool {
        self.walls.lock().unwrap_or_else(PoisonError::into_inner).contains_key(id)
    }

    fn moved(&self, session: &arena_domain::session::Session, stop: Vec<JobId>) {
        let mut walls = self.walls.lock().unwrap_or_else(PoisonError::into_inner);
        match session.wall_ends() {
            Some(ends) => drop(walls.insert(session.id.clone(), ends)),
            None => drop(walls.remove(&session.id)),
        }
        drop(walls);
        for job in stop {
            // Nobody attached: nobody runs it.
            let _ = self.stops.send(job);
        }
        self.changed();
    }

    pub(crate) fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn changed(&self) {
        let _ = self.changes.send(());
    }

    pub(crate) fn changes(&self) -> broadcast::Receiver<()> {
        self.changes.subscribe()
    }

    /// Takes the leases away that nobody renewed, so that their slots are free again for every session of the store.
    async fn take_expired(&self, now: Millis) -> Result<(), SessionError> {
        let lease = self.store.terms().lease;
        if !self.vigil.lock().unwrap_or_else(PoisonError::into_inner).may_take(now, lease) {
            return Ok(());
        }
        match self.store.sweep().await {
            Ok(all) => {
                for mended in all {
                    tracing::error!(mended, "the store's indexes did not agree with its jobs");
                }
            }
            // A store that takes nothing new is no reason to keep slots from those that wait.
            Err(error) => tracing::warn!(%error, "the store's indexes could not be looked through"),
        }
        let back = self.store.expire(now).await?;
        if !back.is_empty() {
            tracing::warn!(jobs = ?back, "leases ran out; their jobs wait again");
            figures::lease("expired", back.len());
            back.iter().for_each(|job| self.returned(job, now, ""));
            for job in back {
                // Nobody attached: nobody runs it.
                let _ = self.stops.send(job);
            }
            self.changed();
        }
        Ok(())
    }

    /// Ends the rounds of sessions whose wall time is used up.
    async fn check_walls(&self) {
        let now = clock::now_millis();
        let passed: Vec<SessionId> = {
            let walls = self.walls.lock().unwrap_or_else(PoisonError::into_inner);
            walls.iter().filter(|(_, ends)| **ends <= now).map(|(id, _)| id.clone()).collect()
        };
        for id in passed {
            self.walls.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
            if let Err(error) = self.happen(&id, Event::WallPassed { at: now }).await {
                tracing::warn!(session = %id, %error, "the wall time passed and could not be recorded");
            }
        }
    }
}

fn session_of(job: &JobId) -> Option<SessionId> {
    job.as_str().split_once('/').map(|(session, _)| SessionId::new(session))
}
