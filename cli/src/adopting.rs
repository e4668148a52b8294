//! Adopting: the merge is made without the working tree, verified by the caller, and only then landed.
//!
//! `plan_merge` writes objects alone. `land` and `undo` move HEAD and the files that differ, whole or not at all; what
//! the user has not committed stays as it is, staged or not, or the move is refused with the names of the files.

mod clean;
mod error;
mod land;
mod merge;
mod push;
mod undo;

pub(crate) use clean::clean;
pub(crate) use error::AdoptError;
pub(crate) use land::{Landed, check_room, land};
pub(crate) use merge::{Merged, plan_merge};
pub(crate) use push::push;
pub(crate) use undo::{Undone, check_undo, undo};

use crate::userrepo::UserRepo;

/// What the user is in the middle of: a file or folder in the git directory, its name, and how to leave it.
const UNDERWAY: [(&str, &str, &str); 6] = [
    ("MERGE_HEAD", "merge", "git merge --continue` or `git merge --abort"),
    ("rebase-merge", "rebase", "git rebase --continue` or `git rebase --abort"),
    ("rebase-apply", "rebase or am", "git rebase --continue` or `git rebase --abort"),
    ("CHERRY_PICK_HEAD", "cherry-pick", "git cherry-pick --continue` or `git cherry-pick --abort"),
    ("REVERT_HEAD", "revert", "git revert --continue` or `git revert --abort"),
    ("BISECT_LOG", "bisect", "git bisect reset"),
];

/// Where undo finds the commit that HEAD was on.
fn before(session: &str) -> String {
    format!("refs/arena/{session}/before-adopt")
}

/// Where undo finds the commit that was landed.
fn adopted(session: &str) -> String {
    format!("refs/arena/{session}/adopted")
}

/// The branch that carries a competitor's result.
fn branch(session: &str, competitor: &str) -> String {
    format!("arena/{session}/variant-{competitor}")
}

fn refuse_underway(repo: &UserRepo) -> Result<(), AdoptError> {
    match UNDERWAY.iter().find(|(file, _, _)| repo.git_dir().join(file).exists()) {
        Some((_, what, mend)) => Err(AdoptError::Underway { what, mend }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
