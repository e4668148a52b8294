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

/// What `doctor` found of this.
fn finding(doctor: &support::Output, what: &str) -> serde_json::Value {
    let all = doctor.document()["findings"].as_array().expect("findings").clone();
    all.into_iter().find(|one| one["what"] == what).unwrap_or_else(|| panic!("no {what} in {doctor:?}"))
}

#[test]
fn doctor_names_the_files_that_it_read_and_keeps_the_store_and_docker_apart() {
    let mut world = World::new();
    let folder = world.repo.parent().unwrap().join("configured");
    let file = folder.join("config.toml");
    fs::create_dir_all(folder.join("engines")).unwrap();
    let said = |doctor: &support::Output| finding(doctor, "config")["text"].as_str().unwrap().to_owned();
    let none = said(&world.arena(&["doctor", "--json"]));
    assert!(none.starts_with("no file, the defaults hold; ") && none.ends_with("config.toml would be read"), "{none}");
    fs::write(&file, "").unwrap();
    let engine = folder.join("engines/mine.toml");
    fs::write(&engine, "name = \"mine\"\ncommand = [\"true\"]\n").unwrap();
    world.env.push(("ARENA_CONFIG".into(), file.display().to_string()));
    let read = said(&world.arena(&["doctor", "--json"]));
    assert_eq!(read, format!("{} is read; engines: {}", file.display(), engine.display()));
    fs::remove_file(&engine).unwrap();

    let rows = [
        ("ARENA_STORE_URL", "redis://127.0.0.1:1", "store", "docker", "try again when it answers"),
        ("DOCKER_HOST", "unix:///nowhere/docker.sock", "docker", "store", "systemctl start docker"),
    ];
    for (name, value, bad, other, mend) in rows {
        let doctor = run(world.command(&["doctor", "--json"]).env(name, value));
        let (found, beside) = (finding(&doctor, bad), finding(&doctor, other));
        assert_eq!((&found["ok"], doctor.code), (&false.into(), 1), "{doctor:?}");
        assert!(found["mend"].as_str().unwrap().contains(mend), "{found}");
        // Without Docker on this machine there is no more to be said of it.
        assert!(beside["ok"] == true || other == "docker", "{beside}");
        assert!(!beside["text"].as_str().unwrap().contains("127.0.0.1:1"), "{beside}");
    }
}

#[test]
fn whoever_may_not_use_dockers_socket_is_told_so_and_not_that_nothing_runs() {
    if !support::ready("whoever_may_not_use_dockers_socket") {
        return;
    }
    let world = World::new();
    let above = world.repo.parent().unwrap();
    fs::set_permissions(above, PermissionsExt::from_mode(0o755)).unwrap();
    let (program, socket) = (above.join("arena"), above.join("docker.sock"));
    fs::copy(support::binary(), &program).unwrap();
    fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let _listens = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    fs::set_permissions(&socket, PermissionsExt::from_mode(0o600)).unwrap();
    let state = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(state.path(), Some(65534), Some(65534)).unwrap();
    let mut command = std::process::Command::new(&program);
    command.args(["doctor", "--json", "--state"]).arg(state.path()).current_dir("/").uid(65534).gid(65534);
    command.env("HOME", "/nonexistent").env_remove("XDG_CONFIG_HOME");
    let doctor = run(command.env("DOCKER_HOST", format!("unix://{}", socket.display())));
    let docker = finding(&doctor, "docker");
    assert!(docker["text"].as_str().unwrap().contains("may not use Docker's socket"), "{docker}");
    let mend = docker["mend"].as_str().unwrap();
    assert!(mend.contains("usermod -aG docker") && mend.contains("sudo") && !mend.contains("start"), "{mend}");
    assert_eq!(finding(&doctor, "store")["ok"], true, "{doctor:?}");
}

#[test]
fn who_has_no_docker_is_told_how_git_takes_the_merge_and_that_is_true() {
    if !ready("who_has_no_docker_is_told") {
        return;
    }
    let mut world = World::new();
    let id = world.run(&Packet::lower(&[("low", "echo 3 > value")])).result()["session"].as_str().unwrap().to_owned();
    world.env.push(("DOCKER_HOST".into(), "unix:///nowhere/docker.sock".into()));
    let output = world.arena(&["adopt", &id]);
    assert_eq!(output.code, 69, "{output:?}");
    let merge = output.stderr.split("without its gates: `").nth(1).and_then(|rest| rest.split('`').next());
    let words: Vec<&str> = merge.unwrap_or_else(|| panic!("{output:?}")).split(' ').collect();
    assert_eq!((words[0], git(&world.repo, &["show", "HEAD:value"]).as_str()), ("git", "10"));
    git(&world.repo, &words[1..]);
    assert_eq!(git(&world.repo, &["show", "HEAD:value"]), "3");
}
