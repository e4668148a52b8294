//! Free slots -> claim -> send; results -> settle -> acknowledge. One loop for each attached worker, and one that watches
//! the store for all of them.

mod attached;
pub(crate) mod dead;
mod keeper;
mod pulse;
mod roster;
#[cfg(test)]
pub(crate) mod tests;
mod vigil;
mod watch;
pub(crate) mod why;

use crate::blobs::Blobs;
use crate::figures;
use crate::sessions::{self, SessionError, Stepped};
use crate::store::Store;
use crate::trace::Watched;
use crate::usage::Usage;
use arena_domain::id::{Fence, JobId, SessionId, Tenant, WorkerId};
use arena_domain::job::{MAX_ATTEMPTS, Millis, backoff};
use arena_domain::outcome::{Failure, Outcome};
use arena_domain::schedule::{Left, Settled};
use arena_domain::session::{Event, Phase};
use arena_proto::v1::DeadJob;
use arena_runtime::config::Limits;
use arena_runtime::{clock, telemetry, token};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

pub(crate) use attached::{Told, attach};
use roster::Roster;
use vigil::Vigil;
use watch::Watch;

/// A shorter time in which nobody moved a session is not told from that of a start, in milliseconds.
const WORTH_RECORDING: Millis = 1_000;

/// The coordinator of one state directory. Clones are the same one.
#[derive(Clone)]
pub struct Coordinator {
    pub store: Store,
    pub blobs: Blobs,
    /// Jobs whose workers must stop.
    stops: broadcast::Sender<JobId>,
    /// Something changed: look at feeds.
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
    roster: Arc<Roster>,
    watch: Arc<Watch>,
    /// What tenants may submit.
    pub(crate) quotas: Arc<Limits>,
    /// Whoever submits counts what is there first, so one after another.
    pub(crate) submitting: Arc<tokio::sync::Mutex<()>>,
    /// Sessions that ended so long ago are taken away, and blobs that none names; nothing: none is.
    pub(crate) keep: Option<Duration>,
    pub(crate) usage: Arc<Usage>,
    /// It was said that the place of the blobs is another store's too.
    pub(crate) told: Arc<AtomicBool>,
}

impl Coordinator {
    pub fn new(store: Store, blobs: Blobs) -> Self {
        let (stops, changes) = (broadcast::channel(1024).0, broadcast::channel(16).0);
        let (walls, vigil, tenants) = (Arc::default(), Arc::default(), Arc::default());
        let (hold, closing) = (Duration::ZERO, CancellationToken::new());
        let (watched, quotas, submitting) = (Arc::default(), Arc::new(Limits::unlimited()), Arc::default());
        let (roster, watch) = (Arc::default(), Arc::default());
        Self {
            store,
            blobs,
            stops,
            changes,
            walls,
            vigil,
            hold,
            tenants,
            closing,
            watched,
            roster,
            watch,
            quotas,
            submitting,
            keep: None,
            usage: Arc::default(),
            told: Arc::default(),
        }
    }

    /// Holds tenants to what these limits let them submit.
    pub fn with_quotas(self, limits: Limits) -> Self {
        Self { quotas: Arc::new(limits), ..self }
    }

    /// Gives a person this long to requeue a dead job before its session takes it for failed.
    pub fn holding_dead_jobs(self, hold: Duration) -> Self {
        Self { hold, ..self }
    }

    /// Keeps what has ended for so long, and no longer.
    pub fn keeping(self, keep: Option<Duration>) -> Self {
        Self { keep, ..self }
    }

    /// Takes no new work, and hands over what it has: streams end, and go on with another coordinator.
    pub fn close(&self) {
        self.closing.cancel();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.is_cancelled()
    }

