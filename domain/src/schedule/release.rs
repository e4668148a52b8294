//! How leases end: settled, given back, expired, abandoned, cancelled. Each frees its slots and is charged once.

use super::share::Weight;
use super::{Left, MOST_EXPIRED, Place, Queue, Settled};
use crate::id::{Fence, JobId, SessionId, WorkerId};
use crate::job::{Job, Millis, State};

impl Queue {
    pub fn settle(&mut self, id: &JobId, fence: &Fence, now: Millis) -> Settled {
        let Some(place) = self.places.get(id) else { return Settled::Stale };
        match &place.state {
            State::Done { fence: held } if held == fence => Settled::Repeated,
            State::Leased { fence: held, .. } | State::Dead { fence: held, .. } if held == fence => {
                self.leave(id, State::Done { fence: fence.clone() }, now);
                Settled::Accepted
            }
            State::Leased { .. }
            | State::Queued { .. }
            | State::Done { .. }
            | State::Cancelled
            | State::Dead { .. } => Settled::Stale,
        }
    }

    /// Gives a leased job that infrastructure failed back to the queue, to be tried again at `due`; the lease must be the
    /// one named.
    pub fn give_back(&mut self, id: &JobId, fence: &Fence, due: Millis, now: Millis) -> Settled {
        if !self.places.get(id).is_some_and(|place| place.held_by(fence)) {
            return Settled::Stale;
        }
        self.put_back(id, due, now, |place| place.failed += 1);
        Settled::Accepted
    }

    /// Takes back a leased job whose worker was told to stop: nothing failed, so nothing is counted.
    pub fn let_go(&mut self, id: &JobId, fence: &Fence, due: Millis, now: Millis) -> Settled {
        if !self.places.get(id).is_some_and(|place| place.held_by(fence)) {
            return Settled::Stale;
        }
        self.put_back(id, due, now, |_| {});
        Settled::Accepted
    }

    /// Suspects whose margin has passed go back to the queue, the longest overdue first, so many at a time; their ids are
    /// returned.
    pub fn expire(&mut self, now: Millis) -> Vec<JobId> {
        let margin = self.limits.terms.margin_millis();
        let over = |place: &Place| match &place.state {
            State::Leased { expires, .. } if expires + margin <= now => Some((*expires, place.job.id.clone())),
            State::Leased { .. }
            | State::Queued { .. }
            | State::Done { .. }
            | State::Cancelled
            | State::Dead { .. } => None,
        };
        let mut over: Vec<(Millis, JobId)> = self.places.values().filter_map(over).collect();
        over.sort();
        over.truncate(MOST_EXPIRED);
        let back: Vec<JobId> = over.into_iter().map(|(_, id)| id).collect();
        self.requeue_all(back, now, |place| place.failed += 1)
    }

    /// Jobs of a session whose worker is known to be gone go back to the queue.
    pub fn abandon(&mut self, session: &SessionId, left: Left, now: Millis) -> Vec<JobId> {
        let back = self.leased(|place, _| &place.job.session == session);
        self.requeue_all(back, now, |place| place.died += u32::from(left == Left::Dead))
    }

    /// Jobs of workers that were found dead go back to the queue.
    pub fn bury(&mut self, workers: &[WorkerId], now: Millis) -> Vec<JobId> {
        let back = self.leased(|_, worker| workers.contains(worker));
        self.requeue_all(back, now, |place| place.died += 1)
    }

    /// Gives a dead job another life, as if nothing had failed it; `false`: it is not dead.
    pub fn revive(&mut self, id: &JobId, now: Millis) -> bool {
        let dead = self.places.get_mut(id).filter(|place| matches!(place.state, State::Dead { .. }));
        let Some(place) = dead else { return false };
        (place.failed, place.died) = (0, 0);
        place.state = State::Queued { due: now };
        true
    }

    /// Ends the live jobs of a session that `which` names, and its dead ones; the leased among them are returned, for their
    /// workers to stop.
    pub fn cancel(&mut self, session: &SessionId, which: impl Fn(&Job) -> bool, now: Millis) -> Vec<JobId> {
        let mine = |place: &&Place| &place.job.session == session && which(&place.job);
        let ends = |place: &&Place| place.state.is_live() || matches!(place.state, State::Dead { .. });
        let ended: Vec<JobId> =
            self.places.values().filter(mine).filter(ends).map(|place| place.job.id.clone()).collect();
        ended.into_iter().filter(|id| self.leave(id, State::Cancelled, now)).collect()
    }

    fn leased(&self, which: impl Fn(&Place, &WorkerId) -> bool) -> Vec<JobId> {
        let held = |place: &&Place| match &place.state {
            State::Leased { worker, .. } => which(place, worker),
            State::Queued { .. } | State::Done { .. } | State::Cancelled | State::Dead { .. } => false,
        };
        self.places.values().filter(held).map(|place| place.job.id.clone()).collect()
    }

    fn requeue_all(&mut self, ids: Vec<JobId>, now: Millis, count: impl Fn(&mut Place)) -> Vec<JobId> {
        for id in &ids {
            self.put_back(id, now, now, &count);
        }
        ids
    }

    /// Back to the queue, or to the dead when it is worn out.
    fn put_back(&mut self, id: &JobId, due: Millis, now: Millis, count: impl Fn(&mut Place)) {
        let Some(place) = self.places.get_mut(id) else { return };
        count(place);
        let state = match (place.worn_out(), place.fence().cloned()) {
            (Some(reason), Some(fence)) => State::Dead { fence, reason, at: now },
            (Some(_), None) | (None, _) => State::Queued { due },
        };
        self.leave(id, state, now);
    }

    /// Into a state that holds no slot; whether it was leased, which is charged to its tenant and its session.
    fn leave(&mut self, id: &JobId, state: State, now: Millis) -> bool {
        let Some(place) = self.places.get_mut(id) else { return false };
        let State::Leased { since, .. } = std::mem::replace(&mut place.state, state) else { return false };
        let (used, job) = (now.saturating_sub(since), &place.job);
        let weight = self.limits.weight_of_tenant(job.tenant.as_str());
        self.tenants.entry(job.tenant.to_string()).or_default().charge(used, weight, now);
        let account = self.sessions.entry(job.session.to_string()).or_default();
        account.charge(used, Weight::new(job.session_weight), now);
        true
    }
}
