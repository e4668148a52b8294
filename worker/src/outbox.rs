//! What an engine run has earned, on the disk before it is reported, and until the report is acknowledged.

use arena_domain::id::JobId;
use arena_domain::outcome::{Implemented, Outcome};
use arena_proto::convert::Wire;
use arena_proto::v1;
use arena_runtime::{digest, files};
use prost::Message;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    folder: PathBuf,
}

impl Outbox {
    pub(crate) fn new(root: &Path) -> Self {
        Self { folder: root.join("outbox") }
    }

    fn path(&self, job: &JobId) -> PathBuf {
        self.folder.join(digest::sha256(job.as_str().as_bytes()))
    }

    pub(crate) fn put(&self, job: &JobId, implemented: &Implemented) -> io::Result<()> {
        files::write_atomic(&self.path(job), &Outcome::Implemented(implemented.clone()).to_wire().encode_to_vec())
    }

    /// The result of an earlier attempt at this very job, whose report was not acknowledged.
    pub(crate) fn held(&self, job: &JobId) -> Option<Outcome> {
        let bytes = std::fs::read(self.path(job)).ok()?;
        Outcome::from_wire(v1::Outcome::decode(bytes.as_slice()).ok()?).ok()
    }

    pub(crate) fn forget(&self, job: &JobId) {
        let _ = std::fs::remove_file(self.path(job));
    }
}
