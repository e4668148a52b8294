//! An engine of the user's own: any command. The brief comes on standard input and in the file `$ARENA_BRIEF` names.

use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    pub command: Vec<String>,
    /// Files beside the packet, copied read-only to `/arena/files`.
    pub files: Vec<String>,
    pub timeout: Duration,
    /// `host:port` allowed through the broker.
    pub egress: Vec<String>,
}

impl Engine {
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30 * 60);
}