    pub(crate) fn closing_token(&self) -> CancellationToken {
        self.closing.clone()
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
        match sessions::step(&self.store, id, None, event, (None, &telemetry::current())).await? {
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
        figures::lease("abandoned", back.len());
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
        let buried = self.store.bury(workers, now).await?;
        self.roster.hint();
        figures::lease("abandoned", buried.len());
        for (id, jobs) in by_session(&buried) {
            let seen = self.store.touched(&id).await?;
            self.put_back(&id, &jobs, seen, now).await;
        }
        Ok(buried)
    }

    /// Lets a session lie: its worker here has ended, and the slots of its leases are free for other sessions.
    pub async fn put_down(&self, id: &SessionId) -> Result<(), SessionError> {
        let now = clock::now_millis();
        self.store.abandon(id.clone(), Left::Politely, now).await?;
        self.roster.hint();
        Ok(self.store.touch(vec![id.clone()], now).await?)
    }

    /// A worker's result: into the session, or back to the queue when only infrastructure failed. `true`: it is durable
    /// and was accepted, now or before.
    /// `from`: the worker's name, where a team has more than one; and its span, empty when it has none.
    pub(crate) async fn settle(
        &self,
        job: JobId,
        fence: Fence,
        outcome: Outcome,
        from: (Option<&str>, &str),
    ) -> Result<bool, SessionError> {
        if let Outcome::Failed(Failure::Infrastructure(reason)) = &outcome
            && let Some(failed) = self.store.failures(&job, &fence).await?
            && (failed + 1 < MAX_ATTEMPTS || !self.hold.is_zero())
        {
            if failed + 1 >= MAX_ATTEMPTS {
                return self.hold_dead(job, fence, reason).await;
            }
            let now = clock::now_millis();
            let due = now + backoff(failed + 1, token::chance()).as_millis() as Millis;
            self.returned(&job, due, from.1);
            figures::lease("returned", 1);
            let given_back = self.store.give_back(job, fence, due, now).await?;
            self.roster.hint();
            return Ok(given_back == Settled::Accepted);
        }
        if let Outcome::Failed(Failure::Infrastructure(_)) = &outcome
            && self.holds_dead(&job, &fence).await?
        {
            // The same report again: its answer was lost.
            return Ok(true);
        }
        self.record(job, fence, outcome, from).await
    }

    /// Into the session, whatever it is.
    async fn record(
        &self,
        job: JobId,
        fence: Fence,
        outcome: Outcome,
        from: (Option<&str>, &str),
    ) -> Result<bool, SessionError> {
        let Some(session) = session_of(&job) else { return Ok(false) };
        let given_up = match &outcome {
            Outcome::Failed(Failure::Infrastructure(reason)) => Some(reason.clone()),
            Outcome::Failed(Failure::Setup { .. } | Failure::Cancelled)
            | Outcome::Implemented(_)
            | Outcome::Evaluated(_) => None,
        };
        let at = clock::now_millis();
        let event = Event::Settled { at, job: job.clone(), outcome };
        match sessions::step(&self.store, &session, Some((job.clone(), fence)), event, from).await? {
            Stepped::Done { session, stop } => {
                if let Some(reason) = given_up {
                    let (id, tenant) = (job.to_string(), session.tenant.to_string());
                    let dead = DeadJob { id, tenant, reason, at, ..DeadJob::default() };
                    crate::fleet::bury(&self.store, &dead).await?;
                }
                self.moved(&session, stop);
                Ok(true)
            }
            Stepped::Repeated => Ok(true),
            Stepped::Stale => Ok(false),
        }
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
        self.roster.hint();
    }

    /// This worker was told to begin nothing more; with another coordinator it hears of it by the store.
    pub(crate) fn drained(&self, worker: &str) {
        self.roster.drain(worker);
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
            Ok(all) => all.iter().for_each(|mended| {
                tracing::error!(mended, "the store's indexes did not agree with its jobs");
            }),
            // Leases end all the same.
            Err(error) => tracing::warn!(%error, "the store's indexes could not be looked through"),
        }
        let back = self.store.expire(now).await?;
        if !back.is_empty() {
            tracing::warn!(jobs = ?back, "leases ran out; their jobs wait again");
            figures::lease("expired", back.len());
            back.iter().for_each(|job| self.returned(job, now, ""));
            // Renewals came until the lease began for the last time.
            let terms = self.store.terms();
            let seen = now.saturating_sub(terms.lease_millis() + terms.margin_millis());
            for (id, jobs) in by_session(&back) {
                self.put_back(&id, &jobs, seen, now).await;
            }
            for job in back {
                // Nobody attached: nobody runs it.
                let _ = self.stops.send(job);
            }
            self.roster.hint();
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
            match self.happen(&id, Event::WallPassed { at: now }).await {
                Ok(()) => {}
                // It has ended with another coordinator.
                Err(SessionError::Illegal(_)) => {}
                Err(error) => tracing::warn!(session = %id, %error, "the wall time passed and could not be recorded"),
            }
        }
    }
}

fn by_session(jobs: &[JobId]) -> BTreeMap<SessionId, Vec<JobId>> {
    let mut all: BTreeMap<SessionId, Vec<JobId>> = BTreeMap::new();
    for job in jobs {
        if let Some(session) = session_of(job) {
            all.entry(session).or_default().push(job.clone());
        }
    }
    all
}

fn session_of(job: &JobId) -> Option<SessionId> {
    job.as_str().split_once('/').map(|(session, _)| SessionId::new(session))
}
