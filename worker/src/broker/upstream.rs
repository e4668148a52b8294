//! Sends a request to its provider, and again when the provider asks for it, within bounds.

use arena_runtime::config::BrokerConfig;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use std::time::Duration;

const CONNECT: Duration = Duration::from_secs(10);
/// Of the body of an error; a longer one is cut.
const MOST_ERROR: usize = 256 << 10;
/// Doubled for each attempt, when the provider does not say how long.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// How long an unused connection is kept.
const POOLED: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Upstream {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    limits: BrokerConfig,
}

/// The provider's last word.
pub(super) enum Reply {
    /// With a body that goes on.
    Answer(Response<Incoming>),
    Error {
        status: StatusCode,
        headers: HeaderMap,
        body: Bytes,
    },
    /// It accepted no connection.
    Unreachable,
    /// It broke the connection before it answered.
    Broken,
    Silent,
}

impl Upstream {
    pub(super) fn new(limits: BrokerConfig) -> Result<Self, String> {
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots())
            .with_no_client_auth();
        let mut plain = HttpConnector::new();
        plain.enforce_http(false);
        plain.set_connect_timeout(Some(CONNECT));
        plain.set_nodelay(true);
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(plain);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(POOLED)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Self { client, limits })
    }

    /// `may` is asked before each attempt with its number, and with how many before it broke. Redirects are not followed.
    pub(super) async fn send(&self, request: &Request<Bytes>, mut may: impl FnMut(u32, u32) -> bool) -> Reply {
        let mut left = self.limits.retry_wait;
        let mut broken = 0;
        let mut last = Reply::Silent;
        for number in 1.. {
            if !may(number, broken) {
                return last;
            }
            let reply = self.once(request).await;
            broken += u32::from(matches!(reply, Reply::Broken));
            let Some(said) = reply.wait(number) else { return reply };
            if number > self.limits.retries || said > left {
                return reply;
            }
            left -= said;
            tokio::time::sleep(said).await;
            last = reply;
        }
        last
    }

    async fn once(&self, request: &Request<Bytes>) -> Reply {
        let mut next = Request::new(Full::new(request.body().clone()));
        *next.method_mut() = request.method().clone();
        *next.uri_mut() = request.uri().clone();
        *next.headers_mut() = request.headers().clone();
        let response = match tokio::time::timeout(self.limits.idle, self.client.request(next)).await {
            Err(_) => return Reply::Silent,
            Ok(Err(error)) if error.is_connect() => return Reply::Unreachable,
            Ok(Err(_)) => return Reply::Broken,
            Ok(Ok(response)) => response,
        };
        if response.status().is_success() {
            return Reply::Answer(response);
        }
        let (parts, body) = response.into_parts();
        let body = tokio::time::timeout(self.limits.idle, Limited::new(body, MOST_ERROR).collect()).await;
        let body = body.ok().and_then(Result::ok).map(|body| body.to_bytes()).unwrap_or_default();
        Reply::Error { status: parts.status, headers: parts.headers, body }
    }
}

impl Reply {
    /// How long to wait before the next attempt; nothing when another one would not help.
    fn wait(&self, number: u32) -> Option<Duration> {
        match self {
            Self::Answer(_) | Self::Silent => None,
            Self::Unreachable | Self::Broken => Some(backoff(number)),
            Self::Error { status, headers, body } => {
                let passes = matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504 | 529);
                let is_final = body.windows(QUOTA.len()).any(|part| part == QUOTA);
                (passes && !is_final).then(|| asked(headers).unwrap_or_else(|| backoff(number)))
            }
        }
    }
}

/// The code of an account without money: waiting does not fill it.
pub(super) const QUOTA: &[u8] = b"insufficient_quota";

/// What the provider asks for, in seconds or milliseconds; dates are left to the backoff.
fn asked(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds = number("retry-after-ms").map(|millis| millis / 1000.0).or_else(|| number("retry-after"))?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// Between the half and the whole of what is due, so that engines do not come back all at once.
fn backoff(number: u32) -> Duration {
    let due = FIRST_WAIT.saturating_mul(1 << number.saturating_sub(1).min(6));
    due.mul_f64(0.5 + arena_runtime::token::chance() / 2.0)
}

/// The machine's own trust; where none is installed, the one that is built in.
fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, headers: &[(&'static str, &'static str)], body: &'static str) -> Reply {
        let headers = headers.iter().map(|(name, value)| {
            (hyper::header::HeaderName::from_static(name), hyper::header::HeaderValue::from_static(value))
        });
        Reply::Error {
            status: StatusCode::from_u16(status).unwrap(),
            headers: headers.collect(),
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    #[test]
    fn the_providers_word_says_whether_and_when_to_come_back() {
        let rows = [
            (error(429, &[("retry-after", "7")], ""), Some(Duration::from_secs(7))),
            (error(429, &[("retry-after", "7"), ("retry-after-ms", "1500")], ""), Some(Duration::from_millis(1500))),
            (error(503, &[("retry-after", "0")], ""), Some(Duration::ZERO)),
            (error(429, &[("retry-after", "0")], "{\"code\":\"insufficient_quota\"}"), None),
            (error(400, &[("retry-after", "7")], ""), None),
            (error(401, &[], ""), None),
            (error(302, &[], ""), None),
            (Reply::Silent, None),
        ];
        for (reply, expected) in rows {
            assert_eq!(reply.wait(1), expected);
        }
        for (number, most) in [(1, 500), (2, 1000), (3, 2000), (40, 32_000)] {
            let wait = Reply::Unreachable.wait(number).unwrap().as_millis();
            assert!((most / 2..=most).contains(&wait), "{number}: {wait}");
            assert!(error(500, &[("retry-after", "-1")], "").wait(number).is_some());
        }
    }
}
