//! `[limits]` as the queue takes it: which engines ask which provider is known from their manifests.

use crate::failure::{Failure, USAGE};
use arena_domain::placement::Patience;
use arena_domain::schedule::{Limits, Provider, TenantLimits, Terms};
use arena_runtime::config::{self, Config};
use arena_worker::engine::Manifest;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) fn limits(config: &Config, manifests: &[Manifest]) -> Result<Limits, Failure> {
    let config::Limits { fleet, each, tenants, engine, provider } = &config.limits;
    let of_tenant = |(name, of): (&String, &config::TenantLimits)| {
        let running = of.running.unwrap_or(u32::MAX);
        (name.clone(), TenantLimits { running, weight: of.weight })
    };
    let mut providers = BTreeMap::new();
    for (name, of) in provider {
        let engines = engines(name, of, manifests);
        if engines.is_empty() {
            let what = format!("[limits.provider.{name}]: no engine asks this provider");
            let mend = "take the section out, or name engines of packets in it: `engines = [\"NAME\"]`";
            return Err(Failure::new(USAGE, what, mend));
        }
        providers.insert(name.clone(), Provider { running: of.running, engines });
    }
    counted_once(&providers)?;
    let aliases: BTreeMap<String, String> =
        manifests.iter().flat_map(|one| one.aliases.iter().map(|alias| (alias.clone(), one.name.clone()))).collect();
    let mut engines = BTreeMap::new();
    for (name, most) in engine {
        let least = engines.entry(aliases.get(name).unwrap_or(name).clone()).or_insert(*most);
        *least = (*least).min(*most);
    }
    Ok(Limits {
        fleet: *fleet,
        tenant: each.running.unwrap_or(u32::MAX),
        tenants: tenants.iter().map(of_tenant).collect(),
        engine: engines,
        provider: providers,
        aliases,
        patience: Patience { worker: config.placement.warm, hardware: config.placement.equal_hardware },
        terms: Terms { lease: config.queue.lease, margin: config.queue.margin },
    })
}

/// An engine counts to one provider.
fn counted_once(providers: &BTreeMap<String, Provider>) -> Result<(), Failure> {
    let mut known = BTreeMap::new();
    for (name, engine) in providers.iter().flat_map(|(name, of)| of.engines.iter().map(move |engine| (name, engine))) {
        if let Some(other) = known.insert(engine, name) {
            let what = format!("[limits.provider.{name}]: engine '{engine}' counts to provider {other} already");
            return Err(Failure::new(USAGE, what, "name it in one of the two sections only"));
        }
    }
    Ok(())
}

/// What tenants may submit: each provider with all engines that its limit counts.
pub(crate) fn quotas(config: &Config, manifests: &[Manifest]) -> config::Limits {
    let mut quotas = config.limits.clone();
    for (name, of) in &mut quotas.provider {
        of.engines = engines(name, of, manifests).into_iter().collect();
    }
    quotas
}

/// By all their names, whichever of them is said: jobs carry one. An engine that serves any provider is counted where the
/// section names it.
fn engines(provider: &str, of: &config::ProviderLimits, manifests: &[Manifest]) -> BTreeSet<String> {
    let goes_by = |one: &Manifest, name: &String| one.name == *name || one.aliases.contains(name);
    let asks = |one: &&Manifest| one.provider == provider && !one.serves_any();
    let named = |one: &&Manifest| of.engines.iter().any(|name| goes_by(one, name));
    let known = manifests.iter().filter(|one| asks(one) || named(one));
    known.flat_map(|one| one.aliases.iter().chain([&one.name])).chain(&of.engines).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arena_worker::engine::built_in;

    fn read(text: &str) -> Config {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        config::load(Some(file.path()), &|_| None, &[]).unwrap()
    }

    #[test]
    fn an_engine_of_two_providers_is_refused_by_name() {
        let said = read(
            "[limits.provider.anthropic]\nrunning = 2\n[limits.provider.other]\nengines = [\"claude\"]\nrunning = 1\n",
        );
        let refused = format!("{:?}", limits(&said, built_in()).map(drop).unwrap_err());
        assert!(refused.contains("'claude' counts to provider anthropic already"), "{refused}");
    }

    #[test]
    fn an_engine_that_is_named_by_another_name_of_its_own_counts_under_all_of_them() {
        let said = read("[limits.provider.a]\nengines = [\"mini\"]\nrunning = 1\n");
        let both = BTreeSet::from(["mini".to_owned(), "mini-swe-agent".to_owned()]);
        assert_eq!(limits(&said, built_in()).unwrap().provider["a"].engines, both);
        assert_eq!(quotas(&said, built_in()).provider["a"].engines, Vec::from_iter(both));
        let sections = "[limits.provider.a]\nengines = [\"mini\"]\nrunning = 1\n[limits.provider.b]\nengines = [\"mini-swe-agent\"]\nrunning = 2\n";
        let refused = limits(&read(sections), built_in()).map(drop).unwrap_err();
        assert!(refused.what.contains("counts to provider a already"), "{refused:?}");
    }

    #[test]
    fn the_engines_of_a_provider_are_those_that_ask_it_and_those_that_are_named() {
        let said = read("[limits.provider.anthropic]\nrunning = 2\nengines = [\"mine\"]\n");
        let made = limits(&said, built_in()).unwrap();
        let anthropic = &made.provider["anthropic"];
        assert_eq!(anthropic.running, 2);
        assert!(anthropic.engines.contains("claude") && anthropic.engines.contains("mine"), "{anthropic:?}");
        assert!(!anthropic.engines.contains("codex"), "{anthropic:?}");
    }

    #[test]
    fn an_engine_of_several_names_has_one_limit_whichever_is_limited() {
        let said = read("[limits.engine]\nclaude-code = 2\nclaude = 5\nmine = 1\n");
        let made = limits(&said, built_in()).unwrap();
        assert_eq!(made.engine, BTreeMap::from([("claude".to_owned(), 2), ("mine".to_owned(), 1)]));
        assert_eq!(made.aliases["claude-code"], "claude");
        let counted = quotas(&read("[limits.provider.anthropic]\nrunning = 2\n"), built_in());
        assert!(counted.provider["anthropic"].engines.contains(&"claude".to_owned()));
    }

    #[test]
    fn a_provider_that_no_engine_asks_is_refused() {
        let refused = limits(&read("[limits.provider.nobodys]\nrunning = 2\n"), built_in()).unwrap_err();
        assert!(refused.what.contains("limits.provider.nobodys"), "{refused:?}");
    }

    #[test]
    fn a_tenant_has_what_its_section_says_and_otherwise_what_each_has() {
        let said = read("[limits]\ntenant = 4\n[limits.tenants.web]\nweight = 3\n[limits.tenants.app]\nrunning = 9\n");
        let made = limits(&said, built_in()).unwrap();
        let rows = [("web", 4, 3), ("app", 9, 1), ("other", 4, 1)];
        for (tenant, running, weight) in rows {
            assert_eq!(made.of_tenant(tenant), TenantLimits { running, weight }, "{tenant}");
        }
    }
}
