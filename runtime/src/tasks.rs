//! The only spawn: every task has an owner, and is ended and joined when the owner goes.

use std::future::Future;
use tokio::task::{JoinHandle, JoinSet};

/// Tasks that end with their owner.
#[derive(Debug, Default)]
pub struct Tasks(JoinSet<()>);

impl Tasks {
    pub fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        // Those that have ended are let go, so that a long-lived owner does not collect them.
        while self.0.try_join_next().is_some() {}
        self.0.spawn(task);
    }

    /// Waits for all of them.
    pub async fn join(&mut self) {
        while self.0.join_next().await.is_some() {}
    }

    pub async fn stop(&mut self) {
        self.0.shutdown().await;
    }
}

/// A task whose owner holds the handle and joins it.
#[allow(clippy::disallowed_methods, reason = "the one place that spawns")]
pub fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(task)
}

/// A detached clean-up that must go on when its owner is dropped; outside a runtime it does not run.
pub fn finish_in_background(task: impl Future<Output = ()> + Send + 'static) {
    if let Ok(handle) = tokio::runtime::Handle::try_current() {
        drop(handle.spawn(task));
    }
}
