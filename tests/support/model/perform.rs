//! Finds the turn of a request and plays it, in the shape and the stream of its API.

use super::api::{Answer, Api, Streams};
use super::choose;
use super::playback::{End, Playback};
use super::script::{Play, Refusal, Turn, Usage};
use super::seen::{Asked, Played, Shared};
use super::tools::{harmless, plan};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde_json::Value;
use std::fmt::Write;
use std::future::pending;
use std::time::Duration;

pub(super) type Answered = Response<Playback>;

/// The turn that this request has come to.
pub(super) async fn play(shared: &Shared, asked: &Asked, bytes: &Bytes, api: Api, streams: Streams) -> Answered {
    let script = match choose::script(&shared.scripts, &String::from_utf8_lossy(bytes)) {
        Ok(script) => script,
        Err(reason) => {
            shared.note(asked.clone());
            return refusal(api, &Refusal::plain(400, &reason));
        }
    };
    let wire = api.wire();
    if wire.tools(&asked.body).is_empty() && script.turns.iter().any(Turn::calls) {
        let number = shared.note(Asked { played: Played::Aside, ..asked.clone() });
        let text =
            wire.schema(&asked.body).map_or_else(|| "Scripted".to_owned(), |schema| harmless(&schema).to_string());
        let usage = Usage { input: 10, cached: 0, output: 2, reasoning: 0 };
        let answer = answer(number, asked, Some(text), usage);
        return speak(api, streams, &answer, |playback| playback);
    }
    let place = shared.turn(script, api, &wire.conversation(&asked.body));
    let played = Played::Turn { script: script.name.clone(), turn: place };
    let number = shared.note(Asked { played, ..asked.clone() });
    perform(number, asked, &script.turns[place], api, streams).await
}

async fn perform(number: usize, asked: &Asked, turn: &Turn, api: Api, streams: Streams) -> Answered {
    tokio::time::sleep(turn.delay).await;
    let mut said = answer(number, asked, turn.say.clone(), turn.usage);
    said.piece = turn.piece;
    match &turn.play {
        Play::Error(error) => return refusal(api, error),
        Play::Silence => return pending().await,
        Play::Stall => return begin(api, &mut said, None, End::Never),
        Play::Cut => return begin(api, &mut said, None, End::Cut),
        Play::Fault(message) => return begin(api, &mut said, Some(message), End::Whole),
        Play::Text(text) => said.text = Some(text.clone()),
        Play::Headers => said.text = Some(headers(asked)),
        Play::Shell(_) | Play::Write { .. } | Play::Call { .. } => {
            match plan(&turn.play, &api.wire().tools(&asked.body)) {
                Ok(call) => said.call = call,
                Err(reason) => {
                    return refusal(api, &Refusal::plain(400, &reason));
                }
            }
        }
    }
    speak(api, streams, &said, |playback| {
        let paced = playback.paced(turn.pace);
        match turn.chunk {
            Some(length) => paced.cut_anew(length),
            None => paced,
        }
    })
}

fn answer(number: usize, asked: &Asked, text: Option<String>, usage: Usage) -> Answer {
    let usage_in_stream = asked.body["stream_options"]["include_usage"] == true;
    Answer { number, model: asked.model.clone(), text, call: None, usage, piece: 16, usage_in_stream }
}

fn headers(asked: &Asked) -> String {
    let mut text = choose::HEADERS.to_owned();
    for (name, value) in &asked.headers {
        let _ = writeln!(text, "{name}: {value}");
    }
    text
}

/// A whole answer in the form in which it is asked for.
fn speak(api: Api, streams: Streams, answer: &Answer, shape: impl FnOnce(Playback) -> Playback) -> Answered {
    let stream = |chunks| shape(Playback::stream(chunks, Duration::ZERO, End::Whole));
    match streams {
        Streams::No => whole(&api.wire().whole(answer)),
        Streams::Events => reply(StatusCode::OK, "text/event-stream", stream(api.wire().stream(answer))),
        Streams::List => {
            let events = api.wire().stream(answer);
            let items = events.iter().filter_map(|event| event.trim().strip_prefix("data: ")).enumerate();
            let mut chunks: Vec<String> =
                items.map(|(place, item)| format!("{}{item}", if place == 0 { "[" } else { ",\r\n" })).collect();
            chunks.push("]".to_owned());
            reply(StatusCode::OK, "application/json", stream(chunks))
        }
    }
}

/// The first half of a stream of a text, and an end that it should not have.
fn begin(api: Api, answer: &mut Answer, fault: Option<&str>, end: End) -> Answered {
    answer.text = Some("An answer that begins well but is not to be".to_owned());
    answer.piece = 4;
    let mut chunks = api.wire().stream(answer);
    chunks.truncate(chunks.len() / 2);
    chunks.extend(fault.map(|message| api.wire().fault(message)));
    reply(StatusCode::OK, "text/event-stream", Playback::stream(chunks, Duration::ZERO, end))
}

pub(super) fn refusal(api: Api, refusal: &Refusal) -> Answered {
    let status = StatusCode::from_u16(refusal.status).expect("a status");
    let mut reply = reply(status, "application/json", Playback::whole(api.wire().refusal(refusal).to_string()));
    if let Some(seconds) = refusal.retry_after_s {
        reply.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    reply
}

pub(super) fn whole(body: &Value) -> Answered {
    reply(StatusCode::OK, "application/json", Playback::whole(body.to_string()))
}

fn reply(status: StatusCode, kind: &'static str, body: Playback) -> Answered {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
