//! The coordinators that a worker may speak to, and blobs by whichever of them answers.

use crate::trace;
use arena_domain::id::Tenant;
use arena_proto::dial::{self, Dialer};
use arena_proto::v1::sessions_client::SessionsClient;
use arena_proto::{BLOB_CHUNK, MAX_MESSAGE, v1};
use arena_runtime::clock::Stopwatch;
use arena_runtime::telemetry;
use arena_runtime::tls::{Fault, Identity};
use futures_util::future::BoxFuture;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio_stream::StreamExt;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tracing::Instrument;

/// How long a blob waits for a coordinator: what an engine was paid for hangs on it.
const PATIENCE: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_millis(500);
/// Tries between two looks whether it is the certificate of this worker that is refused.
const LOOKS: usize = 10;

/// Why no coordinator can be spoken to until a person changes a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{url}: {fault}")]
pub struct Refusal {
    url: String,
    pub fault: Fault,
    pub mend: String,
}

impl Refusal {
    fn new(url: &str, fault: Fault, who: &Identity) -> Self {
        Self { url: url.to_owned(), fault, mend: fault.mend(Some(who)) }
    }
}

/// Several of a team, or the one of this process.
#[derive(Clone)]
pub struct Reach {
    /// Calls in one; each worker's stream and its blobs have connections of their own, so that neither holds the other up.
    streams: Arc<[Channel]>,
    blobs: Arc<[Channel]>,
    at: Arc<AtomicUsize>,
    /// Of a team: the addresses in the same order, and who asks.
    team: Option<Arc<(Vec<String>, Identity)>>,
    /// The certificate of this worker was refused: it does nothing more that counts.
    refused: Arc<AtomicBool>,
}

impl Reach {
    /// In this process: when its stream breaks, all is over.
    pub fn inside(channel: Channel) -> Self {
        let channels: Arc<[Channel]> = Arc::from([channel]);
        Self { streams: channels.clone(), blobs: channels, at: Arc::default(), team: None, refused: Arc::default() }
    }

    /// Of a team; nothing is connected yet.
    pub fn team(urls: &[String], who: &Identity) -> Result<Self, tonic::transport::Error> {
        let dialer = Dialer { ca: &who.ca, identity: Some((&who.certificate, &who.key)) };
        let channels = || -> Result<Arc<[Channel]>, tonic::transport::Error> {
            urls.iter().map(|url| Ok(dial::endpoint(url, &dialer)?.connect_lazy())).collect()
        };
        let team = Some(Arc::new((urls.to_vec(), who.clone())));
        Ok(Self { streams: channels()?, blobs: channels()?, at: Arc::default(), team, refused: Arc::default() })
    }

    /// Whether a stream that broke is opened again.
    pub fn is_lasting(&self) -> bool {
        self.team.is_some()
    }

    pub(crate) fn stream(&self) -> Option<Channel> {
        self.streams.get(self.at.load(Ordering::Relaxed) % self.streams.len().max(1)).cloned()
    }

    /// Coordinators that it may speak to.
    pub(crate) fn many(&self) -> usize {
        self.streams.len()
    }

    /// What keeps this worker from the coordinator that is asked now, and the mend; nothing: it is no certificate.
    pub(crate) async fn fault(&self) -> Option<Refusal> {
        let (urls, who) = self.team.as_deref()?;
        let url = urls.get(self.at.load(Ordering::Relaxed) % urls.len().max(1))?;
        Some(Refusal::new(url, Fault::between(who, url).await?, who))
    }

    /// The same, when every coordinator refuses the certificate of this worker.
    pub(crate) async fn is_refused(&self) -> Option<Refusal> {
        let (urls, who) = self.team.as_deref()?;
        let mut last = None;
        for url in urls {
            let fault = Fault::between(who, url).await.filter(|fault| fault.is_own())?;
            last = Some(Refusal::new(url, fault, who));
        }
        last
    }

    /// Whether a coordinator has refused this worker's certificate when something was sent. What it earned is on its disk, and
    /// waits for the next start.
    pub(crate) fn was_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// From now on another one is asked.
    pub(crate) fn next(&self) {
        self.at.fetch_add(1, Ordering::Relaxed);
    }

    fn sessions(&self, turn: usize) -> Result<SessionsClient<Channel>, Status> {
        let at = self.at.load(Ordering::Relaxed) + turn;
        let channel = self.blobs.get(at % self.blobs.len().max(1)).cloned();
        let channel = channel.ok_or_else(|| Status::unavailable("no coordinator is named"))?;
        Ok(SessionsClient::new(channel).max_decoding_message_size(MAX_MESSAGE).max_encoding_message_size(MAX_MESSAGE))
    }
}

/// Blobs by the coordinators' service.
#[derive(Clone)]
pub(crate) struct Blobs(pub(crate) Reach);

