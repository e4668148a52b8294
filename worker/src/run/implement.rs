//! `implement`: workspace -> engine -> stop -> collect -> scope -> stored. Only a tree comes out.

use super::{Context, RunError, Task, User};
use crate::collect::{self, Caps, CollectError, Found};
use crate::engine::{self, BRIEF, FILES, Invocation};
use crate::layers::{self, Workspace};
use crate::repository::{RawChange, Repository, RepositoryError};
use crate::sandbox::{Finished, Mount, Source};
use arena_domain::id::Commit;
use arena_domain::job::Tree;
use arena_domain::outcome::{Flag, FlagKind, Implemented, Usage};
use arena_domain::packet::Packet;
use arena_domain::scope::{Lock, Ruling};
use arena_domain::{scope, tamper, text};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Lines of an engine's last words that are kept in the record; all of them are in the log.
const SAID: usize = 12;
/// Characters of a name that no tree can hold.
const REFUSED_NAME: usize = 200;
/// Of each of its two outputs.
const ENGINE_OUTPUT: u64 = 16 << 20;

pub(super) async fn implement(
    context: &Arc<Context>,
    task: &Task,
    brief: &str,
    parent: Option<&Tree>,
) -> Result<Implemented, RunError> {
    let invocation = invocation(task)?;
    task.phase("prepare", "").await;
    let prepared = layers::base_layers(context, task).await?;
    let workspace = prepared.engine_stage(context, task, parent).await?;
    let desk = Desk::set(context, task, brief, &invocation).await?;
    task.phase("engine", invocation.command.join(" ")).await;
    let mut spec = context.spec(task, &workspace, User::Agent, invocation.command.clone());
    spec.env.extend(invocation.env.clone());
    spec.mounts.extend(desk.mounts());
    spec.stdin = brief.as_bytes().to_vec();
    spec.output_cap = ENGINE_OUTPUT;
    let finished = context.sandboxed(task, spec, invocation.timeout, None).await?;
    // The container is gone: from here on nothing can change what is read.
    task.phase("collect", "").await;
    let tree = collect(context, task, &workspace).await?;
    let logs = vec![context.blobs.put(&finished.stdout).await?, context.blobs.put(&finished.stderr).await?];
    let implemented = store(context, task, tree, &finished, logs).await?;
    // Durable before anything else happens to it.
    context.outbox.put(&task.job.id, &implemented)?;
    task.phase("stored", "").await;
    Ok(implemented)
}

fn invocation(task: &Task) -> Result<Invocation, RunError> {
    let competitor = task.job.competitor.as_ref().and_then(|name| task.packet.competitor(name));
    let found = competitor.and_then(|one| engine::invocation(&task.packet, one, task.job.round));
    found.ok_or_else(|| {
        let name = competitor.map(|one| one.engine.clone()).unwrap_or_default();
        RunError::Setup {
            reason: format!("engine '{name}' is not known to this worker"),
            mend: format!("add [engine.{name}] with its command to the packet"),
        }
    })
}

/// The brief and the engine's files, outside of the workspace and read-only.
struct Desk {
    folder: PathBuf,
}

impl Desk {
    async fn set(context: &Arc<Context>, task: &Task, brief: &str, invocation: &Invocation) -> Result<Self, RunError> {
        let folder = context.boot.folder.join(format!("desk-{}", arena_runtime::token::hex(12)));
        let desk = Self { folder };
        let files = desk.folder.join("files");
        fs::create_dir_all(&files)?;
        fs::write(desk.folder.join("brief.md"), brief)?;
        if !invocation.files.is_empty() && !task.head.files.is_empty() {
            let archive = context.blobs.get(&task.head.files).await?;
            unpack(&archive, &files, &invocation.files)?;
        }
        readable(&desk.folder)?;
        Ok(desk)
    }

