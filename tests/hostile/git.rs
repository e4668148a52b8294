//! Repositories made to run something on the host: configuration, a redirected `.git`, a repository in the tree.

use crate::naive::Naive;
use serde_json::{Value, json};
use std::path::Path;
use support::{Packet, World, ready};

/// Runs when git looks for changes; what follows it are arguments of git's.
fn watcher(mark: &Path) -> String {
    format!("config core.fsmonitor 'touch {};:'", mark.display())
}

fn configured(mark: &Path) -> String {
    format!("git {}", watcher(mark))
}

fn redirected(mark: &Path) -> String {
    format!("git {}; mv .git store; echo 'gitdir: store' > .git", watcher(mark))
}

fn nested(mark: &Path) -> String {
    format!(
        "git init -q vendored && cd vendored && echo x > file && git add -A && \
         git -c user.name=a -c user.email=a commit -qm x && git {} && cd ..",
        watcher(mark)
    )
}

type Attack = fn(&Path) -> String;

const ATTACKS: [(&str, Attack); 3] = [("configured", configured), ("redirected", redirected), ("nested", nested)];

/// Git on the host in what an engine has left: with it, each attack runs as whoever judges.
#[test]
fn every_control_runs_a_command_of_the_engine_on_the_host() {
    if !ready("every_control_runs_a_command_on_the_host") {
        return;
    }
    for (name, attack) in ATTACKS {
        let world = World::new();
        let (naive, mark) = (Naive::of(&world), world.repo.with_file_name("mark"));
        let made = naive.inside(&format!("git config --global --add safe.directory '*'; {}", attack(&mark)));
        assert_eq!(made.code, 0, "{name}: {made:?}");
        assert!(!mark.exists(), "{name}: the container cannot reach it");
        naive.outside("git add -A; git status");
        assert!(mark.exists(), "{name}: the control has run it");
    }
}

#[test]
fn no_repository_of_an_engine_runs_anything_on_the_host() {
    if !ready("no_repository_of_an_engine") {
        return;
    }
    let world = World::new();
    let mark = |name: &str| world.repo.with_file_name(format!("mark-{name}"));
    let shells = ATTACKS.map(|(name, attack)| (name, format!("{} && echo 5 > value", attack(&mark(name)))));
    let mut engines = vec![("honest", "echo 3 > value")];
    engines.extend(shells.iter().map(|(name, shell)| (*name, shell.as_str())));
    let output = world.run(&Packet::lower(&engines));
    assert_eq!((output.code, &output.result()["winner"]), (0, &json!("honest")), "{output:?}");
    for (name, _) in ATTACKS {
        let entry = output.entry(name);
        assert_eq!((&entry["qualified"], &entry["kpis"][0]["best"]), (&json!(true), &json!(5.0)), "{entry}");
        assert!(!mark(name).exists(), "{name}");
    }
    assert_eq!(output.entry("configured")["files_changed"], json!(["value"]));
    let reverted: Value = json!(["vendored/.git (a repository inside the tree)"]);
    assert_eq!(output.entry("nested")["scope"]["reverted"], reverted);
    let id = output.result()["session"].as_str().unwrap().to_owned();
    for (name, _) in ATTACKS {
        world.arena(&["diff", &id, name]);
        assert!(!mark(name).exists(), "{name}: by looking at it");
    }
    world.assert_clean();
}
