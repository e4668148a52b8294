//! How a worker is listed for whoever looks at the fleet, and how it hears that it shall drain.

use super::{Attached, Beat};
use crate::fleet;
use crate::sessions::SessionError;
use arena_proto::v1::{self, down};
use arena_runtime::clock;
use std::collections::BTreeSet;

impl Attached {
    /// How it is listed now; on one machine nobody lists it.
    pub(super) fn listed(&mut self) -> Option<v1::WorkerState> {
        if self.desk.gate.is_local() {
            return None;
        }
        self.state.heard = clock::now_millis();
        self.state.running = self.running.keys().map(ToString::to_string).collect();
        let free = self.capacity.free();
        (self.state.free_memory_mib, self.state.free_disk_mib) = (free.memory, free.disk);
        Some(self.state.clone())
    }

    /// For whoever looks at the fleet: a store that takes nothing new is no reason to hear no results.
    pub(super) async fn register(&mut self) {
        let listed = self.listed().into_iter().collect();
        if let Err(error) = fleet::register(&self.desk.coordinator.store, listed).await {
            tracing::warn!(%error, worker = %self.worker, "a worker could not be listed");
        }
    }

    pub(super) async fn end(&self) {
        // Where it came back by another stream, that one has listed it.
        if self.desk.gate.is_local() || self.replaced {
            return;
        }
        // What was to be listed is, before it is taken off the list; when nobody writes any more, nothing was.
        let nothing = Beat { sessions: BTreeSet::new(), leases: Vec::new(), state: None };
        let _ = self.pulse.beat(nothing).await;
        if let Err(error) = fleet::leave(&self.desk.coordinator.store, &self.state.id).await {
            tracing::warn!(%error, worker = %self.worker, "a worker that left is listed until its lease ends");
        }
    }

    /// Whether it was told to drain before it came here.
    pub(super) async fn check_drain(&mut self) -> Result<(), SessionError> {
        if !self.desk.gate.is_local() && fleet::is_drained(self.store(), &self.state.id).await? {
            self.drain().await?;
        }
        Ok(())
    }

    pub(super) async fn drain(&mut self) -> Result<(), SessionError> {
        if !self.desk.gate.is_local() && !self.state.draining {
            self.state.draining = true;
            self.register().await;
            self.send(down::Down::Drain(v1::Drain {})).await;
        }
        Ok(())
    }
}
