//! Loads a session, applies an event, commits the transition. Whoever holds the record can carry the session on.

use crate::store::{Cancel, Committed, Record, Store, StoreError, Transition};
use crate::trace;
use arena_domain::id::{Commit, Fence, JobId, SessionId, Tenant};
use arena_domain::job::Job;
use arena_domain::placement::Home;
use arena_domain::session::{Effect, Event, IllegalTransition, Phase, Session};
use arena_proto::convert::{Malformed, Wire, feed_item};
use arena_proto::packet;
use tracing::{Instrument, Span};

#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    #[error("the stored packet does not parse any more: {0}")]
    Packet(String),
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl SessionError {
    /// Whether the same call may succeed later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Store(error) => error.is_transient(),
            Self::Illegal(_) | Self::Packet(_) | Self::Malformed(_) => false,
        }
    }
}

/// What a step did.
#[derive(Debug)]
pub(crate) enum Stepped {
    Done {
        session: Box<Session>,
        stop: Vec<JobId>,
    },
    /// The report came before, or under a fence that holds no lease any more; nothing was changed.
    Repeated,
    Stale,
}

/// By the word that is on record.
pub(crate) fn has_ended(status: &str) -> bool {
    !["new", "waiting", "running"].contains(&status)
}

/// The session as its record tells it.
pub async fn load(store: &Store, id: &SessionId) -> Result<(Record, Session), SessionError> {
    let record = store.record(id).await?;
    let session = replay(&record)?;
    Ok((record, session))
}

/// Folds a record; also for clients that were sent one.
pub fn replay(record: &Record) -> Result<Session, SessionError> {
    let head = &record.head;
    let packet = packet::submitted(head)
        .map_err(|problems| SessionError::Packet(problems.first().map(ToString::to_string).unwrap_or_default()))?;
    let fresh = Session::new(SessionId::new(&head.id), Tenant::new(&head.tenant), packet, Commit::new(&head.base));
    let events = record.events.iter().cloned().map(Event::from_wire).collect::<Result<Vec<_>, _>>()?;
    Ok(fresh.replay(events)?)
}

/// Applies one event and commits what follows; decides again when somebody else moved the session meanwhile. `from`: the
/// worker of a team that the event came from, and the span.
pub(crate) async fn step(
    store: &Store,
    id: &SessionId,
    settle: Option<(JobId, Fence)>,
    event: Event,
    (worker, cause): (Option<&str>, &str),
) -> Result<Stepped, SessionError> {
    let mut span = None;
    loop {
        let (record, before) = load(store, id).await?;
        let span: &Span = span.get_or_insert_with(|| trace::commit(&record.head, &event, cause));
        let applied = before.apply(event.clone());
        let (session, effects) = match (applied, &settle) {
            (Ok(applied), _) => applied,
            // A result that the session does not wait for: it came before, or its lease is lost.
            (Err(_), Some((job, fence))) => {
                let repeated = store.accepted(job, fence).await?;
                let stepped = if repeated { Stepped::Repeated } else { Stepped::Stale };
                trace::unchanged(&stepped, span);
                return Ok(stepped);
            }
            (Err(illegal), None) => return Err(illegal.into()),
        };
        let mut transition = transition(&session, record.version, settle.clone(), &event, effects);
        at_home(&mut transition.enqueue, worker);
        trace::mark(&record, &mut transition);
        let jobs = transition.enqueue.clone();
        let stepped = match store.commit(transition).instrument(span.clone()).await? {
            Committed::Done { stop } => {
                trace::committed(&record, &session, &jobs, &event, span);
                Stepped::Done { session: Box::new(session), stop }
            }
            Committed::Conflict => continue,
            Committed::Stale => Stepped::Stale,
            Committed::Repeated => Stepped::Repeated,
        };
        trace::unchanged(&stepped, span);
        return Ok(stepped);
    }
}

/// Engines would rather go on where the repository and the setup are ready; on one machine nothing is kept for anybody.
fn at_home(jobs: &mut [Job], worker: Option<&str>) {
    for job in jobs {
        job.home = match (worker, job.home.take()) {
            (None, _) => None,
            (Some(_), Some(home)) => Some(home),
            (Some(name), None) => Some(Home::Worker(name.to_owned())),
        };
    }
}

fn transition(
    session: &Session,
    version: u64,
    settle: Option<(JobId, Fence)>,
    event: &Event,
    effects: Vec<Effect>,
) -> Transition {
    let winner = match &session.phase {
        Phase::Ended(standing) => standing.winner.as_ref().map(ToString::to_string).unwrap_or_default(),
        Phase::New | Phase::Asking(_) | Phase::Running => String::new(),
    };
    let mut transition = Transition {
        session: session.id.clone(),
        version,
        settle,
        event: event.to_wire(),
        enqueue: Vec::new(),
        cancel: None,
        feed: Vec::new(),
        status: session.status().to_owned(),
        winner,
        now: event.at(),
    };
    for effect in effects {
        match effect {
            Effect::Enqueue(job) => transition.enqueue.push(job),
            Effect::Cancel { engines_only } => {
                // Of several the widest counts.
                let engines_only = engines_only && transition.cancel.is_none_or(|cancel| cancel.engines_only);
                transition.cancel = Some(Cancel { engines_only });
            }
            Effect::Notice(notice) => transition.feed.push(feed_item(&notice, event.at())),
            Effect::Ended => {}
        }
    }
    transition
}
