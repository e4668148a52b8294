//! What earlier boots of this worker left: their results, and that they are dead.

use super::Jobs;
use crate::link::size;
use arena_domain::id::JobId;
use arena_proto::v1::{self, up};

impl Jobs {
    /// What earlier boots earned has been sent as far as it can be: now their results are told, and then that they are dead.
    pub(in crate::link) fn after_earlier(&mut self, dead: Vec<String>) {
        let job = |result: &v1::Result| result.lease.as_ref().map(|lease| JobId::new(&lease.job));
        for result in self.context.kept().into_iter().map(size::kept) {
            // One of this boot, of the same job, came later.
            if let Some(job) = job(&result).filter(|job| !self.running.contains_key(job)) {
                self.results.entry(job).or_insert(result);
            }
        }
        self.dead = dead;
        self.repeat_results();
        self.tell_dead();
    }

    pub(super) fn tell_dead(&self) {
        if self.context.blobs.0.is_lasting() && !self.dead.is_empty() {
            self.send(up::Up::Gone(v1::Gone { boots: self.dead.clone() }));
        }
    }
}
