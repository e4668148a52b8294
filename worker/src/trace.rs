//! The spans of a worker: one for each attempt, one for each of its phases, and what happens within them.
//!
//! Nothing that a packet, an engine or a provider wrote is in an attribute, but for the names of gates and scenarios.

use crate::figures;
use crate::run::Phase;
use crate::sandbox::{Error as SandboxError, Finished, Spec};
use arena_domain::job::Job;
use arena_domain::outcome::{Exit, Failure, Outcome};
use arena_proto::trace::{QUEUE, processed, received};
use arena_proto::v1;
use arena_runtime::clock::Stopwatch;
use arena_runtime::telemetry;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tracing::Span;
use tracing::field::Empty;

/// One attempt at a job, and the phase that it is in.
#[derive(Debug)]
pub(crate) struct Attempt {
    span: Span,
    watch: Stopwatch,
    phase: Mutex<Option<Open>>,
}

#[derive(Debug)]
struct Open {
    phase: Phase,
    span: Span,
    watch: Stopwatch,
}

impl Attempt {
    /// Of a job that nobody follows.
    pub(crate) fn unfollowed() -> Self {
        Self { span: Span::none(), watch: Stopwatch::start(), phase: Mutex::default() }
    }

    pub(crate) fn of(job: &Job, attempt: u32) -> Self {
        let span = tracing::info_span!(
            target: telemetry::TARGET,
            "process",
            otel.name = format!("process {QUEUE}"),
            otel.kind = "consumer",
            messaging.system = "arena",
            messaging.operation.name = "process",
            messaging.operation.type = "process",
            messaging.destination.name = QUEUE,
            messaging.message.id = job.id.as_str(),
            arena.session.id = job.session.as_str(),
            arena.tenant = job.tenant.as_str(),
            arena.job.kind = job.kind(),
            arena.competitor = job.competitor.as_ref().map(|name| name.as_str()),
            arena.engine = job.engine,
            arena.round = job.round,
            arena.attempt = attempt,
            arena.outcome = Empty,
            error.type = Empty,
            otel.status_code = Empty,
        );
        let context = &job.trace.context;
        let own = telemetry::derived(context, &processed(&job.id, attempt));
        telemetry::place(&span, &telemetry::derived(context, &received(&job.id, attempt)), &own, &[context]);
        Self { span, ..Self::unfollowed() }
    }

    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    pub(crate) fn context(&self) -> Option<v1::Trace> {
        let context = telemetry::of(&self.span);
        (!context.is_empty()).then(|| v1::Trace { context, ..v1::Trace::default() })
    }

    /// What begins now ends what went on until now; what an engine says meanwhile is part of its phase.
    pub(crate) fn enter(&self, phase: Phase, text: &str) {
        match phase {
            Phase::Doing => {}
            Phase::Stored => self.leave(),
            Phase::Prepare
            | Phase::Setup
            | Phase::Engine
            | Phase::Collect
            | Phase::Gate
            | Phase::Canary
            | Phase::Measure => {
                self.leave();
                let span = tracing::info_span!(
                    target: telemetry::TARGET,
                    parent: &self.span,
                    "phase",
                    otel.name = format!("arena.{}", phase.as_str()),
                    arena.gate.name = Empty,
                );
                if phase == Phase::Gate {
                    span.record("arena.gate.name", text);
                }
                *self.open() = Some(Open { phase, span, watch: Stopwatch::start() });
            }
        }
    }

    fn leave(&self) {
        if let Some(Open { phase, span, watch }) = self.open().take() {
            drop(span);
            figures::PHASES.record(watch.elapsed().as_secs_f64(), &[("arena.phase", phase.as_str())]);
        }
    }

    fn open(&self) -> MutexGuard<'_, Option<Open>> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The phase, or what the caller does within it.
    pub(crate) fn here(&self) -> Span {
        let now = Span::current();
        if !now.is_none() && now != self.span {
            return now;
        }
        self.open().as_ref().map_or_else(|| self.span.clone(), |open| open.span.clone())
    }

