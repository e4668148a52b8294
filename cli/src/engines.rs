//! The engines that could run here: what is known, what is installed, and which have a key.

use crate::args::Common;
use crate::embedded::{configuration, engines_folder};
use crate::failure::{Failure, GENERAL, NOT_FOUND, USAGE};
use crate::lineup::Ready;
use arena_domain::packet::{BriefStyle, Competitor, Packet};
use arena_runtime::config::Price;
use arena_worker::broker::{self, Broker, OpenError, Readiness};
use arena_worker::engine::packs::Packs;
use arena_worker::engine::{Manifest, built_in, find, load};
use arena_worker::run::Engines;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// What an engine needs before it can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    pub reason: String,
    pub mend: String,
}

/// The engines that this machine knows, and the packs and keys it has.
pub(crate) struct Known {
    pub engines: Engines,
    broker: Broker,
}

impl Known {
    pub(crate) fn read(common: &Common) -> Result<Self, Failure> {
        let engines = engines(common)?;
        // Nothing is opened through this one, so nothing is written.
        let nowhere = PathBuf::new();
        let settings = broker::Settings::new(&engines.config, nowhere.clone(), nowhere, engines.environment.clone());
        let broker = Broker::new(settings).map_err(|error| Failure::new(GENERAL, error.to_string(), error.mend()))?;
        Ok(Self { engines, broker })
    }

    /// Every name that a packet may use.
    pub(crate) fn names(&self) -> Vec<String> {
        self.engines.manifests.iter().flat_map(|one| one.aliases.iter().chain([&one.name])).cloned().collect()
    }

    /// Engines that could run here now.
    pub(crate) fn ready(&self) -> Ready {
        let all = self.engines.manifests.iter().filter(|one| one.pack.is_some() && self.missing(&one.name).is_none());
        let (modelless, whole): (Vec<&Manifest>, Vec<&Manifest>) = all.partition(|one| one.needs_model());
        let names = |all: Vec<&Manifest>| all.into_iter().map(|one| one.name.clone()).collect();
        Ready { engines: names(whole), modelless: names(modelless) }
    }

    /// What this engine still needs here; `None`: it is ready.
    pub(crate) fn missing(&self, name: &str) -> Option<Missing> {
        let Some(one) = find(&self.engines.manifests, name) else {
            return Some(Missing {
                reason: format!("no engine is called {name}"),
                mend: format!("say how it is run: [engine.{name}] with `command = [\"…\"]` in the packet"),
            });
        };
        if one.pack.is_some() && self.engines.packs.choose(one, None).is_none() {
            let reason = format!("engine {name} is not installed here");
            return Some(Missing { reason, mend: format!("`{}`", one.how_to_install()) });
        }
        if one.serves_any() {
            return None;
        }
        match self.broker.credential(&one.provider) {
            Readiness::Ready => None,
            Readiness::Missing { reason, mend } => Some(Missing { reason: format!("engine {name}: {reason}"), mend }),
        }
    }

    /// A model that a competitor has to name and does not; `None`: it needs none, or names it.
    pub(crate) fn lacks_model(&self, packet: &Packet, competitor: &Competitor) -> Option<Missing> {
        if competitor.model.is_some() || packet.engines.contains_key(&competitor.engine) {
            return None;
        }
        let one = find(&self.engines.manifests, &competitor.engine).filter(|one| one.needs_model())?;
        let reason = format!("is missing: engine {} has no model of its own", one.name);
        Some(Missing { reason, mend: format!("say which one: {}", self.model_of(one)) })
    }

    /// An engine for any provider whose model none has; `None`: one has it, or the engine has a provider of its own.
    pub(crate) fn lacks_provider(&self, competitor: &Competitor) -> Option<Missing> {
        let one = find(&self.engines.manifests, &competitor.engine).filter(|one| one.serves_any())?;
        let model = competitor.model.as_deref().or(one.model.as_deref())?;
        self.broker.provider_of(model).is_none().then(|| Missing {
            reason: format!("no provider is configured for the model {model}"),
            mend: "add it to `models` of a [provider.NAME] in the configuration".into(),
        })
    }

    /// For a competitor of this engine, by what its provider is configured to have.
    fn model_of(&self, one: &Manifest) -> String {
        let provider = self.engines.config.providers.get(&one.provider);
        match provider.map(|provider| provider.models.as_slice()).unwrap_or_default() {
            [] => "`model = \"…\"`".to_owned(),
            models => format!("`model = \"…\"`, one that fits {} of provider {}", models.join(", "), one.provider),
        }
    }

    /// The provider and the model that a competitor asks; `None`: it asks none, or none that is known here.
    pub(crate) fn asks(&self, packet: &Packet, competitor: &Competitor) -> Option<(String, Option<String>)> {
        if let Some(own) = packet.engines.get(&competitor.engine) {
            return Some((own.provider.clone()?, competitor.model.clone()));
        }
        let one = find(&self.engines.manifests, &competitor.engine)?;
        let model = competitor.model.clone().or_else(|| one.model.clone());
        let provider = match one.serves_any() {
            true => self.broker.provider_of(model.as_deref()?)?,
            false => one.provider.clone(),
        };
        Some((provider, model))
    }

