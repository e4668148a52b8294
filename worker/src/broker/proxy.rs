//! A request to the job's provider: path, model, key, budgets, answer.

use super::answer::{Answer, Body, whole};
use super::ask::{self, Asked};
use super::bodies::{self, Held};
use super::credential::Credential;
use super::desk::Desk;
use super::exchange::{End, Exchange};
use super::headers;
use super::refusal::Refusal;
use super::route::{self, Kind, Route};
use super::upstream::{QUOTA, Reply};
use super::{model, price};
use arena_domain::ending::Trouble;
use arena_runtime::config::Provider;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use std::sync::Arc;

pub(super) async fn provide(desk: &Arc<Desk>, request: Request<Incoming>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut exchange = Exchange::new(desk, parts.method.as_str(), parts.uri.path());
    let Some(provider) = &desk.provider else {
        return exchange.refuse(None, &Refusal::forbidden("arena: this engine has no provider"));
    };
    let Some(route) = route::of(parts.method.as_str(), parts.uri.path(), &provider.apis) else {
        return exchange.refuse(None, &Refusal::forbidden("arena: this path of the provider is not for engines"));
    };
    let (prepared, held) = match prepare(desk, &mut exchange, provider, &route, parts, body).await {
        Ok(prepared) => prepared,
        Err(refusal) => return exchange.refuse(Some(route.api), &refusal),
    };
    let reply = desk.broker.upstream.send(&prepared, |number, broken| exchange.may_attempt(number, broken)).await;
    // It is not sent again, so its room is others'.
    drop((prepared, held));
    match reply {
        Reply::Answer(response) => answer(desk, exchange, &route, response),
        Reply::Error { status, headers, body } => failed(desk, exchange, &route, (status, headers, body)),
        Reply::Unreachable => {
            let message = "arena: the provider cannot be reached";
            unanswered(exchange, &route, StatusCode::BAD_GATEWAY, message, Trouble::Unreachable)
        }
        Reply::Broken => {
            let message = "arena: the provider broke the connection";
            unanswered(exchange, &route, StatusCode::BAD_GATEWAY, message, Trouble::Server)
        }
        Reply::Silent => {
            let message =
                format!("arena: the provider was silent for {} s", desk.broker.settings.limits.idle.as_secs());
            unanswered(exchange, &route, StatusCode::GATEWAY_TIMEOUT, &message, Trouble::Server)
        }
    }
}

/// The request as the provider gets it, once all that it may cost has been set aside.
async fn prepare(
    desk: &Arc<Desk>,
    exchange: &mut Exchange,
    provider: &Provider,
    route: &Route,
    parts: Parts,
    body: Incoming,
) -> Result<(Request<Bytes>, Held), Refusal> {
    let (body, held) = read(desk, &parts.headers, body).await?;
    let asked = match route.kind {
        Kind::List => None,
        Kind::Generate | Kind::Count => Some(allowed(desk, exchange, provider, route, body)?),
    };
    // It has no field for how long its answer may be.
    let asked = asked.map(|asked| match parts.uri.path().ends_with("/compact") {
        true => Asked { most_output: None, ..asked },
        false => asked,
    });
    let name = desk.policy.provider.as_deref().unwrap_or_default();
    let credential = desk.broker.secrets.resolve(name, provider, &desk.broker.settings.environment);
    let credential = credential.map_err(|missing| {
        let message = format!("arena: {}; {}", missing.reason, missing.mend);
        Refusal::new(StatusCode::UNAUTHORIZED, message, Some(Trouble::Auth))
    })?;
    if let (Kind::Generate, Some(asked)) = (route.kind, &asked) {
        exchange.set_aside(asked, price::of(&provider.price, &asked.model)).await?;
        desk.books.begin()?;
        exchange.sends(route.api)?;
    }
    let body = asked.map(|asked| asked.body).unwrap_or_default();
    if !exchange.bytes_up(body.len() as u64) {
        return Err(Refusal::exhausted());
    }
    Ok((outgoing(provider, &credential, &parts, body)?, held))
}

async fn read(desk: &Desk, headers: &HeaderMap, body: Incoming) -> Result<(Bytes, Held), Refusal> {
    if headers.get_all(CONTENT_ENCODING).iter().any(|encoding| encoding != "identity") {
        let message = "arena: send the body as it is; an encoded one cannot be checked";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message, None));
    }
    bodies::read(&desk.bodies, &desk.broker.bodies, body).await
}

fn allowed(
    desk: &Desk,
    exchange: &mut Exchange,
    provider: &Provider,
    route: &Route,
    body: Bytes,
) -> Result<Asked, Refusal> {
    let asked = ask::read(route, body)
        .map_err(|reason| Refusal::new(StatusCode::BAD_REQUEST, format!("arena: {reason}"), None))?;
    exchange.model(&asked.model);
    if let Some(tool) = asked.tools.refused(route.api, &provider.server_tools) {
        let message = format!(
            "arena: tool '{tool}' would run at the provider; add it to `server_tools` of the provider if it may"
        );
        return Err(Refusal::new(StatusCode::BAD_REQUEST, message, None));
    }
    if model::is_allowed(&asked.model, &provider.models, &desk.policy.models) {
        return Ok(asked);
    }
    let shown: String = asked.model.chars().filter(|c| c.is_ascii_graphic()).take(100).collect();
    let message = format!("arena: model '{shown}' is not allowed; add it to `models` of the provider");
    let trouble = (route.kind == Kind::Generate).then_some(Trouble::Model);
    Err(Refusal::new(StatusCode::BAD_REQUEST, message, trouble))
}

