//! Blobs on their way in and out, piece by piece: neither side holds a whole one.

use crate::blobs::Blobs;
use crate::rates::Meter;
use arena_proto::{BLOB_CHUNK, v1};
use std::io;
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt};
use tonic::Status;

/// Largest blob: a base with its history.
const MAX_BLOB: u64 = 4 << 30;
/// Pieces that wait for the disk, or for the receiver.
const PIECES: usize = 4;

/// `first` was taken off the stream already.
pub(super) async fn put(
    blobs: Blobs,
    first: Option<v1::BlobChunk>,
    mut chunks: impl Stream<Item = Result<v1::BlobChunk, Status>> + Unpin,
    meter: Meter,
) -> Result<String, Status> {
    let (pieces, mut waiting) = mpsc::channel::<prost::bytes::Bytes>(PIECES);
    let writing = tokio::task::spawn_blocking(move || {
        let mut incoming = blobs.begin()?;
        let mut ended = false;
        while let Some(piece) = waiting.blocking_recv() {
            // An empty piece says that the stream came to its own end.
            ended = piece.is_empty();
            incoming.write(&piece)?;
        }
        if ended { incoming.finish() } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    });
    let mut received = 0;
    let mut next: Option<Result<v1::BlobChunk, Status>> = first.map(Ok);
    loop {
        let piece = match next.take() {
            Some(piece) => piece?.data,
            None => match chunks.next().await {
                Some(piece) => piece?.data,
                None => break,
            },
        };
        received += piece.len() as u64;
        meter.count(piece.len() as u64);
        if received > MAX_BLOB {
            return Err(Status::resource_exhausted(format!("a blob holds at most {MAX_BLOB} bytes")));
        }
        // A writer that has ended tells why below.
        if !piece.is_empty() && pieces.send(piece).await.is_err() {
            break;
        }
    }
    let _ = pieces.send(prost::bytes::Bytes::new()).await;
    drop(pieces);
    joined(writing.await)
}

pub(super) async fn get(
    blobs: Blobs,
    digest: String,
    meter: Meter,
) -> Result<mpsc::Receiver<Result<v1::BlobChunk, Status>>, Status> {
    let mut outgoing = joined(tokio::task::spawn_blocking(move || blobs.open(&digest)).await)?;
    let (chunks, stream) = mpsc::channel(PIECES);
    // It ends with the blob, or when its receiver is gone.
    drop(tokio::task::spawn_blocking(move || {
        loop {
            let piece = match outgoing.next(BLOB_CHUNK) {
                Ok(None) => return,
                Ok(Some(data)) => {
                    meter.count(data.len() as u64);
                    Ok(v1::BlobChunk { data: data.into(), tenant: String::new() })
                }
                Err(error) => Err(io_status(&error)),
            };
            if chunks.blocking_send(piece).is_err() {
                return;
            }
        }
    }));
    Ok(stream)
}

fn joined<T>(done: Result<io::Result<T>, tokio::task::JoinError>) -> Result<T, Status> {
    done.map_err(|error| Status::internal(error.to_string()))?.map_err(|error| io_status(&error))
}

fn io_status(error: &io::Error) -> Status {
    if error.kind() == io::ErrorKind::NotFound {
        Status::not_found("no such blob")
    } else if arena_runtime::files::is_full(error) {
        Status::resource_exhausted("the disk of the state directory is full")
    } else {
        Status::internal(error.to_string())
    }
}
