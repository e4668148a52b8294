//! How much may run at a time, in every dimension, and what runs now.

use super::share::Weight;
use super::{Terms, Why};
use crate::job::{Job, State};
use crate::placement::Patience;
use crate::schedule::Place;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    pub fleet: u32,
    /// Of a tenant that is not named in `tenants`.
    pub tenant: u32,
    /// By tenant.
    pub tenants: BTreeMap<String, TenantLimits>,
    /// By engine name; an engine that is not named has no limit of its own.
    pub engine: BTreeMap<String, u32>,
    /// By provider's name: the engines that share its limit.
    pub provider: BTreeMap<String, Provider>,
    /// Other names of engines, each with the one that it is counted as. Whoever puts jobs into the queue calls them by that.
    pub aliases: BTreeMap<String, String>,
    /// Of jobs that would rather run somewhere.
    pub patience: Patience,
    pub terms: Terms,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantLimits {
    pub running: u32,
    /// Its part beside other tenants; at least 1.
    pub weight: u32,
}

impl Default for TenantLimits {
    fn default() -> Self {
        Self { running: u32::MAX, weight: 1 }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    pub running: u32,
    pub engines: BTreeSet<String>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fleet: 3,
            tenant: u32::MAX,
            tenants: BTreeMap::new(),
            engine: BTreeMap::new(),
            provider: BTreeMap::new(),
            aliases: BTreeMap::new(),
            patience: Patience::default(),
            terms: Terms::default(),
        }
    }
}

impl Limits {
    pub fn of_tenant(&self, name: &str) -> TenantLimits {
        self.tenants.get(name).copied().unwrap_or(TenantLimits { running: self.tenant, weight: 1 })
    }

    /// Whether a running job takes up a slot of what holds a waiting one back.
    pub(super) fn counts(&self, limit: Option<&Why>, waiting: &Job, running: &Job) -> bool {
        let Some(Why::Limit { dimension, .. }) = limit else { return true };
        match *dimension {
            "tenant" => running.tenant == waiting.tenant,
            "session" => running.session == waiting.session,
            "engine" => running.engine == waiting.engine,
            "provider" => self.provider_of(running).is_some_and(|one| self.provider_of(waiting) == Some(one)),
            _ => true,
        }
    }

    /// Of two that name its engine, the first counts.
    fn provider_of(&self, job: &Job) -> Option<(&String, &Provider)> {
        let engine = job.engine.as_deref()?;
        self.provider.iter().find(|(_, one)| one.engines.contains(engine))
    }

    pub(super) fn weight_of_tenant(&self, name: &str) -> Weight {
        Weight::new(self.of_tenant(name).weight)
    }
}

/// What runs now, by dimension; suspects are among it.
#[derive(Debug, Default)]
pub(super) struct Running<'a> {
    fleet: u32,
    tenants: BTreeMap<&'a str, u32>,
    sessions: BTreeMap<&'a str, u32>,
    engines: BTreeMap<&'a str, u32>,
}

impl<'a> Running<'a> {
    pub(super) fn count(places: impl Iterator<Item = &'a Place>) -> Self {
        let mut running = Self::default();
        for place in places.filter(|place| matches!(place.state, State::Leased { .. })) {
            let job = &place.job;
            running.fleet += 1;
            *running.tenants.entry(job.tenant.as_str()).or_default() += 1;
            *running.sessions.entry(job.session.as_str()).or_default() += 1;
            if let Some(engine) = &job.engine {
                *running.engines.entry(engine).or_default() += 1;
            }
        }
        running
    }

    pub(super) fn tenant(&self, name: &str) -> u32 {
        self.tenants.get(name).copied().unwrap_or(0)
    }

    pub(super) fn session(&self, name: &str) -> u32 {
        self.sessions.get(name).copied().unwrap_or(0)
    }

    pub(super) fn engine(&self, name: &str) -> u32 {
        self.engines.get(name).copied().unwrap_or(0)
    }

    #[cfg(test)]
    pub(super) fn fleet(&self) -> u32 {
        self.fleet
    }

    /// The first limit that holds this job back.
    pub(super) fn blocks(&self, job: &Job, limits: &Limits) -> Option<Why> {
        let limit = |dimension, name: &str, running, limit| {
            (running >= limit).then(|| Why::Limit { dimension, name: name.to_owned(), running, limit })
        };
        let (tenant, session) = (job.tenant.as_str(), job.session.as_str());
        limit("fleet", "all", self.fleet, limits.fleet)
            .or_else(|| limit("tenant", tenant, self.tenant(tenant), limits.of_tenant(tenant).running))
            .or_else(|| limit("session", session, self.session(session), job.session_limit))
            .or_else(|| {
                let engine = job.engine.as_deref()?;
                limit("engine", engine, self.engine(engine), *limits.engine.get(engine)?)
            })
            .or_else(|| {
                let (name, provider) = limits.provider_of(job)?;
                let running = provider.engines.iter().map(|engine| self.engine(engine)).sum();
                limit("provider", name, running, provider.running)
            })
    }
}
