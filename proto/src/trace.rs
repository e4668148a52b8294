//! The names of the spans that coordinator and worker both speak of; each derives the same id from the same name.

use arena_domain::id::JobId;

/// Of the spans of the queue, by the conventions for messaging.
pub const QUEUE: &str = "arena.jobs";

/// The job was put into the queue.
pub fn sent(job: &JobId) -> String {
    format!("send/{job}")
}

/// One attempt left the queue.
pub fn received(job: &JobId, attempt: u32) -> String {
    format!("receive/{job}/{attempt}")
}

/// One attempt on its worker.
pub fn processed(job: &JobId, attempt: u32) -> String {
    format!("process/{job}/{attempt}")
}
