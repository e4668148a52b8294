//! What a job waits for, in words that a person can act on.

use super::limits::Running;
use super::{Place, Queue};
use crate::id::{JobId, WorkerId};
use crate::job::{Millis, State};
use crate::placement::Home;

/// What a waiting job waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    Runs {
        worker: WorkerId,
    },
    /// Its worker was not heard of for a whole lease; unless it comes back, another one gets the job from then on.
    Suspect {
        worker: WorkerId,
        until: Millis,
    },
    Ended,
    /// It is tried no more, for this reason, unless it is requeued.
    Dead {
        reason: String,
    },
    Unknown,
    /// Nothing holds it but a free slot of a worker.
    Ready {
        /// Jobs of its session that arrived before it and wait too. Between sessions there is no line: whose turn it is
        /// changes with every job that ends.
        ahead: u32,
    },
    NotDue {
        at: Millis,
    },
    /// Until then only its home may have it.
    Kept {
        home: Home,
        until: Millis,
    },
    Limit {
        dimension: &'static str,
        name: String,
        running: u32,
        limit: u32,
    },
}

impl Queue {
    pub fn why(&self, id: &JobId, now: Millis) -> Why {
        let Some(place) = self.places.get(id) else { return Why::Unknown };
        match &place.state {
            State::Leased { worker, expires, .. } if *expires <= now => {
                Why::Suspect { worker: worker.clone(), until: expires + self.limits.terms.margin_millis() }
            }
            State::Leased { worker, .. } => Why::Runs { worker: worker.clone() },
            State::Done { .. } | State::Cancelled => Why::Ended,
            State::Dead { reason, .. } => Why::Dead { reason: reason.clone() },
            State::Queued { due } if *due > now => Why::NotDue { at: *due },
            State::Queued { due } => Running::count(self.places.values())
                .blocks(&place.job, &self.limits)
                .or_else(|| self.kept(place, *due, now))
                .unwrap_or_else(|| Why::Ready { ahead: self.ahead(place, now) }),
        }
    }

    fn kept(&self, place: &Place, due: Millis, now: Millis) -> Option<Why> {
        let until = place.job.kept_until(due, self.limits.patience);
        let home = place.job.home.clone().filter(|_| now < until)?;
        Some(Why::Kept { home, until })
    }

    fn ahead(&self, place: &Place, now: Millis) -> u32 {
        let before = |other: &&Place| {
            matches!(other.state, State::Queued { due } if due <= now)
                && other.job.session == place.job.session
                && other.arrived < place.arrived
        };
        self.places.values().filter(before).count() as u32
    }
}
