//! The configuration of a worker: defaults, overridden by a file, by `ARENA_…` variables and by flags.
//!
//! The environment is read through a function, so that tests pass a map. No key is ever part of it: only where one is.

mod blobs;
mod build;
mod keys;
mod layers;
mod limits;
mod provider;
mod team;
mod telemetry;
mod upstream;
mod variables;

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use blobs::BlobConfig;
use build::Build;
pub use build::is_variable;
pub use limits::{Limits, ProviderLimits, TenantLimits};
pub use provider::{Api, KeyStyle, Login};
pub use team::{ClientCertificates, ClientConfig, CoordinatorConfig, QueueConfig, Rates, StoreConfig, TlsConfig};
pub use telemetry::TelemetryConfig;
pub use variables::{Strange, strange};

/// The defaults with their documentation.
pub const DEFAULTS: &str = include_str!("config/defaults.toml");

/// Larger files are no configuration.
const MOST_BYTES: u64 = 1 << 20;

#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub worker: WorkerConfig,
    pub coordinator: CoordinatorConfig,
    pub client: ClientConfig,
    pub store: StoreConfig,
    pub tls: TlsConfig,
    pub limits: Limits,
    pub placement: PlacementConfig,
    pub queue: QueueConfig,
    pub broker: BrokerConfig,
    /// Addresses of names that packets may reach through the broker; all others are looked up, and must be public.
    pub egress_hosts: BTreeMap<String, std::net::IpAddr>,
    pub blobs: BlobConfig,
    /// By name, such as `openai`.
    pub providers: BTreeMap<String, Provider>,
    pub telemetry: TelemetryConfig,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerConfig {
    /// Engines at a time.
    pub engine_slots: u32,
    /// One measuring slot per entry, a cpuset each; none: measuring shares its cores.
    pub measure_cores: Vec<String>,
    /// Of containers: runc, runsc or kata.
    pub runtime: String,
    /// Read-only in containers.
    pub engine_packs: PathBuf,
    pub workspaces: Workspaces,
    /// Of a team; empty on one machine.
    pub coordinators: Vec<String>,
    pub labels: Vec<String>,
    /// For jobs to end in when the worker is told to stop.
    pub drain: Duration,
    /// Of all its jobs together; nothing: what the machine has.
    pub memory_mib: Option<u32>,
    pub disk_mib: Option<u32>,
}

/// What a competitor's tree lies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workspaces {
    /// Overlays where this process may mount, volumes otherwise.
    Auto,
    Overlay,
    Volume,
}

/// How long a job is kept for a worker of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlacementConfig {
    pub warm: Duration,
    pub equal_hardware: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokerConfig {
    /// Longest silence of a provider.
    pub idle: Duration,
    /// Of one request.
    pub retries: u32,
    /// All waits between the attempts of one request together.
    pub retry_wait: Duration,
    /// Set aside for a request that does not say how much it may answer.
    pub output_tokens: u32,
    /// Bytes that the bodies of all requests under way hold together.
    pub bodies: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Provider {
    /// Without a slash at its end.
    pub upstream: String,
    /// The variable that holds the key; at most one of it, `key_file` and `login` is set.
    pub key_env: Option<String>,
    pub key_file: Option<PathBuf>,
    pub login: Option<Login>,
    /// What it speaks.
    pub apis: Vec<Api>,
    pub key_style: KeyStyle,
    /// Patterns with `*`; a model that none of them fits is refused.
    pub models: Vec<String>,
    /// Tools that may run at the provider, by type; all others of that kind are refused.
    pub server_tools: Vec<String>,
    /// By model; a model without a price costs an unknown amount.
    pub price: BTreeMap<String, Price>,
}

/// In dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    pub input: f64,
    /// As `input` when it was not stated.
    pub cached_input: f64,
    /// 1.25 times `input` when it was not stated, as the one provider charges that counts it.
    pub cache_write: f64,
    pub output: f64,
}

/// One thing wrong with the configuration; values are never repeated, since one may be a key in the wrong place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigProblem {
    /// The file, the variable or the flag.
    pub origin: String,
    /// Of a file; counted from one.
    pub line: Option<usize>,
    /// Dotted; empty when it is about the whole file.
    pub path: String,
    pub reason: String,
    /// What to do about it.
    pub mend: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{}; {}", self.reason, self.mend)
    }
}

impl ConfigProblem {
    fn of_whole(path: &str, reason: &str, mend: &str) -> Self {
        Self {
            origin: "configuration".to_owned(),
            line: None,
            path: path.to_owned(),
            reason: reason.to_owned(),
            mend: mend.to_owned(),
        }
    }
}

/// Every problem at once. A file that is given must be there; flags are pairs of a dotted path and a text.
pub fn load(
    file: Option<&Path>,
    environment: &dyn Fn(&str) -> Option<String>,
    flags: &[(String, String)],
) -> Result<Config, Vec<ConfigProblem>> {
    let mut problems = Vec::new();
    let mut merged = layers::file("defaults", DEFAULTS, &mut problems);
    let name = file.map(|file| file.display().to_string());
    if let (Some(file), Some(name)) = (file, &name) {
        match read(file) {
            Ok(text) => layers::lay(&mut merged, layers::file(name, &text, &mut problems)),
            Err(reason) => problems.push(ConfigProblem {
                origin: name.clone(),
                ..ConfigProblem::of_whole("", &reason, "name a file that can be read, with --config FILE")
            }),
        }
    }
    let said = layers::flags(flags, &mut problems);
    let mut below = merged.clone();
    layers::lay(&mut below, said.clone());
    layers::lay(&mut merged, layers::environment(environment, &below, &mut problems));
    layers::lay(&mut merged, said);
    let directory = file.and_then(Path::parent).unwrap_or(Path::new(""));
    let home = environment("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let file = name.as_deref().map(|name| (name, directory));
    let config = Build { layer: &merged, file, home, problems: &mut problems }.config();
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

fn read(file: &Path) -> Result<String, String> {
    let opened = std::fs::File::open(file).map_err(|error| format!("cannot be opened: {error}"))?;
    let mut text = String::new();
    opened.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(|error| format!("cannot be read: {error}"))?;
    if text.len() as u64 > MOST_BYTES {
        return Err(format!("is larger than {MOST_BYTES} bytes"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
