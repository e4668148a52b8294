//! The trace of a session: its first span, its jobs in the queue, and the commits that moved it.
//!
//! The first span is written when the session ends, by whichever process ended it, under an id that was stored when it
//! began; so a session that was killed and resumed, or moved by another process, is one trace.

use crate::dispatch::Coordinator;
use crate::figures;
use crate::sessions::Stepped;
use crate::store::{Record, Transition};
use arena_domain::id::{JobId, SessionId};
use arena_domain::job::{Job, Mark, Millis};
use arena_domain::schedule::Place;
use arena_domain::session::{Event, Phase, Session};
use arena_domain::standing::Status;
use arena_proto::trace::{QUEUE, processed, received, sent};
use arena_proto::v1;
use arena_runtime::telemetry::{self, Kind, Past, Value};
use std::collections::BTreeMap;
use std::time::Duration;
use tracing::Span;

/// Jobs that went back to the queue, whose next claim is told why; more are told without.
const MOST_RETURNED: usize = 4096;

/// What a coordinator keeps for those who watch it.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    pub(crate) depths: figures::Depths,
    /// Since when a job that went back to the queue is due, and the span that sent it back.
    returned: BTreeMap<JobId, (Millis, String)>,
}

/// Begins the trace of a session, within that of whoever submits it.
pub(crate) fn begin(head: &mut v1::SessionHead, caller: String) {
    let context = telemetry::fresh(&caller);
    if !context.is_empty() {
        head.trace = Some(v1::Trace { context, outer: caller, since: 0 });
    }
}

/// The span of a call, below the session that it begins.
pub(crate) fn submit(head: &v1::SessionHead) -> Span {
    let span = tracing::info_span!(
        target: telemetry::TARGET,
        "arena.v1.Sessions/Submit",
        otel.kind = "server",
        rpc.system.name = "grpc",
        rpc.method = "arena.v1.Sessions/Submit",
        rpc.response.status_code = tracing::field::Empty,
        arena.session.id = head.id,
        error.type = tracing::field::Empty,
        otel.status_code = tracing::field::Empty,
    );
    telemetry::place(&span, of(head), "", &[]);
    span
}

/// The span of any other call whose caller said where it is; calls out of nowhere are no part of a trace.
pub(crate) fn call(request: &tonic::codegen::http::Request<()>) -> Span {
    let caller = telemetry::read(request.headers().get("traceparent").map(|value| value.as_bytes()));
    let path = request.uri().path().trim_start_matches('/');
    // That one begins its trace by itself.
    if caller.is_empty() || path.ends_with("/Submit") {
        return Span::none();
    }
    let span = tracing::info_span!(
        target: telemetry::TARGET,
        "rpc",
        otel.name = path,
        otel.kind = "server",
        rpc.system.name = "grpc",
        rpc.method = path,
        rpc.response.status_code = tracing::field::Empty,
        error.type = tracing::field::Empty,
        otel.status_code = tracing::field::Empty,
    );
    telemetry::place(&span, &caller, "", &[]);
    span
}

/// The call that is answered now is answered with an error.
pub(crate) fn failed(code: tonic::Code) {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    let span = Span::current();
    span.record("rpc.response.status_code", &name);
    span.record("error.type", &name);
    span.record("otel.status_code", "ERROR");
}

fn of(head: &v1::SessionHead) -> &str {
    head.trace.as_ref().map_or("", |trace| &trace.context)
}

/// One event on its way into the record, below what brought it; `cause` is empty for what nobody's span brought.
pub(crate) fn commit(head: &v1::SessionHead, event: &Event, cause: &str) -> Span {
    let span = tracing::info_span!(
        target: telemetry::TARGET,
        "arena.commit",
        arena.session.id = head.id,
        arena.event = word(event),
        arena.job.id = tracing::field::Empty,
        arena.outcome = tracing::field::Empty,
        arena.commit = tracing::field::Empty,
        error.type = tracing::field::Empty,
        otel.status_code = tracing::field::Empty,
    );
    telemetry::place(&span, if cause.is_empty() { of(head) } else { cause }, "", &[]);
    if let Event::Settled { at: _, job, outcome } = event {
        span.record("arena.job.id", job.as_str());
        span.record("arena.outcome", figures::class(outcome));
    }
    span
}

fn word(event: &Event) -> &'static str {
    match event {
        Event::Submitted { .. } => "submitted",
        Event::Decided { .. } => "decided",
        Event::Settled { .. } => "settled",
        Event::Cancelled { .. } => "cancelled",
        Event::WallPassed { .. } => "wall_passed",
        Event::Resumed { .. } => "resumed",
    }
}

/// Gives every job that is put into the queue its place in the trace.
pub(crate) fn mark(record: &Record, transition: &mut Transition) {
    let (context, since) = (of(&record.head), transition.now);
    for job in &mut transition.enqueue {
        job.trace = Mark { context: telemetry::derived(context, &sent(&job.id)), since };
    }
}

