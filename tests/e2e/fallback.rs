//! Workspaces in memory, for workers that may not mount: whatever an engine does, the standing is that of overlays.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use support::{Leftovers, Output, Packet, World, binary, leftovers, ready, run, skip};

/// Somebody without any right of their own.
const NOBODY: u32 = 65_534;

/// A repository with something of everything.
fn world() -> World {
    let world = World::new();
    for (path, content) in [
        ("doomed", "gone\n"),
        ("old name", "moves\n"),
        ("tool", "#!/bin/sh\n"),
        ("dir/a", "a\n"),
        ("dir/b", "b\n"),
        ("swap", "a file\n"),
        ("folder/x", "x\n"),
        ("tests/data", "protected\n"),
        ("build.sh", "cat deps/alias > out; echo exit 1 > tests/check.sh; rm tests/data; ln -s /tmp tests/more\n"),
    ] {
        world.write(path, content);
    }
    std::os::unix::fs::symlink("doomed", world.repo.join("link")).unwrap();
    world.commit("something of everything");
    world
}

/// The standing without what no two runs have in common.
fn standing(output: &Output) -> BTreeMap<String, Value> {
    let mut standing = output.result()["standing"].clone();
    let mut by_name = BTreeMap::new();
    for entry in standing.as_array_mut().unwrap() {
        entry.as_object_mut().unwrap().remove("branch");
        for gate in entry["gates"].as_array_mut().unwrap() {
            gate.as_object_mut().unwrap().remove("duration_s");
        }
        by_name.insert(entry["competitor"].as_str().unwrap().to_owned(), entry.clone());
    }
    by_name
}

/// Runs a packet on both kinds of workspaces; the commits are compared too, and with them every byte of every tree.
fn on_both(world: World, packet: &Packet) -> (World, Output) {
    let world = world.on("overlay");
    let overlay = world.run(packet);
    let world = world.on("volume");
    let volume = world.run(packet);
    assert_eq!(volume.code, overlay.code, "{overlay:?}\n{volume:?}");
    let (volumes, overlays) = (standing(&volume), standing(&overlay));
    let mut differences = String::new();
    for (name, one) in &volumes {
        for (key, value) in one.as_object().unwrap().iter().filter(|(key, value)| overlays[name][*key] != **value) {
            let _ = writeln!(differences, "{key} of {name}: {value}, and on the overlay {}", overlays[name][key]);
        }
    }
    assert!(differences.is_empty() && volumes.len() == overlays.len(), "{differences}");
    world.assert_clean();
    (world, volume)
}

fn phases(output: &Output, phase: &str) -> usize {
    output.events().iter().filter(|event| event["phase"] == phase).count()
}

#[test]
fn every_kind_of_change_is_the_same_submission_as_on_an_overlay() {
    if !ready("every_kind_of_change") {
        return;
    }
    let engines = [
        ("change", "echo 3 > value; echo more >> dir/a"),
        ("delete", "rm doomed link; rm -r folder; echo 4 > value"),
        (
            "move",
            "mv 'old name' 'new name'; mv dir moved; rm swap; mkdir swap; echo x > swap/in; rm -r folder; echo y > folder; echo 5 > value",
        ),
        (
            "mode",
            "chmod +x tool; chmod 600 dir/b; ln -s /etc/passwd out; ln -s ../outside upwards; ln -s dir/b in; ln -sfn dir/a link; ln dir/a hard; ln hard harder; echo 6 > value",
        ),
        (
            "odd",
            "printf o > $(printf 'odd\\377'); printf n > \"$(printf 'new\\nline')\"; printf '\\000\\001\\377' > binary; \
             yes | head -c 2500000 > large; : > empty; mkdir nothing; mkfifo pipe; mkdir -p deep/.git; echo g > deep/.git/a; \
             echo d > deep/er; n=$(printf '%0200d' 7); mkdir -p $n/$n; echo long > $n/$n/$n; ln -s $n/$n/$n far; echo 7 > value",
        ),
        (
            "full",
            "for i in 1 2 3; do head -c 30000000 /dev/zero > big$i || full=1; done; rm big*; \
             if [ $full ]; then echo 2 > value; else echo no quota; fi",
        ),
        (
            "history",
            "rm -rf .git; git init -q .; git add -A; git -c user.name=a -c user.email=a commit -qm x; echo 8 > value",
        ),
    ];
    let mut packet = Packet::lower(&engines);
    packet.scope = "allowed = [\"**\"]\nforbidden = [\"private/**\"]".into();
    let (_world, volume) = on_both(world(), &packet);
    assert_eq!(volume.entry("full")["kpis"][0]["best"], 2.0, "the quota was hit");
    let moved = volume.entry("move")["files_changed"].clone();
    for path in ["old name", "new name", "dir/a", "moved/a", "swap", "swap/in", "folder", "folder/x"] {
        assert!(moved.as_array().unwrap().contains(&path.into()), "{path} in {moved}");
    }
    assert_eq!(volume.entry("mode")["scope"]["reverted"], serde_json::json!(["out", "upwards"]));
    let reverted = volume.entry("odd")["scope"]["reverted"].to_string();
    assert!(
        reverted.contains("deep/.git (a repository inside the tree)") && reverted.contains("pipe (a named pipe)"),
        "{reverted}"
    );
}