    fn mounts(&self) -> [Mount; 2] {
        let mount = |source: PathBuf, target: &str| Mount {
            source: Source::Path(source),
            target: target.to_owned(),
            read_only: true,
        };
        [mount(self.folder.join("brief.md"), BRIEF), mount(self.folder.join("files"), FILES)]
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The named files and what lies below named folders, from the archive that came with the packet.
fn unpack(archive: &[u8], target: &Path, names: &[String]) -> std::io::Result<()> {
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        if names.iter().any(|name| path.starts_with(name)) {
            entry.unpack_in(target)?;
        }
    }
    Ok(())
}

fn readable(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let meta = fs::symlink_metadata(&path)?;
        if meta.is_dir() {
            readable(&path)?;
        } else if meta.is_file() {
            let mode = if meta.permissions().mode() & 0o100 != 0 { 0o755 } else { 0o644 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        }
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}

/// What came out of a workspace, ruled.
struct Ruled {
    commit: Commit,
    changes: Vec<RawChange>,
    reverted: Vec<String>,
    flags: Vec<Flag>,
    bundle: Vec<u8>,
}

async fn collect(context: &Arc<Context>, task: &Task, workspace: &Workspace) -> Result<Ruled, RunError> {
    match workspace {
        Workspace::Overlay(stage) => {
            let upper = stage.upper();
            submit(context, task, move |visit| collect::walk(&upper, Caps::default(), visit)).await
        }
        Workspace::Volume(stage) => {
            let (left, before) = (stage.collect(context).await?, stage.base().clone());
            submit(context, task, move |visit| left.walk(&before, visit)).await
        }
    }
}

/// Stores what `walk` visits, ruled, and bundles it.
async fn submit<W>(context: &Arc<Context>, task: &Task, walk: W) -> Result<Ruled, RunError>
where
    W: FnOnce(&mut dyn FnMut(Found<'_>) -> std::io::Result<()>) -> Result<(), CollectError> + Send + 'static,
{
    let repository = context.repository(task).await?;
    let (base, packet, job) = (task.base.clone(), task.packet.clone(), task.job.id.clone());
    let ruled = tokio::task::spawn_blocking(move || -> Result<Ruled, RunError> {
        let imported = repository.import(&base, walk).map_err(RepositoryError::from)?;
        let all = repository.diff(&base, &imported.commit)?;
        // Such a name may be of any length; the reason must be seen behind it.
        let entry = |(path, why): (String, _)| format!("{} ({why})", text::sanitise_line(&path, REFUSED_NAME));
        let refused = imported.refused.into_iter().map(entry);
        let mut ruled = rule(&repository, &packet, all, imported.commit, &base)?;
        ruled.reverted.extend(refused);
        if !ruled.changes.is_empty() {
            ruled.bundle = repository.bundle(&job, &base, &ruled.commit)?;
        }
        Ok(ruled)
    });
    ruled.await?
}

fn rule(
    repository: &Repository,
    packet: &Packet,
    all: Vec<RawChange>,
    commit: Commit,
    base: &Commit,
) -> Result<Ruled, RunError> {
    let lock = Lock::new(&packet.scope).map_err(|error| RunError::Setup {
        reason: error.to_string(),
        mend: "correct the pattern in [scope]".into(),
    })?;
    let reasons = put_back(&lock, &all);
    let flags = flags(repository, packet, &all, &reasons)?;
    let (mut kept, mut reverted, mut litter) = (Vec::new(), Vec::new(), false);
    for (change, reason) in all.into_iter().zip(reasons) {
        if is_litter(&change) {
            litter = true;
        } else if reason.is_some() {
            reverted.push(change.shown);
        } else {
            kept.push(change);
        }
    }
    let commit = if reverted.is_empty() && !litter {
        commit
    } else {
        repository.keep(base, &kept.iter().collect::<Vec<_>>())?
    };
    Ok(Ruled { commit, changes: kept, reverted, flags, bundle: Vec::new() })
}

/// Why a change is put back.
type Reason = (FlagKind, &'static str);

/// The reason of each change that is put back. A file in the place of a folder, or a folder in the place of a file,
/// takes away what stood there: where that is put back, so is what stands in its place.
fn put_back(lock: &Lock, all: &[RawChange]) -> Vec<Option<Reason>> {
    let reason = |change: &RawChange| match lock.rule(&change.shown) {
        _ if change.is_submodule() => Some((FlagKind::ScopeViolation, "a submodule; put back")),
        Ruling::Kept => None,
        Ruling::Protected => Some((FlagKind::ProtectedChanged, "put back before evaluation")),
        Ruling::Outside => Some((FlagKind::ScopeViolation, "outside the allowed paths; put back")),
        Ruling::Forbidden => Some((FlagKind::ScopeViolation, "a forbidden path; put back")),
    };
    let mut reasons: Vec<Option<Reason>> = all.iter().map(reason).collect();
    let restored = all.iter().zip(&reasons).filter(|(change, reason)| reason.is_some() && change.before.is_some());
    let restored: BTreeSet<&[u8]> = restored.map(|(change, _)| change.path.as_slice()).collect();
    for (change, reason) in all.iter().zip(&mut reasons) {
        if reason.is_none() && change.after.is_some() && is_in_the_way(&restored, &change.path) {
            *reason = Some((FlagKind::ScopeViolation, "in the place of what was put back; put back"));
        }
    }
    reasons
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
    all: &[RawChange],
    reasons: &[Option<Reason>],
) -> Result<Vec<Flag>, RunError> {
    let mut flags = Vec::new();
    let flag = |kind, path: &str, detail: &str| Flag { kind, path: Some(path.to_owned()), detail: detail.to_owned() };
    for (change, reason) in all.iter().zip(reasons).filter(|(change, _)| !is_litter(change)) {
        let path = change.shown.as_str();
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
        if change.before.is_some() && !change.binary && !change.is_submodule() {
            let content = |side: &Option<crate::repository::Side>| {
                side.as_ref().map(|side| repository.blob(&side.blob)).transpose()
            };
            let (before, after) = (content(&change.before)?, content(&change.after)?);
            flags.extend(tamper::compare(path, before.as_deref(), after.as_deref()));
        }
    }
    Ok(flags)
}

async fn store(
    context: &Arc<Context>,
    task: &Task,
    ruled: Ruled,
    finished: &Finished,
    logs: Vec<String>,
) -> Result<Implemented, RunError> {
    let Ruled { commit, changes, reverted, mut flags, bundle } = ruled;
    let empty = changes.is_empty();
    let bundle = if empty { String::new() } else { context.blobs.put(&bundle).await? };
    if finished.oom {
        flags.push(Flag {
            kind: FlagKind::Oom,
            path: None,
            detail: "a process of the engine ran out of memory".into(),
        });
    }
    let said = if finished.stdout.is_empty() { &finished.stderr } else { &finished.stdout };
    Ok(Implemented {
        commit: if empty { task.base.clone() } else { commit },
        bundle,
        changes: changes.iter().map(RawChange::to_domain).collect(),
        reverted,
        flags,
        exit: finished.exit,
        duration: finished.elapsed,
        said: text::tail(said, SAID),
        usage: Usage::default(),
        logs,
    })
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
        let reasons: Vec<bool> = put_back(&lock, &changes).iter().map(Option::is_some).collect();
        assert_eq!(reasons, expected);
    }
}
