//! The images: really built on this machine, without a registry, and run.

use crate::composed::{Certificates, ComposedRedis, composed};
use crate::outside::{Outside, root};
use arena_proto::dial::{Dialer, endpoint};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};
use support::{Packet, World, binary, ready, soon};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

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

/// One test, so that the images are built once.
#[test]
fn the_images_are_built_here_and_run_as_they_are_started() {
    let name = "the_images_are_built_here_and_run_as_they_are_started";
    if !ready(name) {
        return;
    }
    let Some(team) = composed(name) else { return };
    let images = Images::built();
    both_hold_what_they_need_and_little_more(&images);
    a_coordinator_answers_from_its_container_as_nobody(&images, &team);
    a_worker_runs_a_session_with_what_is_said_of_it_and_not_with_less(&images, &team.1);
}

fn both_hold_what_they_need_and_little_more(images: &Images) {
    let version = format!("arena {}", env!("CARGO_PKG_VERSION"));
    let coordinator = images.name("coordinator");
    let shown: Value = serde_json::from_str(&said(&docker(&["image", "inspect", &coordinator]))).expect("JSON");
    let config = &shown[0]["Config"];
    assert_eq!((&config["User"], &config["Cmd"][0]), (&json!("10003:10003"), &json!("coordinator")));
    let small = shown[0]["Size"].as_u64().expect("a size") - std::fs::metadata(binary()).expect("arena").len();
    assert!(small < 64 << 20, "{} MiB beside the program", small >> 20);
    let worker = images.name("worker");
    let tools = "git --version && mkfs.ext4 -V && mount --version && umount --version && losetup --version && id -u";
    let found = said(&docker(&["run", "--rm", "--network=none", "--entrypoint", "/bin/sh", &worker, "-c", tools]));
    assert!(found.contains("git version") && found.ends_with('0'), "{found}");
    assert_eq!(said(&docker(&["run", "--rm", "--network=none", &worker, "--version"])), version);
}

/// A container that is gone with its handle.
struct Container(String);

impl Drop for Container {
    fn drop(&mut self) {
        let _ = docker(&["rm", "-f", "-v", &self.0]);
    }
}

/// By the image's own command, with the configuration, the certificates and the Redis of Compose; addresses alone are others.
fn a_coordinator_answers_from_its_container_as_nobody(
    images: &Images,
    (_, compose, certificates, redis): &(Outside, Value, Certificates, ComposedRedis),
) {
    let service = &compose["services"]["coordinator-1"];
    assert_eq!(service["read_only"], true);
    let mut command = Command::new("docker");
    command
        .args(["run", "-d", "--network=host", "--read-only", "--volume=/var/lib/arena"])
        .args(listed(service, &["cap_drop", "security_opt"]));
    let config = root().join("deploy/compose/coordinator.toml");
    for (source, target) in [
        (config.as_path(), "/etc/arena/config.toml"),
        (&certificates.of("coordinator-1"), "/etc/arena/tls"),
        (&certificates.of("store"), "/etc/arena/store"),
    ] {
        command.arg(format!("--mount=type=bind,source={},target={target},readonly", source.display()));
    }
    let env = [
        format!("ARENA_STORE_URL=rediss://127.0.0.1:{}", redis.port),
        "ARENA_COORDINATOR_LISTEN=127.0.0.1:0".to_owned(),
        "ARENA_TELEMETRY_PROMETHEUS=127.0.0.1:0".to_owned(),
    ];
    command.args(env.iter().flat_map(|one| ["--env", one]));
    let container = Container(said(&command.arg(images.name("coordinator")).output().expect("docker")));
    let logs = || {
        let output = docker(&["logs", &container.0]);
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    let url = || Some(logs().split_once("listens on ")?.1.split_whitespace().next()?.to_owned());
    let ended = || said(&docker(&["inspect", "-f", "{{.State.Running}}", &container.0])) == "false";
    assert!(soon(|| url().is_some() || ended()), "{}", logs());
    let url = url().unwrap_or_else(|| panic!("no address: {}", logs()));
    assert_eq!(health(&url, &certificates.of("worker")), ServingStatus::Serving);
    let who = said(&docker(&["top", &container.0, "-o", "pid,uid,gid"]));
    let ids: Vec<&str> = who.lines().last().unwrap_or_default().split_whitespace().skip(1).collect();
    assert_eq!(ids, ["10003", "10003"], "{who}");
    said(&docker(&["stop", "--time", "60", &container.0]));
    assert_eq!(said(&docker(&["inspect", "-f", "{{.State.ExitCode}}", &container.0])), "0", "{}", logs());
}

/// What the service of health says to a peer of the team.
fn health(url: &str, peer: &Path) -> ServingStatus {
    let read = |name: &str| std::fs::read(peer.join(name)).expect("a certificate");
    let (ca, certificate, key) = (read("ca.pem"), read("cert.pem"), read("key.pem"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let dialer = Dialer { ca: &ca, identity: Some((&certificate, &key)) };
        let channel = endpoint(url, &dialer).expect("an address").connect().await.expect("a connection");
        let asked = HealthClient::new(channel).check(HealthCheckRequest::default()).await.expect("an answer");
        asked.into_inner().status()
    })
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

/// The flags of `docker run` that say what Compose says of a service.
fn listed(service: &Value, keys: &[&str]) -> Vec<String> {
    let flag = |key: &str| match key {
        "device_cgroup_rules" => "--device-cgroup-rule".to_owned(),
        key => format!("--{}", key.replace('_', "-")),
    };
    let words = |key: &str| service[key].as_array().expect("a list").clone();
    let one = |key: &str, word: &Value| format!("{}={}", flag(key), word.as_str().expect("a word"));
    keys.iter().flat_map(|key| words(key).iter().map(|word| one(key, word)).collect::<Vec<_>>()).collect()
}

fn a_worker_runs_a_session_with_what_is_said_of_it_and_not_with_less(images: &Images, compose: &Value) {
    let keys = ["cap_drop", "cap_add", "security_opt", "device_cgroup_rules"];
    let mut composed = listed(&compose["services"]["worker"], &keys);
    composed.push("--volume=/dev:/dev".into());
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
