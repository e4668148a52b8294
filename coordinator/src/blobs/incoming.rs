//! A blob on its way in. What is small is written at once under its name; what is not goes to a name of its own first,
//! since its digest is known only at its end. Dropped before that, it leaves nothing.

use super::{BlobError, Blobs, Held};
use arena_runtime::{digest, tasks};
use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, WriteMultipart};
use std::sync::Arc;

/// Also the least that S3 takes as a part is 5 MiB, and 10,000 parts are the most: 78 GiB.
const PART: usize = 8 << 20;
/// Parts on their way at a time, beside the one that is being filled.
const PARTS: usize = 2;

#[derive(Debug)]
pub struct Incoming {
    blobs: Blobs,
    running: digest::Running,
    length: u64,
    /// Not yet part of an upload.
    held: Vec<Bytes>,
    held_bytes: usize,
    upload: Option<Upload>,
}

#[derive(Debug)]
struct Upload {
    store: Arc<dyn ObjectStore>,
    at: Path,
    parts: WriteMultipart,
}

impl Incoming {
    pub(super) fn new(blobs: Blobs) -> Self {
        let running = digest::Running::default();
        Self { blobs, running, length: 0, held: Vec::new(), held_bytes: 0, upload: None }
    }

    pub async fn write(&mut self, piece: Bytes) -> Result<(), BlobError> {
        self.running.update(&piece);
        self.length += piece.len() as u64;
        self.held_bytes += piece.len();
        self.held.push(piece);
        if self.held_bytes < PART {
            return Ok(());
        }
        let upload = match &mut self.upload {
            Some(upload) => upload,
            none => none.insert(Upload::begin(&self.blobs).await?),
        };
        upload.parts.wait_for_capacity(PARTS).await?;
        for piece in self.held.drain(..) {
            upload.parts.put(piece);
        }
        self.held_bytes = 0;
        Ok(())
    }

    /// The digest, when the blob is durable under it.
    pub async fn finish(self) -> Result<String, BlobError> {
        Ok(self.stored().await?.0)
    }

    /// The same, and how many bytes more there are now.
    pub(crate) async fn stored(mut self) -> Result<(String, u64), BlobError> {
        let name = std::mem::take(&mut self.running).finish();
        // What is dropped here, an upload with it, leaves nothing.
        let more = match self.blobs.held(&name, self.length).await? {
            Held::Whole => return Ok((name, 0)),
            Held::Stale => 0,
            Held::Not => self.length,
        };
        let at = self.blobs.at(&name)?;
        let held = std::mem::take(&mut self.held);
        let Some(upload) = self.upload.take() else {
            let payload = PutPayload::from_iter(held);
            self.blobs.store(true)?.put(&at, payload).await?;
            return Ok((name, more));
        };
        upload.finish(held, &at).await?;
        Ok((name, more))
    }
}

impl Upload {
    async fn begin(blobs: &Blobs) -> Result<Self, BlobError> {
        let (store, at) = (blobs.store(true)?, blobs.scratch());
        let parts = WriteMultipart::new_with_chunk_size(store.put_multipart(&at).await?, PART);
        Ok(Self { store, at, parts })
    }

    async fn finish(self, held: Vec<Bytes>, to: &Path) -> Result<(), BlobError> {
        let Self { store, at, mut parts } = self;
        for piece in held {
            parts.put(piece);
        }
        parts.finish().await?;
        let renamed = store.rename(&at, to).await;
        if renamed.is_err() {
            // Best effort: what is wrong is told by the rename.
            let _ = store.delete(&at).await;
        }
        Ok(renamed?)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Some(Upload { store: _, at: _, parts }) = self.upload.take() {
            tasks::finish_in_background(async move { drop(parts.abort().await) });
        }
    }
}
