//! The way back: HEAD as it was before, or a commit that takes the adoption out again when more came on top.

use super::error::AdoptError;
use super::land::{forward, hooks, settle};
use super::merge::{Refusal, commit_tree, head, merge_trees, tree_of};
use super::{adopted, before, refuse_underway};
use crate::userrepo::{RepoError, UserRepo};
use arena_domain::id::Commit;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Undone {
    /// HEAD is where it was before the adoption.
    Restored(Commit),
    /// Further commits came on top; this one reverts the adoption.
    Reverted(Commit),
}

/// The adoption that undo would take back, and where HEAD is.
struct Adoption {
    head: Commit,
    old: Commit,
    new: Commit,
}

/// Refuses where there is nothing to take back, or no place to do it.
pub(crate) fn check_undo(repo: &UserRepo, session: &str) -> Result<(), AdoptError> {
    adoption(repo, session).map(drop)
}

fn adoption(repo: &UserRepo, session: &str) -> Result<Adoption, AdoptError> {
    if !repo.has_work_tree() {
        return Err(AdoptError::Bare);
    }
    refuse_underway(repo)?;
    let not_adopted = || AdoptError::NotAdopted { session: session.to_owned() };
    let head = head(repo)?;
    let old = repo.reference(&before(session))?.ok_or_else(not_adopted)?;
    let new = repo.reference(&adopted(session))?.ok_or_else(not_adopted)?;
    if head == new || repo.is_ancestor(&new, &head)? { Ok(Adoption { head, old, new }) } else { Err(not_adopted()) }
}

/// Takes the last adoption of a session back. What was pushed stays pushed.
pub(crate) fn undo(repo: &UserRepo, session: &str) -> Result<Undone, AdoptError> {
    let Adoption { head, old, new } = adoption(repo, session)?;
    let undone = if head == new {
        restore(repo, &new, &old)?;
        Undone::Restored(old)
    } else {
        Undone::Reverted(revert(repo, &head, &new, &old)?)
    };
    repo.update_refs(&format!("delete {}\0\0delete {}\0\0", before(session), adopted(session)))?;
    Ok(undone)
}

/// A checkout carries over what is staged as well as what is not, where a reset would unstage it; it is refused when
/// the changes overlap.
fn restore(repo: &UserRepo, new: &Commit, old: &Commit) -> Result<(), AdoptError> {
    let hooks = hooks(repo)?;
    let branch = repo.branch()?;
    let place = match &branch {
        Some(branch) => ["-B", branch.as_str(), old.as_str()].to_vec(),
        None => ["--detach", old.as_str()].to_vec(),
    };
    let options = ["checkout", "-q", "--no-overwrite-ignore", "--no-track"];
    let options = &options[..if branch.is_some() { 4 } else { 3 }];
    let args: Vec<&str> = hooks.iter().chain(options).copied().chain(place).collect();
    settle(repo, repo.git().run(&args)?, new, old)
}

/// The reverting commit is made like a merge, without the working tree, so that a conflict leaves nothing behind.
fn revert(repo: &UserRepo, head: &Commit, new: &Commit, old: &Commit) -> Result<Commit, AdoptError> {
    // A child of the adoption with the tree from before it: merging that in is the revert.
    let back = commit_tree(repo, &tree_of(repo, old)?, std::slice::from_ref(new), "arena: before the adoption")?;
    let tree = merge_trees(repo, head, &back).map_err(|refusal| match refusal {
        Refusal::Conflicts(files) => {
            AdoptError::UndoConflict { commit: new.to_string(), files: files.into_iter().map(|one| one.path).collect() }
        }
        Refusal::Repo(error) => error.into(),
    })?;
    let message =
        format!("Revert \"{}\"\n\nThis reverts commit {new}, reversing\nchanges made to {old}.\n", subject(repo, new)?);
    let commit = commit_tree(repo, &tree, std::slice::from_ref(head), &message)?;
    forward(repo, head, &commit)?;
    Ok(commit)
}

fn subject(repo: &UserRepo, commit: &Commit) -> Result<String, RepoError> {
    let out = repo.git().out(&["log", "-1", "--format=%s", "--no-show-signature", commit.as_str(), "--"])?;
    Ok(String::from_utf8_lossy(&out).trim().to_owned())
}
