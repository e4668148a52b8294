//! Docker is not there, or goes in mid-run.

use crate::common::{assert_clean, assert_not_again, assert_won, packet, start_with, stored};
use crate::proxy::Proxy;
use support::{Witness, World, now, ready};

fn cut_when(test: &str, word: &str, times: usize) {
    if !ready(test) {
        return;
    }
    let world = World::new();
    world.packet(&packet());
    let witness = Witness::watch(&world.state);
    let proxy = Proxy::start(world.repo.parent().expect("a folder"));
    let mut running = start_with(&world, &["run", "arena.toml", "--json"], &[("DOCKER_HOST", &proxy.host())]);
    world.until(word, &mut running, |said| said.matches(word).count() >= times);
    proxy.cut();
    let code = running.child.wait().expect("its end").code();
    let (said, id) = (world.said(), world.session());
    assert_eq!(code, Some(69), "{said}");
    assert!(said.contains("start Docker again") && said.contains(&format!("arena resume {id}")), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    let (kept, since) = (stored(&world, &id), now());
    assert_won(&world.arena(&["resume", &id, "--json"]));
    assert_not_again(&witness, &kept, since);
    assert_clean(&world);
}

#[test]
fn docker_goes_while_engines_work() {
    cut_when("docker_goes_while_engines_work", "\"phase\":\"engine\"", 2);
}

#[test]
fn docker_goes_while_a_gate_runs() {
    cut_when("docker_goes_while_a_gate_runs", "\"phase\":\"gate\"", 2);
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
