//! The images: really built on this machine, without a registry, and run.

use crate::composed::{Certificates, ComposedRedis, composed};
use crate::outside::{Outside, root};
use arena_proto::dial::{Dialer, endpoint};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};
use support::{Leftovers, Packet, World, binary, leftovers, ready, soon};
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
    a_team_in_containers_runs_a_session_and_coordinators_are_nobody(&images, &team);
    a_worker_without_rights_runs_a_session_in_volumes_alone(&images);
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

type Team = (Outside, Value, Certificates, ComposedRedis);

/// A service by its image's own command, with the configuration and the certificates of Compose.
fn composed_as(service: &str, team: &Team) -> Command {
    let (_, compose, certificates, _) = team;
    let kind = service.split('-').next().expect("a kind");
    let mut command = Command::new("docker");
    command.args(["run", "-d", "--network=host"]);
    let keys = ["cap_drop", "cap_add", "security_opt", "device_cgroup_rules"];
    command.args(listed(&compose["services"][service], &keys));
    if compose["services"][service]["read_only"] == true {
        command.arg("--read-only");
    }
    for (source, target) in [
        (root().join(format!("deploy/compose/{kind}.toml")), "/etc/arena/config.toml"),
        (certificates.of(service), "/etc/arena/tls"),
        (certificates.of("store"), "/etc/arena/store"),
    ] {
        command.arg(format!("--mount=type=bind,source={},target={target},readonly", source.display()));
    }
    command.args(["--env", "ARENA_TELEMETRY_PROMETHEUS=127.0.0.1:0"]);
    command
}

impl Container {
    fn started(command: &mut Command) -> Self {
        Self(said(&command.output().expect("docker")))
    }

    fn logs(&self) -> String {
        let output = docker(&["logs", &self.0]);
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }

    fn is_running(&self) -> bool {
        said(&docker(&["inspect", "-f", "{{.State.Running}}", &self.0])) == "true"
    }

    /// As Compose stops it: politely, with time.
    fn stop(&self) {
        said(&docker(&["stop", "--time", "120", &self.0]));
        let code = said(&docker(&["inspect", "-f", "{{.State.ExitCode}}", &self.0]));
        assert_eq!(code, "0", "{}", self.logs());
    }
}

/// A coordinator and a worker in their containers, and a person outside; addresses alone are others than those of Compose.
fn a_team_in_containers_runs_a_session_and_coordinators_are_nobody(images: &Images, team: &Team) {
    let (_, _, certificates, redis) = team;
    let mut command = composed_as("coordinator-1", team);
    let env =
        [format!("ARENA_STORE_URL=rediss://127.0.0.1:{}", redis.port), "ARENA_COORDINATOR_LISTEN=127.0.0.1:0".into()];
    command.arg("--volume=/var/lib/arena").args(env.iter().flat_map(|one| ["--env", one]));
    let coordinator = Container::started(command.arg(images.name("coordinator")));
    let url = || Some(coordinator.logs().split_once("listens on ")?.1.split_whitespace().next()?.to_owned());
    assert!(soon(|| url().is_some() || !coordinator.is_running()), "{}", coordinator.logs());
    let url = url().unwrap_or_else(|| panic!("no address: {}", coordinator.logs()));
    assert_eq!(health(&url, &certificates.of("worker")), ServingStatus::Serving);
    let who = said(&docker(&["top", &coordinator.0, "-o", "pid,uid,gid"]));
    let ids: Vec<&str> = who.lines().last().unwrap_or_default().split_whitespace().skip(1).collect();
    assert_eq!(ids, ["10003", "10003"], "{who}");

    let world = World::new();
    let folder = world.repo.parent().expect("a folder").display().to_string();
    let shared = Shared::mounted(&folder);
    let state = format!("{folder}/worker");
    let mut command = composed_as("worker", team);
    command.args(["--volume=/var/run/docker.sock:/var/run/docker.sock", "--volume=/dev:/dev"]);
    command.arg(format!("--mount=type=bind,source={folder},target={folder},bind-propagation=rshared"));
    command.args(["--env", &format!("ARENA_STATE={state}"), "--env", &format!("ARENA_COORDINATOR={url}")]);
    let worker = Container::started(command.arg(images.name("worker")));
    let make = ["exec", &coordinator.0, "/usr/local/bin/arena", "tokens", "create", "ann", "--tenant", "blue"];
    let token = said(&docker(&[&make[..], &["--config", "/etc/arena/config.toml"]].concat()));
    let ask = |args: &[&str]| {
        let mut command = world.command(args);
        command.env("ARENA_TLS_CA", certificates.of("worker").join("ca.pem"));
        support::run(command.env("ARENA_TOKEN", token.trim()).env("ARENA_COORDINATOR", &url))
    };
    let attached = || ask(&["workers", "--json"]).document().as_array().map(Vec::len) == Some(1);
    assert!(soon(|| attached() || !worker.is_running()) && worker.is_running(), "{}", worker.logs());
    world.packet(&Packet::lower(&[("a", "echo 3 > value")]));
    let ran = ask(&["run", "arena.toml", "--json"]);
    assert_eq!((ran.code, &ran.result()["winner"]), (0, &json!("a")), "{ran:?} {}", worker.logs());
    worker.stop();
    coordinator.stop();
    let state = Path::new(&state);
    assert!(soon(|| leftovers(state) == Leftovers::default()), "{:?}", leftovers(state));
    drop(shared);
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
    let words = |key: &str| service[key].as_array().cloned().unwrap_or_default();
    let one = |key: &str, word: &Value| format!("{}={}", flag(key), word.as_str().expect("a word"));
    keys.iter().flat_map(|key| words(key).iter().map(|word| one(key, word)).collect::<Vec<_>>()).collect()
}

/// With a socket and nothing else that counts.
fn a_worker_without_rights_runs_a_session_in_volumes_alone(images: &Images) {
    let flags = ["--cap-drop=ALL", "--cap-add=DAC_OVERRIDE"];
    for (workspaces, code) in [("volume", 0), ("overlay", 1)] {
        let world = World::new();
        let folder = world.repo.parent().expect("a folder").display().to_string();
        let shared = Shared::mounted(&folder);
        world.packet(&Packet::lower(&[("a", "echo 3 > value")]));
        let packet = format!("{folder}/arena.toml");
        let state = world.state.display().to_string();
        let mut command = Command::new("docker");
        command
            .args(["run", "--rm", "--network=none", "--volume=/var/run/docker.sock:/var/run/docker.sock"])
            .args(flags);
        command.arg(format!("--mount=type=bind,source={folder},target={folder},bind-propagation=rshared"));
        command.args(["--env", "HOME=/root", "--env", &format!("ARENA_WORKER_WORKSPACES={workspaces}")]);
        command.args([&images.name("worker"), "--state", &state, "--yes", "--json", "run"]).arg(&packet);
        let ran = command.output().expect("docker");
        let told = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert_eq!(ran.status.code(), Some(code), "{workspaces}: {told}");
        assert!(code == 0 || told.contains("Operation not permitted"), "{told}");
        world.assert_clean();
        drop(shared);
    }
}
