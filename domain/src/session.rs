//! A session is a pure state machine: `apply(event)` gives the new session and the effects to perform.
//!
//! The record of a session is the list of its events; whoever holds the list can carry the session on.

mod base;
mod compete;
mod judge;
#[cfg(test)]
pub(crate) mod story;

pub(crate) use judge::estimates as judge_estimates;
pub use judge::{Ruling, judge};

use crate::id::{Commit, CompetitorName, JobId, SessionId, Tenant};
use crate::job::{Job, Millis, Tree};
use crate::outcome::{Evaluated, Implemented, Outcome};
use crate::packet::{ASK_ABOVE_COMPETITORS, Competitor, Packet};
use crate::standing::{Standing, Status};
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    pub id: SessionId,
    pub tenant: Tenant,
    pub packet: Packet,
    pub base: Commit,
    /// When it was submitted, or when its question was answered: from then on its wall time passes.
    pub started: Millis,
    pub latest: Millis,
    /// How long no process moved it: its wall time stood still.
    pub idle: Millis,
    pub phase: Phase,
    pub base_evaluated: Option<Evaluated>,
    pub contestants: Vec<Contestant>,
    /// No engine begins before the base has been measured.
    base_first: bool,
    /// Jobs that are enqueued and not settled, with whose they are.
    pending: BTreeMap<JobId, Pending>,
    /// Why no further round begins, once that is so.
    closing: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    New,
    /// The session waits on an answer.
    Asking(Question),
    Running,
    Ended(Standing),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub text: String,
    pub options: Vec<String>,
    pub recommended: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Contestant {
    pub competitor: Competitor,
    pub play: Play,
    pub rounds: Vec<RoundRecord>,
    /// Number of the best round that may win.
    pub best: Option<u32>,
    pub stale: u32,
    pub holdout: Option<Evaluated>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Play {
    /// The first round begins when the base has been measured.
    Waiting,
    Implementing(u32),
    /// The tree is stored; the base has to be measured first.
    AwaitingBase(u32),
    Evaluating(u32),
    /// No further round, and why.
    Resting(String),
    Holdout(String),
    Done(String),
}

#[derive(Debug, Clone, PartialEq)]
pub struct RoundRecord {
    pub number: u32,
    pub implemented: Option<Implemented>,
    pub evaluated: Option<Evaluated>,
    pub ruling: Option<Ruling>,
    /// Why the round gave nothing to judge.
    pub failure: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "nearly every event is a settled job; a box would only cost a step")]
pub enum Event {
    /// `yes`: the recommended answer is taken to every question. `base_first`: no engine is paid for before the base is
    /// known to be measurable; records that were begun without it go on as they began.
    Submitted {
        at: Millis,
        yes: bool,
        base_first: bool,
    },
    Decided {
        at: Millis,
        answer: String,
    },
    Settled {
        at: Millis,
        job: JobId,
        outcome: Outcome,
    },
    Cancelled {
        at: Millis,
    },
    WallPassed {
        at: Millis,
    },
    /// A process took it up again; from `since` on nobody had moved it.
    Resumed {
        at: Millis,
        since: Millis,
    },
}

#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "nearly every effect is a job or a notice; a box would only cost a step")]
pub enum Effect {
    Enqueue(Job),
    /// Live jobs of this session end: all of them, or only engine runs.
    Cancel {
        engines_only: bool,
    },
    Notice(Notice),
    Ended,
}

