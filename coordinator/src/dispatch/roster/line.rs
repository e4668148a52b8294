//! The workers of one kind that have a free slot: they would all be answered the same, so few of them ask.

use std::collections::BTreeMap;

/// Claims of one kind at one time, while they are answered with jobs.
const WIDEST: usize = 16;

pub(super) struct Line {
    idle: Vec<u64>,
    places: BTreeMap<u64, usize>,
    asking: usize,
    /// So many may ask at one time: one that finds out, twice as many after each job.
    width: usize,
    /// The last answer was empty, and nothing was heard since.
    dry: bool,
    /// It waits for its turn already.
    queued: bool,
}

impl Default for Line {
    fn default() -> Self {
        Self { idle: Vec::new(), places: BTreeMap::new(), asking: 0, width: 1, dry: false, queued: false }
    }
}

impl Line {
    pub(super) fn is_dry(&self) -> bool {
        self.dry
    }

    pub(super) fn is_empty(&self) -> bool {
        self.idle.is_empty() && self.asking == 0
    }

    /// Whether whoever asks next finds out for all others.
    pub(super) fn probes(&self) -> bool {
        self.width == 1
    }

    /// Somebody shall ask; whether it has to be put among those that wait for their turn.
    pub(super) fn wet(&mut self) -> bool {
        self.dry = false;
        !std::mem::replace(&mut self.queued, true)
    }

    pub(super) fn enters(&mut self, number: u64) {
        self.places.insert(number, self.idle.len());
        self.idle.push(number);
    }

    pub(super) fn leaves(&mut self, number: u64) {
        let Some(place) = self.places.remove(&number) else { return };
        self.idle.swap_remove(place);
        if let Some(moved) = self.idle.get(place) {
            self.places.insert(*moved, place);
        }
    }

    pub(super) fn has_turn(&self) -> bool {
        !self.dry && self.asking < self.width && !self.idle.is_empty()
    }

    /// Whoever asks next, by chance, so that no worker is preferred; `None`: nobody shall, and the line has had its turn.
    pub(super) fn next(&mut self, chance: f64) -> Option<u64> {
        if !self.has_turn() {
            self.queued = false;
            return None;
        }
        let last = self.idle.len() - 1;
        let number = self.idle[((chance * self.idle.len() as f64) as usize).min(last)];
        self.leaves(number);
        self.asking += 1;
        Some(number)
    }

    /// One answer fewer is on its way. `None`: whoever asked is gone, so another one asks.
    pub(super) fn answered(&mut self, given: Option<bool>, fresh: bool) {
        self.asking = self.asking.saturating_sub(1);
        match given {
            Some(true) => (self.width, self.dry) = ((self.width * 2).min(WIDEST), false),
            Some(false) => (self.width, self.dry) = (1, fresh),
            None => self.dry = false,
        }
    }
}
