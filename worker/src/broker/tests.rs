//! A whole door between a client that is not trusted and a provider that may do anything.

mod abuse;
mod bodies;
mod budgets;
mod egress;
mod failing;
mod passing;
mod provider;

use super::*;
use arena_domain::id::{JobId, SessionId};
use arena_runtime::config;
use provider::Provided;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

const KEY: &str = "sk-canary-4f9Zq7711";

/// A broker, and all that it stands on.
struct Desk {
    broker: Broker,
    provider: Provided,
    folder: tempfile::TempDir,
}

/// With more to say about the configuration.
async fn desk_with(provider: Provided, flags: &[(&str, String)]) -> Desk {
    let folder = tempfile::tempdir().unwrap();
    let mut said = vec![
        ("provider.openai.upstream".to_owned(), provider.url()),
        ("provider.openai.price".to_owned(), "{ \"gpt-5.5\" = { input = 1.0, output = 10.0 } }".to_owned()),
        ("broker.idle_s".to_owned(), "60".to_owned()),
    ];
    said.extend(flags.iter().map(|(path, text)| ((*path).to_owned(), text.clone())));
    let config = config::load(None, &|_| None, &said).unwrap();
    let environment: Environment = Arc::new(|name| (name == "OPENAI_API_KEY").then(|| KEY.to_owned()));
    let settings = Settings::new(&config, folder.path().join("audit"), folder.path().join("sockets"), environment);
    Desk { broker: Broker::new(settings).unwrap(), provider, folder }
}

async fn desk(provider: Provided) -> Desk {
    desk_with(provider, &[]).await
}

fn policy() -> Policy {
    Policy {
        session: SessionId::new("s1"),
        job: JobId::new("s1-a-1"),
        competitor: None,
        engine: "codex".to_owned(),
        provider: Some("openai".to_owned()),
        model: Some("gpt-5.5".to_owned()),
        models: Vec::new(),
        egress: Vec::new(),
        budgets: Budgets::default(),
        session_cost: None,
        span: tracing::Span::none(),
    }
}

async fn connect(door: &Door) -> UnixStream {
    UnixStream::connect(door.socket_dir().join(Door::SOCKET)).await.unwrap()
}

/// What comes back until the door closes the connection.
async fn raw(door: &Door, request: &[u8]) -> String {
    let mut stream = connect(door).await;
    // A door that has said no already may have closed this side.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

fn post(path: &str, body: &str) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nhost: 127.0.0.1:8080\r\nconnection: close\r\n");
    let key = "authorization: Bearer placeholder\r\nx-api-key: placeholder\r\n";
    format!("{head}{key}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

const ASK: &str = r#"{"model":"gpt-5.5","stream":true,"max_output_tokens":1000}"#;

async fn ask(door: &Door) -> String {
    raw(door, &post("/v1/responses", ASK)).await
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("no answer: {answer:?}"))
}

fn lines(audit: &[u8]) -> Vec<serde_json::Value> {
    let text = String::from_utf8(audit.to_vec()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
