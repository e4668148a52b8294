//! One event of each of the four APIs: tokens, text, end and failure. All other fields are passed over.

use super::Tokens;
use arena_domain::ending::Trouble;
use arena_runtime::config::Api;
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;

/// What one event, or a whole answer, told.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) tokens: Option<Tokens>,
    pub(super) is_final: bool,
    /// Bytes of text that the model wrote.
    pub(super) text: u64,
    pub(super) ended: bool,
    pub(super) failed: Option<Trouble>,
}

/// Of any of the four APIs.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Event<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    response: Option<Inner>,
    message: Option<Value>,
    usage: Option<Counts>,
    error: Option<Value>,
    delta: Option<Value>,
    choices: Vec<Choice>,
    candidates: Vec<Candidate>,
    #[serde(rename = "usageMetadata")]
    metadata: Option<Metadata>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Inner {
    usage: Option<Counts>,
    error: Option<Value>,
}

/// Of Responses, Chat Completions and Messages.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Counts {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    input_tokens_details: Option<Details>,
    prompt_tokens_details: Option<Details>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Details {
    cached_tokens: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Choice {
    delta: Option<Value>,
    finish_reason: Option<Value>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Candidate {
    content: Option<Value>,
    #[serde(rename = "finishReason")]
    finish_reason: Option<Value>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    prompt_token_count: Option<u64>,
    cached_content_token_count: Option<u64>,
    candidates_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
    tool_use_prompt_token_count: Option<u64>,
}

impl Counts {
    /// Cached tokens are among the input.
    fn open_ai(&self) -> Option<Tokens> {
        let input = self.input_tokens.or(self.prompt_tokens)?;
        let details = self.input_tokens_details.as_ref().or(self.prompt_tokens_details.as_ref());
        Some(Tokens {
            input,
            cached: details.and_then(|details| details.cached_tokens).unwrap_or(0),
            cache_write: 0,
            output: self.output_tokens.or(self.completion_tokens)?,
        })
    }

    /// Cached tokens are beside the input.
    fn anthropic(&self) -> Tokens {
        let cached = self.cache_read_input_tokens.unwrap_or(0);
        let cache_write = self.cache_creation_input_tokens.unwrap_or(0);
        let input = self.input_tokens.unwrap_or(0).saturating_add(cached).saturating_add(cache_write);
        Tokens { input, cached, cache_write, output: self.output_tokens.unwrap_or(0) }
    }
}

impl Metadata {
    fn tokens(&self) -> Option<Tokens> {
        let output = self.candidates_token_count.unwrap_or(0).saturating_add(self.thoughts_token_count.unwrap_or(0));
        Some(Tokens {
            input: self.prompt_token_count?.saturating_add(self.tool_use_prompt_token_count.unwrap_or(0)),
            cached: self.cached_content_token_count.unwrap_or(0),
            cache_write: 0,
            output,
        })
    }
}

/// The data of one server-sent event.
pub(super) fn read(api: Api, data: &[u8]) -> Said {
    if data == b"[DONE]" {
        return Said { ended: true, ..Said::default() };
    }
    let Ok(event) = serde_json::from_slice::<Event<'_>>(data) else { return Said::default() };
    match api {
        Api::Responses => responses(&event),
        Api::Chat => chat(&event),
        Api::Messages => messages(&event),
        Api::Gemini => gemini(&event),
    }
}

fn responses(event: &Event<'_>) -> Said {
    let inner = event.response.as_ref();
    let tokens = inner.and_then(|inner| inner.usage.as_ref()).and_then(Counts::open_ai);
    let ended = matches!(event.kind.as_ref(), "response.completed" | "response.incomplete");
    let has_failed = matches!(event.kind.as_ref(), "response.failed" | "error");
    let error = inner.and_then(|inner| inner.error.as_ref()).or(event.error.as_ref());
    Said {
        tokens,
        is_final: tokens.is_some(),
        text: event.delta.as_ref().map_or(0, text),
        ended,
        failed: has_failed.then(|| trouble(error)),
    }
}

fn chat(event: &Event<'_>) -> Said {
    let tokens = event.usage.as_ref().and_then(Counts::open_ai);
    let deltas = event.choices.iter().filter_map(|choice| choice.delta.as_ref());
    Said {
        tokens,
        is_final: tokens.is_some(),
        text: deltas.map(text).sum(),
        ended: event.choices.iter().any(|choice| choice.finish_reason.as_ref().is_some_and(|reason| !reason.is_null())),
        failed: event.error.as_ref().filter(|error| !error.is_null()).map(|error| trouble(Some(error))),
    }
}

fn messages(event: &Event<'_>) -> Said {
    let begun = event.message.as_ref().and_then(|message| message.get("usage"));
    let begun = begun.and_then(|usage| Counts::deserialize(usage).ok());
    Said {
        tokens: event.usage.as_ref().or(begun.as_ref()).map(Counts::anthropic),
        // What the first event says of the output is not the last word.
        is_final: event.usage.is_some(),
        text: event.delta.as_ref().map_or(0, text),
        ended: event.kind == "message_stop",
        failed: (event.kind == "error").then(|| trouble(event.error.as_ref())),
    }
}

fn gemini(event: &Event<'_>) -> Said {
    let ended = event.candidates.iter().any(|candidate| candidate.finish_reason.is_some());
    let contents = event.candidates.iter().filter_map(|candidate| candidate.content.as_ref());
    Said {
        tokens: event.metadata.as_ref().and_then(Metadata::tokens),
        is_final: ended,
        text: contents.map(text).sum(),
        ended,
        failed: event.error.as_ref().map(|error| trouble(Some(error))),
    }
}

/// A whole answer; Gemini streams a list of events when nobody asks for server-sent ones.
pub(super) fn read_whole(api: Api, body: &[u8]) -> Said {
    if api == Api::Gemini && body.trim_ascii_start().first() == Some(&b'[') {
        let events: Vec<Event<'_>> = serde_json::from_slice(body).unwrap_or_default();
        let all = events.iter().map(gemini);
        return all.fold(Said::default(), |before, next| Said {
            tokens: next.tokens.or(before.tokens),
            is_final: before.is_final | next.is_final,
            failed: next.failed.or(before.failed),
            ..before
        });
    }
    let Ok(event) = serde_json::from_slice::<Event<'_>>(body) else { return Said::default() };
    let tokens = match api {
        Api::Responses | Api::Chat => event.usage.as_ref().and_then(Counts::open_ai),
        Api::Messages => event.usage.as_ref().map(Counts::anthropic),
        Api::Gemini => event.metadata.as_ref().and_then(Metadata::tokens),
    };
    let failed = event.error.as_ref().filter(|error| !error.is_null()).map(|error| trouble(Some(error)));
    Said { tokens, is_final: tokens.is_some(), failed, ..Said::default() }
}

/// Bytes of all texts below a value; what else is there is small beside them.
fn text(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.len() as u64,
        Value::Array(list) => list.iter().map(text).sum(),
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "role" | "type" | "id" | "stop_reason"))
            .map(|(_, value)| text(value))
            .sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// By the code or type of an error, never by its prose.
pub(super) fn trouble(error: Option<&Value>) -> Trouble {
    let word = |name: &str| error.and_then(|error| error.get(name)).and_then(Value::as_str);
    let words = ["code", "type", "status"].into_iter().filter_map(word);
    let mut classed = words.filter_map(|word| match word {
        "rate_limit_exceeded" | "rate_limit_error" | "RESOURCE_EXHAUSTED" => Some(Trouble::RateLimit),
        "insufficient_quota"
        | "authentication_error"
        | "permission_error"
        | "billing_error"
        | "invalid_api_key"
        | "UNAUTHENTICATED"
        | "PERMISSION_DENIED" => Some(Trouble::Auth),
        "model_not_found" | "not_found_error" => Some(Trouble::Model),
        _ => None,
    });
    classed.next().unwrap_or(Trouble::Server)
}
