//! Who is attached here: who has a free slot, who holds which job, and who asks for work when there may be some.
//!
//! Law: after a hint of work one worker of each kind asks, so a free slot and a job that it may have do not coexist for
//! longer than a claim takes. As long as the answers are jobs more workers ask, twice as many at a time up to a bound;
//! one empty answer says the same for every worker of that kind, so a burst is not answered by everybody at once. Whether
//! a worker may have a job only the claim decides.

mod line;
#[cfg(test)]
mod tests;

use arena_domain::id::{Fence, JobId, SessionId, WorkerId};
use arena_domain::job::Millis;
use arena_domain::schedule::Ask;
use arena_runtime::{clock, token};
use line::Line;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Claims that look for the first job of their kind, at one time: also a fleet in which every worker is a kind of its own
/// leaves the store room for others.
const MOST_PROBES: usize = 4;
/// Whoever was told to ask and has not done it for so long holds nobody else's turn up: its stream may lead to a peer that
/// reads nothing, and its task waits for that.
const LATE: Millis = 2_000;

#[derive(Default)]
pub(super) struct Roster(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    next: u64,
    /// How often there may have been work.
    hints: u64,
    probes: usize,
    seats: BTreeMap<u64, Seated>,
    lines: BTreeMap<Ask, Line>,
    /// Lines in which somebody shall ask, each once, in their turn.
    wet: VecDeque<Ask>,
    /// Who was told to ask, since when, in that order; those that have answered stay in it until they are at its head.
    told: VecDeque<(u64, Millis)>,
    held: BTreeMap<JobId, (Fence, u64)>,
}

struct Seated {
    worker: WorkerId,
    only: Option<SessionId>,
    bell: Arc<Bell>,
    at: At,
    holds: BTreeSet<JobId>,
}

/// What a worker with this seat does.
enum At {
    /// It has no free slot, or takes nothing.
    Busy,
    /// It stands in the line of its kind.
    Idle(Ask),
    /// It asks the store, since so many hints and since this time; first of its kind when it probes.
    Asking { kind: Ask, hints: u64, since: Millis, probes: bool },
}

/// What one attached worker is told; it is rung for once, and may hear of several things then.
#[derive(Default)]
pub(super) struct Bell {
    pub(super) rung: Notify,
    said: Mutex<Said>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// Ask for a job, once.
    pub(super) ask: bool,
    /// Begin nothing more.
    pub(super) drain: bool,
    /// Its worker came back by another stream.
    pub(super) replaced: bool,
    /// Leases that the store does not know as this worker's any more.
    pub(super) lost: Vec<(JobId, Fence)>,
}

/// The seat of one attached worker; it is free again when it is dropped.
pub(super) struct Seat {
    roster: Arc<Roster>,
    number: u64,
    pub(super) bell: Arc<Bell>,
}

impl Roster {
    pub(super) fn seat(self: &Arc<Self>, worker: WorkerId, only: Option<SessionId>) -> Seat {
        let bell = Arc::new(Bell::default());
        let mut inner = self.inner();
        let number = inner.next;
        inner.next += 1;
        let seated = Seated { worker, only, bell: bell.clone(), at: At::Busy, holds: BTreeSet::new() };
        inner.seats.insert(number, seated);
        Seat { roster: self.clone(), number, bell }
    }

    /// There may be work that was not there before, or a limit that holds no more.
    pub(super) fn hint(&self) {
        self.hint_at(clock::now_millis());
    }

    /// Given at least twice a second (`watch.rs`), so it is also when those are noticed that do not answer.
    fn hint_at(&self, now: Millis) {
        let mut inner = self.inner();
        inner.hints += 1;
        inner.pass_over(now);
        let kinds: Vec<Ask> = inner.lines.keys().cloned().collect();
        for kind in kinds {
            inner.wake(&kind);
        }
        inner.pump(now);
    }

