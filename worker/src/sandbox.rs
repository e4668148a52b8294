//! Running one command in one container: what may be asked for, and what comes back.
//!
//! This module holds plain data. The posture is made in [`spec`], the system calls are listed in [`seccomp`], and
//! [`docker`] talks to the engine.

pub mod control;
pub mod docker;
pub mod output;
mod removal;
mod run;
pub mod seccomp;
pub mod spec;
#[cfg(test)]
mod tests;
mod volume;

use arena_domain::outcome::Exit;
use std::path::PathBuf;
use std::time::Duration;

pub use docker::{Docker, Found, Holder};
pub use output::Stream;
pub use run::Listener;
pub use spec::{BROKER_PORT, BROKER_SOCKET, HOME};
pub use volume::{Volume, VolumeSpec};

/// The user an engine works as.
pub const AGENT: (u32, u32) = (10001, 10001);
/// The user a gate or harness works as, so that an engine's files are not its own.
pub const JUDGE: (u32, u32) = (10002, 10002);

/// One command and everything it may use. Fields without a choice (no network, no capabilities, …) are not here.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    pub image: String,
    pub command: Vec<String>,
    pub env: Vec<(String, String)>,
    /// Absolute, inside the container.
    pub workdir: String,
    /// User and group id; root is refused.
    pub user: (u32, u32),
    pub cpus: f64,
    /// Cores of its own, as in `0-1,4`.
    pub cpuset: Option<String>,
    /// Swap is part of it: a container never swaps.
    pub memory_bytes: u64,
    pub pids: u32,
    pub mounts: Vec<Mount>,
    /// Size of `/tmp` and of the home directory, each. Both are charged to the memory.
    pub tmp_bytes: u64,
    /// The largest file that may be written.
    pub fsize_bytes: u64,
    pub labels: Vec<(String, String)>,
    /// `runsc`, `kata`; none is the engine's default.
    pub runtime: Option<String>,
    /// The container whose network is joined. One holder serves one container at a time, or two competitors would
    /// share a loopback interface.
    pub network_holder: Option<String>,
    /// The static relay on this host.
    pub relay: PathBuf,
    /// The folder of the host that holds the broker's socket and nothing else; none: no way out at all.
    pub way_out: Option<PathBuf>,
    /// Must be unique on this Docker; a made-up one otherwise.
    pub name: Option<String>,
    pub stdin: Vec<u8>,
    /// Counted by the worker from the start of the container.
    pub deadline: Duration,
    /// How much of each of the two outputs is kept.
    pub output_cap: u64,
}

impl Spec {
    /// A small container without mounts; the caller changes what it needs.
    pub fn new(image: impl Into<String>, relay: impl Into<PathBuf>, command: &[&str]) -> Self {
        Self {
            image: image.into(),
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            env: Vec::new(),
            workdir: "/tmp".into(),
            user: AGENT,
            cpus: 1.0,
            cpuset: None,
            memory_bytes: 256 << 20,
            pids: 128,
            mounts: Vec::new(),
            tmp_bytes: 64 << 20,
            fsize_bytes: 1 << 30,
            labels: Vec::new(),
            runtime: None,
            network_holder: None,
            relay: relay.into(),
            way_out: None,
            name: None,
            stdin: Vec::new(),
            deadline: Duration::from_secs(60),
            output_cap: 1 << 20,
        }
    }
}

/// One place of the host or one volume inside the container. Mounts below a mounted directory do not come along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    pub source: Source,
    /// Absolute, inside the container.
    pub target: String,
    pub read_only: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A directory, file or socket of the host, which must exist.
    Path(PathBuf),
    /// A volume by name.
    Volume(String),
}

/// How a command ended, and all that it said up to the cap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    pub exit: Exit,
    /// Absent when the container was ended before the command: what was measured then is not a measurement.
    pub relay: Option<RelayReport>,
    /// Some process was killed for memory, whatever the exit says: a killed child can leave an exit of 0.
    pub oom: bool,
    pub stdout: Vec<u8>,
    /// Without the records of the relay.
    pub stderr: Vec<u8>,
    /// Output beyond the cap was dropped.
    pub truncated: bool,
    /// So much output that the container was killed for it.
    pub flooded: bool,
    /// From the start of the container to its end, by the worker's clock.
    pub elapsed: Duration,
}

impl Finished {
    /// Why a container was killed for its output, with the cap that it had.
    pub fn flood(&self, cap: u64) -> Option<String> {
        self.flooded.then(|| format!("it printed more than {} MiB", cap.saturating_mul(output::FLOOD) >> 20))
    }
}

/// What the first process of the container measured. It is ours, and the command can neither read nor signal it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelayReport {
    pub wall: Duration,
    /// User and system time of all processes.
    pub cpu: Duration,
    /// The largest resident set of any one process.
    pub peak_bytes: u64,
    /// Processes that were still alive after the command ended, and were killed.
    pub survivors: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("Docker does not answer: {0}")]
    Unreachable(String),
    #[error("this user may not use Docker's socket {0}")]
    Forbidden(String),
    #[error("image {0} is not on this machine")]
    NoImage(String),
    #[error("Docker refused the request: {0}")]
    Refused(String),
    #[error("the container differs from what was asked for: {0}")]
    Drifted(String),
    #[error("Docker was lost in mid-run: {0}")]
    Lost(String),
}

impl Error {
    /// Another try, here or elsewhere, may succeed without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Forbidden(_) | Self::Lost(_) => true,
            Self::NoImage(_) | Self::Refused(_) | Self::Drifted(_) => false,
        }
    }

    /// What a person does about it.
    pub fn mend(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "start Docker, or point DOCKER_HOST at its socket: `docker version` must answer",
            Self::Forbidden(_) => {
                "run it with `sudo -E`, or let this user use Docker: `sudo usermod -aG docker USER`, then log in anew"
            }
            Self::NoImage(_) => "pull or build the image on this worker: `docker pull IMAGE`",
            Self::Refused(_) => "correct the image, mounts or limits named in the reason",
            Self::Drifted(_) => {
                "the engine changed or ignored a protection: `docker info` shows what it does not support"
            }
            Self::Lost(_) => "look at the engine's log: `journalctl -u docker`; the job is repeated",
        }
    }
}
