//! The scope on what an engine left: what is kept, what is put back and why, and what was done to the tests.

use super::RunError;
use super::guard;
use super::links::Links;
use crate::repository::{RawChange, Repository, RepositoryError, Side};
use arena_domain::id::{Commit, JobId};
use arena_domain::outcome::{Flag, FlagKind};
use arena_domain::packet::Packet;
use arena_domain::scope::{self, Lock, Ruling};
use arena_domain::tamper::{self, Shadows};
use std::collections::{BTreeSet, HashMap};

/// What came out of a workspace, ruled.
pub(super) struct Ruled {
    pub commit: Commit,
    pub changes: Vec<RawChange>,
    pub reverted: Vec<String>,
    pub flags: Vec<Flag>,
    pub bundle: Vec<u8>,
}

pub(super) fn rule(
    repository: &Repository,
    packet: &Packet,
    job: &JobId,
    all: Vec<RawChange>,
    commit: Commit,
    base: &Commit,
) -> Result<Ruled, RunError> {
    let lock = Lock::new(&packet.scope).map_err(|error| RunError::Setup {
        reason: error.to_string(),
        mend: "correct the pattern in [scope]".into(),
    })?;
    let links = Links::of(repository, &lock, base, &all)?;
    let shadows = shadows(repository, packet, base, &all)?;
    let reasons = put_back(&lock, &all, &shadows, links.as_ref());
    let judged: Vec<(RawChange, Option<Reason>)> = all.into_iter().zip(reasons).collect();
    let is_kept = |(change, reason): &&(RawChange, Option<Reason>)| reason.is_none() && !is_litter(change);
    let kept: Vec<&RawChange> = judged.iter().filter(is_kept).map(|(change, _)| change).collect();
    let commit = if kept.len() == judged.len() { commit } else { repository.keep(job, base, &kept)? };
    // Neither needs the other, and each waits for git.
    let (flags, bundle) = std::thread::scope(|scope| {
        let flags = scope.spawn(|| flags(repository, packet, &judged));
        let bundle = if kept.is_empty() { Ok(Vec::new()) } else { repository.bundle(job, base) };
        (flags.join(), bundle)
    });
    let flags = flags.map_err(|_| std::io::Error::other("the look for tampering ended early"))??;
    let (bundle, mut reverted, mut changes) = (bundle?, Vec::new(), Vec::new());
    for (change, reason) in judged.into_iter().filter(|(change, _)| !is_litter(change)) {
        match reason {
            None => changes.push(change),
            Some(_) => reverted.push(change.name()),
        }
    }
    Ok(Ruled { commit, changes, reverted, flags, bundle })
}

/// The base is listed only for a change that can matter.
fn shadows(
    repository: &Repository,
    packet: &Packet,
    base: &Commit,
    all: &[RawChange],
) -> Result<Shadows, RepositoryError> {
    let may_matter = |change: &RawChange| change.before.is_none() && change.after.is_some();
    if !all.iter().any(may_matter) {
        return Ok(Shadows::default());
    }
    guard::shadows(repository, packet, base)
}

