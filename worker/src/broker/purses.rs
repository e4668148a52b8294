//! The purses of sessions on this worker: waiting for a share, and what a killed worker had spent.

use super::audit;
use super::ledger;
use super::policy::SessionCost;
use super::purse::{Answer, Purse};
use arena_domain::id::SessionId;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::Notify;

/// Longest wait for other answers to settle; an answer that runs longer keeps its share, and the one that waits is told.
pub(super) const PATIENCE: Duration = Duration::from_secs(240);

/// By session, as long as a door of it is open.
#[derive(Debug)]
pub(super) struct Purses {
    audit: PathBuf,
    open: Mutex<BTreeMap<SessionId, Weak<SharedPurse>>>,
}

impl Purses {
    pub(super) fn new(audit: PathBuf) -> Self {
        Self { audit, open: Mutex::default() }
    }

    /// The one that other doors of the session have, or a new one that knows what the audit says was spent.
    pub(super) fn open(&self, session: &SessionId, cost: SessionCost) -> std::io::Result<Arc<SharedPurse>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(purse) = open.get(session).and_then(Weak::upgrade) {
            return Ok(purse);
        }
        let spent = ledger::read(&audit::path(&self.audit, session), None)?.charged_usd.max(cost.spent_usd);
        let purse = Arc::new(SharedPurse::new(cost.limit_usd, spent));
        open.retain(|_, purse| purse.strong_count() > 0);
        open.insert(session.clone(), Arc::downgrade(&purse));
        Ok(purse)
    }
}

#[derive(Debug)]
pub(super) struct SharedPurse {
    purse: Mutex<Purse>,
    settled: Notify,
    /// Held by the one that asks, so that a large share is not passed by small ones for ever.
    turn: tokio::sync::Mutex<()>,
}

/// Why there is no share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoShare {
    Empty,
    /// Others hold the rest for longer than anybody waits.
    Busy,
}

impl SharedPurse {
    pub(super) fn new(limit: f64, spent: f64) -> Self {
        Self {
            purse: Mutex::new(Purse::new(limit, spent)),
            settled: Notify::new(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Purse> {
        self.purse.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn share(self: &Arc<Self>, estimate: f64, patience: Duration) -> Result<Share, NoShare> {
        tokio::time::timeout(patience, self.wait(estimate)).await.unwrap_or(Err(NoShare::Busy))
    }

    async fn wait(self: &Arc<Self>, estimate: f64) -> Result<Share, NoShare> {
        let _turn = self.turn.lock().await;
        loop {
            let settled = self.settled.notified();
            let answer = self.locked().ask(estimate);
            match answer {
                Answer::Go(ticket) => return Ok(Share { purse: self.clone(), ticket, cost: 0.0 }),
                Answer::Empty => return Err(NoShare::Empty),
                Answer::Wait => settled.await,
            }
        }
    }
}

/// Set aside for one answer; one that goes unsettled was not sent.
#[derive(Debug)]
pub(super) struct Share {
    purse: Arc<SharedPurse>,
    ticket: u64,
    cost: f64,
}

impl Share {
    /// `false`: the answer must end.
    pub(super) fn covers(&mut self, running: f64, certain: f64) -> bool {
        self.purse.locked().covers(self.ticket, running, certain)
    }

    pub(super) fn settle(mut self, cost: f64) {
        self.cost = cost;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.purse.locked().settle(self.ticket, self.cost);
        // One waits at a time: it holds the turn.
        self.purse.settled.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_waits_until_another_is_settled_and_not_for_ever() {
        let purse = Arc::new(SharedPurse::new(1.0, 0.0));
        let first = purse.share(0.9, PATIENCE).await.unwrap();
        assert_eq!(purse.share(0.9, Duration::ZERO).await.unwrap_err(), NoShare::Busy);
        let (second, ()) = tokio::join!(purse.share(0.9, PATIENCE), async { first.settle(0.25) });
        second.unwrap().settle(0.75);
        assert_eq!(purse.share(0.1, PATIENCE).await.unwrap_err(), NoShare::Empty);
    }

    #[tokio::test]
    async fn a_session_has_one_purse_that_remembers() {
        let folder = tempfile::tempdir().unwrap();
        let purses = Purses::new(folder.path().to_owned());
        let session = SessionId::new("s1");
        let cost = SessionCost { limit_usd: 1.0, spent_usd: 0.0 };
        let one = purses.open(&session, cost).unwrap();
        let other = purses.open(&session, cost).unwrap();
        assert!(Arc::ptr_eq(&one, &other));
        drop((one, other));
        let sent = "{\"event\":\"sent\",\"id\":\"a\",\"set_aside_usd\":0.5}\n{\"event\":\"sent\",\"id\":\"b\",\"set_aside_usd\":0.4}\n";
        let request = "{\"event\":\"request\",\"id\":\"a\",\"charged_usd\":0.3}\n{\"event\":\"requ";
        std::fs::write(folder.path().join("s1.jsonl"), format!("{sent}{request}")).unwrap();
        let again = purses.open(&session, cost).unwrap();
        // What was in flight when the worker was killed may have been paid for.
        assert!((again.locked().spent - 0.7).abs() < 1e-12);
    }
}
