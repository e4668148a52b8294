//! How long a lease holds without word of its worker, and what follows from it.

use crate::job::Millis;
use std::time::Duration;

/// Two lengths of time that coordinators and workers agree on. Whoever counts with shorter ones than a worker was told would
/// give its job away while it runs, so a worker is told those of the coordinator that renews its leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// A lease that is not renewed for this long is suspect.
    pub lease: Duration,
    /// A suspect keeps its job and its slots for this long: its worker ends its containers meanwhile, or comes back.
    pub margin: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self { lease: Duration::from_secs(60), margin: Duration::from_secs(15) }
    }
}

impl Terms {
    pub fn lease_millis(&self) -> Millis {
        self.lease.as_millis() as Millis
    }

    pub fn margin_millis(&self) -> Millis {
        self.margin.as_millis() as Millis
    }

    /// How often a worker renews a lease of this length: three renewals that are lost do not lose it.
    pub fn beat(lease: Duration) -> Duration {
        lease / 4
    }

    /// How long a worker that is not answered goes on: what is left of the lease is for its containers to be gone in.
    pub fn patience(lease: Duration) -> Duration {
        lease / 4 * 3
    }
}
