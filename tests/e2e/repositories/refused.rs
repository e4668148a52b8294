//! What cannot be run, said before anything is begun.

use support::{Packet, World, git, ready};

/// Refused by every command that reads the packet, with the mend, and without a session.
fn refused(world: &World, says: &str, mend: &str) {
    for command in ["check", "plan", "run"] {
        let output = world.arena(&[command, "arena.toml"]);
        assert_eq!(output.code, 2, "{command}: {output:?}");
        let said = format!("{}{}", output.stdout, output.stderr);
        assert!(said.contains(says) && said.contains(mend), "{command}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
    assert!(!world.state.exists(), "nothing was begun, nor any directory made for it");
    world.assert_clean();
}

fn low() -> Packet {
    Packet::lower(&[("low", "echo 3 > value")])
}

#[test]
fn a_repository_without_commits_is_refused_with_the_commit_to_make() {
    if !ready("a_repository_without_commits_is_refused_with_the_commit_to_make") {
        return;
    }
    let world = World::bare();
    world.write("value", "10\n");
    world.packet(&low());
    refused(&world, "has no commit yet", "commit");
    assert_eq!(git(&world.repo, &["status", "--porcelain"]), "?? value");
}

#[test]
fn a_folder_that_is_no_repository_is_refused() {
    if !ready("a_folder_that_is_no_repository_is_refused") {
        return;
    }
    let world = World::new();
    std::fs::remove_dir_all(world.repo.join(".git")).unwrap();
    world.packet(&low());
    refused(&world, "is in no git repository", "git -C");
    assert!(!world.repo.join(".git").exists());
}

#[test]
fn a_folder_that_is_not_there_is_refused() {
    if !ready("a_folder_that_is_not_there_is_refused") {
        return;
    }
    let world = World::new();
    let text = low().text().replace("[session]", "[session]\nrepository = \"not here\"");
    std::fs::write(world.repo.with_file_name("arena.toml"), text).unwrap();
    refused(&world, "there is no folder", "mkdir -p");
    assert!(!world.repo.with_file_name("not here").exists());
}

#[test]
fn an_unknown_base_is_refused_with_the_names_that_are_near() {
    if !ready("an_unknown_base_is_refused_with_the_names_that_are_near") {
        return;
    }
    let world = World::new();
    git(&world.repo, &["tag", "v1.0"]);
    for (base, near) in [("mian", "near it: main"), ("v1.1", "near it: v1.0"), ("0123456789ab", "git branch -a")] {
        let mut packet = low();
        packet.session += &format!("\nbase = \"{base}\"");
        world.packet(&packet);
        refused(&world, &format!("there is no commit '{base}'"), near);
    }
    // A blob is an object, and no commit.
    let blob = git(&world.repo, &["rev-parse", "HEAD:value"]);
    let mut packet = low();
    packet.session += &format!("\nbase = \"{blob}\"");
    world.packet(&packet);
    refused(&world, "there is no commit", "git branch -a");
}

#[test]
fn a_base_that_a_shallow_clone_lacks_is_refused_with_the_fetch_that_brings_it() {
    if !ready("a_base_that_a_shallow_clone_lacks_is_refused_with_the_fetch_that_brings_it") {
        return;
    }
    let world = World::new();
    let first = git(&world.repo, &["rev-parse", "HEAD"]);
    world.write("value", "11\n");
    world.commit("second");
    let origin = world.repo.with_file_name("origin");
    std::fs::rename(&world.repo, &origin).unwrap();
    let url = format!("file://{}", origin.display());
    git(origin.parent().unwrap(), &["clone", "-q", "--depth", "1", &url, "repo"]);
    let mut packet = low();
    packet.session += &format!("\nbase = \"{first}\"");
    world.packet(&packet);
    refused(&world, "there is no commit", "git fetch --unshallow");
}

#[test]
fn a_branch_called_arena_is_a_warning_with_the_rename_and_loses_nothing() {
    if !ready("a_branch_called_arena") {
        return;
    }
    let world = World::new();
    git(&world.repo, &["branch", "arena"]);
    let output = world.run(&low());
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.stderr.contains("git branch -m arena another-name"), "{}", output.stderr);
    git(&world.repo, &["branch", "-m", "arena", "mine"]);
    let again = world.arena(&["resume", &world.session(), "--json"]);
    assert_eq!(again.code, 0, "{again:?}");
    let branch = again.entry("low")["branch"].as_str().unwrap().to_owned();
    assert_eq!(git(&world.repo, &["show", &format!("{branch}:value")]), "3");
    world.assert_clean();
}
