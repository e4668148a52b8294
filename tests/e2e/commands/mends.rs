//! What cannot be done is said with what helps, and what is only looked at is not changed.

use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use support::{Packet, World, git, ready, run};

/// Of a folder and all below it.
fn tree(folder: &Path) -> Vec<String> {
    let output =
        std::process::Command::new("find").arg(folder).arg("-printf").arg("%P %y %s\n").output().expect("find");
    let mut lines: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn a_command_line_that_cannot_be_read_ends_with_its_mend() {
    let world = World::bare();
    let rows: [(&[&str], &str); 5] = [
        (&["frobnicate"], "`arena help`"),
        (&["run"], "`arena help run`"),
        (&["show", "--colour"], "`arena help show`"),
        (&["engines", "install"], "`arena help engines`"),
        (&[], "`arena help`"),
    ];
    for (args, mend) in rows {
        let output = world.arena(args);
        assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{args:?}: {output:?}");
        assert!(output.stderr.ends_with(&format!("  mend: {mend}\n")), "{args:?}: {output:?}");
        let output = world.arena(&[args, &["--json"]].concat());
        let document = output.document();
        assert_eq!(
            (output.code, &document["event"], &document["mend"], &document["exit"]),
            (2, &json!("error"), &json!(mend), &json!(2)),
            "{args:?}"
        );
    }
    assert_eq!(run(std::process::Command::new(support::binary()).args(["help", "run"])).code, 0);
}

#[test]
fn a_state_that_cannot_be_one_is_said_and_looking_makes_none() {
    let mut world = World::new();
    world.packet(&Packet::lower(&[("low", "echo 3 > value")]));
    for command in [&["sessions"][..], &["show", "x"], &["report", "x"], &["cancel", "x"], &["resume", "x"]] {
        let output = world.arena(command);
        assert_eq!(output.code, 5, "{command:?}: {output:?}");
        assert!(output.stderr.contains("  mend: name the right one: `--state DIR`"), "{command:?}: {output:?}");
        assert!(!world.state.exists(), "{command:?}");
    }
    fs::write(&world.state, "a file").unwrap();
    for command in [&["sessions"][..], &["run", "arena.toml"]] {
        let output = world.arena(command);
        assert_eq!(output.code, 2, "{command:?}: {output:?}");
        assert!(output.stderr.contains("  mend: name a directory: `--state DIR`"), "{command:?}: {output:?}");
    }
    fs::remove_file(&world.state).unwrap();
    world.state = "/proc/arena".into();
    let output = world.arena(&["run", "arena.toml"]);
    assert_eq!(output.code, 77, "{output:?}");
    assert!(output.stderr.contains("  mend: name a directory that can be written: `--state DIR`"), "{output:?}");
}

#[test]
fn who_may_only_read_a_state_directory_looks_at_its_sessions() {
    if !ready("who_may_only_read") {
        return;
    }
    let world = World::new();
    let output = world.run(&Packet::lower(&[("low", "echo 3 > value"), ("mid", "echo 7 > value")]));
    let id = output.result()["session"].as_str().unwrap().to_owned();
    let above = world.state.parent().unwrap();
    fs::set_permissions(above, PermissionsExt::from_mode(0o755)).unwrap();
    let program = above.join("arena");
    fs::copy(support::binary(), &program).unwrap();
    fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let as_nobody = |args: &[&str]| {
        let mut command = std::process::Command::new(&program);
        command.args(args).arg("--state").arg(&world.state).current_dir("/").uid(65534).gid(65534);
        run(command.env("HOME", "/nonexistent").env_remove("XDG_CONFIG_HOME"))
    };
    let commands = [
        vec!["sessions", "--json"],
        vec!["show", &id, "--json"],
        vec!["report", &id],
        vec!["logs", &id, "low"],
        vec!["watch", &id, "--json"],
        vec!["diff", &id, "low", "--json"],
    ];
    // The owner's looks first: the last of them to end tidies the database.
    let own: Vec<String> = commands.iter().map(|args| world.arena(args).stdout).collect();
    let before = tree(&world.state);
    for (args, own) in commands.iter().zip(own) {
        let seen = as_nobody(args);
        assert_eq!((seen.code, seen.stdout), (0, own), "{args:?}: {}", seen.stderr);
    }
    let job = format!("{id}/low/1/implement");
    assert_eq!(as_nobody(&["why", &job, "--json"]).document()["kind"], "ended");
    assert_eq!(tree(&world.state), before, "nothing was written");
    world.assert_clean();
}

#[test]
fn a_repository_that_moved_is_asked_for_by_those_who_need_it() {
    if !ready("a_repository_that_moved") {
        return;
    }
    let world = World::new();
    let output = world.run(&Packet::lower(&[("low", "echo 3 > value"), ("mid", "echo 7 > value")]));
    let id = output.result()["session"].as_str().unwrap().to_owned();
    let moved = world.repo.with_file_name("moved");
    fs::rename(&world.repo, &moved).unwrap();
    let mend = format!("  mend: put it back, or a link to where it is now: `ln -s NEW_PLACE {}`", world.repo.display());
    for args in [vec!["diff", &id, "low"], vec!["archive", &id, "archived"], vec!["adopt", &id]] {
        let asked = world.command(&args).current_dir(&moved).output().unwrap();
        let said = String::from_utf8_lossy(&asked.stderr).into_owned();
        assert!(asked.status.code() == Some(5) && said.contains(&mend), "{args:?}: {said}");
    }
    let files = world.command(&["diff", &id, "low", "--json"]).current_dir(&moved).output().unwrap();
    assert_eq!(files.status.code(), Some(0), "what is on record needs no repository");
    // What the mend says helps.
    std::os::unix::fs::symlink(&moved, &world.repo).unwrap();
    let diff = world.arena(&["diff", &id, "low"]);
    assert!(diff.code == 0 && diff.stdout.contains("+3"), "{diff:?}");
    let dry = world.arena(&["archive", &id, "archived", "--dry-run", "--json"]);
    assert_eq!((dry.code, dry.document()), (0, json!({ "session": id, "would_write": "archived" })));
    world.assert_clean();
}

#[test]
fn a_dry_run_of_init_writes_nothing_and_json_is_json() {
    let world = World::new();
    let repo = world.repo.to_str().unwrap();
    let path = world.repo.join("arena.toml").display().to_string();
    let dry = world.arena(&["init", repo, "--dry-run", "--json"]);
    assert_eq!((dry.code, dry.document()), (0, json!({ "would_write": path })));
    let dry = world.arena(&["init", repo, "--dry-run"]);
    assert!(dry.code == 0 && dry.stdout.starts_with(&format!("would write {path};")), "{dry:?}");
    assert_eq!(git(&world.repo, &["status", "--porcelain"]), "");
    let text = world.arena(&["init", repo, "--output", "-"]).stdout;
    let printed = world.arena(&["init", repo, "--output", "-", "--json"]).document();
    assert_eq!(printed, json!({ "packet": "-", "text": text }));
    let installed = world.arena(&["engines", "install", "codex", "--version", "9.9.9", "--dry-run", "--json"]);
    assert_eq!(installed.document(), json!({ "would_install": "codex", "version": "9.9.9" }));
}

#[test]
fn a_variable_that_nothing_reads_is_told_on_one_line_and_harms_nothing() {
    let mut world = World::new();
    world.packet(&Packet::lower(&[("low", "echo 3 > value")]));
    for (name, value) in [("ARENA_WORKER_LABLES", "secret-of-mine"), ("ARENA_XYZZY", "1"), ("ARENA_TEST_MINE", "1")] {
        world.env.push((name.into(), value.into()));
    }
    let said = "warning: nothing reads what the environment says by ARENA_WORKER_LABLES (did you mean \
                ARENA_WORKER_LABELS?), ARENA_XYZZY\n";
    for args in [&["check", "arena.toml"][..], &["check", "arena.toml", "--json"]] {
        let output = world.arena(args);
        assert_eq!((output.code, output.stderr.as_str()), (0, said), "{output:?}");
    }
    assert_eq!(world.arena(&["schema"]).stderr, "", "a shell and an editor ask for what they read at their start");
}
