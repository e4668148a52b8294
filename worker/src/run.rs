//! One job from top to bottom.

mod canary;
mod evaluate;
mod failing;
mod gates;
mod guard;
mod implement;
mod links;
mod measure;
mod phase;
mod rule;
mod source;
mod token;

pub(crate) use canary::Canaries;
pub(crate) use guard::Made;
pub(crate) use measure::Sayings;
pub(crate) use source::Mirrors;

pub(crate) use implement::{Checks, refused};
pub use phase::Phase;

use crate::boot::{Boot, LABEL_BOOT, LABEL_STATE};
use crate::broker::{Broker, Environment};
use crate::engine::Manifest;
use crate::engine::packs::Packs;
use crate::holders::Holders;
use crate::layers::{Trees, Workspace};
use crate::lease::Lease;
use crate::outbox::Outbox;
use crate::reach::{BlobError, Blobs};
use crate::repository::RepositoryError;
use crate::sandbox::{AGENT, Docker, Error as SandboxError, Finished, JUDGE, Mount, Spec};
use crate::space::Reserve;
use crate::spool::Spool;
use crate::trace::Attempt;
use crate::volume::Spares;
use crate::workspace::{Backend, Disks};
use arena_domain::id::{Commit, Fence};
use arena_domain::job::{Job, Work};
use arena_domain::outcome::Outcome;
use arena_domain::packet::Packet;
use arena_proto::v1::SessionHead;
use arena_runtime::config::Config;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// What one worker is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The worker's folder; nothing outside it is written.
    pub root: PathBuf,
    /// The static relay on this host.
    pub relay: PathBuf,
    pub slots: u32,
    /// One measuring slot for each, a cpuset; empty: one slot on shared cores.
    pub measure_cores: Vec<String>,
    pub runtime: Option<String>,
    /// Empty: any session.
    pub only_session: String,
    pub docker_host: Option<String>,
    /// Given up when the disk runs full: the last results are written into it.
    pub reserve: Option<Reserve>,
    pub backend: Backend,
    pub engines: Engines,
    /// What jobs may ask for, and whoever looks at a team's fleet is shown.
    pub labels: Vec<String>,
    /// Of all jobs together; `None`: what the machine has.
    pub memory_mib: Option<u32>,
    pub disk_mib: Option<u32>,
}

/// What this worker knows of engines, and how they reach their providers.
#[derive(Clone)]
pub struct Engines {
    pub manifests: Vec<Manifest>,
    pub packs: Packs,
    pub config: Config,
    /// Where keys may come from.
    pub environment: Environment,
}

impl std::fmt::Debug for Engines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engines").field("manifests", &self.manifests.len()).field("packs", &self.packs).finish()
    }
}

/// Why a worker cannot go on; its sessions can, later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    Docker(String),
    Space,
}

/// What all jobs of one worker share.
pub struct Context {
    pub settings: Settings,
    pub docker: Docker,
    pub boot: Boot,
    pub(crate) disks: Disks,
    pub(crate) holders: Holders,
    pub(crate) outbox: Outbox,
    pub(crate) spool: Spool,
    pub(crate) blobs: Blobs,
    pub(crate) trees: Trees,
    pub(crate) spares: Spares,
    pub(crate) mirrors: Mirrors,
    /// Measuring slots: the cpusets that are free.
    pub(crate) cores: Cores,
    pub(crate) broker: Broker,
    /// What is known of the engines' packs and versions.
    pub(crate) checks: Checks,
    pub(crate) lost: watch::Sender<Option<Lost>>,
}

/// Measuring slots, each with cores of its own where there are any.
pub(crate) struct Cores {
    slots: Semaphore,
    free: Mutex<Vec<Option<String>>>,
}

impl Cores {
    pub(crate) fn new(sets: &[String]) -> Self {
        let free: Vec<Option<String>> =
            if sets.is_empty() { vec![None] } else { sets.iter().cloned().map(Some).collect() };
        Self { slots: Semaphore::new(free.len()), free: Mutex::new(free) }
    }

    /// Runs `work` on a measuring slot.
    pub(crate) async fn with<T>(&self, work: impl AsyncFnOnce(Option<String>) -> T) -> T {
        let _permit = self.slots.acquire().await;
        let set = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop().flatten();
        let done = work(set.clone()).await;
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(set);
        done
    }
}

/// One job with what it needs to know.
pub(crate) struct Task {
    pub job: Job,
    pub fence: Fence,
    pub head: SessionHead,
    pub packet: Packet,
    pub base: Commit,
    pub cancel: CancellationToken,
    pub lease: Lease,
    pub progress: mpsc::Sender<Word>,
    pub trace: Attempt,
}

