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
    /// Whose model the broker lets it call; none: no model.
    pub provider: Option<String>,
    pub brief: BriefStyle,
}

/// What kind of brief an engine follows best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BriefStyle {
    /// Short sections and orders.
    #[default]
    Directive,
    /// The background first, then the task, in whole sentences.
    Contextual,
}

impl BriefStyle {
    pub const ALL: [BriefStyle; 2] = [Self::Directive, Self::Contextual];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Directive => "directive",
            Self::Contextual => "contextual",
        }
    }
}

impl Engine {
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30 * 60);
}
