//! The stream to the coordinator: register, run what comes, repeat results until they are acknowledged.

mod jobs;
mod line;
mod serve;
mod size;

use crate::boot::{self, Boot};
use crate::broker::{self, Broker, OpenError};
use crate::cache;
use crate::holders::Holders;
use crate::layers::Trees;
use crate::outbox::{Outbox, leftovers};
use crate::reach::{Blobs, Reach, Refusal};
use crate::run::{Checks, Context, Cores, Engines, Lost, Mirrors, Settings};
use crate::sandbox::{Docker, Error as SandboxError};
use crate::spool::Spool;
use crate::volume::Spares;
use crate::workspace::Disks;
use arena_runtime::clock;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::Status;

#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error("the state directory: {0}")]
    Io(#[from] std::io::Error),
    #[error("the coordinator: {0}")]
    Rpc(#[from] Status),
    #[error("the broker: {0}")]
    Broker(#[from] OpenError),
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Its sockets go with the boot; what it wrote down stays.
fn broker(settings: &Settings, boot: &Boot) -> Result<Broker, LinkError> {
    let Engines { manifests: _, packs: _, config, environment } = &settings.engines;
    let (audit, sockets) = (settings.root.join("audit"), boot.folder.join("doors"));
    Ok(Broker::new(broker::Settings::new(config, audit, sockets, environment.clone()))?)
}

/// A worker that is ready: Docker answers, what dead boots left is gone.
pub struct Worker {
    context: Arc<Context>,
    lost: watch::Receiver<Option<Lost>>,
    dead: Vec<String>,
}

impl Worker {
    pub async fn start(settings: Settings, reach: Reach) -> Result<Self, LinkError> {
        let docker = Docker::connect(settings.docker_host.as_deref()).await?;
        std::fs::create_dir_all(&settings.root)?;
        let boot::Reaped { containers, boots: dead } = boot::reap(&settings.root, &docker).await?;
        if containers > 0 {
            tracing::info!(containers, "containers of a dead boot were removed");
        }
        make_room(&settings.root, cache::Bounds::usual(&settings.root)?).await;
        leftovers::clear(&settings.root, clock::now_millis());
        let boot = Boot::start(&settings.root)?;
        let labels = boot::labels("holder", &settings.root, &boot.id);
        let (lost, watch) = watch::channel(None);
        let broker = broker(&settings, &boot)?;
        let context = Context {
            holders: Holders::new(labels, settings.relay.clone()),
            disks: Disks::new(boot.folder.join("disks"))?,
            outbox: Outbox::new(&settings.root),
            spool: Spool::new(&settings.root),
            blobs: Blobs(reach),
            trees: Trees::default(),
            spares: Spares::default(),
            mirrors: Mirrors::default(),
            cores: Cores::new(&settings.measure_cores),
            broker,
            checks: Checks::default(),
            docker,
            boot,
            settings,
            lost,
        };
        Ok(Self { context: Arc::new(context), lost: watch, dead })
    }

    /// Workers that were found dead at the start: nobody renews their leases any more.
    pub fn dead_boots(&self) -> &[String] {
        &self.dead
    }

    /// The label of everything that this worker makes.
    pub fn boot_id(&self) -> &str {
        &self.context.boot.id
    }

    pub(crate) fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// Runs jobs until `stop`, or until this worker cannot go on; takes everything it made away either way.
    pub async fn run(self, stop: CancellationToken) -> Result<Option<Lost>, LinkError> {
        self.run_until(CancellationToken::new(), stop).await
    }

    /// From `drain` on nothing more is begun, and the end of the last job is this worker's; `stop` gives up what runs.
    pub async fn run_until(self, drain: CancellationToken, stop: CancellationToken) -> Result<Option<Lost>, LinkError> {
        let Self { context, lost, dead } = self;
        let served = serve::serve(&context, lost, dead, (drain, stop)).await;
        context.end().await;
        served
    }
}

/// Whether the disk is low, also without all that is kept and not used.
async fn is_full(root: &Path) -> bool {
    crate::space::is_low(root) && {
        make_room(root, cache::Bounds::NOTHING).await;
        crate::space::is_low(root)
    }
}

/// Kept bases and setups go as far as they must; a failure costs room and nothing else.
async fn make_room(root: &Path, bounds: cache::Bounds) {
    let root = root.to_owned();
    match tokio::task::spawn_blocking(move || cache::evict(&root, bounds)).await {
        Ok(Ok(cache::Evicted { entries: 0, .. })) => {}
        Ok(Ok(cache::Evicted { entries, bytes })) => {
            tracing::info!(entries, mebibytes = bytes >> 20, "kept bases and setups that nobody uses were removed");
        }
        Ok(Err(error)) => tracing::warn!(%error, "kept bases and setups could not be removed"),
        Err(error) => tracing::warn!(%error, "kept bases and setups could not be removed"),
    }
}

impl Context {
    /// Takes away what this boot has made.
    pub(crate) async fn end(&self) {
        self.holders.release(&self.docker).await;
        self.spares.clear().await;
        self.docker.settle().await;
        self.trees.clear();
        self.disks.clear();
        self.boot.end();
        // A container that Docker was still making when its boot died shows only now.
        if let Err(error) = boot::reap(&self.settings.root, &self.docker).await {
            tracing::warn!(%error, "what dead boots left was not looked for again");
        }
    }
}
