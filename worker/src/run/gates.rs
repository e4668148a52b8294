//! Gates, each in a fresh container on a fresh layer; what build gates make is kept for those that follow.

use super::guard::{Guard, Made};
use super::{Context, RunError, Task, User};
use crate::layers::{Ground, Prepared, Workspace};
use crate::run::Phase;
use crate::sandbox::Finished;
use crate::workspace::{Layer, Stage};
use arena_domain::outcome::GateResult;
use arena_domain::packet::{Gate, GateKind};
use arena_domain::{tests_run, text};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Lines of a gate's output that are shown and fed back; all of it is in the log.
const TAIL: usize = 20;
/// What is kept of each stream of a gate.
const OUTPUT: u64 = 4 << 20;

/// Runs the build gates on one layer, in order, and puts what they made under everything that follows, without what the
/// guard takes out. `made` is what the base's build left; absent for the base itself.
pub(super) async fn build(
    context: &Arc<Context>,
    task: &Task,
    mut prepared: Prepared,
    made: Option<Made>,
) -> Result<Prepared, RunError> {
    let gates: Vec<&Gate> = task.packet.gates.iter().filter(|gate| gate.kind == GateKind::Build).collect();
    if gates.is_empty() {
        return Ok(prepared);
    }
    let workspace = prepared.stage(context, task).await?;
    for gate in gates {
        let result = run(context, task, gate, &workspace).await?;
        prepared.built.push(result);
    }
    let repository = context.repository(task).await?;
    let guard = Guard::of(&repository, task, made)?;
    match workspace {
        Workspace::Overlay(stage) => {
            let below = prepared.layers();
            let layer = frozen(stage, guard.as_ref(), below.last().map(PathBuf::as_path))?;
            prepared.made = Made::over(layer.path(), &below)?;
            prepared.cover(layer);
        }
        Workspace::Volume(stage) => {
            let (left, before) = (stage.keep(context).await?.snapshot, stage.base().clone());
            let guarded = tokio::task::spawn_blocking(move || {
                let left = match guard {
                    Some(guard) => left.guarded(&before, |path| guard.takes_out(path)),
                    None => left,
                };
                let (paths, folders) = left.differs(&before);
                (left, Made { paths, folders })
            });
            let (left, made) = guarded.await?;
            prepared.made = made;
            prepared.ground = Ground::Packed(Arc::new(left));
        }
    }
    Ok(prepared)
}

fn frozen(stage: Stage, guard: Option<&Guard>, base: Option<&Path>) -> std::io::Result<Layer> {
    let upper = stage.upper();
    let layer = stage.freeze();
    let _ = fs::remove_dir_all(upper.join(".git"));
    if let Some(guard) = guard {
        restore(&upper, &mut Vec::new(), guard, base)?;
    }
    Ok(layer)
}

/// All gates in the order of the packet; the build's results are those of the preparation.
pub(super) async fn gates(
    context: &Arc<Context>,
    task: &Task,
    prepared: &Prepared,
) -> Result<Vec<GateResult>, RunError> {
    let mut results = Vec::new();
    for gate in &task.packet.gates {
        match prepared.built.iter().find(|built| built.name == gate.name) {
            Some(built) => results.push(built.clone()),
            None => results.push(run(context, task, gate, &prepared.stage(context, task).await?).await?),
        }
    }
    Ok(results)
}

/// The command of a gate, in a container of its own.
pub(super) async fn command(
    context: &Arc<Context>,
    task: &Task,
    gate: &Gate,
    workspace: &Workspace,
) -> Result<Finished, RunError> {
    let words = ["sh", "-c", &gate.run].map(str::to_owned).to_vec();
    let mut spec = context.spec(task, workspace, User::Judge, words);
    spec.output_cap = OUTPUT;
    context.sandboxed(task, spec, gate.timeout, None).await
}

async fn run(context: &Arc<Context>, task: &Task, gate: &Gate, workspace: &Workspace) -> Result<GateResult, RunError> {
    task.phase(Phase::Gate, gate.name.clone()).await;
    let finished = command(context, task, gate, workspace).await?;
    let flood = finished.flood(OUTPUT).map(|flood| format!("\nkilled: {flood}\n"));
    let mut output = [finished.stdout, finished.stderr].concat();
    output.extend_from_slice(flood.unwrap_or_default().as_bytes());
    Ok(GateResult {
        name: gate.name.clone(),
        kind: gate.kind,
        required: gate.required,
        exit: finished.exit,
        duration: finished.relay.map_or(finished.elapsed, |relay| relay.wall),
        command: gate.run.clone(),
        tail: text::tail(&output, TAIL).join("\n"),
        log: context.blobs.put(&task.job.tenant, &output).await?,
        tests: tests_run::passed(&text::sanitise(&output)),
    })
}

fn is_folder(base: Option<&Path>, path: &[u8]) -> bool {
    base.is_some_and(|base| fs::symlink_metadata(base.join(OsStr::from_bytes(path))).is_ok_and(|meta| meta.is_dir()))
}

/// Removes from an upper layer what the guard takes out: without it the base's shows through. What stands in the place of
/// a folder of the base goes too: it would hide all that is protected in there.
fn restore(folder: &Path, path: &mut Vec<u8>, guard: &Guard, base: Option<&Path>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let before = path.len();
        if before > 0 {
            path.push(b'/');
        }
        path.extend_from_slice(entry.file_name().as_bytes());
        let place = folder.join(OsStr::from_bytes(entry.file_name().as_bytes()));
        if entry.file_type()?.is_dir() {
            restore(&place, path, guard, base)?;
            // A folder that hides the base's would hide what is protected in it.
            rustix::fs::lremovexattr(&place, c"trusted.overlay.opaque").ok();
        } else if guard.takes_out(path) || is_folder(base, path) {
            fs::remove_file(&place)?;
        }
        path.truncate(before);
    }
    Ok(())
}
