//! The reference scheduler: claim, renew, settle and expire under limits and fair share. Pure; time is an argument.
//!
//! Laws: running never exceeds a limit in any dimension; every job is in exactly one state; a report under a stale fence
//! changes nothing; a repeated report answers the same; a free slot and an eligible job never coexist after a claim.

#[cfg(test)]
mod laws;

use crate::id::{Fence, JobId, SessionId, Tenant, WorkerId};
use crate::job::{Job, MAX_ATTEMPTS, MAX_DEATHS, Millis, State};
use std::collections::BTreeMap;
use std::time::Duration;

/// A lease that is not renewed for this long is given to somebody else.
pub const LEASE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    pub fleet: u32,
    pub tenant: u32,
    /// By engine name; an engine that is not named has no limit of its own.
    pub engine: BTreeMap<String, u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { fleet: 3, tenant: u32::MAX, engine: BTreeMap::new() }
    }
}

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
    arrivals: u64,
    /// When each tenant and each session was last served, in claims.
    served: BTreeMap<String, u64>,
    claims: u64,
}

/// Who asks for work: a worker, for any session or for these only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    pub worker: WorkerId,
    pub fence: Fence,
    pub only: Option<SessionId>,
    /// It serves one tenant; `None`: every one.
    pub tenant: Option<Tenant>,
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

/// What a waiting job waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    Runs {
        worker: WorkerId,
    },
    Ended,
    Unknown,
    /// Nothing holds it but a free slot of a worker.
    Ready {
        ahead: u32,
    },
    NotDue {
        at: Millis,
    },
    Limit {
        dimension: &'static str,
        name: String,
        running: u32,
        limit: u32,
    },
}

impl Place {
    /// A job that nobody has run yet.
    pub fn new(job: Job, due: Millis, arrived: u64) -> Self {
        Self { job, state: State::Queued { due }, attempt: 0, failed: 0, died: 0, arrived }
    }

    pub fn held_by(&self, fence: &Fence) -> bool {
        matches!(&self.state, State::Leased { fence: held, .. } if held == fence)
    }

    /// Why nobody shall run it again.
    pub fn worn_out(&self) -> Option<String> {
        if self.failed >= MAX_ATTEMPTS {
            let times = self.failed;
            return Some(format!("{times} attempts came to nothing; the last worker was not heard of again"));
        }
        (self.died >= MAX_DEATHS).then(|| format!("{} workers were killed, or died, while they ran it", self.died))
    }
}

impl Queue {
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Puts back what a store has kept; `served` is the last claim number by `t/<tenant>` and `s/<session>`.
    pub fn restore(
        limits: Limits,
        places: impl IntoIterator<Item = Place>,
        served: impl IntoIterator<Item = (String, u64)>,
    ) -> Self {
        let places: BTreeMap<JobId, Place> = places.into_iter().map(|place| (place.job.id.clone(), place)).collect();
        let arrivals = places.values().map(|place| place.arrived + 1).max().unwrap_or(0);
        let served: BTreeMap<String, u64> = served.into_iter().collect();
        let claims = served.values().copied().max().unwrap_or(0);
        Self { places, limits, arrivals, served, claims }
    }

