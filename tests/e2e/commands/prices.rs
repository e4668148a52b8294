//! What money can be said before anything runs: by `check`, by `plan`, and by a run that does not begin.

use serde_json::json;
use support::{Output, Packet, World};

/// A provider of one's own; nothing is ever asked of it here.
const PROVIDER: &str =
    "[provider.team]\nupstream = \"https://model.example\"\nkey_env = \"TEAM_KEY\"\nmodels = [\"tiny-*\"]\n";
const PRICE: &str = "price = { \"tiny-1\" = { input = 1.0, cached_input = 0.5, output = 10.0 } }\n";

/// A competitor of an own engine behind `provider`, with a model, under a budget of money.
fn world(configuration: &str, provider: &str, model: &str) -> World {
    let mut world = World::new();
    let config = world.repo.join("../worker.toml");
    std::fs::write(&config, configuration).expect("a configuration");
    world.env.push(("ARENA_CONFIG".into(), config.to_str().expect("a path").into()));
    world.env.push(("TEAM_KEY".into(), "canary-7c1e".into()));
    let mut packet = Packet::lower(&[("own", "true")]);
    packet.budget = "rounds = 2\ncost_usd = 1.0".into();
    packet.harness += "\n";
    let text = packet.text().replacen("timeout = \"60s\"", &format!("timeout = \"60s\"\nprovider = \"{provider}\""), 1);
    let text = text.replacen("engine = \"own\"", &format!("engine = \"own\"\nmodel = \"{model}\""), 1);
    std::fs::write(world.repo.join("../arena.toml"), text.replace("[session]", "[session]\nrepository = \"repo\""))
        .expect("a packet");
    world
}

/// The warnings or problems about a place.
fn about(output: &Output, list: &str, path: &str) -> Vec<String> {
    let document = output.document();
    let all = document[list].as_array().expect("a list");
    let about = all.iter().filter(|one| one["path"] == path);
    about
        .map(|one| format!("{}; {}", one["reason"].as_str().expect("a reason"), one["mend"].as_str().expect("a mend")))
        .collect()
}

#[test]
fn a_budget_of_money_without_a_price_is_found_before_anything_runs() {
    let world = world(PROVIDER, "team", "tiny-1");
    let checked = world.arena(&["check", "arena.toml", "--json"]);
    let said = about(&checked, "warnings", "budget.cost_usd");
    assert_eq!(said.len(), 1, "{checked:?}");
    assert!(said[0].contains("tiny-1 of provider 'team' has no price; add price = { \"tiny-1\""), "{said:?}");
    let run = world.arena(&["run", "arena.toml"]);
    assert!(run.code == 2 && run.stderr.contains("budget.cost_usd") && run.stderr.contains("has no price"), "{run:?}");
    let plan = world.arena(&["plan", "arena.toml", "--json"]).document();
    assert_eq!((&plan["cost_usd"], &plan["competitors"][0]["cost_usd_a_run"]), (&json!(null), &json!(null)));
    assert!(!world.state.exists(), "nothing began");
}

#[test]
fn what_a_price_makes_of_an_own_engine_is_estimated_and_not_warned_of() {
    let world = world(&format!("{PROVIDER}{PRICE}"), "team", "tiny-1");
    let checked = world.arena(&["check", "arena.toml", "--json"]);
    assert_eq!((checked.code, about(&checked, "warnings", "budget.cost_usd")), (0, Vec::new()), "{checked:?}");
    let plan = world.arena(&["plan", "arena.toml", "--json"]).document();
    // 0.1 for what is read anew, 0.2 for what the provider has, 0.1 for what is written; two rounds.
    let close = |value: &serde_json::Value, wanted: f64| (value.as_f64().expect("a cost") - wanted).abs() < 1e-9;
    assert!(close(&plan["competitors"][0]["cost_usd_a_run"], 0.4) && close(&plan["cost_usd"], 0.8), "{plan}");
    let shown = world.arena(&["plan", "arena.toml"]).stdout;
    assert!(shown.contains("cost: about $0.80") && shown.contains("at most $1.00"), "{shown}");
}

#[test]
fn a_provider_or_a_model_that_nobody_configured_is_found_by_check() {
    let unknown = world(&format!("{PROVIDER}{PRICE}"), "taem", "tiny-1");
    let checked = unknown.arena(&["check", "arena.toml", "--json"]);
    let said = about(&checked, "problems", "engine.own.provider");
    assert!(checked.code == 2 && said.len() == 1 && said[0].contains("did you mean \"team\"?"), "{checked:?}");
    for command in ["plan", "run"] {
        let refused = unknown.arena(&[command, "arena.toml"]);
        assert!(refused.code == 2 && refused.stderr.contains("'taem' is not configured"), "{command}: {refused:?}");
    }
    let model = world(&format!("{PROVIDER}{PRICE}"), "team", "huge-1");
    let checked = model.arena(&["check", "arena.toml", "--json"]);
    let said = about(&checked, "warnings", "competitor[0].model");
    assert!(said.len() == 1 && said[0].contains("add it to `models` of [provider.team]"), "{checked:?}");
    assert_eq!(model.arena(&["run", "arena.toml"]).code, 2);
}

#[test]
fn a_manifest_of_ones_own_with_an_unknown_provider_is_refused_with_its_line() {
    let world = World::new();
    let folder = world.repo.join("../config/arena/engines");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("own.toml"), "name = \"own\"\ncommand = [\"own\"]\nprovider = \"opnai\"\n")
        .expect("a file");
    let refused = world.arena(&["engines"]);
    let says = "own.toml: line 3: provider: there is no provider \"opnai\"; did you mean `openai`?";
    assert!(refused.code == 2 && refused.stderr.contains(says), "{refused:?}");
}