    /// Why the broker would not let it ask; `None`: it would.
    pub(crate) fn refusal(&self, provider: &str, model: Option<&str>, budgeted: bool) -> Option<OpenError> {
        self.broker.admits(provider, model, budgeted).err()
    }

    /// A configured provider that this name was probably meant to be.
    pub(crate) fn nearest_provider(&self, name: &str) -> Option<&str> {
        nearest(name, self.engines.config.providers.keys().map(String::as_str))
    }

    pub(crate) fn price(&self, provider: &str, model: &str) -> Option<Price> {
        self.broker.price(provider, model)
    }

    /// Whether two names mean one engine that the packet does not define.
    pub(crate) fn are_one(&self, name: &str, other: &str) -> bool {
        let found = |name| find(&self.engines.manifests, name).map(|one| &one.name);
        found(name).is_some() && found(name) == found(other)
    }

    /// A version that Arena was never tested with; `None`: tested, or not a pack.
    pub(crate) fn untested(&self, name: &str) -> Option<Missing> {
        let one = find(&self.engines.manifests, name)?;
        let pack = self.engines.packs.choose(one, None).filter(|pack| !one.is_tested(&pack.record.version))?;
        let tested = one.tested.as_ref();
        let range = tested.map(|tested| format!("; tested are {} and later, before {}", tested.from, tested.below));
        let reason = format!("engine {name} {} is untested{}", pack.record.version, range.unwrap_or_default());
        Some(Missing { reason, mend: format!("`{}` brings a tested one", one.how_to_install()) })
    }

    /// Every provider of the configuration, and what it lacks.
    pub(crate) fn providers(&self) -> Vec<(String, Option<Missing>)> {
        let names = self.engines.config.providers.keys();
        let lacks = |name: &String| match self.broker.credential(name) {
            Readiness::Ready => None,
            Readiness::Missing { reason, mend } => Some(Missing { reason, mend }),
        };
        names.map(|name| (name.clone(), lacks(name))).collect()
    }

    /// The engines that are installed here and ask this provider.
    pub(crate) fn installed_for(&self, provider: &str) -> Vec<&str> {
        let all = self.engines.manifests.iter().filter(|one| one.provider == provider);
        let installed = all.filter(|one| self.engines.packs.choose(one, None).is_some());
        installed.map(|one| one.name.as_str()).collect()
    }

    /// For somebody who has none yet.
    pub(crate) fn how_to_begin(&self) -> String {
        if let Some(name) = self.ready().modelless.first() {
            return format!("name one with its model: [[competitor]] with `engine = \"{name}\"` and `model = \"…\"`");
        }
        let installed = self.engines.manifests.iter().find(|one| self.engines.packs.choose(one, None).is_some());
        match installed.and_then(|one| self.missing(&one.name)) {
            Some(missing) => missing.mend,
            None => "`arena engines install codex`, or say how yours is run: [engine.NAME] in the packet".into(),
        }
    }

    pub(crate) fn contextual(&self) -> BTreeSet<String> {
        let contextual = self.engines.manifests.iter().filter(|one| one.style == BriefStyle::Contextual);
        contextual.flat_map(|one| one.aliases.iter().chain([&one.name])).cloned().collect()
    }

    /// One line on what is installed.
    pub(crate) fn summary(&self) -> String {
        let packs = &self.engines.packs;
        let installed =
            |one: &Manifest| packs.choose(one, None).map(|pack| format!("{} {}", one.name, pack.record.version));
        let all: Vec<String> = self.engines.manifests.iter().filter_map(installed).collect();
        if all.is_empty() { "none installed: `arena engines` says how".into() } else { all.join(", ") }
    }

    pub(crate) fn find(&self, name: &str) -> Result<&Manifest, Failure> {
        find(&self.engines.manifests, name).ok_or_else(|| {
            let names: Vec<&str> = self.engines.manifests.iter().map(|one| one.name.as_str()).collect();
            Failure::new(NOT_FOUND, format!("there is no engine \"{name}\""), format!("one of {}", names.join(", ")))
        })
    }
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let short: String = name.chars().take(64).collect();
    let scored = known.map(|one| (one, strsim::jaro_winkler(&short, one))).filter(|(_, score)| *score >= 0.7);
    scored.max_by(|one, other| one.1.total_cmp(&other.1)).map(|(one, _)| one)
}

/// As the configuration of this machine says.
pub(crate) fn engines(common: &Common) -> Result<Engines, Failure> {
    let config = configuration(common)?;
    let packs = Packs::new(&config.worker.engine_packs, &|name| std::env::var(name).ok());
    let providers: Vec<String> = config.providers.keys().cloned().collect();
    let manifests = match engines_folder(common) {
        Some(folder) => load(&folder, &providers).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Failure::new(USAGE, lines.join("\n"), format!("correct what lies in {}", folder.display()))
        })?,
        None => built_in().to_vec(),
    };
    Ok(Engines { manifests, packs, config, environment: Arc::new(|name| std::env::var(name).ok()) })
}
