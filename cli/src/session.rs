//! One session as the record tells it, for the commands that look.

use crate::embedded::Embedded;
use crate::failure::{Failure, WAITING};
use arena_coordinator::store::Record;
use arena_domain::report::{Report, compose};
use arena_domain::session::Session;
use arena_proto::v1::{GetRequest, JobState, SessionHead};
use arena_runtime::clock;

pub(crate) struct Known {
    pub head: SessionHead,
    pub session: Session,
    pub jobs: Vec<JobState>,
}

impl Known {
    /// By its id, or the beginning of it.
    pub(crate) async fn load(embedded: &Embedded, id: &str) -> Result<Self, Failure> {
        let answer = embedded.sessions().get(GetRequest { id: id.to_owned() }).await.map_err(|status| {
            let mut failure = Failure::from(status);
            failure.mend = "`arena sessions` lists what there is".into();
            failure
        })?;
        let answer = answer.into_inner();
        let head = answer.head.unwrap_or_default();
        let record = Record { head: head.clone(), version: answer.events.len() as u64, events: answer.events };
        let session = arena_coordinator::replay(&record)?;
        Ok(Self { head, session, jobs: answer.jobs })
    }

    /// The report of a session that has ended.
    pub(crate) fn report(&self) -> Result<Report, Failure> {
        compose(&self.session, &clock::rfc3339(self.session.started)).ok_or_else(|| {
            let id = &self.session.id;
            let (what, mend) = match self.session.status() {
                "waiting" => ("waits for an answer", format!("`arena show {id}` shows the question")),
                _ => ("has not ended", format!("`arena watch {id}`, or `arena resume {id}` when it was interrupted")),
            };
            Failure::new(WAITING, format!("session {id} {what}"), mend)
        })
    }
}
