//! Damage in the state directory: half a result, foreign files, a blob that is not what its name says.

use crate::common::{assert_clean, assert_won, engine_jobs, packet};
use std::path::{Path, PathBuf};
use support::{Output, World, git, ready};

/// A session that was killed when the first tree was kept, and its id.
fn killed_at(world: &World, word: &str) -> String {
    world.packet(&packet());
    let mut running = world.start(&["run", "arena.toml", "--json"]);
    world.await_word(word, &mut running);
    running.child.kill().expect("a kill");
    running.child.wait().expect("its end");
    world.session()
}

fn resumed(world: &World, id: &str) -> Output {
    let output = world.arena(&["resume", id, "--json"]);
    assert!(!output.stderr.contains("panicked"), "{output:?}");
    output
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn half_a_kept_result_is_no_result() {
    if !ready("half_a_kept_result") {
        return;
    }
    for part in [0, 1, 64, 100, 200] {
        let world = World::new();
        let id = killed_at(&world, "\"phase\":\"engine\"");
        let outbox = world.state.join("worker/outbox");
        std::fs::create_dir_all(&outbox).expect("a folder");
        for job in engine_jobs(&id) {
            let name = arena_runtime::digest::sha256(job.as_bytes());
            std::fs::write(outbox.join(name), vec![10_u8; part]).expect("half a result");
        }
        assert_won(&resumed(&world, &id));
        assert_clean(&world);
    }
}

#[test]
fn foreign_files_in_the_worker_directory_disturb_nothing() {
    if !ready("foreign_files") {
        return;
    }
    let world = World::new();
    let id = killed_at(&world, "\"phase\":\"gate\"");
    let worker = world.state.join("worker");
    for folder in ["run/not-a-boot", "outbox", "bases/half", "setups", "mirrors/strange.git"] {
        std::fs::create_dir_all(worker.join(folder)).expect("a folder");
        std::fs::write(worker.join(folder).join("garbage"), [0_u8, 159, 146, 150]).expect("garbage");
    }
    std::fs::write(worker.join("run/a-file"), "garbage").expect("garbage");
    std::fs::write(worker.join("gitconfig"), "[core\ngarbage").expect("garbage");
    std::fs::remove_file(world.state.join("reserve")).expect("the reserve");
    assert_won(&resumed(&world, &id));
    std::fs::remove_file(worker.join("run/a-file")).expect("what is not ours stays");
    assert_clean(&world);
}

#[test]
fn a_mirror_that_is_lost_is_made_again_from_what_is_stored() {
    if !ready("a_mirror_that_is_lost") {
        return;
    }
    let world = World::new();
    let id = killed_at(&world, "\"event\":\"round\"");
    std::fs::remove_dir_all(world.state.join("worker/mirrors")).expect("the mirrors");
    std::fs::remove_dir_all(world.state.join("worker/bases")).expect("the bases");
    assert_won(&resumed(&world, &id));
    assert_clean(&world);
}

#[test]
fn a_damaged_blob_is_named_and_nothing_false_is_written() {
    if !ready("a_damaged_blob") {
        return;
    }
    let world = World::new();
    world.packet(&packet());
    let output = world.arena(&["run", "arena.toml", "--json"]);
    assert_won(&output);
    let id = world.session();
    let branch = output.entry("low")["branch"].as_str().expect("a branch").to_owned();
    git(&world.repo, &["branch", "-D", &branch]);
    for blob in files(&world.state.join("blobs")) {
        std::fs::write(blob, "damaged").expect("damage");
    }
    let again = resumed(&world, &id);
    assert_won(&again);
    assert!(again.stderr.contains("is damaged"), "{again:?}");
    assert_eq!(git(&world.repo, &["branch", "--list", &branch]), "", "no branch of something else");
    let diff = world.arena(&["diff", &id, "low"]);
    assert!(diff.code != 0 && diff.stderr.contains("damaged"), "{diff:?}");
    assert_clean(&world);
}

#[test]
fn damaged_blobs_and_a_lost_mirror_end_in_a_clear_standing() {
    if !ready("damaged_blobs_and_a_lost_mirror") {
        return;
    }
    let world = World::new();
    let id = killed_at(&world, "\"event\":\"round\"");
    std::fs::remove_dir_all(world.state.join("worker/mirrors")).expect("the mirrors");
    for blob in files(&world.state.join("blobs")) {
        std::fs::write(blob, "damaged").expect("damage");
    }
    let output = resumed(&world, &id);
    let said = format!("{}{}", output.stdout, output.stderr);
    assert!([0, 3].contains(&output.code) && said.contains("damaged"), "{output:?}");
    assert_clean(&world);
}

#[test]
fn a_store_that_is_no_store_is_an_error_with_its_place() {
    let world = World::bare();
    std::fs::create_dir_all(&world.state).expect("a folder");
    std::fs::write(world.state.join("arena.db"), vec![42_u8; 8192]).expect("garbage");
    let output = world.arena(&["sessions"]);
    assert_eq!(output.code, 1, "{output:?}");
    assert!(output.stderr.contains("not a database") && output.stderr.contains("mend"), "{output:?}");
}
