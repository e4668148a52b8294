//! Money: one purse for all engines of a session, and nothing that was spent is forgotten, whatever ends the worker.

use crate::stage::{Stage, packet, ready};
use support::model::{Turn, script, shell, silence, text};

/// Three at once, as they meet in one purse.
const THREE: [&str; 3] = ["codex", "claude", "gemini"];

/// As many tokens as such a request really has, so that the broker's own estimate is not far off; 0.0205 dollars.
fn real(turn: Turn) -> Turn {
    turn.usage(20_000, 0, 50)
}

const REAL_USD: f64 = 0.0205;

/// More turns than the money is for; each leaves something that can be judged.
fn endless() -> Vec<Turn> {
    (0..60).map(|turn| real(shell(&format!("echo {} > value", 9 - turn % 5)))).chain([text("done")]).collect()
}

/// What a session was charged, and the most that was set aside for one answer: from the lines that outlive its worker.
fn charged(stage: &Stage, session: &str) -> (f64, f64) {
    let path = stage.world.state.join("worker/audit").join(format!("{session}.jsonl"));
    let lines = std::fs::read_to_string(path).expect("the audit");
    let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).expect("a line")).collect();
    let each = |key: &'static str| lines.iter().filter_map(move |line| line[key].as_f64());
    (each("charged_usd").sum(), each("set_aside_usd").fold(0.0, f64::max))
}

#[test]
fn engines_at_once_share_one_budget_and_overrun_it_by_no_more_than_one_answer() {
    if !ready("engines_share_one_budget", &THREE) {
        return;
    }
    let stage = Stage::set("output_tokens = 300", THREE.map(|engine| script(engine, endless())).into());
    let mut packet = packet(&THREE.map(|engine| (engine, engine, engine)));
    packet.session = packet.session.replace("parallel = 2", "parallel = 3");
    let limit = 12.0 * REAL_USD;
    packet.budget = format!("rounds = 3\ncost_usd = {limit}");
    let output = stage.run(&packet);
    let (spent, largest) = charged(&stage, output.result()["session"].as_str().expect("a session"));
    assert!(spent >= limit, "all of it is used: {spent} of {limit}");
    assert!(spent <= limit + largest, "at most one answer more: {spent} of {limit}");
    let answers: usize = THREE.iter().map(|engine| stage.model.turns(engine).len()).sum();
    assert!(answers as f64 * REAL_USD <= limit + REAL_USD, "{answers} answers");
    for engine in THREE {
        let entry = output.entry(engine);
        // Claude watches its own budget too, by prices of its own.
        let ended = entry["ending"] == "out_of_budget" || (engine == "claude" && entry["ending"] == "own_limit");
        assert!(ended, "{entry}");
    }
    stage.world.assert_clean();
}

#[test]
fn what_a_killed_run_had_spent_is_spent_when_it_is_resumed() {
    if !ready("what_a_killed_run_had_spent", &["codex"]) {
        return;
    }
    let turns = [real(shell("echo 5 > value")), silence()];
    let stage = Stage::set("output_tokens = 100\nidle_s = 60", vec![script("slow", turns)]);
    let mut packet = packet(&[("slow", "codex", "slow")]);
    packet.budget = format!("rounds = 1\ncost_usd = {}", 1.9 * REAL_USD);
    stage.world.packet(&packet);
    let mut running = stage.world.start(&["run", "arena.toml", "--json"]);
    stage.model.await_turn("slow", 1, 1);
    running.child.kill().expect("a process");
    running.child.wait().expect("its end");
    let before = stage.model.requests().len();
    let id = stage.world.session();
    let resumed = stage.world.arena(&["resume", &id, "--json"]);
    let entry = resumed.entry("slow");
    assert_eq!((entry["ending"].as_str(), stage.model.requests().len()), (Some("out_of_budget"), before), "{entry}");
    stage.world.assert_clean();
}

#[test]
fn an_engine_that_asks_another_model_than_the_packets_does_so_in_the_open() {
    if !ready("an_engine_that_asks_another_model", &[]) {
        return;
    }
    let stage = Stage::set("", vec![script("two", [text("done"), text("done")])]);
    let mut packet = packet(&[]);
    for (name, models) in [("honest", "gpt-5.5"), ("other", "gpt-5.5 gpt-5-other")] {
        let asks = format!(
            "import urllib.request as u, json\nfor model in '{models}'.split():\n    body = {{'model': model, 'messages': [{{'role': 'user', 'content': '[[script:two]]'}}]}}\n    u.urlopen(u.Request('http://127.0.0.1:47080/v1/chat/completions', json.dumps(body).encode(), {{'content-type': 'application/json'}})).read()\nopen('value', 'w').write('5')\n"
        );
        let command = serde_json::json!(["python3", "-c", asks]);
        packet.rest.push_str(&format!(
            "[engine.{name}]\ncommand = {command}\nprovider = \"openai\"\n\n[[competitor]]\nname = \"{name}\"\nengine = \"{name}\"\nmodel = \"gpt-5.5\"\n\n"
        ));
    }
    let output = stage.run(&packet);
    let flags = |name: &str| output.entry(name)["flags"].clone();
    assert_eq!(flags("honest"), serde_json::json!([]), "{output:?}");
    let told =
        serde_json::json!([{"kind": "other_model", "path": null, "detail": "beside gpt-5.5 it asked gpt-5-other"}]);
    assert_eq!(flags("other"), told, "{output:?}");
    stage.world.assert_clean();
}
