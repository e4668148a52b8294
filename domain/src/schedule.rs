//! The reference scheduler: claim, renew, settle and expire under limits and fair share. Pure; time is an argument.
//!
//! Laws: running never exceeds a limit in any dimension; every job is in exactly one state; a report under a stale fence
//! changes nothing; a repeated report or request answers the same; a free slot and an eligible job never coexist after a
//! claim; who waits is served after a bounded number of others' turns. A job is eligible for a worker that has what it
//! needs (`placement.rs`), at home at once and elsewhere when its patience is over.

mod claim;
#[cfg(test)]
mod fairness;
#[cfg(test)]
mod laws;
mod limits;
mod line;
mod release;
mod share;
mod terms;
mod why;

pub use limits::{Limits, Provider, TenantLimits};
pub use line::{Held, Holder, Line, MOST_NAMED, Standing};
pub use share::{Account, HORIZON, PARTS};
pub use terms::Terms;
pub use why::Why;

use crate::id::{Fence, JobId, Request, SessionId, Tenant, WorkerId};
use crate::job::{Job, Millis, State, worn_out};
use crate::placement::Offer;
use std::collections::BTreeMap;

/// Leases that one tick takes away at most: when a clock jumps or a network parts, most of their workers are well.
pub const MOST_EXPIRED: usize = 100;

/// One job with its place in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub job: Job,
    pub state: State,
    /// How often it was claimed.
    pub attempt: u32,
    /// How often infrastructure failed it, or its lease ran out.
    pub failed: u32,
    /// How often its worker was found dead.
    pub died: u32,
    /// Order of arrival.
    pub arrived: u64,
}

/// All live jobs, and the limits they share.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Queue {
    places: BTreeMap<JobId, Place>,
    limits: Limits,
    /// Of tenants and of sessions.
    tenants: BTreeMap<String, Account>,
    sessions: BTreeMap<String, Account>,
    counters: Counters,
}

/// What a store keeps of a queue beside its jobs and accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Of fences; see [`Fence::of`].
    pub generation: u64,
    pub claims: u64,
    /// The number that the next job to arrive gets.
    pub arrivals: u64,
}

/// Who asks for work: a worker, for any session or for one only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ask {
    pub worker: WorkerId,
    /// The same request is answered the same as long as what it got is leased.
    pub request: Request,
    pub only: Option<SessionId>,
    /// The tenant whose jobs it may have; `None`: every one's.
    pub tenant: Option<Tenant>,
    pub offer: Offer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    Accepted,
    /// The same report came before.
    Repeated,
    /// The fence is not the lease's: nothing was changed.
    Stale,
}

/// How a worker left its jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// It was told to stop.
    Politely,
    /// Nobody knows why: it was killed, or what it ran killed it.
    Dead,
}

impl Ask {
    /// For any session, and able to run everything.
    pub fn any(worker: WorkerId, request: Request) -> Self {
        let offer = Offer::everything(worker.as_str());
        Self { worker, request, only: None, tenant: None, offer }
    }

    /// Whether it may have this job, due since `due`, when nothing else ran there.
    fn may_have(&self, job: &Job, due: Millis, now: Millis, limits: &Limits) -> bool {
        let session = self.only.as_ref().is_none_or(|only| only == &job.session);
        let tenant = self.tenant.as_ref().is_none_or(|tenant| tenant == &job.tenant);
        // Who serves one session alone is all that it has.
        let at_home = self.only.is_some() || job.home.as_ref().is_none_or(|home| self.offer.is(home));
        let kept = !at_home && now < job.kept_until(due, limits.patience);
        session && tenant && !kept && self.offer.slots.contains(&job.slot()) && self.offer.can(&job.needs)
    }
}

impl Place {
    /// A job that nobody has run yet.
    pub fn new(job: Job, due: Millis, arrived: u64) -> Self {
        Self { job, state: State::Queued { due }, attempt: 0, failed: 0, died: 0, arrived }
    }

    pub fn held_by(&self, fence: &Fence) -> bool {
        self.fence() == Some(fence)
    }

    /// Of its lease.
    pub fn fence(&self) -> Option<&Fence> {
        match &self.state {
            State::Leased { fence, .. } => Some(fence),
            State::Queued { .. } | State::Done { .. } | State::Cancelled | State::Dead { .. } => None,
        }
    }

    /// Its lease has run out and nobody has taken it away yet: it keeps its slots, and its worker may come back.
    pub fn suspect(&self, now: Millis) -> bool {
        matches!(self.state, State::Leased { expires, .. } if expires <= now)
    }

    /// Why nobody shall run it again.
    pub fn worn_out(&self) -> Option<String> {
        worn_out(self.failed, self.died)
    }
}

impl Queue {
    pub fn new(limits: Limits) -> Self {
        Self { limits, counters: Counters { generation: 1, ..Counters::default() }, ..Self::default() }
    }

    /// Puts back what a store has kept; accounts by tenant and by session.
    pub fn restore(
        limits: Limits,
        places: impl IntoIterator<Item = Place>,
        tenants: BTreeMap<String, Account>,
        sessions: BTreeMap<String, Account>,
        counters: Counters,
    ) -> Self {
        let places = places.into_iter().map(|place| (place.job.id.clone(), place)).collect();
        Self { places, limits, tenants, sessions, counters }
    }

    /// Other limits from now on: what runs goes on, and counts under them.
    pub fn relimit(&mut self, limits: Limits) {
        self.limits = limits;
    }

    pub fn place(&self, id: &JobId) -> Option<&Place> {
        self.places.get(id)
    }

    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.places.values()
    }

    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Of the tenant and of the session of a job.
    pub fn accounts(&self, job: &Job) -> (Account, Account) {
        let of = |accounts: &BTreeMap<String, Account>, name| accounts.get(name).copied().unwrap_or_default();
        (of(&self.tenants, job.tenant.as_str()), of(&self.sessions, job.session.as_str()))
    }

    /// After a store may have lost its latest writes: fences are of another generation, and every lease is whole again, for
    /// renewals may be among what was lost, and whoever was answered one runs on.
    pub fn recover(&mut self, now: Millis) {
        self.counters.generation += 1;
        let whole = now + self.limits.terms.lease_millis();
        for place in self.places.values_mut() {
            match &mut place.state {
                State::Leased { expires, .. } => *expires = whole.max(*expires),
                State::Queued { .. } | State::Done { .. } | State::Cancelled | State::Dead { .. } => {}
            }
        }
    }

    /// Adds a job once, to run from `due` on; a second time changes nothing.
    pub fn enqueue(&mut self, job: Job, due: Millis, now: Millis) -> bool {
        if self.places.contains_key(&job.id) {
            return false;
        }
        self.tenants.entry(job.tenant.to_string()).or_insert(Account::opened(now));
        self.sessions.entry(job.session.to_string()).or_insert(Account::opened(now));
        let place = Place::new(job, due, self.counters.arrivals);
        self.counters.arrivals += 1;
        self.places.insert(place.job.id.clone(), place);
        true
    }
}
