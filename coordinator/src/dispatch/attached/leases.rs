//! The leases of one attached worker: renewed, taken up again after its stream broke, given back; and whose they are.

use super::hello::named;
use super::{Attached, session_of};
use crate::access::Caller;
use crate::figures;
use crate::fleet;
use crate::sessions::SessionError;
use crate::store::StoreError;
use arena_domain::id::{Fence, JobId, WorkerId};
use arena_domain::schedule::Settled;
use arena_proto::v1::{self, down};
use arena_runtime::clock;

impl Attached {
    /// Renews what the worker says it runs.
    pub(super) async fn renew(&mut self, leases: Vec<v1::Lease>, number: u64) -> Result<(), SessionError> {
        let own = self.own(leases).await?;
        let lost = self.store().renew(own.clone(), clock::now_millis()).await?;
        self.renewed(own, &lost, number).await;
        Ok(())
    }

    /// Those that are its own; the others it must stop.
    pub(super) async fn own(&self, leases: Vec<v1::Lease>) -> Result<Vec<(JobId, Fence)>, SessionError> {
        let mut own = Vec::new();
        for one in leases {
            let (job, fence) = (JobId::new(one.job), Fence::new(one.fence));
            if self.is_own(&job, &fence, "renew").await? {
                own.push((job, fence));
            } else {
                self.tell_to_stop(&job).await;
            }
        }
        Ok(own)
    }

    /// What it holds and was not known here was given before its stream broke, and is taken up again; what it does not
    /// hold any more it must stop.
    pub(super) async fn renewed(&mut self, own: Vec<(JobId, Fence)>, lost: &[JobId], number: u64) {
        figures::lease("renewed", own.len().saturating_sub(lost.len()));
        figures::lease("lost", lost.len());
        let mut renewed = Vec::new();
        for (job, fence) in own {
            if !lost.contains(&job) {
                renewed.push(v1::Lease { job: job.to_string(), fence: fence.to_string() });
                self.hold(job, fence);
            } else if self.running.get(&job).is_none_or(|held| *held == fence) {
                // Of a job that was given to it anew, only the older lease is lost.
                self.tell_to_stop(&job).await;
            }
        }
        if !renewed.is_empty() {
            self.send(down::Down::Renewed(v1::Renewed { leases: renewed, number })).await;
        }
    }

    /// Whether this worker may speak of a job under this fence: one that it was given here, or that the store says is
    /// leased to a boot of the same name. A name comes from a certificate, so a fence that was stolen opens nothing.
    pub(super) async fn is_own(&self, job: &JobId, fence: &Fence, action: &str) -> Result<bool, SessionError> {
        let Caller::Worker { name, scope } = &self.caller else { return Ok(true) };
        if self.running.get(job) == Some(fence) {
            return Ok(true);
        }
        let refuse = async |why: &str| {
            let gate = &self.desk.gate;
            gate.refused(&self.caller.label(), action, job.as_str(), "", why).await;
            tracing::warn!(worker = %self.worker, %job, why, "a report was refused");
        };
        let Some(session) = session_of(job) else {
            refuse("it is no job").await;
            return Ok(false);
        };
        match self.desk.coordinator.tenant_of(&session).await {
            Ok(tenant) if scope.holds(&tenant) => {}
            Ok(_) => {
                refuse("the job is another tenant's").await;
                return Ok(false);
            }
            Err(SessionError::Store(StoreError::NotFound(_))) => {
                refuse("there is no such job").await;
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        let states = self.store().jobs(&session).await?;
        let foreign = |state: &v1::JobState| {
            state.state == "leased" && state.worker.rsplit_once('/').is_none_or(|(holder, _)| holder != name)
        };
        match states.iter().find(|state| state.id == job.as_str()) {
            Some(state) if foreign(state) => {
                refuse("the job is leased to another worker").await;
                Ok(false)
            }
            Some(_) => Ok(true),
            None => {
                refuse("there is no such job").await;
                Ok(false)
            }
        }
    }

    /// Boots of this worker that died: what they held waits again, once their results have been heard.
    pub(super) async fn gone(&mut self, gone: v1::Gone) -> Result<(), SessionError> {
        let dead: Vec<WorkerId> = gone.boots.iter().map(|boot| named(&self.caller, boot)).collect();
        let dead: Vec<WorkerId> = dead.into_iter().filter(|id| *id != self.worker).collect();
        for id in &dead {
            fleet::leave(self.store(), id.as_str()).await?;
        }
        let back = self.desk.coordinator.bury(dead).await?;
        if !back.is_empty() {
            tracing::warn!(worker = %self.worker, jobs = ?back, "a dead boot of this worker held jobs; they wait again");
        }
        Ok(())
    }

    /// Its containers are gone and there is no result: somebody else runs it.
    pub(super) async fn released(&mut self, released: v1::Released) -> Result<(), SessionError> {
        for lease in released.leases {
            let (job, fence) = (JobId::new(&lease.job), Fence::new(&lease.fence));
            if self.is_own(&job, &fence, "release").await? {
                let now = clock::now_millis();
                let settled = self.store().let_go(job.clone(), fence, now, now).await?;
                self.let_go(&job);
                let accepted = settled == Settled::Accepted;
                self.send(down::Down::Acknowledged(v1::Acknowledged { job: lease.job, accepted, fence: lease.fence }))
                    .await;
            }
        }
        self.desk.coordinator.roster.hint();
        Ok(())
    }

    /// A job that was leased and cannot be told, so nobody runs it. One whose session cannot be read is worn out some day; it
    /// ends no worker's stream meanwhile.
    pub(super) async fn take_back(&mut self, job: JobId, fence: Fence, error: StoreError) -> Result<(), SessionError> {
        self.let_go(&job);
        let now = clock::now_millis();
        if error.is_transient() {
            // It waits as before, as far as the store hears it.
            let _ = self.store().let_go(job, fence, now, now).await;
            return Err(error.into());
        }
        tracing::error!(%job, %error, "a job cannot be given to anybody: its session cannot be read");
        self.store().give_back(job, fence, now, now).await?;
        Ok(())
    }
}
