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

/// To the provider: what the engine said, without credentials and without what is about its own connection.
pub(super) fn to_provider(headers: &HeaderMap) -> HeaderMap {
    let named: Vec<String> = headers
        .get_all("connection")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(',').map(|name| name.trim().to_ascii_lowercase()))
        .collect();
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

/// Of a place that is no provider: all that is not about its own connection.
pub(super) fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let kept = headers.iter().filter(|(name, _)| !HOP.contains(&name.as_str()));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// To the engine: what it can use. A value with a key in it is left out.
pub(super) fn to_engine(headers: &HeaderMap, redactor: &Redactor) -> HeaderMap {
    let passes = |name: &HeaderName| {
        ANSWERED.iter().any(|known| match known.strip_suffix('-') {
            Some(_) => name.as_str().starts_with(known),
            None => name.as_str() == *known,
        })
    };
    let kept = headers.iter().filter(|(name, value)| passes(name) && !redactor.finds(value.as_bytes()));
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
