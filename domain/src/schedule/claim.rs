//! Claims: the next job by fair share, leased.

use super::limits::Running;
use super::share::Weight;
use super::{Ask, Place, Queue};
use crate::id::{Fence, JobId};
use crate::job::{HEAD_START, MOST_PRIORITY, Millis, State};
use crate::placement::SQUEEZED;

/// Whose turn it is: the least goes first. Tenants before sessions, sessions before jobs; who runs least by weight, then
/// who worked its use off first, then who was served longest ago; names only make the order whole.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn<'a> {
    tenant: (u64, Millis, u64, &'a str),
    session: (u64, Millis, u64, &'a str),
    arrived: u64,
}

impl Queue {
    /// Leases the job that fair share says is next, or nothing.
    pub fn claim(&mut self, ask: &Ask, now: Millis) -> Option<Place> {
        if let Some(given) = self.places.values().find(|p| p.fence().is_some_and(|held| held.answers(&ask.request))) {
            return Some(given.clone());
        }
        let next = self.next(ask, now)?;
        self.counters.claims += 1;
        let counter = self.counters.claims;
        let place = self.places.get_mut(&next)?;
        place.attempt += 1;
        place.state = State::Leased {
            worker: ask.worker.clone(),
            fence: Fence::of(self.counters.generation, counter, &ask.request),
            since: now,
            expires: now + self.limits.terms.lease_millis(),
        };
        self.tenants.entry(place.job.tenant.to_string()).or_default().served = counter;
        self.sessions.entry(place.job.session.to_string()).or_default().served = counter;
        Some(place.clone())
    }

    /// Whose turn it is among those that the worker may have. One that has no room there at the moment is passed over, until
    /// it has waited so long that nothing is begun there before it.
    fn next(&self, ask: &Ask, now: Millis) -> Option<JobId> {
        let running = Running::count(self.places.values());
        let may_run = |place: &Place| match place.state {
            State::Queued { due } => {
                due <= now
                    && ask.may_have(&place.job, due, now, &self.limits)
                    && running.blocks(&place.job, &self.limits).is_none()
            }
            State::Leased { .. } | State::Done { .. } | State::Cancelled | State::Dead { .. } => false,
        };
        let has_room = |place: &Place| ask.offer.free.holds(place.job.needs.room);
        let mine: Vec<&Place> = self.places.values().filter(|place| may_run(place)).collect();
        let first = *mine.iter().min_by_key(|place| self.turn(place, &running))?;
        let squeezed = matches!(first.state, State::Queued { due } if now - due >= SQUEEZED.as_millis() as Millis);
        let next = match (has_room(first), squeezed) {
            (true, _) => first,
            (false, true) => return None,
            (false, false) => {
                mine.into_iter().filter(|place| has_room(place)).min_by_key(|p| self.turn(p, &running))?
            }
        };
        Some(next.job.id.clone())
    }

    /// Keeps a lease, also one that ran out and was not taken away yet; `false` means that it is not this fence's any more
    /// and the work must stop.
    pub fn renew(&mut self, id: &JobId, fence: &Fence, now: Millis) -> bool {
        let whole = now + self.limits.terms.lease_millis();
        let Some(place) = self.places.get_mut(id) else { return false };
        match &mut place.state {
            State::Leased { fence: held, expires, .. } if held == fence => {
                *expires = whole;
                true
            }
            State::Leased { .. }
            | State::Queued { .. }
            | State::Done { .. }
            | State::Cancelled
            | State::Dead { .. } => false,
        }
    }

    pub(super) fn turn<'a>(&'a self, place: &'a Place, running: &Running<'_>) -> Turn<'a> {
        let job = &place.job;
        let (tenant, session) = (job.tenant.as_str(), job.session.as_str());
        let (of_tenant, of_session) = self.accounts(job);
        let share = self.limits.weight_of_tenant(tenant).share(running.tenant(tenant));
        let head_start = Millis::from(job.priority.min(MOST_PRIORITY)) * HEAD_START.as_millis() as Millis;
        Turn {
            tenant: (share, of_tenant.mark, of_tenant.served, tenant),
            session: (
                Weight::new(job.session_weight).share(running.session(session)),
                of_session.mark.saturating_sub(head_start),
                of_session.served,
                session,
            ),
            arrived: place.arrived,
        }
    }
}
