//! After a session: its branches go, and whatever only they held stays as a reference.

use super::error::AdoptError;
use crate::userrepo::{RepoError, UserRepo};
use arena_domain::id::{Commit, CompetitorName};
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Cleaned {
    /// Branches that are gone.
    pub(crate) removed: Vec<String>,
    /// References that hold what no branch contains any more.
    pub(crate) losers: Vec<String>,
    /// Branches that stay because a working tree stands on them.
    pub(crate) in_use: Vec<(String, PathBuf)>,
}

/// Removes the branches `arena/<session>/*` but those of `keep`. What HEAD does not contain stays recoverable below
/// `refs/arena/<session>/losers/`. Branches that a working tree has checked out stay; their place is told.
pub(crate) fn clean(repo: &UserRepo, session: &str, keep: &[CompetitorName]) -> Result<Cleaned, AdoptError> {
    let prefix = format!("refs/heads/arena/{session}/");
    let head = repo.reference("HEAD")?;
    let mut cleaned = Cleaned::default();
    let mut commands = String::new();
    for (name, commit) in repo.references(&prefix)? {
        let leaf = name[prefix.len()..].to_owned();
        let competitor = leaf.strip_prefix("variant-").unwrap_or(&leaf).to_owned();
        if keep.iter().any(|kept| kept.as_str() == competitor) {
            continue;
        }
        let short = name["refs/heads/".len()..].to_owned();
        if let Some(path) = repo.checked_out(&name)? {
            cleaned.in_use.push((short, path));
            continue;
        }
        let contained = match &head {
            Some(head) => repo.is_ancestor(&commit, head)?,
            None => false,
        };
        if !contained && let Some(loser) = loser(repo, session, &competitor, &commit)? {
            commands.push_str(&format!("create {loser}\0{commit}\0"));
            cleaned.losers.push(loser);
        }
        commands.push_str(&format!("delete {name}\0{commit}\0"));
        cleaned.removed.push(short);
    }
    // All at once: no branch goes before what it held is named again.
    repo.update_refs(&commands)?;
    Ok(cleaned)
}

/// A free name for what is kept; `None` when it is kept already.
fn loser(repo: &UserRepo, session: &str, competitor: &str, commit: &Commit) -> Result<Option<String>, RepoError> {
    let first = format!("refs/arena/{session}/losers/{competitor}");
    let mut name = first.clone();
    let mut number = 1;
    loop {
        match repo.reference(&name)? {
            Some(held) if &held == commit => return Ok(None),
            Some(_) => number += 1,
            None => return Ok(Some(name)),
        }
        name = format!("{first}-{number}");
    }
}