    pub fn place(&self, id: &JobId) -> Option<&Place> {
        self.places.get(id)
    }

    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.places.values()
    }

    /// Adds a job once; a second time changes nothing.
    pub fn enqueue(&mut self, job: Job, due: Millis) -> bool {
        if self.places.contains_key(&job.id) {
            return false;
        }
        let place = Place::new(job, due, self.arrivals);
        self.arrivals += 1;
        self.places.insert(place.job.id.clone(), place);
        true
    }

    /// Leases the job that fair share says is next, or nothing.
    pub fn claim(&mut self, ask: &Ask, now: Millis) -> Option<Place> {
        let next = self
            .places
            .values()
            .filter(|place| matches!(place.state, State::Queued { due } if due <= now))
            .filter(|place| ask.only.as_ref().is_none_or(|only| only == &place.job.session))
            .filter(|place| ask.tenant.as_ref().is_none_or(|tenant| tenant == &place.job.tenant))
            .filter(|place| self.blocked(&place.job).is_none())
            .min_by_key(|place| self.fair_share(place))?
            .job
            .id
            .clone();
        self.claims += 1;
        let claims = self.claims;
        let place = self.places.get_mut(&next)?;
        place.attempt += 1;
        let expires = now + LEASE.as_millis() as Millis;
        place.state = State::Leased { worker: ask.worker.clone(), fence: ask.fence.clone(), expires };
        self.served.insert(format!("t/{}", place.job.tenant), claims);
        self.served.insert(format!("s/{}", place.job.session), claims);
        Some(place.clone())
    }

    /// Keeps a lease; `false` means that it is not this fence's any more and the work must stop.
    pub fn renew(&mut self, id: &JobId, fence: &Fence, now: Millis) -> bool {
        match self.places.get_mut(id).map(|place| &mut place.state) {
            Some(State::Leased { fence: held, expires, .. }) if held == fence => {
                *expires = now + LEASE.as_millis() as Millis;
                true
            }
            Some(State::Leased { .. } | State::Queued { .. } | State::Done { .. } | State::Cancelled) | None => false,
        }
    }

    pub fn settle(&mut self, id: &JobId, fence: &Fence) -> Settled {
        match self.places.get(id).map(|place| &place.state) {
            Some(State::Done { fence: held }) if held == fence => return Settled::Repeated,
            Some(State::Leased { .. } | State::Done { .. } | State::Queued { .. } | State::Cancelled) | None => {}
        }
        match self.places.get_mut(id) {
            Some(place) if place.held_by(fence) => {
                place.state = State::Done { fence: fence.clone() };
                Settled::Accepted
            }
            Some(_) | None => Settled::Stale,
        }
    }

    /// Gives a leased job that infrastructure failed back to the queue, to be tried again at `due`; the lease must be the
    /// one named.
    pub fn give_back(&mut self, id: &JobId, fence: &Fence, due: Millis) -> Settled {
        let Some(place) = self.places.get_mut(id) else { return Settled::Stale };
        if !place.held_by(fence) {
            return Settled::Stale;
        }
        place.state = State::Queued { due };
        place.failed += 1;
        Settled::Accepted
    }

    /// Takes back a leased job whose worker was told to stop: nothing failed, so nothing is counted.
    pub fn let_go(&mut self, id: &JobId, fence: &Fence, due: Millis) -> Settled {
        match self.places.get_mut(id) {
            Some(place) if place.held_by(fence) => {
                place.state = State::Queued { due };
                Settled::Accepted
            }
            Some(_) | None => Settled::Stale,
        }
    }

    /// Jobs whose lease has run out go back to the queue; their ids are returned.
    pub fn expire(&mut self, now: Millis) -> Vec<JobId> {
        let over = |place: &Place| matches!(place.state, State::Leased { expires, .. } if expires <= now);
        self.requeue(now, over, |place| place.failed += 1)
    }

    /// Jobs of a session whose worker is known to be gone go back to the queue.
    pub fn abandon(&mut self, session: &SessionId, left: Left, now: Millis) -> Vec<JobId> {
        let mine = |place: &Place| matches!(place.state, State::Leased { .. }) && &place.job.session == session;
        self.requeue(now, mine, |place| place.died += u32::from(left == Left::Dead))
    }

    /// Jobs of workers that were found dead go back to the queue.
    pub fn bury(&mut self, workers: &[WorkerId], now: Millis) -> Vec<JobId> {
        let theirs = |place: &Place| matches!(&place.state, State::Leased { worker, .. } if workers.contains(worker));
        self.requeue(now, theirs, |place| place.died += 1)
    }

    fn requeue(&mut self, now: Millis, which: impl Fn(&Place) -> bool, count: impl Fn(&mut Place)) -> Vec<JobId> {
        let mut back = Vec::new();
        for place in self.places.values_mut().filter(|place| which(place)) {
            place.state = State::Queued { due: now };
            count(place);
            back.push(place.job.id.clone());
        }
        back
    }

    /// Ends the live jobs of a session that `which` names; the leased among them are returned, for their workers to stop.
    pub fn cancel(&mut self, session: &SessionId, which: impl Fn(&Job) -> bool) -> Vec<JobId> {
        let mut running = Vec::new();
        for place in self.places.values_mut().filter(|place| &place.job.session == session && which(&place.job)) {
            if matches!(place.state, State::Leased { .. }) {
                running.push(place.job.id.clone());
            }
            if place.state.is_live() {
                place.state = State::Cancelled;
            }
        }
        running
    }

    pub fn why(&self, id: &JobId, now: Millis) -> Why {
        let Some(place) = self.places.get(id) else { return Why::Unknown };
        match &place.state {
            State::Leased { worker, .. } => Why::Runs { worker: worker.clone() },
            State::Done { .. } | State::Cancelled => Why::Ended,
            State::Queued { due } if *due > now => Why::NotDue { at: *due },
            State::Queued { .. } => self.blocked(&place.job).unwrap_or_else(|| Why::Ready { ahead: self.ahead(place) }),
        }
    }

    fn ahead(&self, place: &Place) -> u32 {
        let mine = self.fair_share(place);
        let before = |other: &&Place| matches!(other.state, State::Queued { .. }) && self.fair_share(other) < mine;
        self.places.values().filter(before).count() as u32
    }

    fn running(&self, which: impl Fn(&Job) -> bool) -> u32 {
        self.places.values().filter(|place| matches!(place.state, State::Leased { .. }) && which(&place.job)).count()
            as u32
    }

    /// The first limit that holds this job back.
    fn blocked(&self, job: &Job) -> Option<Why> {
        let limit = |dimension, name: &str, running, limit| {
            (running >= limit).then(|| Why::Limit { dimension, name: name.to_owned(), running, limit })
        };
        limit("fleet", "all", self.running(|_| true), self.limits.fleet)
            .or_else(|| {
                let running = self.running(|other| other.tenant == job.tenant);
                limit("tenant", job.tenant.as_str(), running, self.limits.tenant)
            })
            .or_else(|| {
                let running = self.running(|other| other.session == job.session);
                limit("session", job.session.as_str(), running, job.session_limit)
            })
            .or_else(|| {
                let engine = job.engine.as_deref()?;
                let running = self.running(|other| other.engine.as_deref() == Some(engine));
                limit("engine", engine, running, *self.limits.engine.get(engine)?)
            })
    }

    /// Fewest running slots first (tenant, then session), then longest unserved, then order of arrival.
    fn fair_share(&self, place: &Place) -> (u32, u64, u32, u64, u64) {
        let tenant: &Tenant = &place.job.tenant;
        let session: &SessionId = &place.job.session;
        let served = |key: String| self.served.get(&key).copied().unwrap_or(0);
        (
            self.running(|job| &job.tenant == tenant),
            served(format!("t/{tenant}")),
            self.running(|job| &job.session == session),
            served(format!("s/{session}")),
            place.arrived,
        )
    }
}
