//! `evaluate`: gates and harness on a stored tree, in fresh containers, beside the base.

use super::{Context, RunError, Task, canary, gates, measure};
use crate::layers::{self, Prepared};
use crate::offer;
use crate::run::Phase;
use arena_domain::job::Tree;
use arena_domain::outcome::Evaluated;
use arena_domain::packet::GateKind;
use arena_runtime::clock::Stopwatch;
use std::sync::Arc;

pub(super) async fn evaluate(
    context: &Arc<Context>,
    task: &Task,
    tree: Option<&Tree>,
    holdout: bool,
) -> Result<Evaluated, RunError> {
    let watch = Stopwatch::start();
    task.phase(Phase::Prepare, "").await;
    let Some(tree) = tree else { return base(context, task, &watch).await };
    let candidate = candidate(context, task, tree).await?;
    let mut evaluated = Evaluated {
        exclusive_cores: context.has_own_cores(),
        hardware: offer::hardware(&context.settings),
        ..Evaluated::default()
    };
    if !holdout {
        evaluated.gates = gates::gates(context, task, &candidate).await?;
    }
    // What fails a required gate cannot win: measuring it would cost the others their time.
    let mut failed = evaluated.gates.iter().any(|gate| gate.required && !gate.passed());
    if !failed && canary::is_wanted(task, &evaluated.gates) {
        let base = prepared_base(context, task).await?;
        evaluated.flags = canary::flags(context, task, &base, &candidate, tree, &evaluated.gates).await?;
        failed = !evaluated.flags.is_empty();
    }
    if !failed && let Some(harness) = &task.packet.harness {
        let base = prepared_base(context, task).await?;
        let measured = measure::pairs(context, task, harness, &base, &candidate, holdout).await?;
        evaluated.series = measured.series;
        evaluated.incomplete = measured.incomplete;
        evaluated.flags.extend(measured.flags);
    }
    evaluated.duration = watch.elapsed();
    Ok(evaluated)
}

/// Gates, and one run of each scenario: does the harness measure at all?
async fn base(context: &Arc<Context>, task: &Task, watch: &Stopwatch) -> Result<Evaluated, RunError> {
    let base = prepared_base(context, task).await?;
    let gates = gates::gates(context, task, &base).await?;
    base.canaries.note(&gates);
    let measured = match &task.packet.harness {
        Some(harness) => measure::once(context, task, harness, &base).await?,
        None => measure::Measured::default(),
    };
    Ok(Evaluated {
        gates,
        series: measured.series,
        flags: Vec::new(),
        incomplete: measured.incomplete,
        exclusive_cores: context.has_own_cores(),
        hardware: offer::hardware(&context.settings),
        duration: watch.elapsed(),
    })
}

/// Made once for a session on this worker, and shared by all its evaluations.
async fn prepared_base(context: &Arc<Context>, task: &Task) -> Result<Arc<Prepared>, RunError> {
    let cell = context.trees.base(&task.job.session);
    let made = cell.get_or_try_init(async || {
        let prepared = layers::base_layers(context, task).await?;
        gates::build(context, task, prepared, None).await.map(Arc::new)
    });
    made.await.cloned()
}

/// The base with the submission's changes written over it by us: nothing of the engine's workspace is used again.
async fn candidate(context: &Arc<Context>, task: &Task, tree: &Tree) -> Result<Prepared, RunError> {
    let prepared = layers::base_layers(context, task).await?.with(context, task, tree).await?;
    if !task.packet.gates.iter().any(|gate| gate.kind == GateKind::Build) {
        return Ok(prepared);
    }
    let made = prepared_base(context, task).await?.made.clone();
    gates::build(context, task, prepared, Some(made)).await
}

impl Context {
    fn has_own_cores(&self) -> bool {
        !self.settings.measure_cores.is_empty()
    }
}