/// Why a change is put back.
pub(super) type Reason = (FlagKind, &'static str);

/// The reason of each change that is put back.
fn put_back(lock: &Lock, all: &[RawChange], shadows: &Shadows, links: Option<&Links>) -> Vec<Option<Reason>> {
    let reason = |change: &RawChange| match lock.rule(&change.shown) {
        _ if change.is_submodule() => Some((FlagKind::ScopeViolation, "a submodule; put back")),
        Ruling::Kept if shadows.holds(&change.shown) && !lock.is_named(&change.shown) => {
            Some((FlagKind::ScopeViolation, "found in the place of a module of Python's or its runner's; put back"))
        }
        Ruling::Kept => None,
        Ruling::Protected => Some((FlagKind::ProtectedChanged, "put back before evaluation")),
        Ruling::Outside => Some((FlagKind::ScopeViolation, "outside the allowed paths; put back")),
        Ruling::Forbidden => Some((FlagKind::ScopeViolation, "a forbidden path; put back")),
    };
    let mut reasons: Vec<Option<Reason>> = all.iter().map(reason).collect();
    put_back_in_the_way(all, &mut reasons);
    // What is put back may change where links lead, and a link that is put back may have something in its way.
    while links.is_some_and(|links| links.put_back(lock, all, &mut reasons)) {
        put_back_in_the_way(all, &mut reasons);
    }
    reasons
}

/// A file in the place of a folder, or a folder in the place of a file, takes away what stood there: where that is put
/// back, so is what stands in its place.
fn put_back_in_the_way(all: &[RawChange], reasons: &mut [Option<Reason>]) {
    let restored = all.iter().zip(&*reasons).filter(|(change, reason)| reason.is_some() && change.before.is_some());
    let restored: BTreeSet<&[u8]> = restored.map(|(change, _)| change.path.as_slice()).collect();
    for (change, reason) in all.iter().zip(reasons) {
        if reason.is_none() && change.after.is_some() && is_in_the_way(&restored, &change.path) {
            *reason = Some((FlagKind::ScopeViolation, "in the place of what was put back; put back"));
        }
    }
}

/// A folder on the way to `path` is a restored file, or `path` is a folder on the way to one.
fn is_in_the_way(restored: &BTreeSet<&[u8]>, path: &[u8]) -> bool {
    let above =
        path.iter().enumerate().filter(|(_, byte)| **byte == b'/').any(|(at, _)| restored.contains(&path[..at]));
    let folder = [path, b"/"].concat();
    above || restored.range(folder.as_slice()..).next().is_some_and(|next| next.starts_with(&folder))
}

fn is_litter(change: &RawChange) -> bool {
    change.before.is_none() && scope::is_litter(&change.shown)
}

/// The harness or a gate names this path. One that is allowed all the same is what is worked on, not what judges it.
fn is_harness(packet: &Packet, path: &str) -> bool {
    let words = packet.harness.iter().map(|harness| &harness.run).chain(packet.gates.iter().map(|gate| &gate.run));
    words.flat_map(|run| run.split_whitespace()).any(|word| word.trim_start_matches("./") == path)
}

fn flags(
    repository: &Repository,
    packet: &Packet,
    judged: &[(RawChange, Option<Reason>)],
) -> Result<Vec<Flag>, RunError> {
    let contents = contents(repository, judged.iter().map(|(change, _)| change))?;
    let mut flags = Vec::new();
    let flag = |kind, path: &str, detail: &str| Flag { kind, path: Some(path.to_owned()), detail: detail.to_owned() };
    for (change, reason) in judged.iter().filter(|(change, _)| !is_litter(change)) {
        let (path, begun) = (change.shown.as_str(), flags.len());
        if let Some((kind, detail)) = reason {
            if is_harness(packet, path) {
                flags.push(flag(
                    FlagKind::HarnessChanged,
                    path,
                    "the harness or a gate runs this file; it was put back",
                ));
            }
            flags.push(flag(*kind, path, detail));
        }
        if is_text(change) {
            let content = |side: &Option<Side>| side.as_ref().and_then(|side| contents.get(side.blob.as_str()));
            let (before, after) = (content(&change.before), content(&change.after));
            let (before, after) = (before.map(Vec::as_slice), after.map(Vec::as_slice));
            flags.extend(tamper::compare(path, before, after));
            flags.extend(tamper::reaches(path, before, after).filter(|_| reason.is_none()));
        }
        for flag in &mut flags[begun..] {
            flag.path = Some(change.name());
        }
    }
    Ok(flags)
}

fn is_text(change: &RawChange) -> bool {
    !change.binary && !change.is_submodule()
}

/// Both sides of every text.
fn contents<'a>(
    repository: &Repository,
    all: impl Iterator<Item = &'a RawChange>,
) -> Result<HashMap<&'a str, Vec<u8>>, RepositoryError> {
    let edited = all.filter(|change| is_text(change));
    let sides = edited.flat_map(|change| change.before.iter().chain(&change.after));
    let blobs: Vec<&str> = sides.map(|side| side.blob.as_str()).collect();
    repository.blobs(&blobs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::Side;
    use arena_domain::packet::{OnViolation, Scope};

    fn change(path: &str, before: Option<&str>, after: Option<&str>) -> RawChange {
        let side = |mode: &str| Side { mode: mode.into(), blob: "0".repeat(40) };
        let (before, after) = (before.map(side), after.map(side));
        let (path, shown) = (path.as_bytes().to_vec(), path.to_owned());
        RawChange { path, shown, before, after, added_lines: 0, removed_lines: 0, binary: false }
    }

    #[test]
    fn what_takes_the_place_of_something_restored_is_put_back_too() {
        let all = ["**".to_owned()].to_vec();
        let scope = Scope { allowed: all, forbidden: vec![], protected: vec![], on_violation: OnViolation::Revert };
        let lock = Lock::new(&scope).unwrap();
        let (file, link) = (Some("100644"), Some("160000"));
        let rows = [
            (change("a", None, file), true),
            (change("a/Makefile", file, None), true),
            (change("a/one", file, None), false),
            (change("ab", None, file), false),
            (change("b/x.key", file, None), true),
            (change("b/x.key/inner", None, file), true),
            (change("lib", link, None), true),
            (change("lib/new", None, file), true),
            (change("library", None, file), false),
        ];
        let (changes, expected): (Vec<RawChange>, Vec<bool>) = rows.into_iter().unzip();
        let reasons: Vec<bool> =
            put_back(&lock, &changes, &Shadows::default(), None).iter().map(Option::is_some).collect();
        assert_eq!(reasons, expected);
    }
}
