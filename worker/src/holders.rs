//! Paused network holders, one for each container that runs at a time: joining one is cheaper than making a network.

use crate::sandbox::{Docker, Error, Holder};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// Holders that no container uses now.
#[derive(Debug)]
pub(crate) struct Holders {
    relay: PathBuf,
    labels: Vec<(String, String)>,
    free: Mutex<Vec<Holder>>,
}

impl Holders {
    pub(crate) fn new(labels: Vec<(String, String)>, relay: PathBuf) -> Self {
        Self { relay, labels, free: Mutex::default() }
    }

    /// For one container at a time: it is given back when that container is gone. Any image will do: nothing of it runs.
    pub(crate) async fn take(&self, docker: &Docker, image: &str) -> Result<Holder, Error> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match free {
            Some(holder) => Ok(holder),
            None => docker.hold(&self.labels, image, &self.relay).await,
        }
    }

    pub(crate) fn give_back(&self, holder: Holder) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(holder);
    }

    pub(crate) async fn release(&self, docker: &Docker) {
        let all = std::mem::take(&mut *self.free.lock().unwrap_or_else(PoisonError::into_inner));
        for holder in all {
            if let Err(error) = docker.release(holder).await {
                tracing::warn!(%error, "a network holder could not be removed");
            }
        }
    }
}
