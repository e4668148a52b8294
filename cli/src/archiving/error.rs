//! Why an archive was not written; in every case nothing of it is left.

use crate::userrepo::RepoError;
use arena_domain::text::{sanitise_line, shell_quote};
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    #[error("{0} is not empty; name a new folder: `arena archive ID {1}-2`", display(path), word(path))]
    NotEmpty { path: PathBuf },
    #[error("{0} is no folder; name a new one: `arena archive ID {1}-archive`", display(path), word(path))]
    NotAFolder { path: PathBuf },
    #[error("the disk is full at {0}; make room and again: `df -h {1}`", display(path), word(there(path)))]
    Full { path: PathBuf },
    #[error("{0} cannot be written ({reason}); `ls -ld {1}`", display(path), word(there(path)))]
    Io { path: PathBuf, reason: String },
    #[error(
        "the base {base} is not at hand, and a submission cannot be read without it; run it in a clone: `git fetch`"
    )]
    NoBase { base: String },
    #[error("the submission of {name} cannot be read: {source}")]
    Submission { name: String, source: RepoError },
    #[error("the session's packet cannot be rewritten ({reason}); `arena check packet.toml` says more")]
    Packet { reason: String },
}

impl ArchiveError {
    pub(crate) fn of(path: &Path, error: &io::Error) -> Self {
        let path = path.to_owned();
        if arena_runtime::files::is_full(error) {
            return Self::Full { path };
        }
        Self::Io { path, reason: error.to_string() }
    }
}

fn display(path: &Path) -> String {
    sanitise_line(&path.to_string_lossy(), 300)
}

fn word(path: &Path) -> String {
    shell_quote(&display(path))
}

/// The nearest folder that is there, for a command that looks at it.
fn there(path: &Path) -> &Path {
    path.ancestors().skip(1).find(|folder| folder.exists()).unwrap_or(Path::new("."))
}
