//! Docker is not there, or goes in mid-run.

use crate::common::{Story, assert_clean, packet};
use crate::proxy::Proxy;
use support::{World, ready};

fn cut_when(test: &str, phase: &str, times: usize) {
    if !ready(test) {
        return;
    }
    let world = World::new();
    let proxy = Proxy::start(world.repo.parent().expect("a folder"));
    let mut story = Story::begun(world, &packet(), &[("DOCKER_HOST", &proxy.host())]);
    story.until_phase(phase, times);
    proxy.cut();
    let code = story.ends();
    let (said, id) = (story.world.said(), story.world.session());
    assert_eq!(code, Some(69), "{said}");
    assert!(said.contains("start Docker again") && said.contains(&format!("arena resume {id}")), "{said}");
    story.resumed();
}

#[test]
fn docker_goes_while_engines_work() {
    cut_when("docker_goes_while_engines_work", "engine", 2);
}

#[test]
fn docker_goes_while_a_gate_runs() {
    cut_when("docker_goes_while_a_gate_runs", "gate", 1);
}

#[test]
fn without_docker_nothing_begins() {
    if !ready("without_docker_nothing_begins") {
        return;
    }
    let world = World::new();
    world.packet(&packet());
    let host = format!("unix://{}/nobody.sock", world.repo.display());
    let output = world.command(&["run", "arena.toml"]).env("DOCKER_HOST", &host).output().expect("a run");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(said.contains("docker version"), "{said}");
    assert_eq!(world.arena(&["sessions", "--json"]).document(), serde_json::json!([]));
    assert_clean(&world);
}
