//! A scripted model to try an engine on by hand: `cargo run -p arena-tests --example model -- --port N --script FILE`.
//!
//! The file holds a list of turns, or an object of named lists, which a prompt chooses by `[[script:NAME]]`. A turn is
//! `{"shell": …}`, `{"write": {"path": …, "content": …}}`, `{"call": TOOL, "arguments": …}`, `{"text": …}`,
//! `{"error": STATUS, "times": N, "retry_after": S, "code": …}`, `{"fault": …}`, `{"many": PIECES}` or
//! `{"play": "silence" | "stall" | "cut" | "headers"}`. Every request is said on standard output, one JSON line each.

use serde_json::json;
use support::model::{Model, scripts_of};

fn main() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        let place = arguments.iter().position(|one| one == name)?;
        arguments.get(place + 1).cloned()
    };
    let port = option("--port").map_or(Ok(0), |port| port.parse()).map_err(|_| "--port wants a number")?;
    let file = option("--script").ok_or("usage: model --script FILE [--port N] [--key KEY] [--bodies]")?;
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
    let document = serde_json::from_str(&text).map_err(|error| format!("{file}: {error}"))?;
    let model = Model::on(port, scripts_of(&document)?);
    if let Some(key) = option("--key") {
        model.require_key(&key);
    }
    println!("{}", json!({"url": model.url()}));
    let bodies = arguments.iter().any(|one| one == "--bodies");
    for said in 0.. {
        let asked = model.await_request(said);
        let body = if bodies { asked.body } else { json!(asked.digest) };
        let played = format!("{:?}", asked.played);
        println!(
            "{}",
            json!({"method": asked.method, "path": asked.path, "model": asked.model, "played": played, "body": body})
        );
    }
    Ok(())
}
