//! Results on their way to a coordinator: on the disk until one has acknowledged them, whichever boot sends them.

use arena_domain::id::JobId;
use arena_domain::outcome::Outcome;
use arena_proto::convert::Wire;
use arena_proto::v1;
use arena_runtime::{digest, files};
use prost::Message;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone)]
pub(crate) struct Spool {
    folder: PathBuf,
}

impl Spool {
    pub(crate) fn new(root: &Path) -> Self {
        Self { folder: root.join("spool") }
    }

    fn path(&self, job: &str) -> PathBuf {
        self.folder.join(digest::sha256(job.as_bytes()))
    }

    pub(crate) fn put(&self, result: &v1::Result) -> io::Result<()> {
        let job = result.lease.as_ref().map(|lease| lease.job.as_str()).unwrap_or_default();
        let body = result.encode_to_vec();
        // Its digest goes before it: a damaged result must not be taken for a poorer one.
        files::write_atomic(&self.path(job), &[digest::sha256(&body).into_bytes(), body].concat())
    }

    /// Of this attempt; where none is named, of any.
    pub(crate) fn forget(&self, job: &JobId, fence: &str) {
        let path = self.path(job.as_str());
        let of = |result: v1::Result| result.lease.is_some_and(|lease| lease.fence == fence);
        if fence.is_empty() || read(&path).is_none_or(of) {
            let _ = std::fs::remove_file(path);
        }
    }

    /// What an engine earned in an attempt whose report nobody has acknowledged.
    pub(crate) fn earned(&self, job: &JobId) -> Option<Outcome> {
        let outcome = Outcome::from_wire(read(&self.path(job.as_str()))?.outcome?).ok()?;
        matches!(outcome, Outcome::Implemented(_)).then_some(outcome)
    }

    /// What an earlier boot could not deliver; one that is damaged is left out, and its job runs again.
    pub(crate) fn all(&self) -> Vec<v1::Result> {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return Vec::new() };
        let named = entries.flatten().filter(|entry| digest::is_name(&entry.file_name()));
        named.filter_map(|entry| read(&entry.path())).collect()
    }
}

fn read(path: &Path) -> Option<v1::Result> {
    let bytes = std::fs::read(path).ok()?;
    let (name, body) = bytes.split_at_checked(64)?;
    if digest::sha256(body).as_bytes() != name {
        return None;
    }
    v1::Result::decode(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spooled_is_there_after_a_restart_until_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let lease = v1::Lease { job: "s/a/1/implement".into(), fence: "f".into() };
        let result = v1::Result { lease: Some(lease.clone()), outcome: None, trace: None };
        let other = v1::Result {
            lease: Some(v1::Lease { job: "s/b/1/implement".into(), ..lease }),
            outcome: None,
            trace: None,
        };
        let spool = Spool::new(folder.path());
        spool.put(&result).unwrap();
        spool.put(&other).unwrap();
        std::fs::write(spool.path("s/b/1/implement"), b"torn").unwrap();
        // Written whole and not renamed: nothing would ever take it away.
        std::fs::copy(spool.path("s/a/1/implement"), spool.folder.join(".0123.4567")).unwrap();
        let again = Spool::new(folder.path());
        assert_eq!(again.all(), [result]);
        let job = JobId::new("s/a/1/implement");
        again.forget(&job, "e");
        assert_eq!(again.all().len(), 1, "an earlier attempt was meant");
        again.forget(&job, "f");
        assert_eq!(again.all(), []);
    }
}
