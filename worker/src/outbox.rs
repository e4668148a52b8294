//! What an engine run has earned, on the disk before it is reported, and until the report is acknowledged.

pub(crate) mod leftovers;

use crate::run::{Context, RunError, Task};
use crate::spool::Spool;
use arena_domain::id::{JobId, Tenant};
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

    fn folder(&self, job: &JobId) -> PathBuf {
        self.path(job).with_extension("blobs")
    }

    /// Bytes that a result will name, until a coordinator has them; their digest.
    pub(crate) fn hold(&self, job: &JobId, tenant: &Tenant, bytes: &[u8]) -> io::Result<String> {
        let digest = digest::sha256(bytes);
        files::write_atomic(&self.folder(job).join(tenant.as_str()).join(&digest), bytes)?;
        Ok(digest)
    }

    /// What is held for a job, of this boot and of those before it, and whose it is.
    pub(crate) fn undelivered(&self, job: &JobId) -> Vec<(Tenant, PathBuf)> {
        let mut all = Vec::new();
        for of in within(&self.folder(job)) {
            let tenant = Tenant::new(of.file_name().to_string_lossy());
            let whole = within(&of.path()).into_iter().filter(|file| digest::is_name(&file.file_name()));
            all.extend(whole.map(|file| (tenant.clone(), file.path())));
        }
        all
    }

    /// Those of these results of which a coordinator has all that they name: one that came without would be believed.
    fn whole(&self, results: Vec<v1::Result>) -> Vec<v1::Result> {
        let job = |result: &v1::Result| result.lease.as_ref().map(|lease| JobId::new(&lease.job));
        let is_whole = |result: &v1::Result| job(result).is_some_and(|job| self.undelivered(&job).is_empty());
        results.into_iter().filter(is_whole).collect()
    }

    /// A coordinator has all of it.
    pub(crate) fn delivered(&self, job: &JobId) {
        let _ = std::fs::remove_dir_all(self.folder(job));
    }

    /// The report goes before what the same worker finds when it is given the job again: a boot that dies between the two would be
    /// taken for one that earned nothing, and another worker would be given the job. Each is tried, whatever becomes of the other.
    fn earn(&self, job: &JobId, outcome: &v1::Outcome, report: Option<(&Spool, v1::Result)>) -> io::Result<()> {
        let told = report.map_or(Ok(()), |(spool, result)| spool.put(&result));
        let body = outcome.encode_to_vec();
        // Its digest goes before it: a damaged result must not be taken for a poorer one.
        files::write_atomic(&self.path(job), &[digest::sha256(&body).into_bytes(), body].concat())?;
        told
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
        self.delivered(job);
    }
}

/// What lies in a folder, which need not be there.
fn within(folder: &Path) -> Vec<std::fs::DirEntry> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().collect()
}

impl Context {
    /// On this disk, where a coordinator may be away for long, or with the one of this process at once; the digest.
    pub(crate) async fn hold(&self, task: &Task, bytes: Vec<u8>) -> Result<String, RunError> {
        if !self.blobs.0.is_lasting() {
            return Ok(self.blobs.put(&task.job.tenant, &bytes).await?);
        }
        let (outbox, job, tenant) = (self.outbox.clone(), task.job.id.clone(), task.job.tenant.clone());
        Ok(tokio::task::spawn_blocking(move || outbox.hold(&job, &tenant, &bytes)).await??)
    }

    /// On the disk, for a later attempt of this worker, and as the report of this one, for the next boot in case that this one dies
    /// before a coordinator has all of it.
    pub(crate) fn earned(&self, task: &Task, implemented: &Implemented) -> io::Result<()> {
        let outcome = Outcome::Implemented(implemented.clone()).to_wire();
        let report = || {
            let lease = v1::Lease { job: task.job.id.to_string(), fence: task.fence.to_string() };
            v1::Result { lease: Some(lease), outcome: Some(outcome.clone()), trace: task.trace.context() }
        };
        let report = self.blobs.0.is_lasting().then(|| (&self.spool, report()));
        self.outbox.earn(&task.job.id, &outcome, report)
    }

    /// What stands in a report alone that will be forgotten untold, for the attempt that comes after it.
    pub(crate) fn keep_earned(&self, job: &JobId) {
        let only_told = self.spool.earned(job).filter(|_| self.outbox.held(job).is_none());
        if let Some(outcome) = only_told
            && let Err(error) = self.outbox.earn(job, &outcome.to_wire(), None)
        {
            tracing::warn!(%job, %error, "what an engine earned cannot be kept for its next attempt");
        }
    }

    /// What an attempt at this job has earned that no coordinator knows of, whichever boot's it was: nobody pays for it again.
    pub(crate) fn earned_before(&self, job: &JobId) -> Option<Outcome> {
        self.outbox.held(job).or_else(|| self.spool.earned(job))
    }

