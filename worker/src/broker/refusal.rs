//! How the broker says no: in the words of the API that was spoken, so that engines show it.

use super::answer::{Body, whole};
use arena_domain::ending::Trouble;
use arena_runtime::config::Api;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

/// No engine sends a request again that was answered with 400.
pub(super) const EXHAUSTED: &str = "arena: budget exhausted";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) message: String,
    /// None: it is no end of an engine's work.
    pub(super) trouble: Option<Trouble>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>, trouble: Option<Trouble>) -> Self {
        Self { status, message: message.into(), trouble }
    }

    pub(super) fn exhausted() -> Self {
        Self::new(StatusCode::BAD_REQUEST, EXHAUSTED, Some(Trouble::Budget))
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message, None)
    }

    pub(super) fn answer(&self, api: Option<Api>) -> Response<Body> {
        let (kind, text) = match api {
            Some(api) => ("application/json", error(api, self.status, &self.message).to_string()),
            None => ("text/plain", format!("{}\n", self.message)),
        };
        let mut response = Response::new(whole(text.into()));
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        response
    }
}

fn error(api: Api, status: StatusCode, message: &str) -> Value {
    let kind = if status.is_server_error() { "api_error" } else { "invalid_request_error" };
    match api {
        Api::Responses | Api::Chat => {
            json!({ "error": { "message": message, "type": kind, "param": null, "code": "arena" } })
        }
        Api::Messages => json!({ "type": "error", "error": { "type": kind, "message": message } }),
        Api::Gemini => {
            let word = if status.is_server_error() { "UNAVAILABLE" } else { "INVALID_ARGUMENT" };
            json!({ "error": { "code": status.as_u16(), "message": message, "status": word } })
        }
    }
}

/// The last event of a stream that the broker ends. Used-up money is said in the words that engines take for final.
pub(super) fn last_event(api: Api, message: &str, trouble: Trouble) -> String {
    let is_budget = trouble == Trouble::Budget;
    let (code, status) = if is_budget { ("insufficient_quota", 400) } else { ("server_error", 504) };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    match api {
        Api::Responses => {
            let failed = json!({ "type": "response.failed", "response": { "id": "arena", "object": "response",
                "status": "failed", "output": [], "error": { "code": code, "message": message } } });
            format!("\n\nevent: response.failed\ndata: {failed}\n\n")
        }
        Api::Messages => format!("\n\nevent: error\ndata: {}\n\n", error(api, status, message)),
        Api::Chat | Api::Gemini => format!("\n\ndata: {}\n\n", error(api, status, message)),
    }
}
