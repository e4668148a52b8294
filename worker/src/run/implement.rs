//! `implement`: workspace -> engine -> stop -> collect -> scope -> stored. Only a tree comes out.

use super::{Context, RunError, Task, User};
use crate::collect::{self, Caps, CollectError, Found};
use crate::engine::{self, BRIEF, FILES, Invocation};
use crate::layers::{self, Workspace};
use crate::repository::{RawChange, Repository, RepositoryError, Side};
use crate::sandbox::{Finished, Mount, Source};
use arena_domain::id::{Commit, JobId};
use arena_domain::job::Tree;
use arena_domain::outcome::{Flag, FlagKind, Implemented, Usage};
use arena_domain::packet::Packet;
use arena_domain::scope::{Lock, Ruling};
use arena_domain::{scope, tamper, text};
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Lines of an engine's last words that are kept in the record; all of them are in the log.
const SAID: usize = 12;
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
    let (tree, stdout, stderr) = tokio::join!(
        collect(context, task, &workspace),
        context.blobs.put(&finished.stdout),
        context.blobs.put(&finished.stderr)
    );
    let (tree, logs) = (tree?, vec![stdout?, stderr?]);
    let implemented = store(context, task, tree, &finished, logs).await?;
    // Durable before anything else happens to it.
    context.outbox.put(&task.job.id, &implemented)?;
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
        let imported = repository.import(&job, &base, walk).map_err(RepositoryError::from)?;
        let all = repository.diff(&base, &imported.commit)?;
        let refused = imported.refused.into_iter().map(|(path, why)| format!("{path} ({why})"));
        let mut ruled = rule(&repository, &packet, &job, all, imported.commit, &base)?;
        ruled.reverted.extend(refused);
        Ok(ruled)
    });
    ruled.await?
}

fn rule(
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
    let is_litter = |change: &RawChange| change.before.is_none() && scope::is_litter(&change.shown);
    let is_kept = |change: &RawChange| !is_litter(change) && lock.rule(&change.shown) == Ruling::Kept;
    let kept: Vec<&RawChange> = all.iter().filter(|change| is_kept(change)).collect();
    let commit = if kept.len() == all.len() { commit } else { repository.keep(job, base, &kept)? };
    // Neither needs the other, and each waits for git.
    let (flags, bundle) = std::thread::scope(|scope| {
        let flags = scope.spawn(|| flags(repository, packet, &lock, &all));
        let bundle = if kept.is_empty() { Ok(Vec::new()) } else { repository.bundle(job, base) };
        (flags.join(), bundle)
    });
    let flags = flags.map_err(|_| std::io::Error::other("the look for tampering ended early"))??;
    let (bundle, mut reverted, mut changes) = (bundle?, Vec::new(), Vec::new());
    for change in all {
        if is_kept(&change) {
            changes.push(change);
        } else if !is_litter(&change) {
            reverted.push(change.shown);
        }
    }
    Ok(Ruled { commit, changes, reverted, flags, bundle })
}

/// The harness or a gate names this path. One that is allowed all the same is what is worked on, not what judges it.
fn is_harness(packet: &Packet, path: &str) -> bool {
    let words = packet.harness.iter().map(|harness| &harness.run).chain(packet.gates.iter().map(|gate| &gate.run));
    words.flat_map(|run| run.split_whitespace()).any(|word| word.trim_start_matches("./") == path)
}

fn flags(repository: &Repository, packet: &Packet, lock: &Lock, all: &[RawChange]) -> Result<Vec<Flag>, RunError> {
    let contents = contents(repository, all)?;
    let mut flags = Vec::new();
    let flag = |kind, path: &str, detail: &str| Flag { kind, path: Some(path.to_owned()), detail: detail.to_owned() };
    for change in all {
        let path = change.shown.as_str();
        if change.before.is_none() && scope::is_litter(path) {
            continue;
        }
        if is_harness(packet, path) && lock.rule(path) != Ruling::Kept {
            flags.push(flag(FlagKind::HarnessChanged, path, "the harness or a gate runs this file; it was put back"));
        }
        match lock.rule(path) {
            Ruling::Kept => {}
            Ruling::Protected => flags.push(flag(FlagKind::ProtectedChanged, path, "put back before evaluation")),
            Ruling::Outside => flags.push(flag(FlagKind::ScopeViolation, path, "outside the allowed paths; put back")),
            Ruling::Forbidden => flags.push(flag(FlagKind::ScopeViolation, path, "a forbidden path; put back")),
        }
        if is_edited(change) {
            let content = |side: &Option<Side>| side.as_ref().and_then(|side| contents.get(side.blob.as_str()));
            let (before, after) = (content(&change.before), content(&change.after));
            flags.extend(tamper::compare(path, before.map(Vec::as_slice), after.map(Vec::as_slice)));
        }
    }
    Ok(flags)
}

/// A text that was there before: what it lost may be what judged.
fn is_edited(change: &RawChange) -> bool {
    change.before.is_some() && !change.binary
}

/// Both sides of every text that was edited.
fn contents<'a>(repository: &Repository, all: &'a [RawChange]) -> Result<HashMap<&'a str, Vec<u8>>, RepositoryError> {
    let edited = all.iter().filter(|change| is_edited(change));
    let sides = edited.flat_map(|change| change.before.iter().chain(&change.after));
    // A submodule is no blob.
    let blobs = sides.filter(|side| side.mode != "160000").map(|side| side.blob.as_str());
    repository.blobs(&blobs.collect::<Vec<_>>())
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
