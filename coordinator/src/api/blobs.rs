//! Blobs on their way in and out, piece by piece: neither side holds a whole one.

use crate::blobs::{BlobError, Blobs};
use crate::rates::Meter;
use crate::usage::Coming;
use arena_proto::{BLOB_CHUNK, v1};
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt};
use tonic::Status;

/// Largest blob: a base with its history.
const MAX_BLOB: u64 = 4 << 30;
/// Pieces that wait for the receiver.
const PIECES: usize = 4;

/// Its digest, and how many bytes more there are now. `first` was taken off the stream already.
pub(super) async fn put(
    blobs: Blobs,
    first: Option<v1::BlobChunk>,
    mut chunks: impl Stream<Item = Result<v1::BlobChunk, Status>> + Unpin,
    meter: Meter,
    coming: &mut Coming,
) -> Result<(String, u64), Status> {
    let (mut incoming, mut received, mut next) = (blobs.begin(), 0, first);
    loop {
        let piece = match next.take() {
            Some(piece) => piece,
            None => match chunks.next().await.transpose()? {
                Some(piece) => piece,
                None => break,
            },
        };
        received += piece.data.len() as u64;
        meter.count(piece.data.len() as u64);
        coming.more(piece.data.len() as u64)?;
        if received > MAX_BLOB {
            return Err(Status::resource_exhausted(format!("a blob holds at most {MAX_BLOB} bytes")));
        }
        incoming.write(piece.data).await.map_err(blob_status)?;
    }
    incoming.stored().await.map_err(blob_status)
}

/// Nothing has a name that is no digest.
pub(super) async fn has(blobs: &Blobs, digest: &str) -> Result<bool, Status> {
    match blobs.has(digest).await {
        Err(BlobError::NoDigest) => Ok(false),
        found => found.map_err(blob_status),
    }
}

/// Ends with the blob, with what is wrong with it, or when the receiver is gone.
pub(super) async fn get(
    blobs: Blobs,
    digest: String,
    meter: Meter,
) -> Result<mpsc::Receiver<Result<v1::BlobChunk, Status>>, Status> {
    let mut outgoing = blobs.open(&digest).await.map_err(blob_status)?;
    let (chunks, stream) = mpsc::channel(PIECES);
    drop(arena_runtime::tasks::spawn(async move {
        loop {
            let (piece, last) = match outgoing.next(BLOB_CHUNK).await {
                Ok(None) => return,
                Ok(Some(data)) => {
                    meter.count(data.len() as u64);
                    (Ok(v1::BlobChunk { data, tenant: String::new() }), false)
                }
                Err(error) => (Err(blob_status(error)), true),
            };
            if chunks.send(piece).await.is_err() || last {
                return;
            }
        }
    }));
    Ok(stream)
}

fn blob_status(error: BlobError) -> Status {
    let text = error.to_string();
    match error {
        BlobError::NotFound => Status::not_found(text),
        BlobError::NoDigest => Status::invalid_argument(text),
        BlobError::Full => Status::resource_exhausted(text),
        BlobError::Damaged(_) => Status::data_loss(text),
        BlobError::Io(_) => Status::internal(text),
        // What the storage says may hold names that are no caller's business. Whoever holds a paid result keeps it until this
        // is mended, or another coordinator does better.
        BlobError::Denied(_) | BlobError::Settings { .. } => {
            tracing::error!(error = text, "blobs");
            Status::unavailable("the blobs cannot be reached as they are set up; the coordinator's log says why")
        }
        BlobError::Storage(_) => {
            tracing::warn!(error = text, "blobs");
            Status::unavailable("the storage of the blobs does not answer")
        }
    }
}
