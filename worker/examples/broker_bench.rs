//! What the broker costs: a streamed answer of 10,000 chunks through it and beside it, the wait for its first byte, and
//! the memory of 64 streams at once. Prints one JSON object; exits 1 when a limit is passed.
//!
//! `broker_bench [CHUNKS a millisecond]`: 20 when nothing is said, which is many times what a model writes; 0: all at once,
//! where the ratio is that of two copies in memory and no limit holds.

use arena_domain::id::{JobId, SessionId};
use arena_runtime::clock::Stopwatch;
use arena_runtime::config;
use arena_runtime::tasks::{self, Tasks};
use arena_worker::broker::{Broker, Budgets, Door, Policy, Settings};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};

type Failure = Box<dyn Error + Send + Sync>;

const CHUNKS: usize = 10_000;
const RUNS: usize = 7;
const STREAMS: usize = 64;
const EVENT: &str = "data: {\"type\":\"response.output_text.delta\",\"item_id\":\"msg_0123456789\",\"output_index\":0,\
                     \"content_index\":0,\"delta\":\" word\"}\n\n";
const LAST: &str = "data: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":10,\
                    \"output_tokens\":10000}}}\n\n";

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let pace: usize = std::env::args().nth(1).map(|text| text.parse()).transpose()?.unwrap_or(20);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let provider = tasks::spawn(provide(listener, pace));
    let folder = tempfile::tempdir()?;
    let flags = [("provider.openai.upstream".to_owned(), format!("http://127.0.0.1:{port}"))];
    let config = config::load(None, &|_| None, &flags).map_err(|problems| format!("{problems:?}"))?;
    let key = Arc::new(|_: &str| Some("sk-bench-0123456789".to_owned()));
    let broker = Broker::new(Settings::new(&config, folder.path().join("audit"), folder.path().join("s"), key))?;
    let door = broker.open(policy())?;
    let socket = door.socket_dir().join(Door::SOCKET);
    let (mut direct, mut through) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        direct.push(stream(TcpStream::connect(("127.0.0.1", port)).await?).await?);
        through.push(stream(UnixStream::connect(&socket).await?).await?);
    }
    let mut all = Vec::new();
    for _ in 0..STREAMS {
        all.push(tasks::spawn(stream(UnixStream::connect(&socket).await?)));
    }
    for one in all {
        one.await??;
    }
    let peak = resident()?;
    door.close().await;
    provider.abort();
    let (direct, through) = (median(direct), median(through));
    let ratio = through.0.as_secs_f64() / direct.0.as_secs_f64();
    let first_ms = (through.1.as_secs_f64() - direct.1.as_secs_f64()) * 1e3;
    let report = serde_json::json!({
        "chunks": CHUNKS, "chunks_a_ms": pace, "direct_ms": direct.0.as_secs_f64() * 1e3,
        "through_ms": through.0.as_secs_f64() * 1e3, "ratio": ratio, "first_byte_later_ms": first_ms,
        "streams": STREAMS, "resident_mib": peak >> 10,
    });
    arena_report(&report);
    let is_kept = (pace == 0 || ratio <= 1.2) && first_ms <= 2.0 && peak < 100 << 10;
    if is_kept { Ok(()) } else { Err("a limit is passed: ratio 1.2, first byte 2 ms, 100 MiB".into()) }
}

fn arena_report(report: &serde_json::Value) {
    use std::io::Write;
    // Nobody may be listening.
    let _ = writeln!(std::io::stdout(), "{report}");
}

fn policy() -> Policy {
    Policy {
        session: SessionId::new("bench"),
        job: JobId::new("bench-1"),
        competitor: None,
        engine: "bench".to_owned(),
        provider: Some("openai".to_owned()),
        model: None,
        models: Vec::new(),
        egress: Vec::new(),
        budgets: Budgets::default(),
        session_cost: None,
        span: tracing::Span::none(),
    }
}

/// The time of a whole answer, and of its first byte.
async fn stream(mut stream: impl AsyncRead + AsyncWrite + Unpin + Send) -> Result<(Duration, Duration), Failure> {
    let body = "{\"model\":\"gpt-5.5\",\"stream\":true}";
    let watch = Stopwatch::start();
    let head = "POST /v1/responses HTTP/1.1\r\nhost: h\r\nconnection: close\r\n";
    stream.write_all(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes()).await?;
    let mut chunk = vec![0; 64 << 10];
    let (mut first, mut tail) = (Duration::ZERO, Vec::new());
    loop {
        let read = stream.read(&mut chunk).await?;
        if read == 0 {
            break;
        }
        if first.is_zero() {
            first = watch.elapsed();
        }
        tail.extend_from_slice(&chunk[..read]);
        tail.drain(..tail.len().saturating_sub(256));
    }
    let is_whole = String::from_utf8_lossy(&tail).contains("response.completed");
    if is_whole { Ok((watch.elapsed(), first)) } else { Err("the answer is not whole".into()) }
}

async fn provide(listener: TcpListener, pace: usize) {
    let mut connections = Tasks::default();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(async move {
            // A client that has gone is no news.
            let _ = answer(stream, pace).await;
        });
    }
}

async fn answer(mut stream: TcpStream, pace: usize) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut request = Vec::new();
    while !request.ends_with(b"}") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    let part = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let event = part(EVENT);
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    for number in 0..CHUNKS {
        if pace > 0 && number % pace == 0 {
            tick.tick().await;
        }
        stream.write_all(event.as_bytes()).await?;
    }
    stream.write_all(format!("{}0\r\n\r\n", part(LAST)).as_bytes()).await
}

fn median(mut runs: Vec<(Duration, Duration)>) -> (Duration, Duration) {
    runs.sort();
    let whole = runs[runs.len() / 2].0;
    runs.sort_by_key(|run| run.1);
    (whole, runs[runs.len() / 2].1)
}

/// The most KiB that this process had: provider, broker and engines together.
fn resident() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}
