//! Which command an engine is, and what it gets beside the brief.

use arena_domain::packet::{Competitor, Engine, Packet};
use std::time::Duration;

/// One engine run, ready to be put into a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invocation {
    pub command: Vec<String>,
    pub timeout: Duration,
    pub env: Vec<(String, String)>,
    /// Names of files below `/arena/files`.
    pub files: Vec<String>,
}

/// `None`: this worker knows no such engine.
pub(crate) fn invocation(packet: &Packet, competitor: &Competitor, round: u32) -> Option<Invocation> {
    let Engine { command, files, timeout, egress: _, provider: _, brief: _ } =
        packet.engines.get(&competitor.engine)?;
    let mut env = vec![
        ("ARENA_BRIEF".to_owned(), BRIEF.to_owned()),
        ("ARENA_ROUND".to_owned(), round.to_string()),
        ("ARENA_COMPETITOR".to_owned(), competitor.name.to_string()),
    ];
    if let Some(model) = &competitor.model {
        env.push(("ARENA_MODEL".to_owned(), model.clone()));
    }
    Some(Invocation { command: command.clone(), timeout: *timeout, env, files: files.clone() })
}

/// Where the brief lies inside the sandbox.
pub(crate) const BRIEF: &str = "/arena/brief.md";
/// Where the engine's files lie, read-only.
pub(crate) const FILES: &str = "/arena/files";