/// What was decided is durable: the jobs are in the queue, or the session has ended.
pub(crate) fn committed(record: &Record, session: &Session, jobs: &[Job], event: &Event, span: &Span) {
    span.record("arena.commit", "done");
    if let Event::Settled { at: _, job, outcome } = event {
        figures::settled(job.as_str().rsplit('/').next().unwrap_or_default(), outcome);
    }
    if let Event::Submitted { .. } = event {
        figures::SESSIONS.add(1.0, &[("arena.state", "submitted")]);
    }
    let cause = telemetry::of(span);
    let session_context = of(&record.head);
    for job in jobs {
        telemetry::write(Past {
            name: format!("send {QUEUE}"),
            kind: Kind::Producer,
            own: &job.trace.context,
            parent: session_context,
            start: event.at(),
            end: event.at(),
            attributes: messaging("send", job),
            links: vec![&cause],
            error: None,
        });
    }
    if let Phase::Ended(standing) = &session.phase {
        figures::SESSIONS.add(1.0, &[("arena.state", session.status())]);
        let outer = record.head.trace.as_ref().map_or("", |trace| &trace.outer);
        telemetry::write(Past {
            name: "arena.session".into(),
            kind: Kind::Internal,
            own: session_context,
            parent: outer,
            start: record.head.created,
            end: event.at(),
            attributes: vec![
                ("arena.session.id", record.head.id.clone().into()),
                ("arena.tenant", record.head.tenant.clone().into()),
                ("arena.session.status", session.status().into()),
                ("service.version", record.head.arena_version.clone().into()),
            ],
            links: Vec::new(),
            error: matches!(standing.status, Status::Failed).then_some("failed"),
        });
    }
}

/// A report or a decision changed nothing.
pub(crate) fn unchanged(stepped: &Stepped, span: &Span) {
    let word = match stepped {
        Stepped::Done { .. } => return,
        Stepped::Repeated => "repeated",
        Stepped::Stale => "stale",
    };
    span.record("arena.commit", word);
    figures::lease(word, 1);
}

fn messaging(operation: &'static str, job: &Job) -> Vec<(&'static str, Value)> {
    let mut attributes: Vec<(&'static str, Value)> = vec![
        ("messaging.system", "arena".into()),
        ("messaging.operation.name", operation.into()),
        ("messaging.operation.type", operation.into()),
        ("messaging.destination.name", QUEUE.into()),
        ("messaging.message.id", job.id.to_string().into()),
        ("arena.session.id", job.session.to_string().into()),
        ("arena.tenant", job.tenant.to_string().into()),
        ("arena.job.kind", job.kind().into()),
    ];
    attributes.extend(job.engine.clone().map(|engine| ("arena.engine", engine.into())));
    attributes
}

impl Coordinator {
    /// One attempt leaves the queue; how long it was due is told where that is known.
    pub(crate) fn claimed(&self, place: &Place, now: Millis) {
        figures::lease("claimed", 1);
        let job = &place.job;
        let known = self.watched().returned.remove(&job.id);
        let first = (place.attempt == 1).then(|| (job.trace.since, String::new()));
        let (since, cause) = known.clone().or(first).unwrap_or((now, String::new()));
        let since = if since == 0 { now } else { since.min(now) };
        if known.is_some() || place.attempt == 1 {
            figures::waited(job, Duration::from_millis(now - since));
        }
        let mut attributes = messaging("receive", job);
        attributes.push(("arena.attempt", i64::from(place.attempt).into()));
        telemetry::write(Past {
            name: format!("receive {QUEUE}"),
            kind: Kind::Consumer,
            own: &telemetry::derived(&job.trace.context, &received(&job.id, place.attempt)),
            parent: &job.trace.context,
            start: since,
            end: now,
            attributes,
            links: vec![&cause],
            error: None,
        });
    }

    /// This job is in the queue again, from `due` on.
    pub(crate) fn returned(&self, job: &JobId, due: Millis, cause: &str) {
        let mut watched = self.watched();
        if watched.returned.len() < MOST_RETURNED {
            watched.returned.insert(job.clone(), (due, cause.to_owned()));
        }
    }

    /// These jobs of a session are in the queue again, because their workers died: their attempts are written in the stead
    /// of the dead. `seen`: the last sign of life.
    pub(crate) async fn put_back(&self, id: &SessionId, back: &[JobId], seen: Millis, now: Millis) {
        let Ok(record) = self.store.record(id).await else { return };
        let context = of(&record.head);
        if context.is_empty() || back.is_empty() {
            return;
        }
        let span = tracing::info_span!(
            target: telemetry::TARGET,
            "arena.put_back",
            arena.session.id = id.as_str(),
            arena.jobs = back.len(),
        );
        telemetry::place(&span, context, "", &[]);
        let cause = telemetry::of(&span);
        // Whatever brought the latest event was alive then.
        let seen = seen.max(record.events.last().map_or(0, |event| event.at));
        let jobs = self.store.jobs(id).await.unwrap_or_default();
        for job in jobs.iter().filter(|job| back.iter().any(|one| one.as_str() == job.id)) {
            lost(id, context, job, seen);
            self.returned(&JobId::new(&job.id), now, &cause);
        }
    }
}

/// The span of an attempt whose worker is not heard of any more; the worker would have written the same one.
fn lost(session: &SessionId, context: &str, job: &v1::JobState, seen: Millis) {
    let id = JobId::new(&job.id);
    let sent = telemetry::derived(context, &sent(&id));
    telemetry::write(Past {
        name: format!("process {QUEUE}"),
        kind: Kind::Consumer,
        own: &telemetry::derived(&sent, &processed(&id, job.attempt)),
        parent: &telemetry::derived(&sent, &received(&id, job.attempt)),
        start: seen,
        end: seen,
        attributes: vec![
            ("messaging.system", "arena".into()),
            ("messaging.operation.name", "process".into()),
            ("messaging.operation.type", "process".into()),
            ("messaging.destination.name", QUEUE.into()),
            ("messaging.message.id", job.id.clone().into()),
            ("arena.session.id", session.to_string().into()),
            ("arena.attempt", i64::from(job.attempt).into()),
        ],
        links: vec![&sent],
        error: Some("worker_lost"),
    });
}
