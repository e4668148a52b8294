//! HEAD moves onto a verified merge, by fast-forward: git checks every file first and changes nothing when one is in
//! the way.

use super::error::AdoptError;
use super::merge::{Merged, changed, head};
use super::{adopted, before, refuse_underway};
use crate::userrepo::{Ran, RepoError, UserRepo, shown, zero_ended};
use arena_domain::id::Commit;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Landed {
    pub(crate) before: Commit,
    pub(crate) after: Commit,
    /// `None`: HEAD is detached.
    pub(crate) branch: Option<String>,
    pub(crate) files: Vec<String>,
}

/// Lands a merge. HEAD must be where it was when the merge was made, or what was verified is not what would land.
pub(crate) fn land(repo: &UserRepo, merged: &Merged, session: &str) -> Result<Landed, AdoptError> {
    if !repo.has_work_tree() {
        return Err(AdoptError::Bare);
    }
    refuse_underway(repo)?;
    let old = head(repo)?;
    if merged.parents.first() != Some(&old) {
        return Err(AdoptError::Moved);
    }
    // Written first: a crash after the merge must leave the way back. Undo looks whether HEAD has really got there.
    let earlier = [before(session), adopted(session)].map(|name| repo.reference(&name).map(|commit| (name, commit)));
    remember(repo, session, &old, &merged.commit)?;
    if let Err(error) = forward(repo, &old, &merged.commit) {
        for entry in earlier {
            let (name, commit) = entry?;
            restore(repo, &name, commit.as_ref())?;
        }
        return Err(error);
    }
    Ok(Landed { before: old, after: merged.commit.clone(), branch: repo.branch()?, files: merged.changed.clone() })
}

/// Refuses a merge that could not land for the sake of what is not committed: asked before the gates, which take long.
/// What changes while they run, `land` still refuses.
pub(crate) fn check_room(repo: &UserRepo, merged: &Merged) -> Result<(), AdoptError> {
    if !repo.has_work_tree() {
        return Err(AdoptError::Bare);
    }
    let files = in_the_way(repo, &head(repo)?, &merged.commit)?;
    if files.is_empty() { Ok(()) } else { Err(AdoptError::Overlap { files }) }
}

fn remember(repo: &UserRepo, session: &str, old: &Commit, new: &Commit) -> Result<(), RepoError> {
    let line = |name: String, commit: &Commit| format!("update {name}\0{commit}\0\0");
    repo.update_refs(&(line(before(session), old) + &line(adopted(session), new)))
}

fn restore(repo: &UserRepo, name: &str, commit: Option<&Commit>) -> Result<(), RepoError> {
    match commit {
        Some(commit) => repo.update_refs(&format!("update {name}\0{commit}\0\0")),
        None => repo.update_refs(&format!("delete {name}\0\0")),
    }
}

/// Fast-forwards HEAD, from where it is to a commit that contains it.
pub(super) fn forward(repo: &UserRepo, from: &Commit, to: &Commit) -> Result<(), AdoptError> {
    // Ignored files are the user's too, and a stash of git's own making could fail to come back.
    let merge = ["merge", "--ff-only", "--no-overwrite-ignore", "--no-autostash", "--no-verify-signatures", "-q"];
    let hooks = hooks(repo)?;
    let args: Vec<&str> = hooks.iter().copied().chain(merge).chain([to.as_str()]).collect();
    settle(repo, repo.git().run(&args)?, from, to)
}

/// Git's refusal, with the files that are in the way where that is the reason.
pub(super) fn settle(repo: &UserRepo, ran: Ran, from: &Commit, to: &Commit) -> Result<(), AdoptError> {
    if ran.passed() {
        return Ok(());
    }
    let files = in_the_way(repo, from, to)?;
    if files.is_empty() {
        return Err(AdoptError::Refused { reason: ran.reason() });
    }
    Err(AdoptError::Overlap { files })
}

/// A hook that lies in the working tree would be the submission's by the time it runs; the user's own ones are kept.
pub(super) fn hooks(repo: &UserRepo) -> Result<Vec<&'static str>, RepoError> {
    let out = repo.git().out(&["rev-parse", "--path-format=absolute", "--git-path", "hooks"])?;
    let path = PathBuf::from(OsStr::from_bytes(out.strip_suffix(b"\n").unwrap_or(&out)));
    // A link elsewhere may lead into the tree.
    let path = path.canonicalize().unwrap_or(path);
    let own = [repo.git_dir(), repo.common()].iter().any(|folder| path.starts_with(folder));
    Ok(if path.starts_with(repo.root()) && !own { vec!["-c", "core.hooksPath=/dev/null"] } else { Vec::new() })
}

/// Files of the user's, tracked and changed or not tracked at all, where the two commits differ.
pub(super) fn in_the_way(repo: &UserRepo, from: &Commit, to: &Commit) -> Result<Vec<String>, RepoError> {
    let dirty = repo.git().out(&["diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", "HEAD", "--"])?;
    let dirty: BTreeSet<&[u8]> = zero_ended(&dirty).collect();
    // What is staged just as the merge has it is in nobody's way: git keeps it.
    let staged = ["diff", "--cached", "--name-only", "-z", "--no-renames", "--no-ext-diff", to.as_str(), "--"];
    let staged = repo.git().out(&staged)?;
    let other: BTreeSet<&[u8]> = zero_ended(&staged).collect();
    let held = repo.git().out(&["ls-tree", "-r", "-z", "--name-only", "--full-tree", from.as_str()])?;
    let held: BTreeSet<&[u8]> = zero_ended(&held).collect();
    let mut files = BTreeSet::new();
    for path in changed(repo, from, to)? {
        let stands = |path: &[u8]| !held.contains(path) && is_file_or_full(&repo.root().join(OsStr::from_bytes(path)));
        let parents = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(end, _)| &path[..end]);
        if other.contains(path.as_slice()) && (dirty.contains(path.as_slice()) || stands(&path)) {
            files.insert(shown(&path));
        }
        // A file where a folder is needed.
        files.extend(parents.filter(|parent| stands(parent) && !is_folder(repo, parent)).map(shown));
    }
    Ok(files.into_iter().collect())
}

fn is_folder(repo: &UserRepo, path: &[u8]) -> bool {
    std::fs::symlink_metadata(repo.root().join(OsStr::from_bytes(path))).is_ok_and(|meta| meta.is_dir())
}

fn is_file_or_full(path: &Path) -> bool {
    match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()),
        Ok(_) => true,
        Err(_) => false,
    }
}
