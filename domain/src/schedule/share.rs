//! Fair share of slots, not of claims: jobs are long, so who runs less goes first, and then who used less lately.

use crate::job::Millis;

/// What a tenant or a session has had.
///
/// `mark` is the time at which its use is worked off: each release pushes it on by the slot time used, divided by the
/// weight, and time itself catches up with it. So use decays by one slot, marks compare without a clock, and all of it is
/// whole numbers, which a second implementation computes alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    pub mark: Millis,
    /// The number of its latest claim.
    pub served: u64,
}

/// Use that lies further ahead than this is forgotten, so that nobody pays for a busy day longer than an hour.
pub const HORIZON: Millis = 3_600_000;

/// Shares are compared in parts of a slot.
pub const PARTS: u64 = 1_000;

/// From 1 to 1,000.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weight(u64);

impl Weight {
    pub(super) fn new(weight: u32) -> Self {
        Self(u64::from(weight).clamp(1, 1_000))
    }

    /// Of what runs, in parts of a slot.
    pub(super) fn share(self, running: u32) -> u64 {
        u64::from(running) * PARTS / self.0
    }
}

impl Account {
    /// Whoever is new has used nothing yet.
    pub(super) fn opened(now: Millis) -> Self {
        Self { mark: now, served: 0 }
    }

    pub(super) fn charge(&mut self, used: Millis, weight: Weight, now: Millis) {
        self.mark = (self.mark.max(now) + used / weight.0).min(now + HORIZON);
    }
}
