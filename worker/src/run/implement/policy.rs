//! What the broker lets one run of an engine do, and spend.

use super::plan::Plan;
use crate::broker::{Budgets, OpenError, Policy, SessionCost};
use crate::run::{RunError, Task};

pub(super) fn policy(task: &Task, plan: &Plan) -> Policy {
    let budget = &task.packet.budget;
    let competitor = task.job.competitor.as_ref().and_then(|name| task.packet.competitor(name));
    Policy {
        session: task.job.session.clone(),
        job: task.job.id.clone(),
        competitor: task.job.competitor.clone(),
        engine: competitor.map(|one| one.engine.clone()).unwrap_or_default(),
        provider: plan.provider.clone(),
        model: plan.model.clone(),
        models: Vec::new(),
        egress: plan.egress.clone(),
        budgets: Budgets { requests: budget.requests, tokens: budget.tokens, bytes: None, cost_usd: None },
        // What was spent before is in the audit, which outlives a worker.
        session_cost: budget.cost_usd.map(|limit_usd| SessionCost { limit_usd, spent_usd: 0.0 }),
        span: task.trace.here(),
    }
}

pub(crate) fn refused(error: &OpenError) -> RunError {
    match error {
        OpenError::Io(error) => RunError::Io(std::io::Error::new(error.kind(), error.to_string())),
        OpenError::UnknownProvider { .. }
        | OpenError::NoCredential { .. }
        | OpenError::Unpriced { .. }
        | OpenError::Model { .. }
        | OpenError::Egress { .. }
        | OpenError::Trust(_) => RunError::Setup { reason: error.to_string(), mend: error.mend() },
    }
}