    /// All leases that are held through this coordinator.
    pub(super) fn held(&self) -> Vec<(JobId, Fence)> {
        self.inner().held.iter().map(|(job, (fence, _))| (job.clone(), fence.clone())).collect()
    }

    /// This one, when it is.
    pub(super) fn fence_of(&self, job: &JobId) -> Option<Fence> {
        self.inner().held.get(job).map(|(fence, _)| fence.clone())
    }

    /// Tells whoever holds this lease here that it is lost.
    pub(super) fn lose(&self, job: &JobId, fence: Fence) {
        let inner = self.inner();
        if let Some((held, number)) = inner.held.get(job)
            && *held == fence
            && let Some(seated) = inner.seats.get(number)
        {
            seated.bell.ring(|said| {
                if !said.lost.iter().any(|(known, _)| known == job) {
                    said.lost.push((job.clone(), fence));
                }
            });
        }
    }

    /// Tells the worker of this id, if it is here, to begin nothing more.
    pub(super) fn drain(&self, worker: &str) {
        for seated in self.inner().seats.values().filter(|seated| seated.worker.as_str() == worker) {
            seated.bell.ring(|said| said.drain = true);
        }
    }

    /// A worker has one stream at a time: what an earlier one is given would reach nobody, and its lease would have to run out.
    pub(super) fn replaces(&self, seat: &Seat) {
        let mut inner = self.inner();
        let Some(worker) = inner.seats.get(&seat.number).map(|seated| seated.worker.clone()) else { return };
        let own = |(number, seated): (&u64, &Seated)| (seated.worker == worker).then_some(*number);
        let earlier: Vec<u64> = inner.seats.range(..seat.number).filter_map(own).collect();
        for number in earlier {
            inner.answered(number, None, None);
            inner.stands(number, None);
            if let Some(seated) = inner.seats.get_mut(&number) {
                seated.bell.ring(|said| said.replaced = true);
            }
        }
        inner.pump(clock::now_millis());
    }

