//! The images: really built on this machine, without a registry, and run.

use crate::outside::root;
use serde_json::Value;
use std::process::{Command, Output};
use support::{binary, ready};

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
    assert_eq!(config["Cmd"], serde_json::json!(["coordinator"]));
    let small = shown[0]["Size"].as_u64().expect("a size") - std::fs::metadata(binary()).expect("arena").len();
    assert!(small < 64 << 20, "{} MiB beside the program", small >> 20);
    let worker = images.name("worker");
    let tools = "git --version && mkfs.ext4 -V && mount --version && umount --version && losetup --version && id -u";
    let found = said(&docker(&["run", "--rm", "--network=none", "--entrypoint", "/bin/sh", &worker, "-c", tools]));
    assert!(found.contains("git version") && found.ends_with('0'), "{found}");
    assert_eq!(said(&docker(&["run", "--rm", "--network=none", &worker, "--version"])), version);
}
