//! No container or volume outlives its use: a guard removes it on every way out, also when the run's future is dropped.
//!
//! The future of a dropped run cannot wait for anything, so its guard leaves a message for one task that can.

use super::Error;
use super::docker::Engine;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// Every container carries it with a value of its own, so that one whose id never arrived can be found.
pub(super) const RUN_LABEL: &str = "arena.run";
/// More abandoned runs than this at once, and the reaper has to find the rest by their labels.
const QUEUE: usize = 1024;
const TRIES: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

enum Message {
    Remove(Target),
    Settle(oneshot::Sender<()>),
}

#[derive(Debug, Clone)]
enum Target {
    Id(String),
    /// Asked for, and perhaps made: the value of its label.
    Perhaps(String),
    /// By its name; whether it was made or not.
    Volume(String),
}

/// Owns the task; it ends with its owner.
pub(super) struct Remover {
    messages: mpsc::Sender<Message>,
    _task: JoinSet<()>,
}

impl Remover {
    pub(super) fn start(engine: Engine) -> Self {
        let (messages, inbox) = mpsc::channel(QUEUE);
        let mut task = JoinSet::new();
        task.spawn(work(engine, inbox));
        Self { messages, _task: task }
    }

    /// Armed before the request goes out; `label` is the value that its container will carry.
    pub(super) fn guard(&self, engine: &Engine, label: String) -> Guard {
        Guard { target: Some(Target::Perhaps(label)), messages: self.messages.clone(), engine: engine.clone() }
    }

    /// Armed before the request goes out. The containers that use the volume must be removed before.
    pub(super) fn guard_volume(&self, engine: &Engine, name: &str) -> Guard {
        let target = Some(Target::Volume(name.to_owned()));
        Guard { target, messages: self.messages.clone(), engine: engine.clone() }
    }

    pub(super) async fn settle(&self) {
        let (done, settled) = oneshot::channel();
        if self.messages.send(Message::Settle(done)).await.is_ok() {
            settled.await.ok();
        }
    }
}

async fn work(engine: Engine, mut inbox: mpsc::Receiver<Message>) {
    while let Some(message) = inbox.recv().await {
        match message {
            Message::Remove(target) => remove(&engine, &target).await,
            Message::Settle(done) => drop(done.send(())),
        }
    }
}

/// Tries again for a while: the engine may be restarting, or still be making what it was asked for.
async fn remove(engine: &Engine, target: &Target) {
    let mut pause = FIRST_PAUSE;
    for _ in 0..TRIES {
        let done = match target {
            Target::Id(id) => engine.remove(id).await.is_ok(),
            Target::Perhaps(label) => remove_labelled(engine, label).await.unwrap_or(false),
            Target::Volume(name) => engine.remove_volume(name).await.is_ok(),
        };
        if done {
            return;
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    // One that was perhaps made and never showed was most likely never made.
    match target {
        Target::Id(id) => tracing::error!(container = %id, "cannot remove a container; the reaper will find it"),
        Target::Volume(name) => tracing::error!(volume = %name, "cannot remove a volume; the reaper will find it"),
        Target::Perhaps(_) => {}
    }
}

/// Says whether there was one.
async fn remove_labelled(engine: &Engine, label: &str) -> Result<bool, Error> {
    let found = engine.list(&format!("{RUN_LABEL}={label}")).await?;
    for container in &found {
        engine.remove(&container.id).await?;
    }
    Ok(!found.is_empty())
}

/// Stands for one container or volume until it is removed.
pub(super) struct Guard {
    target: Option<Target>,
    messages: mpsc::Sender<Message>,
    engine: Engine,
}

impl Guard {
    /// Empty before the container is made, which nobody sees.
    pub(super) fn id(&self) -> &str {
        match &self.target {
            Some(Target::Id(id)) => id,
            Some(Target::Perhaps(_) | Target::Volume(_)) | None => "",
        }
    }

    pub(super) fn made(&mut self, id: String) {
        self.target = Some(Target::Id(id));
    }

    /// There is no container, or it is somebody else's to remove from now on.
    pub(super) fn disarm(mut self) {
        self.target = None;
    }

    /// Removes now. When that fails, the task goes on trying.
    pub(super) async fn remove(mut self) {
        if let Some(Target::Id(id)) = &self.target
            && self.engine.remove(id).await.is_ok()
        {
            self.target = None;
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(target) = self.target.take()
            && let Err(refused) = self.messages.try_send(Message::Remove(target))
        {
            tracing::error!(%refused, "a container or volume is left to the reaper");
        }
    }
}
