//! The only way out of a sandbox: one socket per job, with the keys, the budgets and a line for every request on this side.
//!
//! What a job may do is bound to its socket, never to what it says in its headers. Providers are reached at the address of
//! the configuration alone, with the key put in here; other places only when the packet lists them and they are public.

mod answer;
mod ask;
mod audit;
mod bodies;
mod books;
mod credential;
mod desk;
mod door;
mod egress;
mod exchange;
mod headers;
mod keys;
mod ledger;
mod meter;
mod model;
mod pin;
mod policy;
mod price;
mod proxy;
mod purse;
mod purses;
mod reach;
mod refusal;
mod route;
mod tools;
mod upstream;
mod watched;

pub use credential::Readiness;
pub use door::{Account, Door};
pub use policy::{Budgets, OpenError, Policy, SessionCost};

use crate::redact::Redactor;
use arena_runtime::config::{BrokerConfig, Config, Price, Provider};
use bodies::Room;
use credential::Secrets;
use desk::Desk;
use purses::Purses;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use upstream::Upstream;

/// How variables are read; tests pass a map.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What a broker is made of.
#[derive(Clone)]
pub struct Settings {
    pub providers: BTreeMap<String, Provider>,
    pub limits: BrokerConfig,
    /// Addresses of names that packets may reach, public or not, because whoever runs this worker says so.
    pub hosts: BTreeMap<String, IpAddr>,
    /// Holds one file of lines for each session; it outlives the worker.
    pub audit: PathBuf,
    /// A folder for sockets, which this worker's end takes away.
    pub sockets: PathBuf,
    pub environment: Environment,
}

impl Settings {
    pub fn new(config: &Config, audit: PathBuf, sockets: PathBuf, environment: Environment) -> Self {
        Self {
            providers: config.providers.clone(),
            limits: config.broker,
            hosts: config.egress_hosts.clone(),
            audit,
            sockets,
            environment,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("providers", &self.providers).field("limits", &self.limits).finish()
    }
}

/// One of each worker; clones are the same broker.
#[derive(Debug, Clone)]
pub struct Broker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    upstream: Upstream,
    secrets: Secrets,
    purses: Purses,
    /// For the bodies of all requests.
    bodies: Room,
}

impl Broker {
    /// Reads every key that is there, so that all of them are known to [`Broker::redactor`] from the start.
    pub fn new(settings: Settings) -> Result<Self, OpenError> {
        let upstream = Upstream::new(settings.limits).map_err(OpenError::Trust)?;
        let purses = Purses::new(settings.audit.clone());
        let bodies = Room::new(settings.limits.bodies);
        let broker = Self(Arc::new(Inner { settings, upstream, secrets: Secrets::default(), purses, bodies }));
        for name in broker.0.settings.providers.keys() {
            broker.credential(name);
        }
        Ok(broker)
    }

    /// Whether there is a key for this provider that can be used now.
    pub fn credential(&self, provider: &str) -> Readiness {
        let Some(found) = self.0.settings.providers.get(provider) else {
            let unknown = OpenError::UnknownProvider { name: provider.to_owned() };
            return Readiness::Missing { reason: unknown.to_string(), mend: unknown.mend() };
        };
        match self.0.secrets.resolve(provider, found, &self.0.settings.environment) {
            Ok(_) => Readiness::Ready,
            Err(missing) => missing.into(),
        }
    }

    /// Takes out every key that this worker has read.
    pub fn redactor(&self) -> Redactor {
        self.0.secrets.redactor()
    }

    /// The provider whose configuration names this model, by an exact name before a pattern.
    pub fn provider_of(&self, model: &str) -> Option<String> {
        let serves = |found: &&(&String, &Provider)| model::is_allowed(model, &found.1.models, &[]);
        let named = |found: &&(&String, &Provider)| found.1.models.iter().any(|one| one == model);
        let all: Vec<(&String, &Provider)> = self.0.settings.providers.iter().collect();
        all.iter().find(named).or_else(|| all.iter().find(serves)).map(|(name, _)| (*name).clone())
    }

    /// Whether a door would open to this model of this provider, within a budget of money or without.
    pub fn admits(&self, provider: &str, model: Option<&str>, budgeted: bool) -> Result<(), OpenError> {
        desk::provider(&self.0, provider, model, budgeted).map(drop)
    }

    /// What this model costs; `None`: nobody said.
    pub fn price(&self, provider: &str, model: &str) -> Option<Price> {
        price::of(&self.0.settings.providers.get(provider)?.price, model)
    }

    /// Opens the door of one job. An error names what is missing before any money is spent.
    pub fn open(&self, policy: Policy) -> Result<Door, OpenError> {
        let desk = Desk::set(self.0.clone(), policy)?;
        Door::open(Arc::new(desk), &self.0.settings.sockets)
    }
}

#[cfg(test)]
mod tests;