/// What a job says while it runs.
#[derive(Debug)]
pub(crate) enum Word {
    Phase(Phase, String),
    /// Of an engine's output, without known secrets.
    Printed {
        stream: &'static str,
        bytes: Vec<u8>,
    },
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    #[error("the state directory: {0}")]
    Io(#[from] io::Error),
    #[error("blobs: {0}")]
    Blobs(tonic::Status),
    #[error("{reason}")]
    Setup { reason: String, mend: String },
    #[error("cancelled")]
    Cancelled,
    #[error("the broker's socket went away while an engine ran")]
    Alone,
    #[error("a task of the worker ended: {0}")]
    Join(#[from] tokio::task::JoinError),
}

impl From<BlobError> for RunError {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Rpc(status) => Self::Blobs(status),
            BlobError::Io(error) => Self::Io(error),
        }
    }
}

impl Task {
    pub(crate) async fn phase(&self, phase: Phase, text: impl Into<String>) {
        let text = text.into();
        self.trace.enter(phase, &text);
        // Nobody listening is no reason to stop.
        let _ = self.progress.send(Word::Phase(phase, text)).await;
    }
}

/// Carries one job out. Every error becomes an outcome here, and nowhere else.
pub(crate) async fn run(context: &Arc<Context>, task: &Task) -> Outcome {
    if let Some(outcome) = context.earned_before(&task.job.id) {
        return match context.deliver(&task.job.id).await {
            Ok(()) => outcome,
            Err(error) => Outcome::Failed(context.failure(task, error).await),
        };
    }
    let done = match &task.job.work {
        Work::Implement { brief, parent } => {
            implement::implement(context, task, brief, parent.as_ref()).await.map(Outcome::Implemented)
        }
        Work::Evaluate { tree, holdout } => {
            evaluate::evaluate(context, task, tree.as_ref(), *holdout).await.map(Outcome::Evaluated)
        }
    };
    match done {
        Ok(outcome) => outcome,
        Err(error) => Outcome::Failed(context.failure(task, error).await),
    }
}

impl Context {
    pub(crate) fn labels(&self, task: &Task) -> Vec<(String, String)> {
        [
            ("arena", "job"),
            (LABEL_STATE, &crate::boot::state_label(&self.settings.root)),
            (LABEL_BOOT, &self.boot.id),
            ("arena.session", task.job.session.as_str()),
            ("arena.job", task.job.id.as_str()),
            ("arena.fence", task.fence.as_str()),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// The container of one command on one stage. Engines and judges are two users.
    pub(crate) fn spec(&self, task: &Task, workspace: &Workspace, user: User, command: Vec<String>) -> Spec {
        let sandbox = &task.packet.sandbox;
        let git = [("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "safe.directory"), ("GIT_CONFIG_VALUE_0", "*")];
        Spec {
            command,
            env: git.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec(),
            workdir: "/work".into(),
            user: match user {
                User::Agent => AGENT,
                User::Judge => JUDGE,
            },
            cpus: sandbox.cpus,
            memory_bytes: sandbox.memory_bytes,
            pids: sandbox.pids,
            mounts: vec![Mount { source: workspace.source(), target: "/work".into(), read_only: false }],
            network_holder: workspace.holder(),
            tmp_bytes: sandbox.memory_bytes.min(512 << 20),
            fsize_bytes: sandbox.disk_bytes,
            labels: self.labels(task),
            runtime: self.settings.runtime.clone(),
            ..Spec::new(sandbox.image.clone(), self.settings.relay.clone(), &[])
        }
    }

    /// Runs it joined to a paused network holder.
    pub(crate) async fn sandboxed(
        &self,
        task: &Task,
        spec: Spec,
        deadline: Duration,
        live: Option<crate::sandbox::Listener>,
    ) -> Result<Finished, RunError> {
        self.sandboxed_until(task, spec, deadline, live, &task.cancel).await
    }

    /// The same, with one more reason to stop than that nobody wants the job any more.
    pub(crate) async fn sandboxed_until(
        &self,
        task: &Task,
        mut spec: Spec,
        deadline: Duration,
        live: Option<crate::sandbox::Listener>,
        stop: &CancellationToken,
    ) -> Result<Finished, RunError> {
        if !task.lease.holds() || task.cancel.is_cancelled() {
            return Err(RunError::Cancelled);
        }
        spec.deadline = deadline;
        let finished = if spec.network_holder.is_some() {
            self.docker.run_under(&spec, Some(&task.lease), stop, live).instrument(task.trace.here()).await
        } else {
            let holder = self.holders.take(&self.docker, &spec.image).await?;
            spec.network_holder = Some(holder.id().to_owned());
            let run = self.docker.run_under(&spec, Some(&task.lease), stop, live);
            let finished = run.instrument(task.trace.here()).await;
            match &finished {
                Ok(_) => self.holders.give_back(holder),
                // A holder whose container failed may be the reason.
                Err(_) => drop(self.docker.release(holder).await),
            }
            finished
        };
        if task.cancel.is_cancelled() {
            return Err(RunError::Cancelled);
        }
        Ok(finished?)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum User {
    Agent,
    Judge,
}
