//! Engines that have no model of their own: who may name none, and who is told where to.

use serde_json::{Value, json};
use support::{Output, Packet, World};

/// A machine with these engines installed, as far as their records say, and a key for each provider.
fn world(installed: &[(&str, &str)]) -> World {
    let mut world = World::new();
    let packs = world.repo.join("../packs");
    for (name, version) in installed {
        let folder = packs.join(name).join(version);
        std::fs::create_dir_all(&folder).expect("a folder");
        let record = json!({"name": name, "version": version, "source": [], "bytes": 1, "files": 1, "digest": ""});
        std::fs::write(folder.join("pack.json"), record.to_string()).expect("a record");
    }
    let config = world.repo.join("../worker.toml");
    let text = "[provider.openai]\nkey_env = \"MODELS_KEY\"\nmodels = [\"gpt*\"]\n";
    std::fs::write(&config, text).expect("a configuration");
    let path = |path: &std::path::Path| path.to_str().expect("a path").to_owned();
    world.env.push(("ARENA_CONFIG".into(), path(&config)));
    world.env.push(("ARENA_WORKER_ENGINE_PACKS".into(), path(&packs)));
    world.env.push(("MODELS_KEY".into(), "canary-4e19".into()));
    world
}

fn say(world: &World, args: &[&str], competitors: &str) -> Output {
    let mut packet = Packet::lower(&[]);
    packet.rest = competitors.into();
    world.packet(&packet);
    world.arena(args)
}

const CODEX: (&str, &str) = ("codex", "0.163.0");
const QWEN: (&str, &str) = ("qwen", "0.24.4");

#[test]
fn who_names_nobody_is_not_given_an_engine_without_a_model() {
    let both = world(&[CODEX, QWEN]);
    let checked = say(&both, &["check", "arena.toml", "--json"], "").document();
    assert_eq!(checked["valid"], true, "{checked}");
    assert_eq!(checked["competitors"], json!(["codex-minimal", "codex-robust"]));
    assert!(checked["lineup"].as_str().is_some_and(|why| why.contains("left out: qwen")), "{checked}");
    let named = say(&both, &["check", "arena.toml", "--json"], "[matrix]\nmodel = [\"gpt-5.5\"]\n").document();
    assert_eq!((&named["valid"], &named["competitors"]), (&json!(true), &json!(["codex-gpt-5.5", "qwen-gpt-5.5"])));
    let alone = say(&world(&[QWEN]), &["run", "arena.toml"], "");
    let mend = "[[competitor]] with `engine = \"qwen\"` and `model = \"…\"`";
    assert!(alone.code == 2 && alone.stderr.contains(mend), "{alone:?}");
    let listed = both.arena(&["engines"]).stdout;
    let row = |name: &str| listed.lines().find(|line| line.starts_with(name)).expect("a row");
    assert!(row("qwen").contains("must name a `model`") && !row("codex").contains("must name"), "{listed}");
}

#[test]
fn a_model_that_is_missing_is_named_with_its_place_before_anything_is_spent() {
    let world = world(&[CODEX, QWEN]);
    let rows = [
        ("[[competitor]]\nengine = \"codex\"\n[[competitor]]\nengine = \"qwen\"\n", "competitor[1].model"),
        ("[[competitor]]\nengine = \"qwen-code\"\n", "competitor[0].model"),
        ("[matrix]\nengine = [\"codex\", \"qwen\"]\napproach = [\"minimal\", \"robust\"]\n", "matrix.model"),
        // It is wrong whether or not the engine is there.
        ("[[competitor]]\nengine = \"aider\"\n", "competitor[0].model"),
    ];
    for (competitors, place) in rows {
        let checked = say(&world, &["check", "arena.toml", "--json"], competitors);
        let document = checked.document();
        let problems: Vec<&Value> = document["problems"].as_array().expect("a list").iter().collect();
        assert_eq!((checked.code, problems.len(), &problems[0]["path"]), (2, 1, &json!(place)), "{document}");
        assert!(problems[0]["line"].as_u64().is_some_and(|line| line > 1), "{document}");
        let mend = problems[0]["mend"].as_str().expect("a mend");
        assert!(mend.contains("`model = \"…\"`, one that fits gpt* of provider openai"), "{mend}");
        for command in ["plan", "run"] {
            let refused = say(&world, &[command, "arena.toml"], competitors);
            assert!(refused.code == 2 && refused.stderr.contains(place), "{command}: {refused:?}");
        }
    }
    assert!(!world.state.exists(), "nothing began");
}

#[test]
fn a_budget_of_money_is_held_against_the_model_of_an_engine_that_has_none_of_its_own() {
    let world = world(&[QWEN]);
    let mut packet = Packet::lower(&[]);
    packet.budget = "cost_usd = 1.0".into();
    packet.rest = "[[competitor]]\nengine = \"qwen\"\nmodel = \"gpt-5.5\"\n".into();
    world.packet(&packet);
    let run = world.arena(&["run", "arena.toml"]);
    assert!(run.code == 2 && run.stderr.contains("gpt-5.5 of provider 'openai' has no price"), "{run:?}");
    packet.rest = "[[competitor]]\nengine = \"qwen\"\n".into();
    world.packet(&packet);
    let checked = world.arena(&["check", "arena.toml", "--json"]).document();
    assert_eq!((&checked["valid"], &checked["problems"][0]["path"]), (&json!(false), &json!("competitor[0].model")));
}

#[test]
fn an_engine_for_any_provider_is_refused_a_model_that_none_has() {
    let world = world(&[]);
    let folder = world.repo.join("../engines");
    std::fs::create_dir(&folder).expect("a folder");
    let text = "name = \"own\"\nprovider = \"any\"\ncommand = [\"own\", \"{model}\"]\nimage = \"nothing\"\n";
    std::fs::write(folder.join("own.toml"), text).expect("an engine");
    let run = say(&world, &["run", "arena.toml"], "[[competitor]]\nengine = \"own\"\nmodel = \"huge-1\"\n");
    let says = "competitor[0].model: no provider is configured for the model huge-1";
    assert!(run.code == 2 && run.stderr.contains(says), "{run:?}");
    let fits = say(&world, &["check", "arena.toml", "--json"], "[[competitor]]\nengine = \"own\"\nmodel = \"gpt-1\"\n");
    assert_eq!((fits.code, &fits.document()["warnings"]), (0, &json!([])), "{fits:?}");
}

#[test]
fn a_way_out_that_is_added_to_an_engine_that_does_not_take_part_is_warned_of() {
    let world = world(&[CODEX]);
    let warned = |added: &str| {
        let text = format!("[[competitor]]\nengine = \"codex\"\n[engine.{added}]\negress = [\"pypi.org:443\"]\n");
        let checked = say(&world, &["check", "arena.toml", "--json"], &text);
        assert_eq!(checked.code, 0, "{checked:?}");
        let warnings = checked.document()["warnings"].as_array().expect("a list").clone();
        warnings.iter().map(|one| one["path"].as_str().expect("a path").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(warned("codex"), Vec::<String>::new());
    assert_eq!(warned("gemini-cli"), ["engine.gemini-cli"]);
}
