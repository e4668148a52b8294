//! A small client that sees what a stream does: its chunks, and whether it came to its end.

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;

#[derive(Debug)]
pub(super) struct Got {
    pub status: u16,
    pub retry_after: Option<String>,
    pub chunks: Vec<Bytes>,
    pub end: Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Whole,
    Broken,
    /// Nothing came for a second.
    Silent,
}

impl Got {
    pub(super) fn text(&self) -> String {
        let bytes: Vec<u8> = self.chunks.iter().flatten().copied().collect();
        String::from_utf8(bytes).expect("text")
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text()).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The data of a stream's events.
    pub(super) fn events(&self) -> Vec<Value> {
        let text = self.text();
        let data = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
        data.map(|data| serde_json::from_str(data).expect("JSON")).collect()
    }
}

/// Posts to a model; none when it answers nothing for a second.
pub(super) fn post(port: u16, path: &str, headers: &[(&str, &str)], body: &Value) -> Option<Got> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
        let mut request = Request::post(path).header("host", "model");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body.to_string()))).expect("a request");
        tokio::select! {
            got = read(sender.send_request(request)) => got,
            _ = async { let _ = connection.await; std::future::pending::<()>().await } => None,
        }
    })
}

async fn read(sent: impl Future<Output = hyper::Result<hyper::Response<hyper::body::Incoming>>>) -> Option<Got> {
    let response = timeout(Duration::from_secs(1), sent).await.ok()?.expect("an answer");
    let retry_after = response.headers().get("retry-after").map(|value| value.to_str().expect("text").to_owned());
    let (status, mut body) = (response.status().as_u16(), response.into_body());
    let mut chunks = Vec::new();
    let end = loop {
        match timeout(Duration::from_secs(1), body.frame()).await {
            Err(_) => break Ended::Silent,
            Ok(None) => break Ended::Whole,
            Ok(Some(Err(_))) => break Ended::Broken,
            Ok(Some(Ok(frame))) => chunks.extend(frame.into_data()),
        }
    };
    Some(Got { status, retry_after, chunks, end })
}
