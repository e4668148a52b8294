//! A blob on its way out, counted into its digest while it goes: one that is damaged ends in an error and never just ends.

use super::BlobError;
use arena_domain::job::Millis;
use arena_proto::BLOB_CHUNK;
use arena_runtime::digest;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use object_store::{GetResult, GetResultPayload};
use std::fmt;
use tokio_util::io::ReaderStream;

pub struct Outgoing {
    name: String,
    length: u64,
    written: Millis,
    /// Gone when the end was reached and judged.
    running: Option<digest::Running>,
    pieces: BoxStream<'static, Result<Bytes, BlobError>>,
    /// Of the last piece, what was not given yet.
    rest: Bytes,
}

impl Outgoing {
    pub(super) fn new(name: &str, found: GetResult) -> Self {
        let length = found.meta.size;
        let written = Millis::try_from(found.meta.last_modified.timestamp_millis()).unwrap_or(0);
        let pieces = match found.payload {
            GetResultPayload::File(file, _) => ReaderStream::with_capacity(tokio::fs::File::from_std(file), BLOB_CHUNK)
                .map_err(BlobError::from)
                .boxed(),
            GetResultPayload::Stream(stream) => stream.map_err(BlobError::from).boxed(),
        };
        let running = Some(digest::Running::default());
        Self { name: name.to_owned(), length, written, running, pieces, rest: Bytes::new() }
    }

    pub fn length(&self) -> u64 {
        self.length
    }

    /// When, by the clock of the place.
    pub(super) fn written(&self) -> Millis {
        self.written
    }

    /// The next piece, of at most so many bytes; an error at the end when what was read is not what was stored.
    pub async fn next(&mut self, most: usize) -> Result<Option<Bytes>, BlobError> {
        while self.rest.is_empty() {
            match self.pieces.next().await.transpose()? {
                Some(piece) => self.rest = piece,
                None => return self.end(),
            }
        }
        let piece = self.rest.split_to(self.rest.len().min(most.max(1)));
        if let Some(running) = &mut self.running {
            running.update(&piece);
        }
        Ok(Some(piece))
    }

    fn end(&mut self) -> Result<Option<Bytes>, BlobError> {
        let judged = self.running.take().map(digest::Running::finish);
        if judged.is_some_and(|found| found != self.name) {
            return Err(BlobError::Damaged(self.name.clone()));
        }
        Ok(None)
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("name", &self.name).field("length", &self.length).finish_non_exhaustive()
    }
}
