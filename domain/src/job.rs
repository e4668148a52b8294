//! The unit that is queued, leased and run by a worker, and the states it moves through.

use crate::id::{Commit, CompetitorName, Fence, JobId, SessionId, Tenant, WorkerId};
use crate::placement::{Home, Needs};
use std::time::Duration;

/// Milliseconds since the epoch, given by whoever calls; the domain has no clock.
pub type Millis = u64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub id: JobId,
    pub session: SessionId,
    pub tenant: Tenant,
    /// `None`: the base itself.
    pub competitor: Option<CompetitorName>,
    pub round: u32,
    pub work: Work,
    /// Competitors of this session at a time.
    pub session_limit: u32,
    /// The session's part beside others of its tenant: with weight 2 it may run twice as many before they are equal; at
    /// least 1.
    pub session_weight: u32,
    /// The session's head start among those of its tenant that run as much as it does, in steps of [`HEAD_START`].
    pub priority: u32,
    /// The dimension of the engine limit; evaluations have none.
    pub engine: Option<String>,
    pub needs: Needs,
    /// Where it would rather run.
    pub home: Option<Home>,
    pub trace: Mark,
}

/// Where a job stands in what whoever watches the fleet is told. No rule looks at it, and it goes wherever the job goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mark {
    /// Empty: nobody watches.
    pub context: String,
    /// When it was put into the queue.
    pub since: Millis,
}

/// What one step of priority is worth: the session goes before others as if it had waited this much longer. So it ages by
/// itself: who waited longer than the head start is served all the same.
pub const HEAD_START: Duration = Duration::from_secs(60);

/// Higher priorities count as this one, which bounds the head start.
pub const MOST_PRIORITY: u32 = 10;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// One engine run from `parent` (`None`: from the base).
    Implement { brief: String, parent: Option<Tree> },
    /// Gates and harness of `tree` (`None`: the base alone), on the shown or on the holdout scenarios.
    Evaluate { tree: Option<Tree>, holdout: bool },
}

/// A stored tree: the commit and the bundle that carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    pub commit: Commit,
    pub bundle: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Queued {
        due: Millis,
    },
    Leased {
        worker: WorkerId,
        fence: Fence,
        /// When it was claimed.
        since: Millis,
        expires: Millis,
    },
    /// Its result was accepted under this fence.
    Done {
        fence: Fence,
    },
    Cancelled,
    /// Nobody runs it again, for this reason, unless it is requeued. Its last lease may still report: nobody else ran it
    /// since.
    Dead {
        fence: Fence,
        reason: String,
        at: Millis,
    },
}

impl Job {
    /// Session / competitor / round / kind: the same transition derives the same id.
    pub fn derive_id(session: &SessionId, competitor: Option<&CompetitorName>, round: u32, kind: &str) -> JobId {
        let who = competitor.map_or("base", CompetitorName::as_str);
        JobId::new(format!("{session}/{who}/{round}/{kind}"))
    }

    pub fn kind(&self) -> &'static str {
        match &self.work {
            Work::Implement { .. } => "implement",
            Work::Evaluate { holdout: false, .. } => "evaluate",
            Work::Evaluate { holdout: true, .. } => "holdout",
        }
    }
}

impl State {
    pub fn is_live(&self) -> bool {
        match self {
            Self::Queued { .. } | Self::Leased { .. } => true,
            Self::Done { .. } | Self::Cancelled | Self::Dead { .. } => false,
        }
    }
}

/// How long to wait before another attempt: doubled each time, at most a minute, spread by `chance` (0 to 1) so that
/// many jobs that failed together do not come back together.
pub fn backoff(attempt: u32, chance: f64) -> Duration {
    let whole = 500u64.saturating_mul(1 << attempt.min(7)).min(60_000);
    Duration::from_millis((whole as f64 * (0.5 + chance.clamp(0.0, 1.0) / 2.0)) as u64)
}

/// Attempts that infrastructure may cost one job before the job is given up: failures that were reported, and leases that
/// ran out while somebody watched.
pub const MAX_ATTEMPTS: u32 = 3;

/// Workers that may be found dead with one job before the job is given up. A person who kills a run and resumes it ends
/// its worker as a job does that makes its worker crash, so more are allowed than of what is ours alone: nobody kills ten
/// times in the midst of the same job, and a crash that is restarted for ever ends. A run that is stopped politely counts
/// nothing.
pub const MAX_DEATHS: u32 = 10;

/// Why a job shall not be run again that infrastructure failed and whose workers died so often; nothing: it may be.
pub fn worn_out(failed: u32, died: u32) -> Option<String> {
    if failed >= MAX_ATTEMPTS {
        return Some(format!("{failed} attempts came to nothing; the last worker was not heard of again"));
    }
    (died >= MAX_DEATHS).then(|| format!("{died} workers were killed, or died, while they ran it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_transition_derives_the_same_id() {
        let session = SessionId::new("s1");
        let name = CompetitorName::new("a");
        assert_eq!(Job::derive_id(&session, Some(&name), 2, "implement").as_str(), "s1/a/2/implement");
        assert_eq!(Job::derive_id(&session, None, 0, "evaluate").as_str(), "s1/base/0/evaluate");
    }

    #[test]
    fn the_wait_before_another_attempt_grows_and_is_bounded() {
        let waits: Vec<u64> = (1..10).map(|n| backoff(n, 1.0).as_millis() as u64).collect();
        assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]), "{waits:?}");
        assert_eq!(waits.last(), Some(&60_000));
        assert!(backoff(3, 0.0) < backoff(3, 1.0));
    }
}
