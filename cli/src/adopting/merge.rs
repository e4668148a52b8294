//! The merge as a commit that nothing points to yet: HEAD and the picks, one after another.

use super::error::{AdoptError, Conflict, Side};
use super::{branch, refuse_underway};
use crate::userrepo::{RepoError, UserRepo, shown, zero_ended};
use arena_domain::id::{Commit, CompetitorName};
use arena_domain::text::{sanitise, sanitise_line};
use std::collections::BTreeMap;

/// Longest subject line of a commit.
const SUBJECT: usize = 100;

/// A merge that is made and stands nowhere yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Merged {
    pub(crate) commit: Commit,
    /// HEAD as it was, then the picks.
    pub(crate) parents: Vec<Commit>,
    /// Paths that differ from HEAD.
    pub(crate) changed: Vec<String>,
}

/// Merges the picks into HEAD; several make a hybrid. A conflict is an error that names both sides.
///
/// A pick that HEAD already contains is left out; when nothing is left it is `AlreadyAdopted`.
pub(crate) fn plan_merge(
    repo: &UserRepo,
    session: &str,
    base: &Commit,
    picks: &[(CompetitorName, Commit)],
    subject: &str,
    body: &str,
) -> Result<Merged, AdoptError> {
    refuse_underway(repo)?;
    check_identity(repo)?;
    let head = head(repo)?;
    let picks = not_yet_in(repo, &head, base, picks)?;
    let mut tip = head.clone();
    let mut tree = String::new();
    let mut parents = vec![head.clone()];
    for (name, commit) in &picks {
        tree = merge_trees(repo, &tip, commit).map_err(|refusal| refusal.of(branch(session, name.as_str())))?;
        parents.push(commit.clone());
        // The next pick is merged into this one, with all that is in so far as its history.
        tip = commit_tree(repo, &tree, &parents, "arena: hybrid in the making")?;
    }
    if tree == tree_of(repo, &head)? {
        return Err(AdoptError::AlreadyAdopted { what: "every change of it".to_owned() });
    }
    let message = format!("{}\n\n{}\n", sanitise_line(subject, SUBJECT), sanitise(body.as_bytes()).trim());
    let commit = commit_tree(repo, &tree, &parents, &message)?;
    let changed = changed(repo, &head, &commit)?.iter().map(|path| shown(path)).collect();
    Ok(Merged { commit, parents, changed })
}

pub(super) fn head(repo: &UserRepo) -> Result<Commit, AdoptError> {
    repo.reference("HEAD")?.ok_or(AdoptError::Unborn)
}

fn not_yet_in(
    repo: &UserRepo,
    head: &Commit,
    base: &Commit,
    picks: &[(CompetitorName, Commit)],
) -> Result<Vec<(CompetitorName, Commit)>, AdoptError> {
    let mut left: Vec<(CompetitorName, Commit)> = Vec::new();
    for (name, commit) in picks {
        if !repo.is_ancestor(base, commit)? {
            let [commit, base] = [commit, base].map(Commit::to_string);
            return Err(AdoptError::NotOnBase { name: name.to_string(), commit, base });
        }
        let repeated = left.iter().any(|(_, other)| other == commit);
        if !repeated && !repo.is_ancestor(commit, head)? {
            left.push((name.clone(), commit.clone()));
        }
    }
    if !left.is_empty() {
        return Ok(left);
    }
    let names: Vec<&str> = picks.iter().map(|(name, _)| name.as_str()).collect();
    if names.is_empty() { Err(AdoptError::Nobody) } else { Err(AdoptError::AlreadyAdopted { what: names.join(", ") }) }
}

fn check_identity(repo: &UserRepo) -> Result<(), AdoptError> {
    for who in ["GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT"] {
        if !repo.git().run(&["var", who])?.passed() {
            return Err(AdoptError::NoIdentity);
        }
    }
    Ok(())
}

/// Why two trees are not one.
pub(super) enum Refusal {
    Conflicts(Vec<Conflict>),
    Repo(RepoError),
}

impl Refusal {
    fn of(self, branch: String) -> AdoptError {
        match self {
            Self::Conflicts(files) => AdoptError::Conflict { branch, files },
            Self::Repo(error) => error.into(),
        }
    }
}

impl From<RepoError> for Refusal {
    fn from(error: RepoError) -> Self {
        Self::Repo(error)
    }
}

/// The tree of `ours` with `theirs` merged into it, made without index and working tree.
pub(super) fn merge_trees(repo: &UserRepo, ours: &Commit, theirs: &Commit) -> Result<String, Refusal> {
    let args = ["merge-tree", "--write-tree", "-z", "--no-messages", ours.as_str(), theirs.as_str()];
    let ran = repo.git().run(&args)?;
    match ran.code {
        Some(0) => Ok(zero_ended(&ran.out).map(shown).next().unwrap_or_default()),
        Some(1) => Err(Refusal::Conflicts(conflicts(&ran.out))),
        Some(_) | None => Err(ran.or_failed(&args).map_or_else(Refusal::Repo, |_| Refusal::Conflicts(Vec::new()))),
    }
}

/// After the tree: `mode id stage TAB path`, where stage 1 is the base, 2 ours and 3 theirs.
fn conflicts(out: &[u8]) -> Vec<Conflict> {
    let mut stages: BTreeMap<&[u8], [bool; 3]> = BTreeMap::new();
    for entry in zero_ended(out).skip(1) {
        let Some(tab) = entry.iter().position(|byte| *byte == b'\t') else { continue };
        let seen = stages.entry(&entry[tab + 1..]).or_default();
        match entry[..tab].last() {
            Some(b'1') => seen[0] = true,
            Some(b'2') => seen[1] = true,
            Some(b'3') => seen[2] = true,
            Some(_) | None => {}
        }
    }
    let conflict = |(path, [base, ours, theirs]): (&[u8], [bool; 3])| Conflict {
        path: shown(path),
        yours: Side::of(base, ours),
        theirs: Side::of(base, theirs),
    };
    stages.into_iter().map(conflict).collect()
}

pub(super) fn commit_tree(repo: &UserRepo, tree: &str, parents: &[Commit], message: &str) -> Result<Commit, RepoError> {
    let mut args = vec!["-c", "i18n.commitEncoding=UTF-8", "commit-tree", tree];
    args.extend(parents.iter().flat_map(|parent| ["-p", parent.as_str()]));
    let out = repo.git().feed(&args, message.as_bytes())?.or_failed(&args[2..])?;
    Ok(Commit::new(String::from_utf8_lossy(&out).trim()))
}

pub(super) fn tree_of(repo: &UserRepo, commit: &Commit) -> Result<String, RepoError> {
    let out = repo.git().out(&["rev-parse", "--verify", &format!("{commit}^{{tree}}")])?;
    Ok(String::from_utf8_lossy(&out).trim().to_owned())
}

/// Names of the files that differ between two commits, as bytes.
pub(super) fn changed(repo: &UserRepo, from: &Commit, to: &Commit) -> Result<Vec<Vec<u8>>, RepoError> {
    let args = ["diff-tree", "-r", "-z", "--name-only", "--no-renames", from.as_str(), to.as_str()];
    Ok(zero_ended(&repo.git().out(&args)?).map(<[u8]>::to_vec).collect())
}
