//! Whoever says `sudo`: what is written in folders of theirs is theirs, and a link of theirs leads root nowhere.

use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};
use support::{Packet, World, git, ready};

/// Below a folder, and itself.
fn each(folder: &Path, look: &mut impl FnMut(&Path)) {
    look(folder);
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
        if entry.file_type().expect("its type").is_dir() { each(&entry.path(), look) } else { look(&entry.path()) }
    }
}

/// Nobody here has these numbers.
const SOMEBODY: u32 = 54_321;
const THEIR_GROUP: u32 = 54_322;
const OTHERS: u32 = 54_323;

/// A world whose repository belongs to somebody, and to a group that they are not in; they say `sudo`.
fn theirs() -> World {
    let mut world = World::new();
    let parent = world.repo.parent().expect("a folder").to_owned();
    std::fs::set_permissions(&parent, std::fs::Permissions::from_mode(0o755)).expect("its mode");
    for (key, value) in [("user.name", "Test"), ("user.email", "test@localhost")] {
        git(&world.repo, &["config", key, value]);
    }
    each(&world.repo, &mut |path| lchown(path, Some(SOMEBODY), Some(OTHERS)).expect("to be root"));
    world.env.push(("SUDO_UID".into(), SOMEBODY.to_string()));
    world.env.push(("SUDO_GID".into(), THEIR_GROUP.to_string()));
    world
}

/// What is somebody else's below a folder.
fn foreign(folder: &Path) -> Vec<PathBuf> {
    let mut foreign = Vec::new();
    each(folder, &mut |path| {
        let meta = std::fs::symlink_metadata(path).expect("its owner");
        if meta.uid() != SOMEBODY || ![THEIR_GROUP, OTHERS].contains(&meta.gid()) {
            foreign.push(path.to_owned());
        }
    });
    foreign
}

#[test]
fn whoever_says_sudo_keeps_all_of_the_repository() {
    if !ready("whoever_says_sudo") {
        return;
    }
    let world = theirs();
    // What lies in the git directory while git writes, as the user's own programs see it.
    let hook = world.repo.join(".git/hooks/reference-transaction");
    std::fs::create_dir_all(world.repo.join(".git/hooks")).expect("a folder");
    std::fs::write(&hook, "#!/bin/sh\nls .git >> .git/seen; id -g >> .git/seen\n").expect("a hook");
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).expect("its mode");
    each(&world.repo.join(".git/hooks"), &mut |path| lchown(path, Some(SOMEBODY), Some(OTHERS)).expect("to be root"));
    let begun = world.arena(&["init", "repo", "--output", "begun.toml"]);
    assert_eq!(begun.code, 0, "{begun:?}");
    let output = world.run(&Packet::lower(&[("low", "echo 3 > value; mkdir more; echo new > more/fresh")]));
    assert_eq!(output.code, 0, "{output:?}");
    let id = output.result()["session"].as_str().unwrap().to_owned();
    let adopted = world.arena(&["adopt", &id, "--json"]);
    assert_eq!((adopted.code, &adopted.document()["gates"][0]["passed"]), (0, &true.into()), "{adopted:?}");
    assert_eq!(std::fs::read_to_string(world.repo.join("more/fresh")).expect("what was adopted"), "new\n");
    let archived = world.arena(&["archive", &id, "repo/out/of/it"]);
    assert_eq!(archived.code, 0, "{archived:?}");
    assert!(world.repo.join("begun.toml").is_file() && world.repo.join("out/of/it/reproduce/winner.tar").is_file());
    assert_eq!(foreign(&world.repo), Vec::<PathBuf>::new());
    let branch = world.repo.join(format!(".git/refs/heads/arena/{id}/variant-low"));
    assert_eq!(std::fs::metadata(&branch).expect("a branch").gid(), THEIR_GROUP);
    let seen = std::fs::read_to_string(world.repo.join(".git/seen")).expect("what the hook saw");
    assert!(seen.contains(&format!("\n{THEIR_GROUP}\n")) && !seen.contains("incoming"), "{seen}");
    world.assert_clean();
}

#[test]
fn a_link_of_whoever_says_sudo_leads_root_nowhere() {
    if !ready("a_link_of_whoever_says_sudo") {
        return;
    }
    let world = theirs();
    let secret = world.repo.parent().expect("a folder").join("secret");
    std::fs::create_dir(&secret).expect("a folder");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o700)).expect("its mode");
    std::fs::write(secret.join("key"), "the secret key\n").expect("a file");
    for (target, link) in [("secret", "way"), ("secret/key", "packet.toml"), ("secret/key", "fix.diff")] {
        let link = world.repo.join(link);
        symlink(secret.with_file_name(target), &link).expect("a link");
        lchown(&link, Some(SOMEBODY), Some(OTHERS)).expect("to be root");
    }
    for args in [&["init", "repo", "--output", "way/arena.toml"][..], &["check", "repo/packet.toml"]] {
        let refused = world.arena(args);
        assert_ne!(refused.code, 0, "{args:?}: {refused:?}");
        let said = format!("{}{}", refused.stdout, refused.stderr);
        assert!(said.contains("ermission denied") || said.contains("root follows no link"), "{args:?}: {said}");
        assert!(!said.contains("the secret key"), "{args:?}: {said}");
    }
    let mut packet = Packet::lower(&[("low", "cat /arena/files/fix.diff > value")]).text();
    packet = packet.replacen("command = ", "files = [\"fix.diff\"]\ncommand = ", 1);
    world.write("arena.toml", &packet);
    let refused = world.arena(&["run", "repo/arena.toml"]);
    assert!(refused.code == 2 && refused.stderr.contains("fix.diff"), "{refused:?}");
    let left = std::fs::read_dir(&secret).expect("the folder").count();
    assert_eq!(left, 1, "nothing but the key");
}
