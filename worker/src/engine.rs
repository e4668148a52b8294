//! Engines as data: which command one is, what it needs around it, what its output means, how its run ended.

pub mod ending;
pub mod manifest;
pub mod packs;
pub mod stream;

use arena_domain::packet::{Competitor, Engine};
use std::time::Duration;

pub use manifest::{Manifest, Placed, Request, built_in, find, load};
pub use stream::{Dialect, Reader, Story};

/// One engine run, ready to be put into a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    pub command: Vec<String>,
    pub timeout: Duration,
    pub env: Vec<(String, String)>,
    /// Names of files of the packet below `/arena/files`.
    pub files: Vec<String>,
    /// Files of the engine's own, mounted read-only where it looks for them.
    pub placed: Vec<Placed>,
    /// Folders beside its home, `/tmp` and `/work` that it must be able to write to.
    pub writable: Vec<String>,
    /// Names at the top of the repository that it is not shown.
    pub hidden: Vec<String>,
    /// What its standard output is.
    pub dialect: Dialect,
    /// Exit codes by which it says that it did not understand its command line.
    pub bad_invocation: Vec<i32>,
}

/// A command of the packet's own.
pub(crate) fn own(competitor: &Competitor, engine: &Engine, round: u32) -> Invocation {
    let Engine { command, files, timeout, egress: _, provider: _, brief: _ } = engine;
    Invocation {
        command: command.clone(),
        timeout: *timeout,
        env: surroundings(competitor, competitor.model.as_deref(), round),
        files: files.clone(),
        placed: Vec::new(),
        writable: Vec::new(),
        hidden: Vec::new(),
        dialect: Dialect::Plain,
        bad_invocation: Vec::new(),
    }
}

/// What every engine is told through its environment, whatever it is.
pub fn surroundings(competitor: &Competitor, model: Option<&str>, round: u32) -> Vec<(String, String)> {
    let mut env = vec![
        ("ARENA_BRIEF".to_owned(), BRIEF.to_owned()),
        ("ARENA_ROUND".to_owned(), round.to_string()),
        ("ARENA_COMPETITOR".to_owned(), competitor.name.to_string()),
    ];
    env.extend(model.map(|model| ("ARENA_MODEL".to_owned(), model.to_owned())));
    env
}

/// What makes ordinary programs go through the broker to the addresses that a packet allows.
pub fn proxies() -> Vec<(String, String)> {
    let ways = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
    let near = [("NO_PROXY", "127.0.0.1,localhost"), ("no_proxy", "127.0.0.1,localhost")];
    let ways = ways.map(|name| (name.to_owned(), BROKER.to_owned()));
    ways.into_iter().chain(near.map(|(name, value)| (name.to_owned(), value.to_owned()))).collect()
}

/// Where the brief lies inside the sandbox.
pub const BRIEF: &str = "/arena/brief.md";
/// Where the engine's files lie, read-only.
pub const FILES: &str = "/arena/files";
/// Where its pack is mounted, read-only.
pub const PACK: &str = "/arena/engine";
/// Where the broker answers inside the sandbox.
pub const BROKER: &str = "http://127.0.0.1:47080";
/// What stands where an engine insists on a key: the broker holds the real one.
pub const NO_KEY: &str = "arena-broker";

#[cfg(test)]
mod tests {
    #[test]
    fn engines_are_sent_to_the_port_that_the_relay_listens_on() {
        assert_eq!(super::BROKER, format!("http://127.0.0.1:{}", crate::sandbox::BROKER_PORT));
    }
}
