//! Several processes on one state directory share its limits and its store.

use std::fs::File;
use std::process::{Child, Stdio};
use support::{Packet, Witness, World, leftovers, ready};

/// Two competitors whose engines take long enough to meet.
fn packet() -> Packet {
    Packet::lower(&[("low", "sleep 1; echo 3 > value"), ("mid", "sleep 1; echo 7 > value")])
}

fn begin(world: &World, name: &str, fleet: &str) -> Child {
    let log = File::create(world.repo.join(format!("../{name}.log"))).expect("a log");
    let mut command = world.command(&["run", "arena.toml", "--json"]);
    let errors = log.try_clone().expect("a log");
    command.env("ARENA_LIMITS_FLEET", fleet).stdout(log).stderr(errors).spawn().expect("the binary")
}

/// Two sessions at once; the most engines that ran at a time.
fn two_at_once(fleet: &str) -> (usize, usize) {
    let world = World::new();
    world.packet(&packet());
    let witness = Witness::watch(&world.state);
    let runs = ["one", "two"].map(|name| (name, begin(&world, name, fleet)));
    for (name, mut run) in runs {
        let status = run.wait().expect("its end");
        let said = std::fs::read_to_string(world.repo.join(format!("../{name}.log"))).unwrap_or_default();
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(said.contains("\"winner\":\"low\""), "{said}");
    }
    let most = (witness.most_at_once(|job| job.ends_with("/implement")), witness.most_at_once(|_| true));
    assert_eq!(world.arena(&["sessions", "--json"]).document().as_array().map(Vec::len), Some(2));
    assert_eq!(leftovers(&world.state).containers, Vec::<String>::new());
    world.assert_clean();
    most
}

#[test]
fn two_runs_at_once_never_pass_the_limit_of_the_fleet() {
    if !ready("two_runs_at_once") {
        return;
    }
    assert_eq!(two_at_once("1"), (1, 1), "one job at a time in all, of either session");
}

#[test]
fn two_runs_at_once_use_all_that_the_limit_leaves() {
    if !ready("two_runs_at_once_use_all") {
        return;
    }
    let (engines, _) = two_at_once("4");
    assert!((2..=4).contains(&engines), "{engines} engines at a time");
}

#[test]
fn a_session_runs_no_more_competitors_at_a_time_than_its_packet_says() {
    if !ready("a_session_runs_no_more") {
        return;
    }
    for (parallel, wanted) in [(1, 1), (2, 2)] {
        let world = World::new();
        let mut packet = packet();
        packet.session = packet.session.replace("parallel = 2", &format!("parallel = {parallel}"));
        let witness = Witness::watch(&world.state);
        let output = world.run(&packet);
        assert_eq!(output.code, 0, "{output:?}");
        assert_eq!(witness.most_at_once(|job| job.ends_with("/implement")), wanted, "parallel = {parallel}");
        world.assert_clean();
    }
}

#[test]
fn eight_first_looks_at_a_fresh_state_directory_all_succeed() {
    for _ in 0..4 {
        let world = World::bare();
        std::fs::create_dir_all(&world.state).expect("a folder");
        let looks: Vec<Child> = (0..8)
            .map(|_| {
                let mut look = world.command(&["sessions", "--json"]);
                look.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary")
            })
            .collect();
        for look in looks {
            let output = look.wait_with_output().expect("its end");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(
                serde_json::from_slice::<serde_json::Value>(&output.stdout).expect("a list"),
                serde_json::json!([])
            );
        }
    }
}

#[test]
fn a_running_session_is_not_resumed_a_second_time() {
    if !ready("a_running_session") {
        return;
    }
    let world = World::new();
    world.packet(&packet());
    let mut running = world.start(&["run", "arena.toml", "--json"]);
    world.await_word("\"phase\":\"engine\"", &mut running);
    let id = world.session();
    let second = world.arena(&["resume", &id]);
    assert_eq!(second.code, 75, "{second:?}");
    assert!(second.stderr.contains("runs in another process") && second.stderr.contains("arena watch"), "{second:?}");
    assert_eq!(running.child.wait().expect("its end").code(), Some(0), "{}", world.said());
    world.assert_clean();
}
