//! Where a job's base comes from: the repository on this machine, or the bundle that came with a team's session.

use super::{Context, RunError, Task};
use crate::repository::{Repository, RepositoryError};
use arena_domain::id::Commit;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// The mirrors that are open, by repository and base.
#[derive(Default)]
pub(crate) struct Mirrors(Mutex<HashMap<(String, Commit), Opened>>);

/// A mirror that is opened once, by whoever needs it first.
type Opened = Arc<OnceCell<Repository>>;

impl Mirrors {
    fn cell(&self, source: &str, base: &Commit) -> Arc<OnceCell<Repository>> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.entry((source.to_owned(), base.clone())).or_default().clone()
    }
}

impl Context {
    /// The mirror, with the base in it. Once it is known to be there nothing is asked again.
    pub(crate) async fn repository(&self, task: &Task) -> Result<Repository, RunError> {
        let head = &task.head;
        let source = match head.base_bundle.as_str() {
            // A path of the submitter's would be one of this machine's own.
            "" if self.blobs.0.is_lasting() => {
                let reason = "the base did not come with the session".into();
                return Err(RunError::Setup { reason, mend: "submit with a version of arena that sends it".into() });
            }
            "" => head.repository.clone(),
            digest => format!("bundle {}/{digest}", task.job.tenant),
        };
        let cell = self.mirrors.cell(&source, &task.base);
        let opened = cell.get_or_try_init(async || match head.base_bundle.as_str() {
            "" => fetched(&self.settings.root, &source, &task.base).await,
            digest => self.unpacked(task, &source, digest).await,
        });
        opened.await.cloned()
    }

    async fn unpacked(&self, task: &Task, source: &str, digest: &str) -> Result<Repository, RunError> {
        let (root, name) = (self.settings.root.clone(), source.to_owned());
        let repository = tokio::task::spawn_blocking(move || Repository::open(&root, &name)).await??;
        if !repository.has(&task.base) {
            let file = self.boot.folder.join(format!("base-{}", arena_runtime::token::hex(12)));
            self.blobs.save(&task.job.tenant, digest, &file).await?;
            let (mirror, base, shallow) = (repository.clone(), task.base.clone(), task.head.shallow.clone());
            let unpacked = tokio::task::spawn_blocking(move || {
                let unpacked = mirror.unpack_base(&file, &base, &shallow);
                let _ = std::fs::remove_file(&file);
                unpacked
            });
            unpacked.await?.map_err(|error| self.unusable(error))?;
        }
        Ok(repository)
    }
}

impl Context {
    /// Every worker would find the same: what is wrong is in what was sent. Paths of this worker are nobody's business.
    fn unusable(&self, error: RepositoryError) -> RunError {
        match error {
            RepositoryError::Git(error) if !crate::space::is_low(&self.settings.root) => {
                tracing::warn!(%error, "a base that was sent cannot be unpacked");
                let reason = "the base that came with the session is not whole, or is not the commit it was said to be";
                RunError::Setup {
                    reason: reason.into(),
                    mend: "submit again from a whole clone (`git fsck` looks)".into(),
                }
            }
            other @ (RepositoryError::Git(_)
            | RepositoryError::Io(_)
            | RepositoryError::Import(_)
            | RepositoryError::Room { .. }) => other.into(),
        }
    }
}

/// From a repository on this machine.
async fn fetched(root: &Path, source: &str, base: &Commit) -> Result<Repository, RunError> {
    let (root, source, base) = (root.to_owned(), source.to_owned(), base.clone());
    let opened = tokio::task::spawn_blocking(move || -> Result<Repository, RepositoryError> {
        let repository = Repository::open(&root, &source)?;
        repository.fetch_base(&source, &base)?;
        Ok(repository)
    });
    Ok(opened.await??)
}