#[derive(Debug, thiserror::Error)]
pub(crate) enum BlobError {
    #[error(transparent)]
    Rpc(#[from] Status),
    /// Of this machine, where a blob is written to.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl BlobError {
    /// Of the certificate: the next try would be refused as well.
    fn is_refusal(&self) -> bool {
        matches!(self, Self::Rpc(status) if status.code() == Code::Unauthenticated)
    }

    /// Before the same is asked again: nobody is there, or nobody any more, or there is no room now. Nothing: it was answered.
    fn wait(&self) -> Option<Duration> {
        let Self::Rpc(status) = self else { return None };
        let said = status.metadata().get(arena_proto::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let away =
            [Code::Unavailable, Code::Unknown, Code::Cancelled, Code::ResourceExhausted].contains(&status.code());
        said.map(Duration::from_secs).or(away.then_some(PAUSE))
    }
}

impl Blobs {
    pub(crate) async fn put(&self, tenant: &Tenant, bytes: &[u8]) -> Result<String, BlobError> {
        self.patiently(|mut sessions| {
            Box::pin(async move {
                let mut chunks: Vec<v1::BlobChunk> = bytes
                    .chunks(BLOB_CHUNK)
                    .map(|chunk| v1::BlobChunk { data: chunk.to_vec().into(), tenant: String::new() })
                    .collect();
                // Of nothing, too, somebody must be told whose it is.
                if chunks.is_empty() {
                    chunks.push(v1::BlobChunk::default());
                }
                if let Some(first) = chunks.first_mut() {
                    first.tenant = tenant.to_string();
                }
                let put = async { sessions.put_blob(told(tokio_stream::iter(chunks))).await };
                Ok(put.instrument(trace::call("arena.v1.Sessions/PutBlob")).await?.into_inner().digest)
            })
        })
        .await
    }

    /// Into memory, which a larger one would fill: at most so many bytes.
    pub(crate) async fn get(&self, tenant: &Tenant, digest: &str, most: usize) -> Result<Vec<u8>, BlobError> {
        self.patiently(|sessions| {
            Box::pin(async move {
                let mut held = Held { bytes: Vec::new(), most };
                fetch(sessions, tenant, digest, &mut held).await?;
                Ok(held.bytes)
            })
        })
        .await
    }

    /// Into a file: it may be larger than memory. What the blob is not is an error.
    pub(crate) async fn save(&self, tenant: &Tenant, digest: &str, path: &Path) -> Result<(), BlobError> {
        self.patiently(|sessions| {
            Box::pin(async move {
                let mut file = std::fs::File::create(path)?;
                fetch(sessions, tenant, digest, &mut file).await?;
                Ok(file.sync_all()?)
            })
        })
        .await
    }

    /// Asks one coordinator after the other while none answers.
    async fn patiently<'a, T>(
        &self,
        ask: impl Fn(SessionsClient<Channel>) -> BoxFuture<'a, Result<T, BlobError>>,
    ) -> Result<T, BlobError> {
        let begun = Stopwatch::start();
        for turn in 0.. {
            match ask(self.0.sessions(turn)?).await {
                // Of several coordinators each has its word.
                Err(error) if self.0.is_lasting() && error.is_refusal() && turn + 1 < self.0.many() => {}
                Err(error) if self.0.is_lasting() && error.is_refusal() => {
                    self.0.refused.store(true, Ordering::Relaxed);
                    return Err(error);
                }
                Err(error) if self.0.is_lasting() && error.wait().is_some() && begun.elapsed() < PATIENCE => {
                    tracing::debug!(%error, "a blob waits for a coordinator");
                    // A handshake that is refused looks like nobody there.
                    if turn % LOOKS == LOOKS - 1
                        && let Some(refusal) = self.0.is_refused().await
                    {
                        self.0.refused.store(true, Ordering::Relaxed);
                        return Err(Status::unauthenticated(format!("{refusal}; {}", refusal.mend)).into());
                    }
                    tokio::time::sleep(error.wait().unwrap_or(PAUSE)).await;
                }
                answer => return answer,
            }
        }
        Err(Status::unavailable("no coordinator answered").into())
    }
}

/// Bytes in memory, up to a number.
struct Held {
    bytes: Vec<u8>,
    most: usize,
}

impl Write for Held {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.most {
            let what = format!("the blob has more than {} bytes", self.most);
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, what));
        }
        self.bytes.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A request that says where its sender is.
fn told<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    telemetry::metadata(request.metadata_mut());
    request
}

async fn fetch(
    mut sessions: SessionsClient<Channel>,
    tenant: &Tenant,
    digest: &str,
    target: &mut (impl Write + Send),
) -> Result<(), BlobError> {
    let request = v1::GetBlobRequest { digest: digest.to_owned(), tenant: tenant.to_string() };
    let get = async { sessions.get_blob(told(request)).await };
    let mut chunks = get.instrument(trace::call("arena.v1.Sessions/GetBlob")).await?.into_inner();
    let mut running = arena_runtime::digest::Running::default();
    while let Some(chunk) = chunks.next().await {
        let data = chunk?.data;
        running.update(&data);
        target.write_all(&data)?;
    }
    // A stream that broke off may look as one that ended.
    if running.finish() != digest {
        return Err(Status::unavailable(format!("blob {digest} did not come whole")).into());
    }
    Ok(())
}
