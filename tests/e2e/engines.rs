//! Engines that come from outside of the packet: described by a file, chosen when none is named, missed with a mend.

use support::model::{Model, script, text};
use support::{Packet, World, ready};

/// A world whose machine knows the engine `mine`, and a provider that plays `3`.
fn world(model: &Model) -> World {
    let mut world = World::new();
    world.write("mine.sh", "python3 -c 'import json,os,urllib.request as u; \
        r=u.Request(os.environ[\"ARENA_BROKER\"]+\"/v1/chat/completions\", json.dumps({\"model\": os.environ[\"ARENA_MODEL\"], \
        \"messages\": [{\"role\": \"user\", \"content\": open(os.environ[\"ARENA_BRIEF\"]).read()}]}).encode(), \
        {\"content-type\": \"application/json\"}); a=json.load(u.build_opener(u.ProxyHandler({})).open(r)); \
        open(\"value\", \"w\").write(a[\"choices\"][0][\"message\"][\"content\"] + \"\\n\")' && cat $PLACED && echo all done\n");
    world.commit("the engine");
    let folder = world.repo.join("../config/arena/engines");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(
        folder.join("mine.toml"),
        "name = \"mine\"\nprovider = \"team\"\nstyle = \"contextual\"\nmodel = \"tiny-1\"\ncommand = [\"sh\", \"mine.sh\"]\n\
         image = \"nothing: it is part of the repository\"\n[env]\nPLACED = \"/etc/mine.conf\"\n\
         [[file]]\npath = \"/etc/mine.conf\"\ncontent = \"model {model}\\n\"\n",
    )
    .expect("an engine");
    std::fs::write(
        world.repo.join("../config/arena/config.toml"),
        format!("[provider.team]\nupstream = \"{}\"\nkey_env = \"TEAM_KEY\"\nmodels = [\"tiny-*\"]\n", model.url()),
    )
    .expect("a configuration");
    world.env.push(("TEAM_KEY".into(), "canary-77".into()));
    world
}

fn named(packet: &Packet, competitors: &str) -> String {
    let text = packet.text().replace("[session]", "[session]\nrepository = \"repo\"");
    format!("{text}\n{competitors}")
}

#[test]
fn an_engine_of_a_file_beside_the_configuration_competes_as_any_other() {
    if !ready("an_engine_of_a_file_beside_the_configuration_competes_as_any_other") {
        return;
    }
    let model = Model::start(vec![script("three", [text("3")])]);
    model.require_key("canary-77");
    let world = world(&model);
    std::fs::write(world.repo.join("../arena.toml"), named(&Packet::lower(&[]), "[[competitor]]\nengine = \"mine\"\n"))
        .unwrap();
    let output = world.arena(&["run", "arena.toml", "--json"]);
    let entry = output.entry("mine");
    assert_eq!(
        (output.result()["winner"].as_str(), entry["ending"].as_str()),
        (Some("mine"), Some("done")),
        "{output:?}"
    );
    assert_eq!(entry["said"], serde_json::json!(["model tiny-1", "all done"]), "its file lay where it looks for it");
    let asked = model.requests();
    let body = asked[0].body.to_string();
    assert!(
        asked.len() == 1 && body.contains("What is wanted") && body.contains("The repository you are in"),
        "{body}"
    );
    world.assert_clean();
}

/// The settings of an engine and what it may do with them: a folder, a file, and a link to a folder that stays.
const HIDING: &str = "\nhide = [\".mine\", \"mine.json\", \"linked\", \"absent\"]\n";

