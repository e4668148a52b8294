//! The images: really built on this machine, without a registry, and run.

use crate::outside::{outside, root};
use serde_json::Value;
use std::process::{Command, Output};
use support::{Packet, World, binary, ready};

/// Images of one test, gone with it; the bases stay, as `arena/base` does.
struct Images(String);

impl Images {
    fn built() -> Self {
        let tag = format!("test-{}-{}", std::process::id(), support::now());
        let images = Self(tag);
        let made = Command::new(root().join("deploy/images")).arg(&images.0).env("ARENA_BINARY", binary()).output();
        let made = made.expect("deploy/images");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        images
    }

    fn name(&self, service: &str) -> String {
        format!("arena/{service}:{}", self.0)
    }
}

impl Drop for Images {
    fn drop(&mut self) {
        let _ = docker(&["rmi", "-f", &self.name("coordinator"), &self.name("worker")]);
    }
}

fn docker(words: &[&str]) -> Output {
    Command::new("docker").args(words).output().expect("docker")
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn both_images_are_built_here_and_run_as_they_are_started() {
    if !ready("both_images_are_built_here_and_run_as_they_are_started") {
        return;
    }
    let images = Images::built();
    let version = format!("arena {}", env!("CARGO_PKG_VERSION"));
    let hardened =
        ["run", "--rm", "--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"];
    let coordinator = images.name("coordinator");
    let run = |more: &[&str]| said(&docker(&[&hardened[..], &[coordinator.as_str()], more].concat()));
    assert_eq!(run(&["--version"]), version);
    // It may write where its state is and nowhere else, as nobody.
    let shown: Value = serde_json::from_str(&said(&docker(&["image", "inspect", &coordinator]))).expect("JSON");
    let config = &shown[0]["Config"];
    assert_eq!(config["User"], "10003:10003");
    assert_eq!(config["Cmd"][0], "coordinator");
    let small = shown[0]["Size"].as_u64().expect("a size") - std::fs::metadata(binary()).expect("arena").len();
    assert!(small < 64 << 20, "{} MiB beside the program", small >> 20);
    let worker = images.name("worker");
    let tools = "git --version && mkfs.ext4 -V && mount --version && umount --version && losetup --version && id -u";
    let found = said(&docker(&["run", "--rm", "--network=none", "--entrypoint", "/bin/sh", &worker, "-c", tools]));
    assert!(found.contains("git version") && found.ends_with('0'), "{found}");
    assert_eq!(said(&docker(&["run", "--rm", "--network=none", &worker, "--version"])), version);
}

/// A folder of a test that is a shared mount, as / is under systemd; undone with its handle.
struct Shared(String);

impl Shared {
    fn mounted(folder: &str) -> Self {
        for words in [["--bind", folder, folder].as_slice(), ["--make-shared", folder].as_slice()] {
            assert!(Command::new("mount").args(words).status().expect("mount").success(), "{words:?}");
        }
        Self(folder.to_owned())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l", &self.0]).status();
    }
}

/// The flags of `docker run` that say what Compose says of the worker.
fn as_composed(worker: &Value) -> Vec<String> {
    let mut flags = Vec::new();
    let lists = [
        ("cap_drop", "--cap-drop"),
        ("cap_add", "--cap-add"),
        ("security_opt", "--security-opt"),
        ("device_cgroup_rules", "--device-cgroup-rule"),
    ];
    for (key, flag) in lists {
        for word in worker[key].as_array().expect("a list") {
            flags.push(format!("{flag}={}", word.as_str().expect("a word")));
        }
    }
    flags.push("--volume=/dev:/dev".into());
    flags
}

#[test]
fn a_worker_in_its_container_runs_a_session_with_what_is_said_of_it_and_not_with_less() {
    let name = "a_worker_in_its_container_runs_a_session_with_what_is_said_of_it_and_not_with_less";
    let (true, Some(outside)) = (ready(name), outside(name)) else { return };
    let images = Images::built();
    let compose = outside.yaml("compose/compose.yaml");
    let composed = as_composed(&compose["services"]["worker"]);
    let bare = || ["--cap-drop=ALL", "--cap-add=DAC_OVERRIDE"].map(str::to_owned).to_vec();
    for (workspaces, flags, code) in [("overlay", composed, 0), ("volume", bare(), 0), ("overlay", bare(), 1)] {
        let world = World::new();
        let folder = world.repo.parent().expect("a folder").display().to_string();
        let shared = Shared::mounted(&folder);
        world.packet(&Packet::lower(&[("a", "echo 3 > value")]));
        let packet = format!("{folder}/arena.toml");
        let state = world.state.display().to_string();
        let mut command = Command::new("docker");
        command
            .args(["run", "--rm", "--network=none", "--volume=/var/run/docker.sock:/var/run/docker.sock"])
            .args(&flags);
        command.arg(format!("--mount=type=bind,source={folder},target={folder},bind-propagation=rshared"));
        command.args(["--env", "HOME=/root", "--env", &format!("ARENA_WORKER_WORKSPACES={workspaces}")]);
        command.args([&images.name("worker"), "--state", &state, "--yes", "--json", "run"]).arg(&packet);
        let ran = command.output().expect("docker");
        let told = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert_eq!(ran.status.code(), Some(code), "{workspaces} {flags:?}: {told}");
        assert!(code == 0 || told.contains("Operation not permitted"), "{told}");
        world.assert_clean();
        drop(shared);
    }
}
