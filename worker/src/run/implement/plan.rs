//! Which engine runs, from what, and what it may reach: decided before anything is made or paid for.

use crate::engine::manifest::Tested;
use crate::engine::packs::Pack;
use crate::engine::{self, BROKER, Invocation, Manifest, Request};
use crate::run::{Context, RunError, Task};
use arena_domain::packet::{Competitor, Engine};

pub(super) struct Plan {
    /// The name of the engine.
    pub engine: String,
    pub invocation: Invocation,
    /// The command that prints its version; empty for a command of the packet's own.
    pub version: Vec<String>,
    /// The versions that Arena was tested with, if any were.
    pub tested: Option<Tested>,
    /// The command that installs it.
    pub install: String,
    /// Mounted read-only.
    pub pack: Option<Pack>,
    /// Whose model the broker lets it call.
    pub provider: Option<String>,
    pub model: Option<String>,
    /// The packet's own word for it.
    pub stated_model: Option<String>,
    /// `host:port` that it may reach through the broker.
    pub egress: Vec<String>,
}

impl Plan {
    /// Something has to answer on the loopback port.
    pub(super) fn needs_broker(&self) -> bool {
        self.provider.is_some() || !self.egress.is_empty()
    }

    /// What a row and a log show of it: a command of the packet's own as it is, else the model, which says more.
    pub(super) fn shown(&self) -> String {
        match (&self.pack, &self.model) {
            (Some(pack), Some(model)) => format!("{} {} {model}", pack.record.name, pack.record.version),
            (Some(_) | None, _) => self.invocation.command.join(" "),
        }
    }

    /// The engine's own variables, and where the way out begins.
    pub(super) fn env(&self) -> Vec<(String, String)> {
        let mut env = self.invocation.env.clone();
        if self.provider.is_some() {
            env.push(("ARENA_BROKER".to_owned(), BROKER.to_owned()));
        }
        if !self.egress.is_empty() {
            env.extend(engine::proxies());
        }
        env
    }
}

pub(super) fn plan(context: &Context, task: &Task) -> Result<Plan, RunError> {
    let competitor = task.job.competitor.as_ref().and_then(|name| task.packet.competitor(name));
    let competitor = competitor.ok_or_else(|| RunError::Setup {
        reason: "the job names no competitor of its packet".into(),
        mend: "update this worker".into(),
    })?;
    if let Some(own) = task.packet.engines.get(&competitor.engine) {
        return of_packet(task, competitor, own);
    }
    let manifest = engine::find(&context.settings.engines.manifests, &competitor.engine).ok_or_else(|| {
        let name = &competitor.engine;
        RunError::Setup {
            reason: format!("engine '{name}' is not known to this worker"),
            mend: format!("add [engine.{name}] with its command to the packet"),
        }
    })?;
    of_manifest(context, task, competitor, manifest)
}

fn of_packet(task: &Task, competitor: &Competitor, own: &Engine) -> Result<Plan, RunError> {
    Ok(Plan {
        engine: competitor.engine.clone(),
        version: Vec::new(),
        tested: None,
        install: String::new(),
        invocation: engine::own(competitor, own, task.job.round),
        pack: None,
        provider: own.provider.clone(),
        model: competitor.model.clone(),
        stated_model: competitor.model.clone(),
        egress: own.egress.clone(),
    })
}

fn of_manifest(context: &Context, task: &Task, competitor: &Competitor, manifest: &Manifest) -> Result<Plan, RunError> {
    let budget = &task.packet.budget;
    let request = Request { model: competitor.model.as_deref(), budget_usd: budget.cost_usd, review: false };
    let mut invocation = manifest.invocation(&request).map_err(|error| RunError::Setup {
        reason: error.to_string(),
        mend: "correct the competitor in the packet".into(),
    })?;
    let model = request.model.or(manifest.model.as_deref());
    let mut env = engine::surroundings(competitor, model, task.job.round);
    env.append(&mut invocation.env);
    invocation.env = env;
    invocation.timeout = budget.engine_time;
    let pack = match &manifest.pack {
        None => None,
        Some(_) => Some(context.settings.engines.packs.choose(manifest, None).ok_or_else(|| RunError::Setup {
            reason: format!("engine {} is not installed on this worker", manifest.name),
            mend: format!("`{}`", manifest.how_to_install()),
        })?),
    };
    let provider = match manifest.serves_any() {
        true => model.and_then(|model| context.broker.provider_of(model)).ok_or_else(|| RunError::Setup {
            reason: format!("no provider is configured for the model of {}", competitor.name),
            mend: "add the model to `models` of a [provider.NAME] in the configuration".into(),
        })?,
        false => manifest.provider.clone(),
    };
    Ok(Plan {
        engine: manifest.name.clone(),
        version: manifest.version_command(),
        tested: manifest.tested.clone(),
        install: manifest.how_to_install(),
        invocation,
        pack,
        provider: Some(provider),
        model: model.map(str::to_owned),
        stated_model: competitor.model.clone(),
        egress: egress(context, task, manifest),
    })
}

/// What the packet adds for this engine, by whichever of its names.
fn egress(context: &Context, task: &Task, manifest: &Manifest) -> Vec<String> {
    let is_this = |name: &str| {
        engine::find(&context.settings.engines.manifests, name).is_some_and(|one| one.name == manifest.name)
    };
    let added = task.packet.egress.iter().filter(|(name, _)| is_this(name));
    added.flat_map(|(_, places)| places.iter().cloned()).collect()
}
