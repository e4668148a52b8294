//! Handshakes at a time: some for all, and a quarter of these for one address, so that whoever connects and says nothing
//! holds up nobody who comes from elsewhere.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Addresses that are remembered before those that wait no more are forgotten.
const REMEMBERED: usize = 1024;

#[derive(Debug, Clone)]
pub(super) struct Turns {
    all: Arc<Semaphore>,
    of_one: usize,
    each: Arc<Mutex<HashMap<IpAddr, Weak<Semaphore>>>>,
}

impl Turns {
    pub(super) fn of(handshakes: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(handshakes)), of_one: (handshakes / 4).max(1), each: Arc::default() }
    }

    fn own(&self, address: IpAddr) -> Arc<Semaphore> {
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = each.get(&address).and_then(Weak::upgrade) {
            return known;
        }
        if each.len() >= REMEMBERED {
            each.retain(|_, one| one.strong_count() > 0);
        }
        let fresh = Arc::new(Semaphore::new(self.of_one));
        each.insert(address, Arc::downgrade(&fresh));
        fresh
    }

    /// Waits for one; it lasts as long as what is answered. Nothing: there are no turns any more.
    pub(super) async fn turn(&self, address: IpAddr) -> Option<[OwnedSemaphorePermit; 2]> {
        // A permit keeps its semaphore, so that the next of this address finds it.
        let own = self.own(address).acquire_owned().await.ok()?;
        let shared = self.all.clone().acquire_owned().await.ok()?;
        Some([own, shared])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn one_address_waits_for_itself_and_not_for_others() {
        let turns = Turns::of(8);
        let address = |last: u8| IpAddr::from([10, 0, 0, last]);
        let soon = async |last| tokio::time::timeout(Duration::ZERO, turns.turn(address(last))).await;
        let first = [soon(1).await.unwrap(), soon(1).await.unwrap()];
        assert!(soon(1).await.is_err(), "a quarter for one");
        let mut others = Vec::new();
        for last in 2..5 {
            others.push([soon(last).await.unwrap(), soon(last).await.unwrap()]);
        }
        assert!(soon(9).await.is_err(), "all turns are taken");
        drop(first);
        assert!(soon(1).await.is_ok());
    }
}