    /// For a process in a sandbox, so that what it tells of itself belongs to this trace.
    pub(crate) fn environment(&self) -> Option<(String, String)> {
        let context = telemetry::of(&self.here());
        (!context.is_empty()).then(|| ("TRACEPARENT".to_owned(), context))
    }

    /// The attempt is over.
    pub(crate) fn ends(&self, job: &Job, outcome: &Outcome) {
        self.leave();
        let (class, failed) = match outcome {
            Outcome::Implemented(implemented) => (implemented.ending.as_str(), !implemented.ending.is_judged()),
            Outcome::Evaluated(evaluated) if evaluated.incomplete.is_some() => ("incomplete", true),
            Outcome::Evaluated(_) => ("done", false),
            Outcome::Failed(Failure::Infrastructure(_)) => ("infrastructure", true),
            Outcome::Failed(Failure::Setup { .. }) => ("setup", true),
            Outcome::Failed(Failure::Cancelled) => ("cancelled", true),
        };
        self.span.record("arena.outcome", class);
        self.span.in_scope(|| tracing::info!(job = %job.id, outcome = class, "a job has ended"));
        if failed {
            fail(&self.span, class);
        }
        let attributes = [("arena.job.kind", job.kind()), ("arena.outcome", class)];
        figures::JOBS.record(self.watch.elapsed().as_secs_f64(), &attributes);
    }
}

fn fail(span: &Span, class: &str) {
    span.record("error.type", class);
    span.record("otel.status_code", "ERROR");
}

/// One container from its making to its removal.
pub(crate) fn container(spec: &Spec) -> Span {
    tracing::info_span!(
        target: telemetry::TARGET,
        "container",
        container.id = Empty,
        container.image.name = spec.image,
        container.runtime.name = spec.runtime.as_deref().unwrap_or("runc"),
        process.exit.code = Empty,
        error.type = Empty,
        otel.status_code = Empty,
    )
}

/// One step of it: `create`, `start`, `run`.
pub(crate) fn step(name: &'static str) -> Span {
    tracing::info_span!(target: telemetry::TARGET, "container", otel.name = format!("container {name}"))
}

pub(crate) fn contained(span: &Span, id: &str) {
    span.record("container.id", id);
}

/// How the command ended; one that fails by itself is no error of the container.
pub(crate) fn finished(span: &Span, watch: &Stopwatch, finished: &Result<Finished, SandboxError>) {
    let class = match finished {
        Ok(finished) => {
            if let Exit::Code(code) = finished.exit {
                span.record("process.exit.code", code);
            }
            match finished.exit {
                Exit::Code(_) => "",
                Exit::OutOfMemory => "out_of_memory",
                Exit::DeadlinePassed => "timed_out",
                Exit::Cancelled => "cancelled",
                Exit::Killed => "killed",
            }
        }
        Err(SandboxError::Unreachable(_)) => "unreachable",
        Err(SandboxError::Forbidden(_)) => "forbidden",
        Err(SandboxError::NoImage(_)) => "no_image",
        Err(SandboxError::Refused(_)) => "refused",
        Err(SandboxError::Drifted(_)) => "drifted",
        Err(SandboxError::Lost(_)) => "lost",
    };
    if !class.is_empty() {
        fail(span, class);
    }
    figures::CONTAINERS.record(watch.elapsed().as_secs_f64(), &[("error.type", class)]);
}

/// The paths of a submission are held against its scope.
pub(crate) fn scope(within: &Span) -> Span {
    tracing::info_span!(target: telemetry::TARGET, parent: within, "arena.scope")
}

/// One run of the harness.
pub(crate) fn kpi(within: &Span, scenario: &str) -> Span {
    tracing::info_span!(target: telemetry::TARGET, parent: within, "arena.kpi", arena.scenario = scenario)
}

/// A call to the coordinator, by its whole name.
pub(crate) fn call(method: &'static str) -> Span {
    tracing::info_span!(
        target: telemetry::TARGET,
        "rpc",
        otel.name = method,
        otel.kind = "client",
        rpc.system.name = "grpc",
        rpc.method = method,
    )
}
