//! Jobs that infrastructure failed too often. Each is held for a while, in which a person may requeue it; then its session is
//! told, goes on without it, and nothing can bring it back: what followed was decided on its failure.

use super::{Coordinator, session_of};
use crate::access::Caller;
use crate::fleet;
use crate::sessions::SessionError;
use crate::store::StoreError;
use arena_domain::id::{Fence, JobId, SessionId, Tenant};
use arena_domain::job::Millis;
use arena_domain::outcome::{Failure, Outcome};
use arena_domain::schedule::{Settled, Why};
use arena_proto::v1::{DeadJob, Requeued};
use arena_runtime::clock;
use std::collections::BTreeMap;

/// Dead jobs that one look tells their sessions of.
const MOST_TOLD: u32 = 64;
/// Held jobs that are listed.
const MOST_HELD: u32 = 10_000;

impl Coordinator {
    /// The last attempt that a job has failed too: it is dead, and its session is not told yet. What failed it is written down
    /// first, for the queue keeps no more than a number.
    pub(super) async fn hold_dead(&self, job: JobId, fence: Fence, reason: &str) -> Result<bool, SessionError> {
        let Some(session) = session_of(&job) else { return Ok(false) };
        let (now, tenant) = (clock::now_millis(), self.tenant_of(&session).await?);
        let (id, tenant, reason) = (job.to_string(), tenant.to_string(), reason.to_owned());
        let dead = DeadJob { id, tenant, reason, at: now, held: true, until: 0 };
        fleet::bury(&self.store, &dead).await?;
        let settled = self.store.give_back(job.clone(), fence, now, now).await?;
        if settled == Settled::Stale {
            fleet::unearth(&self.store, &job).await?;
        }
        self.changed();
        Ok(settled == Settled::Accepted)
    }

    /// Whether it is dead since this lease, and its session was not told.
    pub(super) async fn holds_dead(&self, job: &JobId, fence: &Fence) -> Result<bool, SessionError> {
        let Some(session) = session_of(job).filter(|_| !self.hold.is_zero()) else { return Ok(false) };
        let dead = self.store.dead(Some(&session), MOST_HELD).await?;
        Ok(dead.iter().any(|letter| letter.job == *job && letter.fence == *fence))
    }

    /// Tells sessions of the jobs that nobody runs again, so that none waits for one: this session, or all of a store
    /// whose sessions everybody may move.
    pub(super) async fn give_up_dead(&self, only: Option<&SessionId>) -> Result<(), SessionError> {
        let since = clock::now_millis().saturating_sub(self.hold.as_millis() as Millis);
        for letter in self.store.dead(only, MOST_TOLD).await?.into_iter().filter(|letter| letter.at <= since) {
            let noted = fleet::buried(&self.store, &letter.job).await?.filter(|dead| dead.held);
            let reason = noted.map_or(letter.reason, |dead| dead.reason);
            let failed = Outcome::Failed(Failure::Infrastructure(reason));
            // One session whose record cannot be read holds up no other.
            if let Err(error) = self.record(letter.job.clone(), letter.fence, failed, (None, "")).await {
                tracing::warn!(job = %letter.job, %error, "a dead job's session could not be told");
            }
        }
        Ok(())
    }

    /// Those that are held, and those whose sessions were told, as far as the caller may see them.
    pub(crate) async fn dead_jobs(&self, caller: &Caller) -> Result<Vec<DeadJob>, SessionError> {
        let noted = fleet::dead(&self.store).await?;
        let mut all: BTreeMap<String, DeadJob> = BTreeMap::new();
        all.extend(noted.iter().filter(|dead| !dead.held).map(|dead| (dead.id.clone(), dead.clone())));
        for letter in self.store.dead(None, MOST_HELD).await? {
            let Some(session) = session_of(&letter.job) else { continue };
            let known = noted.iter().find(|dead| dead.held && dead.id == letter.job.as_str());
            let dead = DeadJob {
                id: letter.job.to_string(),
                tenant: self.tenant_of(&session).await?.to_string(),
                reason: known.map_or(letter.reason, |dead| dead.reason.clone()),
                at: letter.at,
                held: true,
                until: if self.hold.is_zero() { 0 } else { letter.at + self.hold.as_millis() as Millis },
            };
            all.insert(dead.id.clone(), dead);
        }
        Ok(all.into_values().filter(|dead| caller.sees(&Tenant::new(&dead.tenant))).collect())
    }

    /// Gives one dead job another life, or says why that cannot be; nothing: there is no such job for this caller.
    pub(crate) async fn requeue(&self, caller: &Caller, id: &str) -> Result<Option<(Requeued, Tenant)>, SessionError> {
        let job = JobId::new(id);
        let Some((_, tenant)) = self.place_of(caller, &job).await? else { return Ok(None) };
        if self.store.revive(&job, clock::now_millis()).await? {
            fleet::unearth(&self.store, &job).await?;
            self.changed();
            return Ok(Some((Requeued { id: id.to_owned(), done: true, why: String::new() }, tenant)));
        }
        Ok(self.not_dead(job).await?.map(|one| (one, tenant)))
    }

    /// What that would answer; nothing is changed.
    pub(crate) async fn would_requeue(&self, caller: &Caller, id: &str) -> Result<Option<Requeued>, SessionError> {
        let job = JobId::new(id);
        let Some((session, _)) = self.place_of(caller, &job).await? else { return Ok(None) };
        if self.store.dead(Some(&session), MOST_HELD).await?.iter().any(|letter| letter.job == job) {
            return Ok(Some(Requeued { id: id.to_owned(), done: true, why: String::new() }));
        }
        self.not_dead(job).await
    }

    /// Its session, and whose that is; nothing: there is no such session for this caller.
    async fn place_of(&self, caller: &Caller, job: &JobId) -> Result<Option<(SessionId, Tenant)>, SessionError> {
        let Some(session) = session_of(job) else { return Ok(None) };
        let tenant = match self.tenant_of(&session).await {
            Err(SessionError::Store(StoreError::NotFound(_))) => return Ok(None),
            tenant => tenant?,
        };
        Ok(caller.sees(&tenant).then_some((session, tenant)))
    }

    /// Why a job cannot be requeued; nothing: there is no such job.
    async fn not_dead(&self, job: JobId) -> Result<Option<Requeued>, SessionError> {
        let (id, now) = (job.to_string(), clock::now_millis());
        let noted = fleet::buried(&self.store, &job).await?.filter(|dead| !dead.held);
        let why = match (noted, self.store.why(job, Vec::new(), now).await?) {
            (_, Why::Unknown) => return Ok(None),
            (Some(dead), _) => format!(
                "its session was told at {} and went on without it; begin another with `arena run`",
                clock::rfc3339(dead.at)
            ),
            (None, Why::Ended) => "it has ended".to_owned(),
            (None, Why::Runs { worker } | Why::Suspect { worker, .. }) => {
                format!("it is not dead: it runs on {worker}")
            }
            (
                None,
                Why::Ready { .. } | Why::Kept { .. } | Why::NotDue { .. } | Why::Limit { .. } | Why::Dead { .. },
            ) => {
                format!("it is not dead: it waits, and `arena why {id}` says for what")
            }
        };
        Ok(Some(Requeued { id, done: false, why }))
    }
}
