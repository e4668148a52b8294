//! The four APIs: what of them a request speaks, what its conversation holds, and the shape of answers.

mod chat;
mod google;
mod messages;
mod responses;

use super::script::{Refusal, Usage};
use super::tools::{Call, Tool};
use serde_json::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// OpenAI Responses.
    Responses,
    /// OpenAI Chat Completions.
    Chat,
    /// Anthropic Messages.
    Messages,
    /// Google generateContent.
    Google,
}

impl Api {
    pub(super) fn wire(self) -> &'static dyn Wire {
        match self {
            Self::Responses => &responses::Responses,
            Self::Chat => &chat::Chat,
            Self::Messages => &messages::Messages,
            Self::Google => &google::Google,
        }
    }
}

/// What differs between the APIs. Laws: a stream says what the whole answer says, and its usage is the same.
pub(super) trait Wire {
    fn tools(&self, body: &Value) -> Vec<Tool>;
    fn conversation(&self, body: &Value) -> Conversation;
    /// The JSON schema that the answer has to have, if one is asked for.
    fn schema(&self, body: &Value) -> Option<Value>;
    fn whole(&self, answer: &Answer) -> Value;
    /// The events of a stream, each as the bytes that are sent.
    fn stream(&self, answer: &Answer) -> Vec<String>;
    fn refusal(&self, refusal: &Refusal) -> Value;
    /// The event that ends a stream with an error.
    fn fault(&self, message: &str) -> String;
}

/// What a request says was said before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Conversation {
    /// What the user said before the first answer: it tells conversations apart.
    pub opening: String,
    /// The model's, in their order.
    pub said: Vec<Said>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    Call,
    Text(String),
}

impl Conversation {
    pub(super) fn user(&mut self, text: &str) {
        if self.said.is_empty() {
            self.opening.push_str(text);
        }
    }

    pub(super) fn text(&mut self, text: String) {
        if !text.is_empty() {
            self.said.push(Said::Text(text));
        }
    }
}

/// One answer before it has the shape of an API.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    /// Of the request; ids are made of it.
    pub number: usize,
    pub model: String,
    pub text: Option<String>,
    pub call: Option<Call>,
    pub usage: Usage,
    pub piece: usize,
    /// One API sends usage in a stream only where it is asked to.
    pub usage_in_stream: bool,
}

impl Answer {
    pub(super) fn id(&self, kind: &str) -> String {
        format!("{kind}_scripted{:06}", self.number)
    }

    /// The text as it is streamed.
    pub(super) fn pieces(&self) -> Vec<String> {
        let letters: Vec<char> = self.text.as_deref().unwrap_or_default().chars().collect();
        letters.chunks(self.piece.max(1)).map(|piece| piece.iter().collect()).collect()
    }
}

/// What a request wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    Answer { api: Api, streams: Streams },
    Count(Api),
    Models,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Streams {
    No,
    Events,
    /// One API streams a JSON list where no events are asked for.
    List,
}

/// Read from a path without its query, whatever comes before the part that names the call.
pub(super) fn wanted(path: &str, query: &str, body: &Value) -> Wanted {
    let streams = if body["stream"] == true { Streams::Events } else { Streams::No };
    let answer = |api, streams| Wanted::Answer { api, streams };
    let events = query.split('&').any(|pair| pair == "alt=sse");
    match path.rsplit('/').next().unwrap_or_default() {
        "responses" => answer(Api::Responses, streams),
        "completions" if path.ends_with("/chat/completions") => answer(Api::Chat, streams),
        "messages" => answer(Api::Messages, streams),
        "count_tokens" => Wanted::Count(Api::Messages),
        "models" => Wanted::Models,
        call if call.ends_with(":generateContent") => answer(Api::Google, Streams::No),
        call if call.ends_with(":streamGenerateContent") => {
            answer(Api::Google, if events { Streams::Events } else { Streams::List })
        }
        call if call.ends_with(":countTokens") => Wanted::Count(Api::Google),
        _ => Wanted::Unknown,
    }
}

/// The model that is asked for: in the body, or in the path.
pub(super) fn model(path: &str, body: &Value) -> String {
    let last = path.rsplit('/').next().unwrap_or_default();
    let named = last.split_once(':').map(|(model, _)| model);
    body["model"].as_str().or(named).unwrap_or_default().to_owned()
}

/// A text, or the texts of a list of parts.
pub(super) fn joined(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => String::new(),
    }
}

/// An event with a name, as two of the APIs send them.
fn event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}
