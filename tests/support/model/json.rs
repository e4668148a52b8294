//! Scripts from a file, for trying an engine by hand: an object of named lists of turns.

use super::script::{self, Script, Turn};
use serde_json::Value;
use std::time::Duration;

/// `{"fix": [{"shell": "echo hi > hi.txt"}, {"error": 429, "times": 1, "retry_after": 1}, {"text": "done"}]}`; a list
/// alone is a script called `default`.
pub fn scripts_of(document: &Value) -> Result<Vec<Script>, String> {
    match document {
        Value::Array(_) => Ok(vec![one("default", document)?]),
        Value::Object(named) => named.iter().map(|(name, turns)| one(name, turns)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            Err("a script is a list of turns, or an object of such lists".to_owned())
        }
    }
}

fn one(name: &str, turns: &Value) -> Result<Script, String> {
    let turns: Vec<Turn> = turns.as_array().into_iter().flatten().map(turn).collect::<Result<_, _>>()?;
    match turns.last() {
        None => Err(format!("script {name} has no turn")),
        Some(last) if last.times.is_some() => Err(format!("script {name} ends with a turn of so many times")),
        Some(_) => Ok(script::script(name, turns)),
    }
}

fn turn(said: &Value) -> Result<Turn, String> {
    let text = |name: &str| said[name].as_str();
    let number = |name: &str| said[name].as_u64();
    let turn = if let Some(command) = text("shell") {
        script::shell(command)
    } else if let (Some(path), Some(content)) = (said["write"]["path"].as_str(), said["write"]["content"].as_str()) {
        script::write(path, content)
    } else if let Some(tool) = text("call") {
        script::call(tool, said["arguments"].clone())
    } else if let Some(answer) = text("text") {
        script::text(answer)
    } else if let Some(status) = number("error").and_then(|status| u16::try_from(status).ok()) {
        refused(script::error(status), said)
    } else if let Some(message) = text("fault") {
        script::fault(message)
    } else if let Some(pieces) = number("many").and_then(|pieces| usize::try_from(pieces).ok()) {
        script::many(pieces)
    } else {
        match text("play") {
            Some("silence") => script::silence(),
            Some("stall") => script::stall(),
            Some("cut") => script::cut(),
            Some("headers") => script::echo_headers(),
            Some(_) | None => return Err(format!("this is no turn: {said}")),
        }
    };
    Ok(modified(turn, said))
}

fn refused(turn: Turn, said: &Value) -> Turn {
    let turn = said["message"].as_str().into_iter().fold(turn, Turn::message);
    let turn = said["code"].as_str().into_iter().fold(turn, Turn::code);
    said["retry_after"].as_u64().into_iter().fold(turn, Turn::retry_after)
}

fn modified(mut turn: Turn, said: &Value) -> Turn {
    let millis = |name: &str| said[name].as_u64().map(Duration::from_millis);
    let size = |name: &str| said[name].as_u64().and_then(|size| usize::try_from(size).ok());
    turn.say = said["say"].as_str().map(str::to_owned);
    turn.delay = millis("delay_ms").unwrap_or_default();
    turn.pace = millis("pace_ms").unwrap_or_default();
    turn.piece = size("piece").unwrap_or(turn.piece);
    turn.chunk = size("chunk");
    turn.times = said["times"].as_u64().and_then(|times| u32::try_from(times).ok());
    if let [Some(input), Some(cached), Some(output)] = [0, 1, 2].map(|place| said["usage"][place].as_u64()) {
        turn = turn.usage(input, cached, output);
    }
    turn
}
