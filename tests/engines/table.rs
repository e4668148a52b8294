//! What becomes of each engine when its provider, its budget or its time fails: one table, five engines.

use crate::stage::{Stage, assert_usage, packet, ready, usage};
use serde_json::json;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::model::{Script, cut, error, script, shell, silence, text};
use support::{Output, git};

/// One competitor, named after its script.
struct Row {
    script: Script,
    ending: &'static str,
    /// The turns that the model was asked for.
    turns: Turns,
}

enum Turns {
    Exactly(&'static [usize]),
    /// Only the first one, as often as the broker and the engine try again: at least and at most.
    First(usize, usize),
    /// At least once.
    Any,
}

fn row(name: &str, ending: &'static str, turns: Turns, script_turns: impl Into<Vec<support::model::Turn>>) -> Row {
    Row { script: script(name, script_turns), ending, turns }
}

/// Retries have an end. The worst of the engines sends a request 28 times, and the broker each once more.
const MOST_TRIES: usize = 80;

fn provider_rows(engine: &str) -> Vec<Row> {
    let change = || [shell("echo 5 > value"), text("done")];
    let after = |failure| [vec![failure], change().to_vec()].concat();
    let children = shell("echo 5 > value; nohup setsid sleep 4711 > /dev/null 2>&1 & echo started");
    // Gemini does not ask again when a stream has begun; the broker may not, for it has passed on what came.
    let (cut_once, cut_turns): (_, &[usize]) =
        if engine == "gemini" { ("provider_error", &[0]) } else { ("done", &[0, 1, 2]) };
    vec![
        row("success", "done", Turns::Exactly(&[0, 1]), change()),
        row("refused", "refused", Turns::First(1, 4), [error(401)]),
        row("limited-once", "done", Turns::Exactly(&[0, 1, 2]), after(error(429).times(1).retry_after(1))),
        row("failed-once", "done", Turns::Exactly(&[0, 1, 2]), after(error(500).times(1))),
        row("failed", "provider_error", Turns::First(2, MOST_TRIES), [error(500)]),
        row("cut-once", cut_once, Turns::Exactly(cut_turns), after(cut().times(1))),
        row("cut", "provider_error", Turns::First(1, MOST_TRIES), [cut()]),
        row("silent", "provider_error", Turns::First(1, MOST_TRIES), [silence()]),
        row("children", "done", Turns::Exactly(&[0, 1]), [children, text("done")]),
    ]
}

/// Runs the rows as competitors of one session, and holds each against what it should be.
fn play(engine: &str, broker: &str, budget: &str, rows: Vec<Row>) -> (Stage, Output) {
    let stage = Stage::set(broker, rows.iter().map(|row| row.script.clone()).collect());
    let names: Vec<(&str, &str, &str)> =
        rows.iter().map(|row| (row.script.name.as_str(), engine, row.script.name.as_str())).collect();
    let mut packet = packet(&names);
    packet.budget = format!("rounds = 1\n{budget}");
    let output = stage.run(&packet);
    for row in &rows {
        let name = row.script.name.as_str();
        let entry = output.entry(name);
        assert_eq!(entry["ending"], row.ending, "{engine} {name}: {entry}");
        let turns = stage.model.turns(name);
        match row.turns {
            Turns::Exactly(wanted) => assert_eq!(turns, wanted, "{engine} {name}"),
            Turns::Any => assert!(!turns.is_empty(), "{engine} {name}"),
            Turns::First(least, most) => {
                assert!((least..=most).contains(&turns.len()), "{engine} {name}: {} tries", turns.len());
                assert!(turns.iter().all(|turn| *turn == 0), "{engine} {name}");
            }
        }
    }
    stage.world.assert_clean();
    (stage, output)
}

fn provider_fails(engine: &str) {
    // A silent provider is given up soon, and one more try is enough to see that there is one.
    let broker = "idle_s = 4\nretries = 1\nretry_wait_s = 5";
    let (stage, output) = play(engine, broker, "engine_time = \"120s\"", provider_rows(engine));
    assert_eq!(output.code, 0, "{output:?}");
    for name in ["success", "limited-once", "failed-once", "children"] {
        let entry = output.entry(name);
        assert_usage(&entry["usage"], &usage(2), &format!("{engine} {name}"));
        assert_eq!(entry["qualified"], true, "{entry}");
        let branch = entry["branch"].as_str().expect("a branch");
        assert_eq!(git(&stage.world.repo, &["show", &format!("{branch}:value")]), "5");
    }
    for name in ["refused", "failed", "cut", "silent"] {
        let entry = output.entry(name);
        assert_eq!((&entry["qualified"], &entry["files_changed"]), (&json!(false), &json!([])), "{entry}");
        assert_ne!(entry["ending_detail"], "", "{engine} {name} says why");
    }
}

/// What was done before a limit is paid for, and judged.
fn limits_stop(engine: &str) {
    let change = "echo 5 > value";
    let budget = row("budget", "out_of_budget", Turns::Exactly(&[0]), [shell(change), text("done")]);
    judged(engine, &play(engine, "", "requests = 1", vec![budget]), "budget");
    // Some engines wait for a command as long as it runs; others ask the model now and then, and are told to wait on.
    let endless = [shell(&format!("{change}; sleep 4711")), shell("sleep 4711")];
    let time = row("endless", "timed_out", Turns::Any, endless);
    // Some take ten seconds of processor time before they ask for anything, which beside others is more.
    judged(engine, &play(engine, "", "engine_time = \"45s\"", vec![time]), "endless");
}

/// The socket of the broker is taken away from outside while the engine waits for an answer. That is nobody's fault but the
/// machine's: the engine is stopped at once and run again, and its second run is as good as a first.
fn broker_goes(engine: &str) {
    let turns = [shell("echo 5 > value"), silence().times(1), text("done")];
    let stage = Stage::set("", vec![script("alone", turns)]);
    stage.world.packet(&packet(&[("alone", engine, "alone")]));
    let asked = support::now();
    let mut running = stage.world.start(&["run", "arena.toml", "--json", "--yes"]);
    stage.model.await_turn("alone", 1, 1);
    let doors = sockets(&stage.world.state);
    assert_eq!(doors.len(), 1, "{doors:?}");
    let begun = support::now();
    std::fs::remove_file(&doors[0]).expect("a socket");
    stage.model.await_turn("alone", 0, 2);
    let (first, took) = (Duration::from_nanos(begun - asked), Duration::from_nanos(support::now() - begun));
    // As long as it took to begin, on this machine at this time; an engine by itself would wait for minutes.
    assert!(
        took < 2 * first + Duration::from_secs(20),
        "{engine} began after {first:?} and is run again after {took:?}"
    );
    assert_eq!(running.child.wait().expect("its end").code(), Some(0), "{}", stage.world.said());
    assert_eq!(stage.model.turns("alone"), [0, 1, 0, 2], "{engine}");
    let shown = stage.world.arena(&["show", &stage.world.session(), "--json"]).document();
    let entry = &shown["standing"][0];
    assert_eq!((&entry["ending"], &entry["qualified"]), (&json!("done"), &json!(true)), "{entry}");
    // The run that was lost counts too, and what its last answer came to was never told.
    let lost = json!({
        "input_tokens": null, "output_tokens": null, "cost_usd": null, "cached_input_tokens": null, "requests": 4,
    });
    assert_eq!(entry["usage"], lost, "{engine}");
    stage.world.assert_clean();
}

fn sockets(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let below = |path: PathBuf| match path.symlink_metadata() {
        Ok(found) if found.is_dir() => sockets(&path),
        Ok(found) if found.file_type().is_socket() => vec![path],
        Ok(_) | Err(_) => Vec::new(),
    };
    entries.flat_map(below).collect()
}

fn judged(engine: &str, (stage, output): &(Stage, Output), name: &str) {
    assert_eq!(output.code, 0, "what was done before the limit is judged: {output:?}");
    let entry = output.entry(name);
    let answers = u32::try_from(stage.model.turns(name).len()).expect("a number");
    assert_usage(&entry["usage"], &usage(answers), &format!("{engine} {name}"));
    let branch = entry["branch"].as_str().expect("a branch");
    assert_eq!(git(&stage.world.repo, &["show", &format!("{branch}:value")]), "5");
}

/// No wait of this table is without an end; a whole session has one too.
const LONGEST: Duration = Duration::from_secs(600);

fn bounded(test: impl FnOnce()) {
    let begun = support::now();
    test();
    let took = Duration::from_nanos(support::now() - begun);
    assert!(took < LONGEST, "{took:?}");
}

#[test]
fn codex_ends_in_its_class_whatever_its_provider_does() {
    if ready("codex_ends_in_its_class", &["codex"]) {
        bounded(|| provider_fails("codex"));
    }
}

#[test]
fn claude_ends_in_its_class_whatever_its_provider_does() {
    if ready("claude_ends_in_its_class", &["claude"]) {
        bounded(|| provider_fails("claude"));
    }
}

#[test]
fn gemini_ends_in_its_class_whatever_its_provider_does() {
    if ready("gemini_ends_in_its_class", &["gemini"]) {
        bounded(|| provider_fails("gemini"));
    }
}

#[test]
fn opencode_ends_in_its_class_whatever_its_provider_does() {
    if ready("opencode_ends_in_its_class", &["opencode"]) {
        bounded(|| provider_fails("opencode"));
    }
}

#[test]
fn qwen_ends_in_its_class_whatever_its_provider_does() {
    if ready("qwen_ends_in_its_class", &["qwen"]) {
        bounded(|| provider_fails("qwen"));
    }
}

#[test]
fn codex_is_stopped_by_its_budget_and_by_its_time() {
    if ready("codex_is_stopped", &["codex"]) {
        bounded(|| limits_stop("codex"));
    }
}

#[test]
fn claude_is_stopped_by_its_budget_and_by_its_time() {
    if ready("claude_is_stopped", &["claude"]) {
        bounded(|| limits_stop("claude"));
    }
}

#[test]
fn gemini_is_stopped_by_its_budget_and_by_its_time() {
    if ready("gemini_is_stopped", &["gemini"]) {
        bounded(|| limits_stop("gemini"));
    }
}

#[test]
fn opencode_is_stopped_by_its_budget_and_by_its_time() {
    if ready("opencode_is_stopped", &["opencode"]) {
        bounded(|| limits_stop("opencode"));
    }
}

#[test]
fn qwen_is_stopped_by_its_budget_and_by_its_time() {
    if ready("qwen_is_stopped", &["qwen"]) {
        bounded(|| limits_stop("qwen"));
    }
}

#[test]
fn codex_is_run_again_when_its_broker_goes() {
    if ready("codex_is_run_again", &["codex"]) {
        bounded(|| broker_goes("codex"));
    }
}

#[test]
fn claude_is_run_again_when_its_broker_goes() {
    if ready("claude_is_run_again", &["claude"]) {
        bounded(|| broker_goes("claude"));
    }
}

#[test]
fn gemini_is_run_again_when_its_broker_goes() {
    if ready("gemini_is_run_again", &["gemini"]) {
        bounded(|| broker_goes("gemini"));
    }
}

#[test]
fn opencode_is_run_again_when_its_broker_goes() {
    if ready("opencode_is_run_again", &["opencode"]) {
        bounded(|| broker_goes("opencode"));
    }
}

#[test]
fn qwen_is_run_again_when_its_broker_goes() {
    if ready("qwen_is_run_again", &["qwen"]) {
        bounded(|| broker_goes("qwen"));
    }
}