#[test]
fn parents_builds_and_setups_are_the_same_ground_as_on_an_overlay() {
    if !ready("parents_builds_and_setups") {
        return;
    }
    // The second round removes what the first one made, and finds everything else as the first one left it.
    let shell = "if [ -x first/made ]; then rm -r first; echo 2 > 'second made'; else mkdir first; cp deps/lib first/made; fi; \
                 expr $(cat value) / 2 > value; git status --short";
    let mut packet = Packet::lower(&[("halve", shell), ("add", "echo 1 >> added; expr $(cat value) - 1 > value")]);
    packet.budget = "rounds = 2\nstale_rounds = 2".into();
    packet.sandbox += "\nsetup = \"mkdir -p deps/.git; echo made > deps/lib; chmod +x deps/lib; ln -s lib deps/alias; echo h > deps/.git/HEAD\"";
    let gate = |name: &str, kind: &str, run: &str| {
        format!("\n[[gate]]\nname = \"{name}\"\nkind = \"{kind}\"\nrun = \"{run}\"\ntimeout = \"30s\"\n")
    };
    packet.gates += &gate("make", "build", "sh build.sh");
    packet.gates += &gate("made", "test", "grep -qx made out && grep -qx h deps/.git/HEAD && test -x deps/lib");
    packet.gates +=
        &gate("as before", "test", "sh tests/check.sh && grep -qx protected tests/data && test ! -L tests/more");
    let (world, volume) = on_both(world(), &packet);
    assert_eq!(volume.entry("halve")["kpis"][0]["best"], 2.0, "10, 5, 2: {volume:?}");
    assert_eq!(volume.entry("halve")["files_changed"], serde_json::json!(["second made", "value"]));
    assert!(volume.entry("add")["disqualified_for"].as_array().unwrap().is_empty(), "{volume:?}");
    assert_eq!(phases(&volume, "setup"), 1, "made once");
    assert_eq!(phases(&world.run(&packet), "setup"), 0, "and kept for the next session");
    world.assert_clean();
}

#[test]
fn volumes_of_a_killed_run_are_taken_away_by_the_next() {
    if !ready("volumes_of_a_killed_run") {
        return;
    }
    let world = World::new().on("volume");
    world.packet(&Packet::lower(&[("slow", "echo 3 > value; sleep 3")]));
    let mut running = world.start(&["run", "arena.toml", "--json"]);
    world.await_word("\"phase\":\"engine\"", &mut running);
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    assert_ne!(leftovers(&world.state).volumes, Leftovers::default().volumes, "nobody could take them away");
    let output = world.arena(&["resume", &world.session(), "--json"]);
    assert_eq!((output.code, output.result()["winner"].as_str()), (0, Some("slow")), "{output:?}");
    world.assert_clean();
}

#[test]
fn a_user_without_rights_runs_a_session() {
    const NAME: &str = "a_user_without_rights";
    if !ready(NAME) {
        return;
    }
    let Ok(socket) = std::fs::metadata("/var/run/docker.sock") else {
        return skip(NAME, "no socket of Docker at its usual place");
    };
    if Command::new("setpriv").arg("--version").output().is_err() {
        return skip(NAME, "no setpriv");
    }
    let world = World::new();
    world.packet(&Packet::lower(&[("low", "echo 3 > value")]));
    let home = world.repo.join("..").canonicalize().unwrap();
    // The build's own folder may be nobody's business.
    std::fs::copy(binary(), home.join("arena")).unwrap();
    let owned = Command::new("chown").args(["-R", &NOBODY.to_string()]).arg(&home).status().unwrap();
    assert!(owned.success());
    let as_nobody = |args: &[&str]| {
        let mut command = Command::new("setpriv");
        command
            .args([format!("--reuid={NOBODY}"), format!("--regid={}", socket.gid()), "--clear-groups".into()])
            .arg(home.join("arena"))
            .args(args)
            .arg("--state")
            .arg(&world.state)
            .current_dir(&home)
            .env("HOME", &home)
            .env_remove("XDG_CONFIG_HOME");
        run(&mut command)
    };
    let output = as_nobody(&["run", "arena.toml", "--json"]);
    assert_eq!((output.code, output.result()["winner"].as_str()), (0, Some("low")), "{output:?}");
    assert_eq!(output.entry("low")["files_changed"], serde_json::json!(["value"]));
    let doctor = as_nobody(&["doctor"]);
    assert!(doctor.code == 0 && doctor.stdout.contains("volume"), "{doctor:?}");
    std::fs::write(home.join("overlay.toml"), "worker.workspaces = \"overlay\"\n").unwrap();
    let refused = as_nobody(&["run", "arena.toml", "--config", "overlay.toml"]);
    assert!(refused.code == 77 && refused.stderr.contains("ARENA_WORKER_WORKSPACES=volume"), "{refused:?}");
    world.assert_clean();
}
