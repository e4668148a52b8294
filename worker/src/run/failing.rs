//! What an error says of a job, and whether this worker can go on.

use super::{Context, Lost, RunError, Task};
use crate::collect::CollectError;
use crate::repository::{ImportError, RepositoryError};
use crate::sandbox::Error as SandboxError;
use arena_domain::outcome::{Failure, Outcome};

impl Context {
    pub(super) async fn failure(&self, task: &Task, error: RunError) -> Failure {
        if task.cancel.is_cancelled() {
            return Failure::Cancelled;
        }
        match error {
            RunError::Cancelled => Failure::Cancelled,
            RunError::Setup { reason, mend } => Failure::Setup { reason, mend },
            RunError::Sandbox(error) if error.is_transient() => {
                if self.docker.ping().await.is_err() {
                    self.lose(Lost::Docker(error.to_string()));
                }
                Failure::Infrastructure(error.to_string())
            }
            RunError::Sandbox(error) => Failure::Setup { reason: error.to_string(), mend: self.mend(&error) },
            RunError::Repository(RepositoryError::Import(ImportError::Collect(error @ CollectError::Io(_)))) => {
                self.infrastructure(error.to_string())
            }
            RunError::Repository(RepositoryError::Import(ImportError::Collect(error))) => {
                Failure::Setup { reason: error.to_string(), mend: "have the engine leave less behind".into() }
            }
            RunError::Io(error) if arena_runtime::files::is_full(&error) => self.no_space(error.to_string()),
            // Another worker may have more.
            RunError::Repository(error @ RepositoryError::Room { .. }) if !self.blobs.0.is_lasting() => {
                self.no_space(error.to_string())
            }
            // In this process its disk is this worker's own.
            RunError::Blobs(status)
                if status.code() == tonic::Code::ResourceExhausted && !self.blobs.0.is_lasting() =>
            {
                self.no_space(status.message().to_owned())
            }
            other @ (RunError::Repository(_)
            | RunError::Io(_)
            | RunError::Blobs(_)
            | RunError::Alone
            | RunError::Join(_)) => self.infrastructure(other.to_string()),
        }
    }

    fn infrastructure(&self, reason: String) -> Failure {
        if crate::space::is_low(&self.settings.root) {
            self.lose(Lost::Space);
        }
        Failure::Infrastructure(reason)
    }

    fn no_space(&self, reason: String) -> Failure {
        self.lose(Lost::Space);
        Failure::Infrastructure(reason)
    }

    fn mend(&self, error: &SandboxError) -> String {
        let SandboxError::NoImage(name) = error else { return error.mend().to_owned() };
        if name == "arena/base" {
            "make it with `deploy/image`, or name another in [sandbox] image".into()
        } else {
            format!("`docker pull {name}`, or name another in [sandbox] image")
        }
    }

    /// A job that filled this disk fills the next one too: unlike what else ends with a worker, that counts.
    pub(crate) fn ran_out(&self, outcome: &Outcome) -> bool {
        let failed = matches!(outcome, Outcome::Failed(Failure::Infrastructure(_)));
        failed && self.blobs.0.is_lasting() && matches!(*self.lost.borrow(), Some(Lost::Space))
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lost.borrow().is_some()
    }

    /// Nothing that fails here from now on says anything of its job.
    pub(crate) fn is_given_up(&self) -> bool {
        self.is_lost() || self.blobs.0.was_refused()
    }

    /// This worker stops; what is durable stays so.
    pub fn lose(&self, lost: Lost) {
        if let (Lost::Space, Some(reserve)) = (&lost, &self.settings.reserve)
            && let Err(error) = reserve.give_up()
        {
            tracing::warn!(%error, "the reserve could not be given up");
        }
        self.lost.send_if_modified(|held| {
            let first = held.is_none();
            if first {
                *held = Some(lost);
            }
            first
        });
    }
}
