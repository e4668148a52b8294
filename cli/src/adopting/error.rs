//! Why something was not adopted, undone or pushed; in every case nothing of the user's has changed.

use crate::userrepo::RepoError;
use arena_domain::text::sanitise_line;

/// Files that an error names; the rest are counted.
const NAMED: usize = 12;

#[derive(Debug, thiserror::Error)]
pub(crate) enum AdoptError {
    #[error(transparent)]
    Repo(#[from] RepoError),
    #[error("{} and your branch change the same lines:\n{}; by hand: `git merge {branch}`", branch, conflicts(files))]
    Conflict { branch: String, files: Vec<Conflict> },
    #[error(
        "your branch already contains {what}; look with `git log --merges`, and if it was reverted since: \
         `git revert <the commit that reverted it>`"
    )]
    AlreadyAdopted { what: String },
    #[error(
        "commit {commit} of {name} does not stand on the session's base {base}; run the session again: `arena run`"
    )]
    NotOnBase { name: String, commit: String, base: String },
    #[error("nobody is named to be adopted; `arena adopt ID COMPETITOR`")]
    Nobody,
    #[error(
        "this branch has no commit yet, so there is nothing to merge into; `git commit`, or `git switch` to another"
    )]
    Unborn,
    #[error("a bare repository has no files to update; run it in a clone: `git clone`")]
    Bare,
    #[error("a {what} is in progress; finish or leave it: `{mend}`")]
    Underway { what: &'static str, mend: &'static str },
    #[error(
        "git does not know who you are; `git config --global user.name NAME && git config --global user.email MAIL`"
    )]
    NoIdentity,
    #[error("HEAD has moved since the merge was made and verified; do it again: `arena adopt ID`")]
    Moved,
    #[error(
        "these files have changes of yours that are not committed, and the merge changes them too:\n{}\nnothing was \
         changed; `git stash -u`, the same command again, then `git stash pop` (what git ignores: move it away)",
        list(files)
    )]
    Overlap { files: Vec<String> },
    #[error("git refuses ({reason}); nothing was changed; look with `git status`")]
    Refused { reason: String },
    #[error("nothing of session {session} is adopted on this branch; `git log --merges` shows what is")]
    NotAdopted { session: String },
    #[error("what came after the adoption builds on it:\n{}; by hand: `git revert -m 1 {commit}`", list(files))]
    UndoConflict { commit: String, files: Vec<String> },
    #[error("HEAD is on no branch, so there is nothing to push; `git switch -c NAME`")]
    PushDetached,
    #[error("branch {branch} has no upstream; `git push --set-upstream {remote} {branch}`")]
    NoUpstream { branch: String, remote: String },
    #[error("the remote did not take it ({reason}); `git pull --rebase`, and again")]
    NotPushed { reason: String },
}

/// One file that cannot be merged, and what either side did to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conflict {
    pub(crate) path: String,
    pub(crate) yours: Side,
    pub(crate) theirs: Side,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Added,
    Changed,
    Deleted,
    /// It stands under another name on this side, or a folder stands in its place.
    Elsewhere,
}

impl Side {
    /// From which of base and this side have the file.
    pub(super) fn of(in_base: bool, here: bool) -> Self {
        match (in_base, here) {
            (true, true) => Self::Changed,
            (true, false) => Self::Deleted,
            (false, true) => Self::Added,
            (false, false) => Self::Elsewhere,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Deleted => "deleted",
            Self::Elsewhere => "moved or replaced",
        }
    }
}

fn conflicts(files: &[Conflict]) -> String {
    let line = |one: &Conflict| format!("{}: {} by you, {} by it", one.path, one.yours.as_str(), one.theirs.as_str());
    list(&files.iter().map(line).collect::<Vec<_>>())
}

fn list(files: &[String]) -> String {
    let mut lines: Vec<String> =
        files.iter().take(NAMED).map(|name| format!("  {}", sanitise_line(name, 200))).collect();
    if files.len() > NAMED {
        lines.push(format!("  and {} more", files.len() - NAMED));
    }
    lines.join("\n")
}