    /// The sessions that are moved here when every worker serves one only; `None`: all are.
    pub(super) fn only(&self) -> Option<BTreeSet<SessionId>> {
        self.inner().seats.values().map(|seated| seated.only.clone()).collect()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bell {
    fn ring(&self, say: impl FnOnce(&mut Said)) {
        say(&mut self.said.lock().unwrap_or_else(PoisonError::into_inner));
        self.rung.notify_one();
    }

    /// What was said since it was heard last.
    pub(super) fn heard(&self) -> Said {
        std::mem::take(&mut self.said.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Seat {
    /// It has a free slot and asks, when its turn comes, as this kind; or has none. While it asks nothing changes.
    pub(super) fn stands(&self, kind: Option<Ask>) {
        let mut inner = self.roster.inner();
        inner.stands(self.number, kind);
        inner.pump(clock::now_millis());
    }

    /// The answer to what it asked, whether it was a job (`None`: it did not ask after all), and how it stands now.
    pub(super) fn answered(&self, given: Option<bool>, kind: Option<Ask>) {
        let mut inner = self.roster.inner();
        inner.answered(self.number, given, kind);
        inner.pump(clock::now_millis());
    }

    pub(super) fn holds(&self, job: &JobId, fence: &Fence) {
        let mut inner = self.roster.inner();
        // A worker that comes back takes over from the seat of its broken stream.
        if let Some((_, before)) = inner.held.insert(job.clone(), (fence.clone(), self.number))
            && before != self.number
            && let Some(seated) = inner.seats.get_mut(&before)
        {
            seated.holds.remove(job);
        }
        if let Some(seated) = inner.seats.get_mut(&self.number) {
            seated.holds.insert(job.clone());
        }
    }

    pub(super) fn lets_go(&self, job: &JobId) {
        let mut inner = self.roster.inner();
        let own = inner.seats.get_mut(&self.number).is_some_and(|seated| seated.holds.remove(job));
        if own {
            inner.held.remove(job);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut inner = self.roster.inner();
        inner.answered(self.number, None, None);
        inner.stands(self.number, None);
        if let Some(seated) = inner.seats.remove(&self.number) {
            for job in seated.holds {
                inner.held.remove(&job);
            }
        }
        inner.pump(clock::now_millis());
    }
}

impl Inner {
    /// Somebody of this kind shall ask.
    fn wake(&mut self, kind: &Ask) {
        if let Some(line) = self.lines.get_mut(kind)
            && line.wet()
        {
            self.wet.push_back(kind.clone());
        }
    }

    fn stands(&mut self, number: u64, kind: Option<Ask>) {
        let Some(seated) = self.seats.get_mut(&number) else { return };
        match (&seated.at, &kind) {
            (At::Asking { .. }, _) | (At::Busy, None) => return,
            (At::Idle(before), Some(kind)) if before == kind => return,
            (At::Idle(_), _) | (At::Busy, Some(_)) => {}
        }
        let before = std::mem::replace(&mut seated.at, kind.clone().map_or(At::Busy, At::Idle));
        if let At::Idle(before) = before {
            if let Some(line) = self.lines.get_mut(&before) {
                line.leaves(number);
            }
            self.end_line(&before);
        }
        if let Some(kind) = kind {
            let line = self.lines.entry(kind.clone()).or_default();
            line.enters(number);
            if !line.is_dry() {
                self.wake(&kind);
            }
        }
    }

    /// `given` is `None` when it left without an answer.
    fn answered(&mut self, number: u64, given: Option<bool>, then: Option<Ask>) {
        let Some(seated) = self.seats.get_mut(&number) else { return };
        let At::Asking { kind, hints, since: _, probes } = &seated.at else { return };
        // An empty answer that is older than a hint does not say that there is nothing now.
        let (kind, probes, fresh) = (kind.clone(), *probes, *hints == self.hints);
        seated.at = At::Busy;
        self.probes -= usize::from(probes);
        if let Some(line) = self.lines.get_mut(&kind) {
            line.answered(given, fresh);
        }
        // Before the line may end: it knows whether there is anything.
        self.stands(number, then);
        if self.lines.get(&kind).is_some_and(|line| !line.is_dry()) {
            self.wake(&kind);
        }
        self.end_line(&kind);
    }

    /// Whoever was told to ask too long ago is as one that has no free slot, until it says how it stands: others ask.
    fn pass_over(&mut self, now: Millis) {
        while let Some(&(number, told)) = self.told.front() {
            let asks = |seated: &&Seated| matches!(seated.at, At::Asking { since, .. } if since == told);
            let waits = self.seats.get(&number).filter(asks).is_some();
            if waits && now.abs_diff(told) < LATE {
                return;
            }
            self.told.pop_front();
            if waits {
                self.answered(number, None, None);
            }
        }
    }

    /// A line ends with its last worker.
    fn end_line(&mut self, kind: &Ask) {
        if self.lines.get(kind).is_some_and(Line::is_empty) {
            self.lines.remove(kind);
            self.wet.retain(|one| one != kind);
        }
    }

    /// Lets those ask whose turn it is, as many as may at one time.
    fn pump(&mut self, now: Millis) {
        while let Some(kind) = self.wet.front() {
            let Some(line) = self.lines.get_mut(kind) else {
                self.wet.pop_front();
                continue;
            };
            let probes = line.probes();
            if probes && self.probes >= MOST_PROBES && line.has_turn() {
                return;
            }
            let Some(number) = line.next(token::chance()) else {
                self.wet.pop_front();
                continue;
            };
            self.probes += usize::from(probes);
            if let Some(seated) = self.seats.get_mut(&number) {
                seated.at = At::Asking { kind: kind.clone(), hints: self.hints, since: now, probes };
                seated.bell.ring(|said| said.ask = true);
                self.told.push_back((number, now));
            }
        }
    }
}