#[test]
fn what_is_hidden_from_an_engine_is_neither_seen_nor_lost_nor_left() {
    for workspaces in ["overlay", "volume"] {
        if !ready(&format!("what_is_hidden_from_an_engine {workspaces}")) {
            continue;
        }
        let model = Model::start(vec![script("none", [text("3")])]);
        let mut world = world(&model);
        world.env.push(("ARENA_WORKER_WORKSPACES".into(), workspaces.into()));
        for path in [".mine/plugin/evil.sh", "mine.json", "kept/.mine/deep", "kept/mine.json"] {
            world.write(path, "settings\n");
        }
        std::os::unix::fs::symlink("kept", world.repo.join("linked")).expect("a link");
        // It sees no setting, and leaves some for the next round, which must not see them either.
        world.write(
            "mine.sh",
            "if [ -e .mine ] || [ -e mine.json ] || [ -L linked ] || [ -e absent ]; then echo 9; \
             else ls kept/.mine/deep kept/mine.json >/dev/null && echo $((8 - ARENA_ROUND)); fi > value\n\
             mkdir .mine && echo mine > .mine/own && echo mine > absent\n",
        );
        let base = world.commit("settings");
        let file = world.repo.join("../config/arena/engines/mine.toml");
        let manifest = std::fs::read_to_string(&file).expect("the engine");
        std::fs::write(&file, manifest.replacen("\n[env]", &format!("{HIDING}[env]"), 1)).expect("the engine");
        let mut packet = Packet::lower(&[]);
        packet.budget = "rounds = 2".into();
        std::fs::write(world.repo.join("../arena.toml"), named(&packet, "[[competitor]]\nengine = \"mine\"\n"))
            .unwrap();
        let output = world.arena(&["run", "arena.toml", "--json"]);
        let entry = output.entry("mine");
        assert_eq!(entry["kpis"][0]["best"], 6.0, "{workspaces}: {output:?}");
        assert_eq!(entry["files_changed"], serde_json::json!(["value"]), "{workspaces}");
        let flagged: Vec<&str> =
            entry["flags"].as_array().unwrap().iter().filter_map(|flag| flag["path"].as_str()).collect();
        assert_eq!(flagged, [".mine/own", "absent"], "{workspaces}: {entry}");
        let branch = entry["branch"].as_str().expect("a branch");
        let changed = support::git(&world.repo, &["diff", "--name-only", &base, branch]);
        assert_eq!(changed, "value", "{workspaces}: what it was not shown is as it was");
        world.assert_clean();
    }
}

#[test]
fn a_name_that_nobody_knows_is_refused_with_the_nearest_and_a_missing_pack_with_its_command() {
    let model = Model::start(vec![script("three", [text("3")])]);
    let world = world(&model);
    let check = |competitors: &str| {
        std::fs::write(world.repo.join("../arena.toml"), named(&Packet::lower(&[]), competitors)).unwrap();
        world.arena(&["check", "arena.toml"])
    };
    let nearest = check("[[competitor]]\nengine = \"mime\"\n");
    assert!(
        nearest.code == 2 && nearest.stdout.contains("there is no engine \"mime\"") && nearest.stdout.contains("mine"),
        "{nearest:?}"
    );
    std::fs::create_dir_all(world.repo.join("../no-packs")).unwrap();
    let mut bare = world.command(&["run", "arena.toml", "--json"]);
    std::fs::write(
        world.repo.join("../arena.toml"),
        named(&Packet::lower(&[]), "[[competitor]]\nengine = \"codex\"\n"),
    )
    .unwrap();
    let missing = bare.env("ARENA_WORKER_ENGINE_PACKS", world.repo.join("../no-packs")).output().unwrap();
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(missing.status.code() == Some(2) && said.contains("arena engines install codex"), "{said}");
}

#[test]
fn a_packet_that_names_nobody_says_what_it_needs() {
    let model = Model::start(vec![script("three", [text("3")])]);
    let world = world(&model);
    std::fs::create_dir_all(world.repo.join("../no-packs")).unwrap();
    let nobody = |packet: &Packet, json: bool| {
        std::fs::write(world.repo.join("../arena.toml"), named(packet, "")).unwrap();
        let args: &[&str] = if json { &["check", "arena.toml", "--json"] } else { &["check", "arena.toml"] };
        world.command(args).env("ARENA_WORKER_ENGINE_PACKS", world.repo.join("../no-packs")).output().unwrap()
    };
    let none = nobody(&Packet::lower(&[]), false);
    let said = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(none.status.code() == Some(2) && said.contains("arena engines install"), "{said}");
    let mut own = Packet::lower(&[]);
    own.rest = "[engine.low]\ncommand = [\"sh\", \"-c\", \"echo 3 > value\"]\n".into();
    let chosen = nobody(&own, true);
    let document: serde_json::Value = serde_json::from_slice(&chosen.stdout).unwrap();
    assert_eq!(document["competitors"], serde_json::json!(["low-minimal", "low-robust"]), "parallel is 2: {document}");
    assert!(document["lineup"].as_str().unwrap().contains("the only engine here"), "{document}");
}
