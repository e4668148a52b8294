//! Standard output, standard error, terminals, and pipes that nobody reads.

use std::process::{Command, Stdio};
use support::{Packet, World, ready, skip};

/// What an engine that means harm prints: it sets the title of a window.
const TITLE: &str = "\u{1b}]0;owned";

fn harmful() -> Packet {
    let shell = "printf '\\033]0;owned\\007\\033[5;31mred\\033[0m'; printf '\\033]0;owned\\007' >&2; echo 3 > value";
    let mut packet = Packet::lower(&[("low", shell), ("mid", "echo 7 > value; printf '\\033]0;owned\\007'; exit 3")]);
    packet.gates = packet.gates.replace("run = \"", "run = \"printf '\\\\033]0;owned\\\\007'; ");
    packet
}

#[test]
fn results_are_on_standard_output_and_progress_is_on_standard_error() {
    if !ready("results_are_on_standard_output") {
        return;
    }
    let world = World::new();
    world.packet(&harmful());
    let output = world.arena(&["run", "arena.toml"]);
    assert_eq!(output.code, 0, "{output:?}");
    let id = world.session();
    for part in ["low", "report: ", &format!("adopt:  arena adopt {id}")] {
        assert!(output.stdout.contains(part), "{part}: {}", output.stdout);
    }
    for part in [&format!("session {id}: Lower the value"), "low: round 1: engine", "round 1: kept"] {
        assert!(output.stderr.contains(part) && !output.stdout.contains(part), "{part}: {output:?}");
    }
    assert!(!output.stdout.contains('\u{1b}') && !output.stderr.contains('\u{1b}'), "no colours without a terminal");
    let shown = world.arena(&["show", &id]);
    assert!(output.stdout.starts_with(shown.stdout.lines().next().unwrap()), "the same scoreboard");
    world.assert_clean();
}

#[test]
fn every_line_of_a_run_in_json_is_an_event_and_the_last_is_the_result() {
    if !ready("every_line_of_a_run") {
        return;
    }
    let world = World::new();
    let output = world.run(&harmful());
    assert_eq!(output.code, 0, "{output:?}");
    let kinds: Vec<String> = output
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect(line)["event"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds.last().unwrap(), "result");
    assert_eq!(kinds.iter().filter(|kind| *kind == "result").count(), 1);
    assert!(kinds.iter().any(|kind| kind == "phase") && kinds.iter().any(|kind| kind == "round"), "{kinds:?}");
    world.assert_clean();
}

/// With a terminal on all three streams; what a person would see, escape sequences and all.
fn on_terminal(world: &World, command: &str, no_color: bool) -> (i32, String) {
    let arena = std::path::PathBuf::from(world.command(&[]).get_program());
    let line = format!("{} {command} --state {}", arena.display(), world.state.display());
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).current_dir(world.repo.join("..")).stdin(Stdio::null());
    script.env("TERM", "xterm").env("XDG_CONFIG_HOME", world.repo.join("../config")).env_remove("NO_COLOR");
    if no_color {
        script.env("NO_COLOR", "1");
    }
    let output = script.output().unwrap();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_terminal_gets_colours_unless_it_asks_for_none_and_never_an_engines_own() {
    if !ready("a_terminal_gets_colours") {
        return;
    }
    if Command::new("script").arg("--version").output().is_err() {
        return skip("a_terminal_gets_colours", "no program `script` to make a terminal");
    }
    let world = World::new();
    world.packet(&harmful());
    let (code, said) = on_terminal(&world, "run arena.toml", false);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("report: ") && !said.contains(TITLE) && !said.contains("\u{1b}[5;31m"), "{said:?}");
    let id = world.session();
    for command in ["show", "watch", "report", "logs ID low", "logs ID mid", "diff ID low"] {
        let command = if command.contains("ID") { command.replace("ID", &id) } else { format!("{command} {id}") };
        let (code, said) = on_terminal(&world, &command, false);
        assert_eq!(code, 0, "{command}: {said}");
        assert!(!said.contains(TITLE) && !said.contains("\u{1b}[5;31m"), "{command}: {said:?}");
    }
    let (_, coloured) = on_terminal(&world, &format!("show {id}"), false);
    let (_, plain) = on_terminal(&world, &format!("show {id}"), true);
    assert!(coloured.contains('\u{1b}') && !plain.contains('\u{1b}'), "{coloured:?} {plain:?}");
    world.assert_clean();
}

#[test]
fn a_pipe_that_nobody_reads_is_no_reason_to_panic_or_to_stop_working() {
    if !ready("a_pipe_that_nobody_reads") {
        return;
    }
    let world = World::new();
    world.packet(&harmful());
    let closed = |args: &[&str]| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = world.command(args).stdout(writer).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("panicked"), "{args:?}: {said}");
        output.status.code()
    };
    assert_eq!(closed(&["run", "arena.toml", "--json"]), Some(0), "the work is done all the same");
    let id = world.session();
    let commands: [&[&str]; 14] = [
        &["--help"],
        &["sessions"],
        &["show", &id],
        &["show", &id, "--json"],
        &["watch", &id],
        &["report", &id],
        &["report", &id, "--html"],
        &["diff", &id, "low"],
        &["logs", &id, "low", "--raw"],
        &["engines"],
        &["doctor"],
        &["schema"],
        &["completions", "bash"],
        &["plan", "arena.toml"],
    ];
    for command in commands {
        assert_eq!(closed(command), Some(0), "{command:?}");
    }
    assert_eq!(closed(&["show", "nope", "--json"]), Some(5));
    // Neither is a closed standard error.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = world.command(&["show", "nope"]).stderr(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = world.command(&["run", "arena.toml", "--json"]).stderr(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    world.assert_clean();
}
