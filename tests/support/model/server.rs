//! One thread, one loop: takes requests, writes them down, and refuses those without the key.

use super::api::{Api, Wanted, model, wanted};
use super::perform::{Answered, play, refusal, whole};
use super::script::Refusal;
use super::seen::{Asked, Played, Shared};
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::{Bytes, Incoming};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Every connection ends with the runtime, which ends when `stopped` does.
pub(super) fn serve(listener: TcpListener, shared: &Arc<Shared>, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        listener.set_nonblocking(true).expect("a socket");
        let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
        tokio::select! {
            () = accept(&listener, shared) => {}
            _ = stopped => {}
        }
    });
}

async fn accept(listener: &tokio::net::TcpListener, shared: &Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                // Chunks are sent as they come, as a provider sends them.
                let _ = stream.set_nodelay(true);
                let shared = Arc::clone(shared);
                connections.spawn(async move {
                    let service = service_fn(|request| respond(Arc::clone(&shared), request));
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn respond(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Answered, Infallible> {
    let (head, body) = request.into_parts();
    let bytes = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let wanted = wanted(head.uri.path(), head.uri.query().unwrap_or_default(), &body);
    let asked = asked(&head, &bytes, body, &wanted);
    if shared.key().is_some_and(|key| !carries(&asked, &key)) {
        shared.note(Asked { played: Played::Unauthorized, ..asked.clone() });
        let refused = Refusal::plain(401, "Incorrect API key provided");
        return Ok(refusal(asked.api.unwrap_or(Api::Responses), &refused));
    }
    Ok(match wanted {
        Wanted::Answer { api, streams } => play(&shared, &asked, &bytes, api, streams).await,
        Wanted::Count(api) => {
            shared.note(Asked { played: Played::Count, ..asked });
            let count = bytes.len() / 4 + 1;
            whole(&if api == Api::Google { json!({"totalTokens": count}) } else { json!({"input_tokens": count}) })
        }
        Wanted::Models => {
            shared.note(asked);
            let model =
                json!({"id": "scripted-model", "object": "model", "created": 1_700_000_000, "owned_by": "arena"});
            whole(&json!({"object": "list", "data": [model], "models": []}))
        }
        Wanted::Unknown => {
            shared.note(asked);
            refusal(Api::Responses, &Refusal::plain(404, "a scripted model does not know this path"))
        }
    })
}

/// A request as it is written down; nothing is played for it yet.
fn asked(head: &Parts, bytes: &Bytes, body: Value, wanted: &Wanted) -> Asked {
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Asked {
        method: head.method.to_string(),
        path: head.uri.to_string(),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        api: match wanted {
            Wanted::Answer { api, .. } | Wanted::Count(api) => Some(*api),
            Wanted::Models | Wanted::Unknown => None,
        },
        model: model(head.uri.path(), &body),
        body,
        digest: arena_runtime::digest::sha256(bytes),
        played: Played::Other,
    }
}

/// Whether a request shows this key in one of the ways of the four APIs.
fn carries(asked: &Asked, key: &str) -> bool {
    let bearer = asked.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let named = ["x-api-key", "x-goog-api-key"].map(|name| asked.header(name));
    let query = asked.path.split(['?', '&']).find_map(|pair| pair.strip_prefix("key="));
    bearer.into_iter().chain(named.into_iter().flatten()).chain(query).any(|value| value == key)
}
