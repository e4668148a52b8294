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
        let body = Outcome::Implemented(implemented.clone()).to_wire().encode_to_vec();
        // Its digest goes before it: a damaged result must not be taken for a poorer one.
        files::write_atomic(&self.path(job), &[digest::sha256(&body).into_bytes(), body].concat())
    }

    /// The result of an earlier attempt at this very job, whose report was not acknowledged.
    pub(crate) fn held(&self, job: &JobId) -> Option<Outcome> {
        let bytes = std::fs::read(self.path(job)).ok()?;
        let (name, body) = bytes.split_at_checked(64)?;
        if digest::sha256(body).as_bytes() != name {
            tracing::warn!(%job, "a kept result is damaged; its engine runs again");
            return None;
        }
        Outcome::from_wire(v1::Outcome::decode(body).ok()?).ok()
    }

    pub(crate) fn forget(&self, job: &JobId) {
        let _ = std::fs::remove_file(self.path(job));
    }
}
