//! One transition of a session: what changes together, or not at all.

use arena_domain::id::{Fence, JobId, SessionId};
use arena_domain::job::{Job, Millis};
use arena_proto::v1;

/// What changes together.
#[derive(Debug, Clone)]
pub struct Transition {
    pub session: SessionId,
    /// The version this was decided on; another one makes it a conflict.
    pub version: u64,
    /// The job whose result this is; a stale fence stops the whole transition.
    pub settle: Option<(JobId, Fence)>,
    pub event: v1::SessionEvent,
    pub enqueue: Vec<Job>,
    pub cancel: Option<Cancel>,
    pub feed: Vec<v1::FeedItem>,
    pub status: String,
    pub winner: String,
    pub now: Millis,
}

#[derive(Debug, Clone, Copy)]
pub struct Cancel {
    pub engines_only: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    /// Running jobs that were cancelled with it, for their workers to stop.
    Done {
        stop: Vec<JobId>,
    },
    /// Somebody else moved the session: load it again and decide again.
    Conflict,
    Stale,
    Repeated,
}