    /// Sends what is held for this job; what was sent stays so when it breaks off. Two may be at it at once, for an earlier boot and
    /// for an attempt of this one: what is gone has been sent by the other.
    pub(crate) async fn deliver(&self, job: &JobId) -> Result<(), RunError> {
        for (tenant, path) in self.outbox.undelivered(job) {
            let Some(bytes) = files::unless_gone(std::fs::read(&path))? else { continue };
            self.blobs.put(&tenant, &bytes).await?;
            files::unless_gone(std::fs::remove_file(&path))?;
        }
        self.outbox.delivered(job);
        Ok(())
    }

    /// Results of earlier boots that may be reported now.
    pub(crate) fn kept(&self) -> Vec<v1::Result> {
        self.outbox.whole(self.spool.all())
    }

    /// What a boot before this one had earned and could not send, before anybody hears that it is dead: from then on its
    /// results come too late.
    pub(crate) async fn deliver_kept(&self) {
        for result in self.spool.all() {
            let job = JobId::new(result.lease.map(|lease| lease.job).unwrap_or_default());
            if let Err(error) = self.deliver(&job).await {
                tracing::warn!(%job, %error, "what it earned could not be sent");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_result_names_is_held_until_it_is_delivered_and_half_a_file_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::new(folder.path());
        let (job, other, blue) = (JobId::new("s/a/1/implement"), JobId::new("s/b/1/implement"), Tenant::new("blue"));
        let digest = outbox.hold(&job, &blue, b"bundle").unwrap();
        outbox.hold(&other, &blue, b"bundle").unwrap();
        std::fs::write(outbox.folder(&job).join("blue/.torn.0123"), b"bun").unwrap();
        let again = Outbox::new(folder.path());
        let held = again.undelivered(&job);
        assert_eq!(held, [(blue, outbox.folder(&job).join("blue").join(&digest))]);
        assert_eq!(std::fs::read(&held[0].1).unwrap(), b"bundle");
        again.delivered(&job);
        assert_eq!((again.undelivered(&job), again.undelivered(&other).len()), (Vec::new(), 1));
    }

    #[test]
    fn what_is_held_for_a_later_attempt_is_a_report_already() {
        let folder = tempfile::tempdir().unwrap();
        let (outbox, spool) = (Outbox::new(folder.path()), Spool::new(folder.path()));
        let job = JobId::new("s/a/1/implement");
        let outcome = Outcome::Failed(arena_domain::outcome::Failure::Cancelled).to_wire();
        let lease = v1::Lease { job: job.to_string(), fence: "1.1.r".into() };
        let report = v1::Result { lease: Some(lease), outcome: Some(outcome.clone()), trace: None };
        // As if the process were killed before the second of the two is there.
        std::fs::create_dir_all(outbox.path(&job).join("in the way")).unwrap();
        outbox.earn(&job, &outcome, Some((&spool, report.clone()))).unwrap_err();
        assert_eq!((outbox.held(&job), spool.all()), (None, vec![report.clone()]));
        // And of no report that could be written it knows all the same.
        let lost = v1::Lease { job: "s/b/1/implement".into(), fence: "1.1.r".into() };
        let lost = v1::Result { lease: Some(lost), ..report.clone() };
        let other = JobId::new("s/b/1/implement");
        std::fs::create_dir_all(
            folder.path().join("spool").join(digest::sha256(other.as_str().as_bytes())).join("in the way"),
        )
        .unwrap();
        outbox.earn(&other, &outcome, Some((&spool, lost))).unwrap_err();
        assert!(outbox.held(&other).is_some());
        std::fs::remove_dir_all(outbox.path(&job)).unwrap();
        outbox.earn(&job, &outcome, Some((&spool, report.clone()))).unwrap();
        assert_eq!((outbox.held(&job).map(|one| one.to_wire()), spool.all()), (Some(outcome), vec![report]));
    }

    #[test]
    fn a_kept_result_is_reported_once_a_coordinator_has_all_that_it_names() {
        let folder = tempfile::tempdir().unwrap();
        let (outbox, spool) = (Outbox::new(folder.path()), Spool::new(folder.path()));
        let result = |job: &str| {
            let lease = v1::Lease { job: job.into(), fence: "1.1.r".into() };
            v1::Result { lease: Some(lease), outcome: None, trace: None }
        };
        let jobs = ["s/a/1/implement", "s/b/1/implement"].map(JobId::new);
        for job in &jobs {
            spool.put(&result(job.as_str())).unwrap();
        }
        // Of two tenants: one is sent, and then the worker dies.
        let blue = outbox.hold(&jobs[0], &Tenant::new("blue"), b"bundle").unwrap();
        outbox.hold(&jobs[0], &Tenant::new("red"), b"log").unwrap();
        std::fs::remove_file(outbox.folder(&jobs[0]).join("blue").join(blue)).unwrap();
        let again = Outbox::new(folder.path());
        assert_eq!(again.whole(spool.all()), [result("s/b/1/implement")]);
        again.delivered(&jobs[0]);
        assert_eq!(again.whole(spool.all()).len(), 2);
        let nobodys = v1::Result { lease: None, outcome: None, trace: None };
        assert_eq!(again.whole(vec![nobodys]), []);
    }
}