/// What a watcher is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    pub kind: NoticeKind,
    pub competitor: Option<CompetitorName>,
    pub round: u32,
    pub text: String,
    /// Primary KPI as a ratio to the base.
    pub ratio: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeKind {
    Started,
    Asked,
    BaseMeasured,
    RoundEnded,
    CompetitorEnded,
    Holdout,
    Ended,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IllegalTransition {
    #[error("session {0} has ended")]
    Ended(SessionId),
    #[error("job {0} is not a pending job of this session")]
    UnknownJob(JobId),
    #[error("session {0} does not run")]
    NotRunning(SessionId),
    #[error("session {0} waits for no answer")]
    NothingAsked(SessionId),
    #[error("'{answer}' is not an answer; answers: {options}")]
    NotAnAnswer { answer: String, options: String },
    #[error("session {0} was submitted before")]
    SubmittedTwice(SessionId),
}

#[derive(Debug, Clone, PartialEq)]
struct Pending {
    /// Index of the contestant; `None`: the base.
    contestant: Option<usize>,
    kind: PendingKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PendingKind {
    Implement,
    Evaluate,
    Holdout,
}

impl Session {
    pub fn new(id: SessionId, tenant: Tenant, packet: Packet, base: Commit) -> Self {
        let contestants = packet.competitors.iter().cloned().map(Contestant::new).collect();
        Self {
            id,
            tenant,
            packet,
            base,
            started: 0,
            latest: 0,
            idle: 0,
            phase: Phase::New,
            base_evaluated: None,
            contestants,
            base_first: false,
            pending: BTreeMap::new(),
            closing: None,
        }
    }

    /// Applies one event. An illegal event changes nothing.
    pub fn apply(mut self, event: Event) -> Result<(Self, Vec<Effect>), IllegalTransition> {
        let mut effects = Vec::new();
        match event {
            Event::Submitted { at, yes, base_first } => {
                self.base_first = base_first;
                self.submitted(at, yes, &mut effects)?;
            }
            Event::Decided { at, answer } => self.decided(at, &answer, &mut effects)?,
            Event::Settled { at, job, outcome } => self.settled(at, job, outcome, &mut effects)?,
            Event::Cancelled { at } => self.cancelled(at, &mut effects)?,
            Event::WallPassed { at } => self.wall_passed(at, &mut effects)?,
            Event::Resumed { at, since } => self.resumed(at, since)?,
        }
        Ok((self, effects))
    }

    /// Folds a whole record; the effects were performed when the events were committed.
    pub fn replay(self, events: impl IntoIterator<Item = Event>) -> Result<Self, IllegalTransition> {
        events.into_iter().try_fold(self, |session, event| session.apply(event).map(|(session, _)| session))
    }

    pub fn standing(&self) -> Option<&Standing> {
        match &self.phase {
            Phase::Ended(standing) => Some(standing),
            Phase::New | Phase::Asking(_) | Phase::Running => None,
        }
    }

    /// When the session's wall time is used up.
    pub fn wall_ends(&self) -> Option<Millis> {
        let wall = self.packet.budget.wall?;
        let ends = || self.started + self.idle + wall.as_millis() as Millis;
        (self.phase == Phase::Running && self.closing.is_none()).then(ends)
    }

    /// How long it was moved, from its beginning to its latest event.
    pub fn lasted(&self) -> Millis {
        self.latest.saturating_sub(self.started + self.idle)
    }

    pub fn status(&self) -> &'static str {
        match &self.phase {
            Phase::New => "new",
            Phase::Asking(_) => "waiting",
            Phase::Running => "running",
            Phase::Ended(standing) => standing.status.as_str(),
        }
    }

    fn submitted(&mut self, at: Millis, yes: bool, effects: &mut Vec<Effect>) -> Result<(), IllegalTransition> {
        if self.phase != Phase::New {
            return Err(IllegalTransition::SubmittedTwice(self.id.clone()));
        }
        (self.started, self.latest) = (at, at);
        let many = self.contestants.len();
        if many > ASK_ABOVE_COMPETITORS && !yes {
            let question = Question {
                text: format!("{many} competitors of {} rounds each: run them all?", self.packet.budget.rounds),
                options: vec!["all".into(), format!("first-{ASK_ABOVE_COMPETITORS}"), "cancel".into()],
                recommended: "all".into(),
            };
            effects.push(notice(NoticeKind::Asked, question.text.clone()));
            self.phase = Phase::Asking(question);
            return Ok(());
        }
        self.begin(effects);
        Ok(())
    }

    fn decided(&mut self, at: Millis, answer: &str, effects: &mut Vec<Effect>) -> Result<(), IllegalTransition> {
        let Phase::Asking(question) = &self.phase else {
            return Err(IllegalTransition::NothingAsked(self.id.clone()));
        };
        if !question.options.iter().any(|option| option == answer) {
            let options = question.options.join(", ");
            return Err(IllegalTransition::NotAnAnswer { answer: answer.into(), options });
        }
        // The wall time of a session does not pass while a person thinks.
        (self.started, self.latest) = (at, at);
        match answer {
            "cancel" => self.end(Status::Cancelled, "cancelled by the answer to its question", effects),
            "all" => self.begin(effects),
            _first => {
                self.contestants.truncate(ASK_ABOVE_COMPETITORS);
                self.begin(effects);
            }
        }
        Ok(())
    }

    fn resumed(&mut self, at: Millis, since: Millis) -> Result<(), IllegalTransition> {
        if self.phase != Phase::Running {
            return Err(IllegalTransition::NotRunning(self.id.clone()));
        }
        // Whatever brought the latest event was moving the session then.
        self.idle += at.saturating_sub(since.max(self.latest));
        self.latest = self.latest.max(at);
        Ok(())
    }

    fn cancelled(&mut self, at: Millis, effects: &mut Vec<Effect>) -> Result<(), IllegalTransition> {
        if self.standing().is_some() {
            return Err(IllegalTransition::Ended(self.id.clone()));
        }
        self.latest = at;
        if self.phase == Phase::New {
            self.started = at;
        }
        self.end(Status::Cancelled, "cancelled", effects);
        Ok(())
    }
}

impl Contestant {
    fn new(competitor: Competitor) -> Self {
        Self { competitor, play: Play::Waiting, rounds: Vec::new(), best: None, stale: 0, holdout: None }
    }

    pub fn round(&self, number: u32) -> Option<&RoundRecord> {
        self.rounds.iter().find(|round| round.number == number)
    }

    pub fn best_round(&self) -> Option<&RoundRecord> {
        self.round(self.best?)
    }

    /// The composite gain of the best round; positive is better than the base.
    pub fn best_gain(&self) -> Option<f64> {
        self.best_round()?.ruling.as_ref()?.gain
    }
}

impl RoundRecord {
    pub fn tree(&self) -> Option<Tree> {
        let implemented = self.implemented.as_ref()?;
        (!implemented.changes.is_empty())
            .then(|| Tree { commit: implemented.commit.clone(), bundle: implemented.bundle.clone() })
    }
}

fn notice(kind: NoticeKind, text: impl Into<String>) -> Effect {
    Effect::Notice(Notice { kind, competitor: None, round: 0, text: text.into(), ratio: None })
}
