//! Events of a session, and what a watcher is told of them.

use super::{Malformed, Wire, required};
use crate::v1::{self, session_event as wire};
use arena_domain::session::{Event, Notice, NoticeKind};

impl Wire for Event {
    type Message = v1::SessionEvent;
    fn to_wire(&self) -> v1::SessionEvent {
        let event = match self {
            Event::Submitted { at: _, yes, base_first } => {
                wire::Event::Submitted(v1::Submitted { yes: *yes, base_first: *base_first })
            }
            Event::Decided { at: _, answer } => wire::Event::Decided(v1::Decided { answer: answer.clone() }),
            Event::Settled { at: _, job, outcome } => {
                wire::Event::Settled(v1::Settled { job: job.to_wire(), outcome: Some(outcome.to_wire()) })
            }
            Event::Cancelled { at: _ } => wire::Event::Cancelled(v1::Cancelled {}),
            Event::WallPassed { at: _ } => wire::Event::WallPassed(v1::WallPassed {}),
            Event::Resumed { at: _, since } => wire::Event::Resumed(v1::Resumed { since: *since }),
        };
        v1::SessionEvent { at: self.at(), event: Some(event) }
    }
    fn from_wire(message: v1::SessionEvent) -> Result<Self, Malformed> {
        let at = message.at;
        let event = message.event.ok_or(Malformed { message: "SessionEvent", reason: "no event".into() })?;
        Ok(match event {
            wire::Event::Submitted(v1::Submitted { yes, base_first }) => Event::Submitted { at, yes, base_first },
            wire::Event::Decided(v1::Decided { answer }) => Event::Decided { at, answer },
            wire::Event::Settled(v1::Settled { job, outcome }) => {
                Event::Settled { at, job: Wire::from_wire(job)?, outcome: required("Settled", "outcome", outcome)? }
            }
            wire::Event::Cancelled(v1::Cancelled {}) => Event::Cancelled { at },
            wire::Event::WallPassed(v1::WallPassed {}) => Event::WallPassed { at },
            wire::Event::Resumed(v1::Resumed { since }) => Event::Resumed { at, since },
        })
    }
}

/// The notice as an item of the feed; `seq` is given by the store.
pub fn feed_item(notice: &Notice, at: u64) -> v1::FeedItem {
    let Notice { kind, competitor, round, text, ratio } = notice;
    let kind = match kind {
        NoticeKind::Started => "started",
        NoticeKind::Asked => "asked",
        NoticeKind::BaseMeasured => "base",
        NoticeKind::RoundEnded => "round",
        NoticeKind::CompetitorEnded => "stopped",
        NoticeKind::Holdout => "holdout",
        NoticeKind::Ended => "ended",
    };
    v1::FeedItem {
        seq: 0,
        at,
        kind: kind.into(),
        competitor: competitor.as_ref().map(|name| name.to_string()).unwrap_or_default(),
        round: *round,
        text: text.clone(),
        ratio: *ratio,
    }
}
