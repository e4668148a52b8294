//! Which results are kept, and for how long.

use super::Jobs;
use crate::outbox::leftovers;
use crate::run::Context;
use arena_domain::id::JobId;
use arena_domain::outcome::{Failure, Outcome};
use arena_proto::convert::Wire;
use arena_proto::v1;
use arena_runtime::clock::{self, Stopwatch};
use std::sync::Arc;
use std::time::Duration;

/// Between two looks at what nobody asks for any more.
const DAY: Duration = Duration::from_secs(24 * 3_600);

impl Jobs {
    /// A worker may run for months.
    pub(in crate::link) fn clear_old(&mut self) {
        if self.cleared.elapsed() > DAY {
            self.cleared = Stopwatch::start();
            let root = self.context.settings.root.clone();
            drop(tokio::task::spawn_blocking(move || leftovers::clear(&root, clock::now_millis())));
        }
    }
}

/// On the disk before it is sent. What was not done is nothing to keep, and takes no place of what was earned.
pub(super) async fn keep(context: &Arc<Context>, result: Option<v1::Result>) {
    let Some(result) = result else { return };
    let spool = context.spool.clone();
    let kept = tokio::task::spawn_blocking(move || {
        let job = result.lease.as_ref().map(|lease| JobId::new(&lease.job));
        let earned = job.is_some_and(|job| spool.earned(&job).is_some());
        if earned && !is_final(&result) { Ok(()) } else { spool.put(&result) }
    })
    .await;
    match kept {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "a result is not on the disk until it is acknowledged"),
        Err(error) => tracing::warn!(%error, "a result is not on the disk until it is acknowledged"),
    }
}

/// Nothing that the job did, but what happened to it.
pub(super) fn unfinished(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Failed(Failure::Cancelled | Failure::Infrastructure(_)) => true,
        Outcome::Failed(Failure::Setup { .. }) | Outcome::Implemented(_) | Outcome::Evaluated(_) => false,
    }
}

/// Whether it says what became of the job, and not only of an attempt.
pub(super) fn is_final(result: &v1::Result) -> bool {
    let outcome = result.outcome.clone().map(Outcome::from_wire);
    outcome.is_some_and(|outcome| outcome.is_ok_and(|outcome| !unfinished(&outcome)))
}
