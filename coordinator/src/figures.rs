//! What a coordinator counts, for whoever looks at figures.

use crate::dispatch::Coordinator;
use arena_domain::job::{Job, Millis};
use arena_domain::outcome::{Failure, Outcome};
use arena_runtime::telemetry::meter::{self, Counter, Figure, Gauge, Histogram};
use std::collections::BTreeMap;
use std::time::Duration;

/// From a claim that was free to a night in the queue, in seconds.
const WAITS: &[f64] = &[0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0];
/// The queue is looked at this often.
const EVERY: Duration = Duration::from_secs(5);

pub static SESSIONS: Counter = Counter::new("arena.sessions", "{session}", "Sessions by where they came to.");
pub static DEPTH: Gauge = Gauge::new("arena.queue.depth", "{job}", "Jobs that wait or run, by tenant and engine.");
pub static WAIT: Histogram = Histogram::new("arena.queue.wait", "s", "From being due to being claimed.", WAITS);
pub static LEASES: Counter = Counter::new("arena.lease.events", "{event}", "What happened to leases.");
pub static OUTCOMES: Counter = Counter::new("arena.job.outcomes", "{job}", "Results that were reported, by class.");

/// All of them.
pub const ALL: [&Figure; 5] = [&SESSIONS.figure, &DEPTH.figure, &WAIT.figure, &LEASES.figure, &OUTCOMES.figure];

/// One thing that happened to so many leases.
pub(crate) fn lease(event: &'static str, many: usize) {
    if many > 0 {
        LEASES.add(many as f64, &[("arena.lease.event", event)]);
    }
}

pub(crate) fn waited(job: &Job, waited: Duration) {
    let engine = engine(job);
    WAIT.record(waited.as_secs_f64(), &[("arena.tenant", job.tenant.as_str()), ("arena.engine", &engine)]);
}

/// The class of a result, in the words of the records.
pub(crate) fn class(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Implemented(implemented) => implemented.ending.as_str(),
        Outcome::Evaluated(evaluated) if evaluated.incomplete.is_some() => "incomplete",
        Outcome::Evaluated(_) => "done",
        Outcome::Failed(Failure::Infrastructure(_)) => "infrastructure",
        Outcome::Failed(Failure::Setup { .. }) => "setup",
        Outcome::Failed(Failure::Cancelled) => "cancelled",
    }
}

pub(crate) fn settled(kind: &str, outcome: &Outcome) {
    OUTCOMES.add(1.0, &[("arena.job.kind", kind), ("arena.outcome", class(outcome))]);
}

fn engine(job: &Job) -> String {
    job.engine.clone().unwrap_or_else(|| "none".to_owned())
}

/// The queue as it was looked at last.
#[derive(Debug, Default)]
pub(crate) struct Depths {
    at: Millis,
    /// By tenant, engine and state; what is not there any more is told to be zero once.
    told: BTreeMap<(String, String, &'static str), u32>,
}

impl Depths {
    /// Whether it is time to look again.
    pub(crate) fn is_due(&mut self, now: Millis) -> bool {
        let due = meter::is_on() && now.abs_diff(self.at) >= EVERY.as_millis() as Millis;
        if due {
            self.at = now;
        }
        due
    }

    pub(crate) fn tell(&mut self, jobs: impl Iterator<Item = (Job, &'static str)>) {
        self.told.values_mut().for_each(|many| *many = 0);
        for (job, state) in jobs {
            *self.told.entry((job.tenant.to_string(), engine(&job), state)).or_default() += 1;
        }
        for ((tenant, engine, state), many) in &self.told {
            let attributes = [("arena.tenant", tenant.as_str()), ("arena.engine", engine), ("arena.state", state)];
            DEPTH.record(f64::from(*many), &attributes);
        }
        self.told.retain(|_, many| *many > 0);
    }
}

impl Coordinator {
    /// Looks at the queue for the figures, from time to time and only when somebody looks at them.
    pub(crate) async fn tell_depths(&self, now: Millis) {
        let due = self.watched().depths.is_due(now);
        if !due {
            return;
        }
        match self.store.live().await {
            Ok(live) => self.watched().depths.tell(live.into_iter()),
            Err(error) => tracing::debug!(%error, "the queue was not looked at for its figures"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<&str> = ALL.iter().map(|figure| figure.name).collect();
        assert_eq!(names.len(), ALL.len());
    }

    #[test]
    fn nobody_looks_so_the_queue_is_not_looked_at() {
        assert!(!Depths::default().is_due(1_700_000_000_000));
    }
}
