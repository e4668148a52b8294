//! What is done once for all workers that are attached here, as long as there is one: news of the store is waited for,
//! passed times are looked at, heartbeats are written down together.

use super::Coordinator;
use super::pulse::{Beats, Pulse};
use arena_domain::id::JobId;
use arena_runtime::{clock, tasks};
use std::time::Duration;
use tokio::sync::{Mutex, broadcast};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How often work is looked for though nobody gave a hint, and how long news is waited for.
const POLL: Duration = Duration::from_millis(500);
/// Polls between two looks at whether what is held here is held in the store, though nobody said that it is not.
const LOOKS: u32 = 20;
/// Leases that are looked at in one call.
const PART: usize = 500;

/// The task, and for how many.
#[derive(Default)]
pub(super) struct Watch(Mutex<Option<Running>>);

struct Running {
    many: usize,
    stop: CancellationToken,
    task: JoinHandle<()>,
    pulse: Pulse,
}

impl Coordinator {
    /// One worker more; the first one begins it.
    pub(super) async fn begin_watch(&self) -> Pulse {
        let mut running = self.watch.0.lock().await;
        let running = running.get_or_insert_with(|| {
            let (pulse, beats) = Pulse::new();
            let (stop, stops) = (CancellationToken::new(), self.stops.subscribe());
            let task = tasks::spawn(self.clone().watch(stops, beats, stop.clone()));
            Running { many: 0, stop, task, pulse }
        });
        running.many += 1;
        running.pulse.clone()
    }

    /// One worker fewer; with the last one it ends.
    pub(super) async fn end_watch(&self) {
        let mut slot = self.watch.0.lock().await;
        let Some(mut running) = slot.take() else { return };
        running.many -= 1;
        if running.many > 0 {
            *slot = Some(running);
            return;
        }
        running.stop.cancel();
        drop(running.pulse);
        let _ = running.task.await;
    }

    async fn watch(self, stops: broadcast::Receiver<JobId>, beats: Beats, until: CancellationToken) {
        tokio::join!(
            self.listen(&until),
            self.poll(&until),
            self.pass_on(stops, &until),
            beats.write(&self.store, &until)
        );
    }

    /// Hears what was done to the store, also by other coordinators.
    async fn listen(&self, until: &CancellationToken) {
        let mut seen = self.store.data_version().await.unwrap_or_default();
        loop {
            let news = tokio::select! {
                news = self.store.news(seen, POLL) => news,
                () = until.cancelled() => return,
            };
            match news {
                Ok(news) if news.version == seen => {}
                Ok(news) => {
                    seen = news.version;
                    if news.work {
                        self.roster.hint();
                    }
                    if news.leases {
                        self.check_leases().await;
                    }
                    if news.drains {
                        self.check_drains().await;
                    }
                    if news.feed {
                        self.changed();
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "news of the store could not be heard");
                    tokio::time::sleep(POLL).await;
                }
            }
        }
    }

    /// Looks at passed times, and for whatever no news told of.
    async fn poll(&self, until: &CancellationToken) {
        let mut tick = tokio::time::interval(POLL);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for turn in 1_u32.. {
            tokio::select! {
                _ = tick.tick() => {},
                () = until.cancelled() => return,
            }
            let now = clock::now_millis();
            self.check_walls().await;
            if let Err(error) = self.take_expired(now).await {
                tracing::warn!(%error, "leases could not be looked through");
            }
            if let Err(error) = self.tell_dead().await {
                tracing::warn!(%error, "dead jobs could not be looked for");
            }
            self.tell_depths(now).await;
            self.roster.hint();
            if turn.is_multiple_of(LOOKS) {
                self.check_leases().await;
                self.check_drains().await;
            }
        }
    }

    /// To whoever holds a job that is to be stopped. Somebody else may have lost it, and it was given to another worker
    /// since: what that one holds, it goes on with.
    async fn pass_on(&self, mut stops: broadcast::Receiver<JobId>, until: &CancellationToken) {
        loop {
            let stop = tokio::select! {
                stop = stops.recv() => stop,
                () = until.cancelled() => return,
            };
            match stop {
                Ok(job) => {
                    if let Some(fence) = self.roster.fence_of(&job) {
                        self.check(vec![(job, fence)]).await;
                    }
                }
                Err(broadcast::error::RecvError::Lagged(_)) => self.check_leases().await,
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }

    async fn tell_dead(&self) -> Result<(), crate::sessions::SessionError> {
        match self.roster.only() {
            None => self.give_up_dead(None).await,
            Some(sessions) => {
                for session in sessions {
                    self.give_up_dead(Some(&session)).await?;
                }
                Ok(())
            }
        }
    }

    async fn check_leases(&self) {
        for part in self.roster.held().chunks(PART) {
            self.check(part.to_vec()).await;
        }
    }

    async fn check(&self, leases: Vec<(arena_domain::id::JobId, arena_domain::id::Fence)>) {
        match self.store.not_held(leases.clone()).await {
            Ok(lost) => {
                for (job, fence) in leases.into_iter().filter(|(job, _)| lost.contains(job)) {
                    self.roster.lose(&job, fence);
                }
            }
            Err(error) => tracing::warn!(%error, "leases could not be looked at"),
        }
    }

    async fn check_drains(&self) {
        match crate::fleet::drains(&self.store).await {
            Ok(drained) => drained.iter().for_each(|worker| self.roster.drain(worker)),
            Err(error) => tracing::warn!(%error, "it could not be seen who shall be drained"),
        }
    }
}
