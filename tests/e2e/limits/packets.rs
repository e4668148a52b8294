//! Packets that are too large, and packets that cannot run here.

use std::fmt::Write;
use std::time::{Duration, Instant};
use support::{Output, Packet, World, ready};

#[allow(clippy::disallowed_methods, reason = "a test measures a real program")]
fn timed(run: impl FnOnce() -> Output) -> (Output, Duration) {
    let begun = Instant::now();
    (run(), begun.elapsed())
}

/// Refused by `check` and `run`, with the limit, in under a second; the best of three, for the machine may be busy.
fn refused_at_once(world: &World, text: &str, says: &[&str]) {
    std::fs::write(world.repo.with_file_name("arena.toml"), text).unwrap();
    for command in ["check", "run"] {
        let mut best = Duration::MAX;
        for _ in 0..3 {
            let (output, took) = timed(|| world.arena(&[command, "arena.toml"]));
            assert_eq!(output.code, 2, "{command}: {output:?}");
            let said = format!("{}{}", output.stdout, output.stderr);
            for part in says {
                assert!(
                    said.contains(part),
                    "{command} does not say {part}: {}",
                    said.chars().take(2000).collect::<String>()
                );
            }
            assert!(said.len() < 64 << 10, "{command} says {} bytes", said.len());
            best = best.min(took);
        }
        assert!(best < Duration::from_secs(1), "{command} took {best:?}");
    }
    assert!(!world.state.join("sessions").exists(), "nothing was begun");
}

fn base() -> String {
    Packet::lower(&[("low", "echo 3 > value")]).text().replace("[session]", "[session]\nrepository = \"repo\"")
}

#[test]
fn a_packet_of_a_megabyte_is_refused_in_under_a_second_with_the_limit() {
    let world = World::new();
    let comment = format!("{}\n# {}\n", base(), "x".repeat(1 << 20));
    refused_at_once(&world, &comment, &["the limit is 262144", "keep data in files beside the packet"]);
    let keys: String = (0..1 << 17).map(|at| format!("k{at} = 1\n")).collect();
    refused_at_once(&world, &(base() + &keys), &["the limit is 262144"]);
    refused_at_once(&world, &"[".repeat(1 << 20), &["the limit is 262144"]);
}

#[test]
fn ten_thousand_competitors_are_refused_in_under_a_second_with_the_limit() {
    let world = World::new();
    let mut many = base();
    for _ in 0..10_000 {
        many += "[[competitor]]\n";
    }
    refused_at_once(&world, &many, &["10001 of them; the limit is 64"]);
    // With names and engines, as far as a packet may be long.
    let mut named = base();
    for at in 0..5_000 {
        let _ = write!(named, "[[competitor]]\nname=\"a{at}\"\nengine=\"low\"\n");
    }
    refused_at_once(&world, &named, &["5001 of them; the limit is 64"]);
}

#[test]
fn ten_thousand_competitors_of_a_matrix_are_refused_in_under_a_second_with_the_limit() {
    let world = World::new();
    let list = |many: usize| (0..many).map(|at| format!("\"m{at}\"")).collect::<Vec<_>>().join(",");
    let matrix =
        format!("{}\n[matrix]\nengine = [\"low\"]\nmodel = [{}]\napproach = [{}]\n", base(), list(100), list(100));
    refused_at_once(&world, &matrix, &["10001 competitors in all; the limit is 64"]);
    let (head, wide) = (base(), list(1000));
    let vast =
        format!("{head}\n[matrix]\nengine = [\"low\"]\nmodel = [{wide}]\napproach = [{wide}]\ndeck = [{wide}]\n");
    refused_at_once(&world, &vast, &["1000000001 competitors in all; the limit is 64"]);
}

#[test]
fn a_packet_is_read_no_further_than_its_limit() {
    let world = World::new();
    let path = world.repo.with_file_name("arena.toml");
    std::fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    let output = world.arena(&["check", "arena.toml"]);
    assert_eq!(output.code, 2, "{output:?}");
    assert!(output.stdout.contains("is longer than 256 KiB"), "{output:?}");
    assert!(output.stdout.contains("64 competitors at most"), "{output:?}");
    // The reading ends within a character here, which is no fault of the packet.
    std::fs::write(&path, "#".to_owned() + &"名".repeat(300_000)).unwrap();
    let output = world.arena(&["check", "arena.toml"]);
    assert!(output.code == 2 && output.stdout.contains("is longer than 256 KiB"), "{output:?}");
    std::fs::write(&path, b"\xff\xfe").unwrap();
    let output = world.arena(&["check", "arena.toml"]);
    assert_eq!(output.code, 2, "{output:?}");
    assert!(output.stderr.contains("not UTF-8") && output.stderr.contains("mend: save"), "{output:?}");
    let output = world.arena(&["check", "missing.toml"]);
    assert_eq!(output.code, 5, "{output:?}");
    assert!(output.stderr.contains("arena init"), "{output:?}");
}

#[test]
fn a_missing_image_is_an_error_with_the_pull_and_begins_nothing() {
    if !ready("a_missing_image") {
        return;
    }
    let world = World::new();
    let mut packet = Packet::lower(&[("low", "echo 3 > value")]);
    packet.sandbox += "\nimage = \"arena/not-here:1\"";
    let output = world.run(&packet);
    assert_eq!(output.code, 1, "{output:?}");
    assert!(
        output.stderr.contains("arena/not-here:1") && output.stderr.contains("docker pull arena/not-here:1"),
        "{output:?}"
    );
    assert_eq!(output.result()["event"], "error");
    assert_eq!(world.arena(&["sessions", "--json"]).document(), serde_json::json!([]));
    world.assert_clean();
}

#[test]
fn an_unknown_engine_is_an_error_with_what_to_write() {
    let world = World::new();
    let text = base().replace("engine = \"low\"", "engine = \"codex\"");
    std::fs::write(world.repo.with_file_name("arena.toml"), text).unwrap();
    // Another machine may have it: only the run needs it here.
    for (command, code) in [("check", 0), ("plan", 0), ("run", 2)] {
        let none = world.repo.join("../no-packs");
        let output = support::run(world.command(&[command, "arena.toml"]).env("ARENA_WORKER_ENGINE_PACKS", none));
        assert_eq!(output.code, code, "{command}: {output:?}");
        let said = format!("{}{}", output.stdout, output.stderr);
        assert!(said.contains("`arena engines install codex`"), "{command}: {said}");
    }
    let text = base().replace("engine = \"low\"", "engine = \"lwo\"");
    std::fs::write(world.repo.with_file_name("arena.toml"), text).unwrap();
    let output = world.arena(&["check", "arena.toml"]);
    assert_eq!(output.code, 2, "{output:?}");
    assert!(output.stdout.contains("there is no engine \"lwo\"; define [engine.NAME]"), "{output:?}");
}
