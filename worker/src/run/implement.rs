//! `implement`: workspace -> engine -> stop -> collect -> scope -> stored. Only a tree comes out.

use super::rule::{Ruled, rule};
use super::{Context, RunError, Task, User};
use crate::collect::{self, Caps, CollectError, Found};
use crate::engine::{self, BRIEF, FILES, Invocation};
use crate::layers::{self, Workspace};
use crate::repository::{RawChange, RepositoryError};
use crate::sandbox::{Finished, Mount, Source};
use arena_domain::job::Tree;
use arena_domain::outcome::{Flag, FlagKind, Implemented, Usage};
use arena_domain::text;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Lines of an engine's last words that are kept in the record; all of them are in the log.
const SAID: usize = 12;
/// Flags for what no tree can hold; the list of what was put back has all of it.
const REFUSED_FLAGS: usize = 20;
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
    let (tree, stdout, stderr) = tokio::join!(
        collect(context, task, &workspace),
        context.blobs.put(&finished.stdout),
        context.blobs.put(&finished.stderr)
    );
    let (tree, logs) = (tree?, vec![stdout?, stderr?]);
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
        let mut ruled = rule(&repository, &packet, &job, all, imported.commit, &base)?;
        let refused = imported.refused;
        ruled.flags.extend(refused.iter().take(REFUSED_FLAGS).map(|(path, why)| left_out(path, why)));
        // Such a name may be of any length; the reason must be seen behind it.
        let entry = |(path, why): (String, _)| format!("{} ({why})", text::sanitise_line(&path, REFUSED_NAME));
        ruled.reverted.extend(refused.into_iter().map(entry));
        Ok(ruled)
    });
    ruled.await?
}

/// What no tree can hold was made all the same, and whoever reads the diff alone would not learn of it.
fn left_out(path: &str, why: &str) -> Flag {
    let path = text::sanitise_line(path, REFUSED_NAME);
    Flag { kind: FlagKind::ScopeViolation, path: Some(path), detail: format!("{why}; left out") }
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
