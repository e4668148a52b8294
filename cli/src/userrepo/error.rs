//! What can be wrong with the user's repository, each with the command that mends it.

use super::git::OLDEST;
use arena_domain::text::{sanitise_line, shell_quote};
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub(crate) enum RepoError {
    #[error("git does not start ({reason}); install it: `apt-get install git`, or https://git-scm.com/downloads")]
    GitMissing { reason: String },
    #[error("git {found} is too old, {}.{} is needed; install a newer one: `apt-get install git`", OLDEST.0, OLDEST.1)]
    GitTooOld { found: String },
    #[error("there is no folder {0}; `mkdir -p {1}`, or name another one", display(path), word(path))]
    NoSuchPath { path: PathBuf },
    #[error("{0} is in no git repository; `git -C {1} init`, or name another folder", display(path), word(path))]
    NotARepository { path: PathBuf },
    #[error(
        "{0} belongs to another user, so git does not read it; if you trust it: \
         `git config --global --add safe.directory {1}`",
        display(path),
        word(path)
    )]
    Dubious { path: PathBuf },
    #[error("{0} has no commit yet; `git -C {1} add -A && git -C {1} commit`", display(path), word(path))]
    NoCommits { path: PathBuf },
    #[error("there is no commit '{}'{}; {}", sanitise_line(rev, 120), near_names(near), look(*shallow))]
    UnknownRevision { rev: String, near: Vec<String>, shallow: bool },
    #[error("{} is no reference of Arena's; use one below refs/heads/arena/ or refs/arena/", sanitise_line(name, 120))]
    ForeignReference { name: String },
    #[error("a branch called 'arena' is in the way of Arena's branches; `git branch -m arena another-name`")]
    NameTaken,
    #[error("branch {branch} is checked out in {0}; `git -C {1} switch --detach`", display(path), word(path))]
    CheckedOut { branch: String, path: PathBuf },
    #[error("the bundle does not carry commit {commit}; export it again: `arena show ID`")]
    WrongBundle { commit: String },
    #[error("a submission is no bundle that git could have made; `arena doctor` looks at the state directory")]
    NoBundle,
    #[error("a submission builds on commit {base}, which is not here any more; `git fetch --all`, and again")]
    BaseGone { base: String },
    #[error("the git directory cannot be written ({0}); make room or mend its permissions: `df -h . && ls -ld .git`")]
    Io(#[from] io::Error),
    #[error("git {command} failed: {reason}; look with `git status` and `git fsck`")]
    Failed { command: String, reason: String },
}

fn display(path: &Path) -> String {
    sanitise_line(&path.to_string_lossy(), 300)
}

/// As one word for the shell.
fn word(path: &Path) -> String {
    shell_quote(&display(path))
}

fn near_names(near: &[String]) -> String {
    if near.is_empty() {
        return String::new();
    }
    let names: Vec<String> = near.iter().map(|name| sanitise_line(name, 120)).collect();
    format!(" (near it: {})", names.join(", "))
}

fn look(shallow: bool) -> &'static str {
    if shallow {
        "this clone is shallow: `git fetch --unshallow`, or `git branch -a` for what is here"
    } else {
        "`git branch -a` and `git tag` list what is here"
    }
}
