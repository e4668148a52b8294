//! A provider of a test: it answers each request with the next of its turns, byte for byte.

use arena_runtime::tasks::Tasks;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// What it does when a request has come whole.
#[derive(Debug, Clone)]
pub(super) enum Turn {
    /// Says this and closes.
    Say(Vec<u8>),
    /// Says this and keeps the connection open, silent.
    Hang(Vec<u8>),
    /// Says the parts one by one, each when the test allows it, and closes.
    Steps(Vec<Vec<u8>>, Arc<Semaphore>),
}

pub(super) struct Provided {
    port: u16,
    /// Each request as it came.
    seen: Arc<Mutex<Vec<String>>>,
    _tasks: Tasks,
}

impl Provided {
    /// The last turn is repeated for ever.
    pub(super) async fn new(turns: Vec<Turn>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Tasks::default();
        let held = seen.clone();
        tasks.spawn(async move {
            let mut connections = Tasks::default();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(stream, turns.clone(), held.clone()));
            }
        });
        Self { port, seen, _tasks: tasks }
    }

    pub(super) async fn saying(answer: impl Into<Vec<u8>>) -> Self {
        Self::new(vec![Turn::Say(answer.into())]).await
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, turns: Vec<Turn>, seen: Arc<Mutex<Vec<String>>>) {
    let Some(request) = read(&mut stream).await else { return };
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.push(request);
        seen.len() - 1
    };
    let turn = turns[number.min(turns.len() - 1)].clone();
    match turn {
        Turn::Say(bytes) => drop(stream.write_all(&bytes).await),
        Turn::Hang(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.read(&mut [0; 1]).await;
        }
        Turn::Steps(parts, allowed) => {
            for part in parts {
                allowed.acquire().await.unwrap().forget();
                if stream.write_all(&part).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// A request with its body; nothing when the other side only looked.
async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut text = String::new();
    loop {
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        text.push_str(std::str::from_utf8(&chunk[..read]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            return Some(text);
        }
    }
}

pub(super) fn event(data: &str) -> String {
    format!("data: {data}\n\n")
}

/// The head of a stream that ends with its connection.
pub(super) const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

pub(super) fn completed(input: u64, output: u64) -> String {
    let usage = format!("{{\"input_tokens\":{input},\"output_tokens\":{output}}}");
    event(&format!("{{\"type\":\"response.completed\",\"response\":{{\"usage\":{usage}}}}}"))
}

/// A streamed answer that costs this many tokens.
pub(super) fn good(input: u64, output: u64) -> Vec<u8> {
    format!("{STREAM}{}", completed(input, output)).into_bytes()
}

pub(super) fn error(status: &str, headers: &str, body: &str) -> Turn {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n");
    Turn::Say(format!("{head}{body}").into_bytes())
}
