//! Heartbeats: those of many workers are written down together, in a few calls of the store.
//!
//! Law: a lease counts from when its worker asked for it. What is written a moment later only ends later in the store.

use crate::fleet;
use crate::store::{Store, StoreError};
use arena_domain::id::{Fence, JobId, SessionId};
use arena_proto::v1::WorkerState;
use arena_runtime::clock;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Heartbeats that come within this time are written down together.
const GATHER: Duration = Duration::from_millis(20);
/// Heartbeats, and leases, of one call.
const MOST: usize = 500;

/// One worker's.
pub(super) struct Beat {
    /// What it moves.
    pub(super) sessions: BTreeSet<SessionId>,
    pub(super) leases: Vec<(JobId, Fence)>,
    /// How it is listed, where it is.
    pub(super) state: Option<WorkerState>,
}

type Answer = Result<Vec<JobId>, StoreError>;

/// Where they are handed in. Clones are the same one.
#[derive(Clone)]
pub(super) struct Pulse(mpsc::Sender<(Beat, oneshot::Sender<Answer>)>);

/// Where they come out.
pub(super) struct Beats(mpsc::Receiver<(Beat, oneshot::Sender<Answer>)>);

impl Pulse {
    pub(super) fn new() -> (Self, Beats) {
        let (pulse, beats) = mpsc::channel(MOST);
        (Self(pulse), Beats(beats))
    }

    /// The jobs whose lease is lost.
    pub(super) async fn beat(&self, beat: Beat) -> Answer {
        let gone = || StoreError::Unavailable("nobody writes heartbeats down any more".into());
        let (answer, answered) = oneshot::channel();
        self.0.send((beat, answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

impl Pulse {
    /// How a worker is listed from now on. Where so many are listed that there is no room, its next heartbeat says it.
    pub(super) fn list(&self, state: WorkerState) {
        let beat = Beat { sessions: BTreeSet::new(), leases: Vec::new(), state: Some(state) };
        let _ = self.0.try_send((beat, oneshot::channel().0));
    }
}

impl Beats {
    pub(super) async fn write(mut self, store: &Store, until: &CancellationToken) {
        loop {
            let first = tokio::select! {
                first = self.0.recv() => first,
                () = until.cancelled() => return,
            };
            let Some(first) = first else { return };
            let mut all = vec![first];
            tokio::time::sleep(GATHER).await;
            while all.len() < MOST
                && let Ok(more) = self.0.try_recv()
            {
                all.push(more);
            }
            together(store, all).await;
        }
    }
}

async fn together(store: &Store, mut all: Vec<(Beat, oneshot::Sender<Answer>)>) {
    let now = clock::now_millis();
    let sessions = all.iter_mut().flat_map(|(beat, _)| std::mem::take(&mut beat.sessions));
    let sessions: BTreeSet<SessionId> = sessions.collect();
    let states = all.iter_mut().filter_map(|(beat, _)| beat.state.take()).collect();
    let leases = all.iter().map(|(beat, _)| beat.leases.clone()).collect();
    let touched = async {
        let touched: Vec<SessionId> = sessions.into_iter().collect();
        if touched.is_empty() { Ok(()) } else { store.touch(touched, now).await }
    };
    let (touched, listed, renewed) = tokio::join!(touched, fleet::register(store, states), renew(store, leases, now));
    if let Err(error) = listed {
        // For whoever looks at the fleet: a store that takes nothing new is no reason to hear no results.
        tracing::warn!(%error, "workers could not be listed");
    }
    match touched.and(renewed) {
        Ok(mut lost) => {
            for ((_, answer), lost) in all.into_iter().zip(lost.drain(..)) {
                // A worker that has gone does not wait for it.
                let _ = answer.send(Ok(lost));
            }
        }
        Err(error) => {
            let said = error.to_string();
            let errors = std::iter::once(error).chain(std::iter::repeat_with(|| StoreError::Unavailable(said.clone())));
            for ((_, answer), error) in all.into_iter().zip(errors) {
                let _ = answer.send(Err(error));
            }
        }
    }
}

/// Of each worker the jobs whose lease is lost. A job is in one call once only, since an answer names no fence.
async fn renew(store: &Store, leases: Vec<Vec<(JobId, Fence)>>, now: u64) -> Result<Vec<Vec<JobId>>, StoreError> {
    let mut lost = vec![Vec::new(); leases.len()];
    let mut waves: Vec<BTreeMap<JobId, (Fence, usize)>> = Vec::new();
    for (worker, leases) in leases.into_iter().enumerate() {
        for (job, fence) in leases {
            let wave = waves.iter_mut().find(|wave| wave.len() < MOST && !wave.contains_key(&job));
            match wave {
                Some(wave) => drop(wave.insert(job, (fence, worker))),
                None => waves.push(BTreeMap::from([(job, (fence, worker))])),
            }
        }
    }
    for wave in waves {
        let asked = wave.iter().map(|(job, (fence, _))| (job.clone(), fence.clone())).collect();
        for job in store.renew(asked, now).await? {
            if let Some((_, worker)) = wave.get(&job) {
                lost[*worker].push(job);
            }
        }
    }
    Ok(lost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::tests::submitted;
    use arena_domain::id::{Request, WorkerId};
    use arena_domain::schedule::{Ask, Left};

    #[tokio::test]
    async fn a_lease_that_was_given_anew_is_not_lost_with_the_older_one() {
        let (_folder, coordinator, id) = submitted().await;
        let store = &coordinator.store;
        let claim = async |request: &str| {
            let ask = Ask::any(WorkerId::new("w"), Request::new(request));
            let place = store.claim(ask, clock::now_millis()).await.unwrap().unwrap();
            (place.job.id.clone(), place.fence().unwrap().clone())
        };
        let old = claim("r1").await;
        store.abandon(id, Left::Politely, clock::now_millis()).await.unwrap();
        let new = claim("r2").await;
        assert_eq!(old.0, new.0, "the same job");
        let asked = vec![vec![old.clone()], Vec::new(), vec![new]];
        assert_eq!(renew(store, asked, clock::now_millis()).await.unwrap(), [vec![old.0], Vec::new(), Vec::new()]);
    }
}