fn outgoing(
    provider: &Provider,
    credential: &Credential,
    parts: &Parts,
    body: Bytes,
) -> Result<Request<Bytes>, Refusal> {
    let path = parts.uri.path();
    let path = if credential.unversioned {
        path.strip_prefix("/v1").filter(|rest| rest.starts_with('/')).unwrap_or(path)
    } else {
        path
    };
    let query = route::query(parts.uri.query()).map(|query| format!("?{query}")).unwrap_or_default();
    let uri = format!("{}{path}{query}", provider.upstream);
    let mut request = Request::new(body);
    *request.uri_mut() = uri.parse().map_err(|_| Refusal::forbidden("arena: this address cannot be asked"))?;
    *request.method_mut() = if parts.method == Method::GET { Method::GET } else { Method::POST };
    *request.headers_mut() = headers::to_provider(&parts.headers);
    request.headers_mut().insert("accept-encoding", HeaderValue::from_static("identity"));
    // It was read as this, so it is sent as this.
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in &credential.headers {
        request.headers_mut().insert(name, value.clone());
    }
    if let Some((name, value)) = &credential.also {
        request.headers_mut().append(name, value.clone());
    }
    Ok(request)
}

fn answer(desk: &Arc<Desk>, mut exchange: Exchange, route: &Route, response: Response<Incoming>) -> Response<Body> {
    let (parts, upstream) = response.into_parts();
    let is_encoded = parts.headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity");
    if is_encoded {
        let message = "arena: the provider's answer is encoded, so it cannot be metered";
        return unanswered(exchange, route, StatusCode::BAD_GATEWAY, message, Trouble::Server);
    }
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let events = kind.starts_with("text/event-stream").then_some(route.api);
    exchange.begins(parts.status);
    if route.kind == Kind::Generate {
        exchange.meters(route.api, events.is_some());
    }
    let redactor = desk.broker.secrets.redactor();
    let headers = headers::to_engine(&parts.headers, &redactor);
    let idle = desk.broker.settings.limits.idle;
    let mut response = Response::new(Answer::body(upstream, exchange, redactor.stream(), idle, events));
    *response.status_mut() = parts.status;
    *response.headers_mut() = headers;
    response
}

/// The provider's error, in its own words without the key.
fn failed(
    desk: &Desk,
    mut exchange: Exchange,
    route: &Route,
    (status, headers, body): (StatusCode, HeaderMap, Bytes),
) -> Response<Body> {
    if status.is_redirection() || status.is_informational() {
        let message = "arena: the provider points elsewhere; set its `upstream` to the place itself";
        let trouble = (route.kind == Kind::Generate).then_some(Trouble::Server);
        exchange.status(StatusCode::BAD_GATEWAY);
        exchange.end(End::Failed { trouble });
        return Refusal::new(StatusCode::BAD_GATEWAY, message, trouble).answer(Some(route.api));
    }
    exchange.begins(status);
    exchange.bytes_down(body.len() as u64);
    let trouble = (route.kind == Kind::Generate).then(|| trouble(status, &body)).flatten();
    exchange.end(End::Failed { trouble });
    let redactor = desk.broker.secrets.redactor();
    let mut response = Response::new(whole(redactor.bytes(&body).into()));
    *response.status_mut() = status;
    *response.headers_mut() = headers::to_engine(&headers, &redactor);
    response
}

fn unanswered(
    mut exchange: Exchange,
    route: &Route,
    status: StatusCode,
    message: &str,
    trouble: Trouble,
) -> Response<Body> {
    let was_taken = trouble != Trouble::Unreachable;
    let trouble = (route.kind == Kind::Generate).then_some(trouble);
    exchange.status(status);
    exchange.end(if was_taken { End::Unknown { trouble } } else { End::Failed { trouble } });
    Refusal::new(status, message, trouble).answer(Some(route.api))
}

/// By the status, and by codes where one status says several things.
fn trouble(status: StatusCode, body: &[u8]) -> Option<Trouble> {
    let says = |code: &[u8]| body.windows(code.len()).any(|part| part == code);
    match status.as_u16() {
        429 if says(QUOTA) => Some(Trouble::Auth),
        429 => Some(Trouble::RateLimit),
        401..=403 => Some(Trouble::Auth),
        404 => Some(Trouble::Model),
        400 if says(b"API_KEY_INVALID") || says(b"invalid_api_key") => Some(Trouble::Auth),
        400 if says(b"model_not_found") => Some(Trouble::Model),
        408 | 500.. => Some(Trouble::Server),
        _ => None,
    }
}
