//! A pack that is not what was installed, or not the version that it says: seen before anything is paid for.

use crate::stage::{Stage, packet, packs, ready};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::Output;
use support::model::{script, shell, text};

/// The smallest pack there is.
const ENGINE: &str = "opencode";

/// A copy of the pack that belongs to this test, at a place of its own.
fn copied(stage: &mut Stage) -> PathBuf {
    let root = stage.world.repo.parent().expect("the world").join("packs");
    fs::create_dir(&root).expect("a folder");
    let source = packs().join(ENGINE);
    let copy = Command::new("cp").arg("-r").arg(&source).arg(&root).status().expect("cp");
    assert!(copy.success());
    stage.world.env.push(("ARENA_WORKER_ENGINE_PACKS".into(), root.to_str().expect("a path").into()));
    let folders = fs::read_dir(root.join(ENGINE)).expect("versions").map(|one| one.expect("one").path());
    let mut whole: Vec<PathBuf> = folders.filter(|path| path.join("pack.json").is_file()).collect();
    assert_eq!(whole.len(), 1, "{whole:?}");
    whole.remove(0)
}

fn open(path: &Path) {
    let mode = if path.is_dir() { 0o755 } else { 0o644 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the mode");
}

fn refused(stage: &Stage, words: &[&str]) {
    let output = run(stage);
    let said = format!("{}{}", output.stdout, output.stderr);
    assert_ne!(output.code, 0, "{output:?}");
    for word in words {
        assert!(said.contains(word), "no {word:?} in {output:?}");
    }
    assert_eq!(stage.model.requests().len(), 0, "nothing is asked of a model");
    stage.world.assert_clean();
}

fn run(stage: &Stage) -> Output {
    stage.run(&packet(&[(ENGINE, ENGINE, "fix")]))
}

fn stage() -> Stage {
    Stage::set("", vec![script("fix", [shell("echo 5 > value"), text("done")])])
}

#[test]
fn a_replaced_binary_does_not_run_as_the_one_that_was_installed() {
    if !ready("a_replaced_binary", &[ENGINE]) {
        return;
    }
    let mut stage = stage();
    let folder = copied(&mut stage);
    let program = fs::canonicalize(folder.join("bin/opencode")).expect("the program");
    let record: Value = serde_json::from_slice(&fs::read(folder.join("pack.json")).expect("a record")).expect("JSON");
    let version = record["version"].as_str().expect("a version");
    open(&program);
    fs::write(&program, format!("#!/bin/sh\necho {version}\n")).expect("another program");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o555)).expect("the mode");
    refused(&stage, &["is not what was installed", &format!("arena engines remove opencode --version {version}")]);
    let verified = stage.world.arena(&["engines", "--verify"]);
    assert!(verified.code == 1 && verified.stderr.contains("is not what was installed"), "{verified:?}");
}

#[test]
fn an_engine_that_says_another_version_than_its_pack_does_not_run() {
    if !ready("an_engine_that_says_another_version", &[ENGINE]) {
        return;
    }
    let mut stage = stage();
    let folder = copied(&mut stage);
    let other = folder.with_file_name("1.18.999");
    fs::rename(&folder, &other).expect("the pack");
    let record = other.join("pack.json");
    let mut held: Value = serde_json::from_slice(&fs::read(&record).expect("a record")).expect("JSON");
    let version = held["version"].as_str().expect("a version").to_owned();
    held["version"] = json!("1.18.999");
    open(&other);
    open(&record);
    fs::write(&record, held.to_string()).expect("a record");
    refused(&stage, &["engine opencode 1.18.999 says that it is", &version]);
}

#[test]
fn a_version_that_arena_was_not_tested_with_runs_and_is_reported() {
    if !ready("a_version_that_arena_was_not_tested_with", &[ENGINE]) {
        return;
    }
    let stage = stage();
    let folder = stage.world.repo.join("../engines");
    fs::create_dir(&folder).expect("a folder");
    let built_in = concat!(env!("CARGO_MANIFEST_DIR"), "/../worker/src/engine/opencode.toml");
    let manifest = fs::read_to_string(built_in).expect("the manifest");
    let older = manifest.replace("from = \"1.18.0\", below = \"1.19.0\"", "from = \"1.17.0\", below = \"1.18.0\"");
    assert_ne!(manifest, older);
    fs::write(folder.join("opencode.toml"), older).expect("an engine");
    let entry = run(&stage).entry(ENGINE);
    assert_eq!((&entry["ending"], &entry["qualified"]), (&json!("done"), &json!(true)), "{entry}");
    let flags = entry["flags"].as_array().expect("flags");
    assert!(flags.len() == 1 && flags[0]["kind"] == "untested_engine", "{entry}");
    assert!(flags[0]["detail"].as_str().is_some_and(|detail| detail.contains("before 1.18.0")), "{entry}");
    stage.world.assert_clean();
}
