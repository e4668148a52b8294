//! One session as the record tells it, for the commands that look.

use crate::failure::{Failure, NOT_FOUND, USAGE, WAITING};
use crate::home::Home;
use crate::userrepo::{RepoError, UserRepo};
use arena_coordinator::store::Record;
use arena_domain::id::SessionId;
use arena_domain::report::{Report, compose};
use arena_domain::session::Session;
use arena_domain::text::{sanitise_line, shell_quote};
use arena_proto::v1::{GetRequest, GetResponse, JobState, SessionHead};
use arena_runtime::clock;
use std::path::Path;

pub(crate) struct Known {
    pub head: SessionHead,
    pub session: Session,
    pub jobs: Vec<JobState>,
}

impl Known {
    /// By its id, or the beginning of it.
    pub(crate) async fn load(home: &Home, id: &str) -> Result<Self, Failure> {
        let mut answer = page(home, id, 0).await?;
        let mut events = std::mem::take(&mut answer.events);
        while answer.more {
            answer = page(home, id, events.len() as u64).await?;
            events.append(&mut answer.events);
        }
        let head = answer.head.unwrap_or_default();
        let record = Record { head: head.clone(), version: events.len() as u64, events };
        let session = arena_coordinator::replay(&record)?;
        Ok(Self { head, session, jobs: answer.jobs })
    }

    /// In one word, the same for whoever asks: what nobody moves is interrupted.
    pub(crate) fn status(&self, home: &Home) -> String {
        status(home, &self.session.id, self.session.status())
    }

    /// The user's repository, where it still is.
    pub(crate) fn repository(&self) -> Result<UserRepo, Failure> {
        let place = Path::new(&self.head.repository);
        UserRepo::open(place).or_else(|error| self.own_checkout().ok_or(error)).map_err(|error| {
            if !matches!(error, RepoError::NoSuchPath { .. } | RepoError::NotARepository { .. }) {
                return error.into();
            }
            let shown = sanitise_line(&self.head.repository, 300);
            let mend = format!("put it back, or a link to where it is now: `ln -s NEW_PLACE {}`", shell_quote(&shown));
            let what = format!("the repository of session {} is no longer at {shown}", self.session.id);
            Failure::new(NOT_FOUND, what, mend)
        })
    }

    /// Of a team's session, which somebody else may have submitted: the checkout where the command is called.
    fn own_checkout(&self) -> Option<UserRepo> {
        let here = UserRepo::open(Path::new(".")).ok().filter(|_| !self.head.base_bundle.is_empty())?;
        here.resolve(Some(self.session.base.as_str())).ok().map(|_| here)
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

/// What is on record after so many events, as far as one message holds it.
async fn page(home: &Home, id: &str, after: u64) -> Result<GetResponse, Failure> {
    let answer = home.sessions().get(GetRequest { id: id.to_owned(), after }).await.map_err(|status| {
        let mut failure = Failure::from(status);
        if [NOT_FOUND, USAGE].contains(&failure.code) {
            failure.mend = "`arena sessions` lists what there is".into();
        }
        failure
    })?;
    Ok(answer.into_inner())
}

/// The word of the record, unless nobody moves what is said to run.
pub(crate) fn status(home: &Home, id: &SessionId, recorded: &str) -> String {
    let stopped = recorded == "running" && !home.is_running(id);
    if stopped { "interrupted".to_owned() } else { recorded.to_owned() }
}
