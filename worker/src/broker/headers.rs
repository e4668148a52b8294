//! Which headers pass, each way.

use crate::redact::Redactor;
use hyper::HeaderMap;
use hyper::header::HeaderName;

/// About one connection, or made anew for the next one.
const HOP: [&str; 14] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "host",
    "expect",
    "content-length",
    "accept-encoding",
    "proxy-authenticate",
    "forwarded",
    "via",
];
/// What engines say to their providers, by name or, with a dash at the end, by its beginning: versions and features of the API,
/// who wrote the engine, and which conversation it is. All else could mean something to a gateway that was not checked.
const ASKED: [&str; 22] = [
    "accept",
    "accept-language",
    "user-agent",
    "anthropic-version",
    "anthropic-beta",
    "anthropic-dangerous-direct-browser-access",
    "openai-beta",
    "originator",
    "version",
    "session_id",
    "session-id",
    "conversation_id",
    "thread_id",
    "thread-id",
    "x-app",
    "x-client-request-id",
    "x-goog-api-client",
    "x-stainless-",
    "x-codex-",
    "x-claude-",
    "traceparent",
    "tracestate",
];
/// Who pays, and what else could say who asks.
const CREDENTIALS: [&str; 14] = [
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "x-goog-api-key",
    "api-key",
    "cookie",
    "cookie2",
    "chatgpt-account-id",
    "openai-organization",
    "openai-project",
    "x-goog-user-project",
    "x-auth-token",
    "x-goog-iam-authorization-token",
    "x-amz-security-token",
];
/// Of answers, by name or, with a dash at the end, by their beginning.
const ANSWERED: [&str; 11] = [
    "content-type",
    "cache-control",
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
    "request-id",
    "x-request-id",
    "x-ratelimit-",
    "anthropic-ratelimit-",
    "x-codex-",
    "openai-processing-ms",
];

fn is_one_of(known: &[&str], name: &HeaderName) -> bool {
    known.iter().any(|known| match known.strip_suffix('-') {
        Some(_) => name.as_str().starts_with(known),
        None => name.as_str() == *known,
    })
}

/// To the provider: what is known to be harmless.
pub(super) fn to_provider(headers: &HeaderMap) -> HeaderMap {
    let named = named_hops(headers);
    let passes = |name: &HeaderName| is_one_of(&ASKED, name) && !named.iter().any(|one| one == name.as_str());
    headers.iter().filter(|(name, _)| passes(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// To a listed place: what the engine said, without credentials and without what is about its own connection.
pub(super) fn to_place(headers: &HeaderMap) -> HeaderMap {
    let named = named_hops(headers);
    let drops = |name: &HeaderName| {
        let name = name.as_str();
        HOP.contains(&name)
            || CREDENTIALS.contains(&name)
            || name.starts_with("x-forwarded-")
            || name.starts_with("proxy-")
            || named.iter().any(|one| one == name)
    };
    headers.iter().filter(|(name, _)| !drops(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// What `connection` says is about this connection alone.
fn named_hops(headers: &HeaderMap) -> Vec<String> {
    let said = headers.get_all("connection").iter().filter_map(|value| value.to_str().ok());
    said.flat_map(|value| value.split(',').map(|name| name.trim().to_ascii_lowercase())).collect()
}

/// Of a place that is no provider: all that is not about its own connection.
pub(super) fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let kept = headers.iter().filter(|(name, _)| !HOP.contains(&name.as_str()));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// To the engine: what it can use. A value with a key in it is left out.
pub(super) fn to_engine(headers: &HeaderMap, redactor: &Redactor) -> HeaderMap {
    let kept = headers.iter().filter(|(name, value)| is_one_of(&ANSWERED, name) && !redactor.finds(value.as_bytes()));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn credentials_and_hops_stay_behind() {
        let given = map(&[
            ("authorization", "Bearer placeholder"),
            ("x-api-key", "placeholder"),
            ("x-goog-api-key", "placeholder"),
            ("cookie", "a"),
            ("openai-organization", "o"),
            ("host", "evil.example"),
            ("connection", "close, x-secret-hop"),
            ("x-secret-hop", "1"),
            ("transfer-encoding", "chunked"),
            ("x-forwarded-host", "evil.example"),
            ("accept-encoding", "gzip"),
            ("content-type", "application/json"),
            ("anthropic-version", "2023-06-01"),
        ]);
        let kept = map(&[("content-type", "application/json"), ("anthropic-version", "2023-06-01")]);
        assert_eq!(to_place(&given), kept);
        assert_eq!(to_provider(&given), map(&[("anthropic-version", "2023-06-01")]));
    }

    #[test]
    fn a_provider_is_told_nothing_that_could_change_what_was_checked() {
        let given = map(&[
            ("x-http-method-override", "DELETE"),
            ("x-original-url", "/v1/files"),
            ("content-encoding", "gzip"),
            ("x-portkey-config", "{}"),
            ("x-stainless-retry-count", "0"),
            ("user-agent", "an engine"),
        ]);
        let kept = map(&[("x-stainless-retry-count", "0"), ("user-agent", "an engine")]);
        assert_eq!(to_provider(&given), kept);
    }

    #[test]
    fn an_answers_headers_are_those_an_engine_can_use_and_hold_no_key() {
        let given = map(&[
            ("content-type", "text/event-stream"),
            ("set-cookie", "a"),
            ("location", "https://evil.example"),
            ("x-ratelimit-remaining", "1"),
            ("x-request-id", "sk-canary-123456"),
        ]);
        let kept = map(&[("content-type", "text/event-stream"), ("x-ratelimit-remaining", "1")]);
        assert_eq!(to_engine(&given, &Redactor::new(["sk-canary-123456"])), kept);
    }
}
