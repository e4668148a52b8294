//! What a coordinator does for every session of the store, whoever moved it last: walls, leases, and the time in which no
//! coordinator was there. Several of them may do it at once: each act is repeated harmlessly.

use super::Coordinator;
use crate::access::audit::Act;
use crate::store::PAGE;
use arena_domain::id::{JobId, SessionId};
use arena_domain::job::Millis;
use arena_domain::session::{Event, Phase};
use arena_runtime::clock;
use std::collections::VecDeque;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const TICK: Duration = Duration::from_secs(1);
/// Ticks between two looks at the list of sessions.
const LOOKS: u32 = 5;
/// Ticks between two looks for sessions that are kept no longer, and how many one look takes away.
const PRUNES: u32 = 60;
const MOST_PRUNED: usize = 50;
/// A session that nobody wrote down as moved for so long was without any coordinator.
const ALONE: Millis = 60_000;
/// Whoever submits and gets no answer tries again for seconds. What has not begun by then was refused between the two steps of
/// a submission, and nobody was told that it is there.
const UNBEGUN: Millis = 120_000;

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
            if turn.is_multiple_of(PRUNES)
                && let Err(error) = self.prune(clock::now_millis()).await
            {
                tracing::warn!(%error, "old sessions could not be taken away");
            }
            self.check_walls().await;
            if let Err(error) = self.take_expired(clock::now_millis()).await {
                tracing::warn!(%error, "leases could not be looked through");
            }
        }
    }

    /// Takes away what ended longer ago than it is kept: the record, the feed and the jobs. Blobs go by a sweep, for others may
    /// be made of the same bytes.
    pub(super) async fn prune(&self, now: Millis) -> Result<usize, crate::sessions::SessionError> {
        let Some(keep) = self.keep else { return Ok(0) };
        let before = now.saturating_sub(keep.as_millis() as Millis);
        let mut pruned = 0;
        // Whatever is younger than that as a whole has not ended so long ago.
        let mut than = (before, SessionId::new(""));
        let mut page = VecDeque::new();
        while pruned < MOST_PRUNED {
            if page.is_empty() {
                page = self.store.older(Some(than.clone()), PAGE).await?.into();
            }
            let Some(one) = page.pop_front() else { break };
            let id = SessionId::new(one.id);
            than = (one.created, id.clone());
            if !crate::sessions::has_ended(&one.status) || self.store.touched(&id).await? >= before {
                continue;
            }
            let tenant = self.tenant_of(&id).await?.to_string();
            for job in self.store.jobs(&id).await? {
                crate::fleet::unearth(&self.store, &JobId::new(job.id)).await?;
            }
            if self.store.prune(&id).await? {
                let (who, action) = ("coordinator".to_owned(), "prune".to_owned());
                let act = Act { who, action, subject: id.to_string(), tenant, allowed: true, detail: String::new() };
                crate::access::audit::write(&self.store, act).await?;
                pruned += 1;
            }
        }
        Ok(pruned)
    }

    /// Knows the wall of every session that runs, and says that it is looked after; ends those that never began.
    async fn adopt(&self) -> Result<(), crate::sessions::SessionError> {
        let now = clock::now_millis();
        let (mut running, mut moved) = (Vec::new(), Vec::new());
        for one in self.store.under_way().await? {
            let id = SessionId::new(one.id);
            match one.status.as_str() {
                "running" => running.push(id),
                "new" if now.saturating_sub(one.created) >= UNBEGUN => self.end_unbegun(&id, now).await,
                _ => {}
            }
        }
        for id in running {
            // One session whose record cannot be read holds up no other.
            if !self.knows_wall(&id)
                && let Err(error) = self.take_over(&id, now).await
            {
                tracing::warn!(session = %id, %error, "the session could not be looked at");
            }
            moved.push(id);
        }
        if moved.is_empty() { Ok(()) } else { Ok(self.store.touch(moved, now).await?) }
    }

    /// Its submission may come again at this very moment: whichever is first on record counts.
    async fn end_unbegun(&self, id: &SessionId, now: Millis) {
        match self.happen(id, Event::Cancelled { at: now }).await {
            Ok(()) => tracing::info!(session = %id, "a submission that went no further than its name is ended"),
            Err(error) => tracing::warn!(session = %id, %error, "a session that never began could not be ended"),
        }
    }

    async fn take_over(&self, id: &SessionId, now: Millis) -> Result<(), crate::sessions::SessionError> {
        let (_, session) = crate::sessions::load(&self.store, id).await?;
        let since = self.store.touched(id).await?.max(session.latest);
        if session.phase == Phase::Running && now.saturating_sub(since) >= ALONE {
            // The wall time of a session stands still while nobody moves it.
            return self.happen(id, Event::Resumed { at: now, since }).await;
        }
        self.moved(&session, Vec::new());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::tests::PACKET;
    use crate::dispatch::tests::submitted;
    use crate::store::Transition;
    use arena_proto::v1;

    #[tokio::test]
    async fn a_session_that_cannot_be_read_keeps_no_other_from_its_wall() {
        let (_folder, coordinator, id) = submitted().await;
        let strange = SessionId::new("000000000000");
        let head =
            v1::SessionHead { id: strange.to_string(), packet: "no packet".into(), ..v1::SessionHead::default() };
        coordinator.store.create(head, "strange".into()).await.unwrap();
        let running = Transition {
            session: strange,
            version: 0,
            settle: None,
            event: v1::SessionEvent::default(),
            enqueue: Vec::new(),
            cancel: None,
            feed: Vec::new(),
            status: "running".into(),
            winner: String::new(),
            now: clock::now_millis(),
        };
        coordinator.store.commit(running).await.unwrap();
        coordinator.walls.lock().unwrap().clear();
        assert!(!coordinator.knows_wall(&id));
        coordinator.adopt().await.unwrap();
        assert!(coordinator.knows_wall(&id));
    }
    #[tokio::test]
    async fn what_never_began_is_ended_and_what_is_being_submitted_is_not() {
        let (_folder, coordinator, begun) = submitted().await;
        let created = async |id: &str, created: Millis| {
            let head = v1::SessionHead { id: id.into(), packet: PACKET.into(), created, ..v1::SessionHead::default() };
            coordinator.store.create(head, "Sums".into()).await.unwrap();
            SessionId::new(id)
        };
        let now = clock::now_millis();
        let left = created("aaaaaaaaaaaa", now - UNBEGUN).await;
        let young = created("bbbbbbbbbbbb", now).await;
        coordinator.adopt().await.unwrap();
        coordinator.adopt().await.unwrap();
        let status = async |id: &SessionId| crate::sessions::load(&coordinator.store, id).await.unwrap().1.status();
        assert_eq!((status(&left).await, status(&young).await, status(&begun).await), ("cancelled", "new", "running"));
        let under_way = coordinator.store.under_way().await.unwrap();
        assert_eq!(under_way.iter().filter(|one| one.id == left.as_str()).count(), 0);
        // Whoever comes with it only now is told, and it does not begin after all.
        let again = Event::Submitted { at: clock::now_millis(), yes: true, base_first: true };
        coordinator.happen(&left, again).await.unwrap_err();
        assert!(coordinator.store.jobs(&left).await.unwrap().is_empty());
        // It is taken away like any other that has ended.
        let mut coordinator = coordinator;
        coordinator.keep = Some(std::time::Duration::ZERO);
        assert_eq!(coordinator.prune(clock::now_millis() + 1_000).await.unwrap(), 1);
    }
}
