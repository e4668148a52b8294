//! `implement`: workspace -> engine -> stop -> collect -> scope -> stored. Only a tree comes out.

mod checked;
mod desk;
mod plan;
mod policy;
mod told;
mod watch;

use super::rule::{Ruled, rule};
use super::{Context, RunError, Task, User};
use crate::broker::Door;
use crate::collect::{self, Caps, CollectError, Found};
use crate::layers::{self, Workspace};
use crate::repository::{RawChange, RepositoryError};
use crate::run::Phase;
use crate::trace;
use arena_domain::job::Tree;
use arena_domain::outcome::{Flag, FlagKind, Implemented};
use arena_domain::text;
pub(crate) use checked::Checks;
use desk::Desk;
use plan::Plan;
use policy::policy;
pub(crate) use policy::refused;
use std::convert::Infallible;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use told::{Ran, Told};

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
    let plan = plan::plan(context, task)?;
    task.phase(Phase::Prepare, "").await;
    let version = checked::checked(context, task, &plan).await?;
    let prepared = layers::base_layers(context, task).await?;
    let workspace = prepared.engine_stage(context, task, parent, &plan.invocation.hidden).await?;
    let ran = engine_run(context, task, brief, &plan, &workspace).await?;
    // The container is gone: from here on nothing can change what is read.
    task.phase(Phase::Collect, "").await;
    let redactor = context.broker.redactor();
    let told = told::tell(&ran, &plan, &version, &redactor);
    if ran.alone && !told.ending.is_judged() {
        return Err(RunError::Alone);
    }
    let (stdout, stderr) = (redactor.bytes(&ran.finished.stdout), redactor.bytes(&ran.finished.stderr));
    let (tree, stdout, stderr) = tokio::join!(
        collect(context, task, &workspace, &plan.invocation.hidden),
        context.hold(task, stdout),
        context.hold(task, stderr)
    );
    let (tree, mut logs) = (tree?, vec![stdout?, stderr?]);
    if let Some(account) = &ran.account {
        logs.push(context.hold(task, account.audit.clone()).await?);
    }
    let implemented = store(context, task, tree, told, &ran, logs).await?;
    // Durable before anything else happens to it.
    context.earned(task, &implemented)?;
    context.deliver(&task.job.id).await?;
    task.phase(Phase::Stored, "").await;
    Ok(implemented)
}

/// One run of the engine, from the opening of its way out to the closing.
async fn engine_run(
    context: &Arc<Context>,
    task: &Task,
    brief: &str,
    plan: &Plan,
    workspace: &Workspace,
) -> Result<Ran, RunError> {
    let desk = Desk::set(context, task, brief, &plan.invocation).await?;
    // Before the door: its requests belong to this phase.
    task.phase(Phase::Engine, plan.shown()).await;
    let door = match plan.needs_broker() {
        true => Some(context.broker.open(policy(task, plan)).map_err(|error| refused(&error))?),
        false => None,
    };
    let mut spec = context.spec(task, workspace, User::Agent, plan.invocation.command.clone());
    spec.env.extend(plan.env());
    spec.env.extend(task.trace.environment());
    spec.mounts.extend(desk.mounts(plan));
    spec.way_out = door.as_ref().map(|door| door.socket_dir().to_owned());
    spec.stdin = brief.as_bytes().to_vec();
    spec.output_cap = ENGINE_OUTPUT;
    let live = context.blobs.0.is_lasting();
    let (listener, reading) = watch::watch(task, plan.invocation.dialect, &context.broker.redactor(), live);
    let stop = task.cancel.child_token();
    let run = async {
        let run = context.sandboxed_until(task, spec, plan.invocation.timeout, Some(listener), &stop);
        tokio::join!(run, reading)
    };
    let (finished, story) = tokio::select! {
        ended = run => ended,
        never = stop_alone(door.as_ref(), &stop) => match never {},
    };
    let alone = door.as_ref().is_some_and(|door| !door.stands());
    // Closed whatever became of the run: what was spent is spent.
    let account = match door {
        Some(door) => Some(door.close().await),
        None => None,
    };
    Ok(Ran { finished: finished?, story, account, alone })
}

/// Engines try for minutes to reach a door that has gone, and name the provider as the reason.
async fn stop_alone(door: Option<&Door>, stop: &CancellationToken) -> Infallible {
    if let Some(door) = door {
        door.falls().await;
        stop.cancel();
    }
    std::future::pending().await
}

async fn collect(
    context: &Arc<Context>,
    task: &Task,
    workspace: &Workspace,
    hidden: &[String],
) -> Result<Ruled, RunError> {
    let hidden = hidden.to_vec();
    match workspace {
        Workspace::Overlay(stage) => {
            let upper = stage.upper();
            submit(context, task, move |visit| {
                collect::walk(&upper, Caps::default(), &mut |found| collect::shown(found, &hidden, visit))
            })
            .await
        }
        Workspace::Volume(stage) => {
            let (left, before) = (stage.collect(context).await?, stage.base().clone());
            submit(context, task, move |visit| left.walk(&before, &mut |found| collect::shown(found, &hidden, visit)))
                .await
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
    let scope = trace::scope(&task.trace.here());
    let ruled = tokio::task::spawn_blocking(move || -> Result<Ruled, RunError> {
        let imported = repository.import(&job, &base, walk).map_err(RepositoryError::from)?;
        let all = repository.diff(&base, &imported.commit)?;
        let mut ruled = scope.in_scope(|| rule(&repository, &packet, &job, all, imported.commit, &base))?;
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
    told: Told,
    ran: &Ran,
    logs: Vec<String>,
) -> Result<Implemented, RunError> {
    let Ruled { commit, changes, reverted, mut flags, bundle } = ruled;
    let Told { ending, detail, said, usage, own_usage, version, flags: more } = told;
    let finished = &ran.finished;
    flags.extend(more);
    let empty = changes.is_empty();
    let bundle = if empty { String::new() } else { context.hold(task, bundle).await? };
    if finished.oom {
        flags.push(Flag {
            kind: FlagKind::Oom,
            path: None,
            detail: "a process of the engine ran out of memory".into(),
        });
    }
    Ok(Implemented {
        commit: if empty { task.base.clone() } else { commit },
        bundle,
        changes: changes.iter().map(RawChange::to_domain).collect(),
        reverted,
        flags,
        exit: finished.exit,
        ending,
        ending_detail: detail,
        duration: finished.elapsed,
        said,
        usage,
        own_usage,
        engine_version: version,
        logs,
    })
}
