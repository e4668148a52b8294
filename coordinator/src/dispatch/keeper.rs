//! What a coordinator does for every session of the store, whoever moved it last: walls, leases, and the time in which no
//! coordinator was there. Several of them may do it at once: each act is repeated harmlessly.

use super::Coordinator;
use arena_domain::id::SessionId;
use arena_domain::job::Millis;
use arena_domain::session::{Event, Phase};
use arena_runtime::clock;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const TICK: Duration = Duration::from_secs(1);
/// Ticks between two looks at the list of sessions.
const LOOKS: u32 = 5;
/// A session that nobody wrote down as moved for so long was without any coordinator.
const ALONE: Millis = 60_000;

impl Coordinator {
    /// Until `stop`.
    pub(crate) async fn keep(self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for turn in 0_u32.. {
            tokio::select! {
                _ = tick.tick() => {},
                () = stop.cancelled() => return,
            }
            if turn.is_multiple_of(LOOKS)
                && let Err(error) = self.adopt().await
            {
                tracing::warn!(%error, "the sessions could not be looked through");
            }
            self.check_walls().await;
            if let Err(error) = self.take_expired(clock::now_millis()).await {
                tracing::warn!(%error, "leases could not be looked through");
            }
        }
    }

    /// Knows the wall of every session that runs, and says that it is looked after.
    async fn adopt(&self) -> Result<(), crate::sessions::SessionError> {
        let now = clock::now_millis();
        let running = self.store.sessions().await?.into_iter().filter(|one| one.status == "running");
        let mut moved = Vec::new();
        for id in running.map(|one| SessionId::new(one.id)) {
            if !self.knows_wall(&id) {
                let (_, session) = crate::sessions::load(&self.store, &id).await?;
                let since = self.store.touched(&id).await?.max(session.latest);
                if session.phase == Phase::Running && now.saturating_sub(since) >= ALONE {
                    // The wall time of a session stands still while nobody moves it.
                    self.happen(&id, Event::Resumed { at: now, since }).await?;
                } else {
                    self.moved(&session, Vec::new());
                }
            }
            moved.push(id);
        }
        if moved.is_empty() { Ok(()) } else { Ok(self.store.touch(moved, now).await?) }
    }
}
