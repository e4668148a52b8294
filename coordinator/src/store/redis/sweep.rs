//! The sweeper: indexes, leases and job states agree; where they do not, they are mended and it is said.

use super::{Call, Redis, script, texts};
use crate::store::StoreError;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// Sessions that one sweep looks at.
const PART: u64 = 64;

impl Redis {
    /// The next sessions in turn, from the newest to the oldest, and each time what is indexed without a job.
    pub(super) async fn sweep_part(&self) -> Result<Vec<String>, StoreError> {
        let first = self.swept.fetch_add(PART, Ordering::Relaxed);
        let mut pipe = redis::pipe();
        pipe.cmd("ZREVRANGE").arg(self.key("sessions")).arg(first).arg(first + PART - 1);
        pipe.cmd("HGETALL").arg(self.key("limits"));
        let (sessions, limits): (Vec<String>, BTreeMap<String, String>) = self.looked(&pipe).await?;
        if limits != self.limits.iter().cloned().collect() {
            self.warn_of_limits();
        }
        if (sessions.len() as u64) < PART {
            self.swept.store(0, Ordering::Relaxed);
        }
        let mut mended = Vec::new();
        for session in sessions {
            match self.write::<Vec<String>>(Call::new(&script::SWEEP, 0, texts([&session]))).await {
                Ok(of_one) => mended.extend(of_one),
                Err(error @ StoreError::Unavailable(_)) => return Err(error),
                // One that cannot be looked through keeps nobody from the rest.
                Err(error) => mended.push(format!("{session}: could not be looked through: {error}")),
            }
        }
        // How many run of a tenant is counted by the leases, which were mended before.
        let rest: Vec<String> = self.write(Call::new(&script::ORPHANS, 0, Vec::new())).await?;
        mended.extend(rest);
        Ok(mended)
    }
}
