//! The stream to the coordinator: register, run what comes, repeat results until they are acknowledged.

use crate::boot::{self, Boot};
use crate::broker::{self, Broker, OpenError};
use crate::cache;
use crate::holders::Holders;
use crate::layers::Trees;
use crate::outbox::Outbox;
use crate::run::{self, Checks, Context, Cores, Engines, Lost, Mirrors, Settings, Task};
use crate::sandbox::{Docker, Error as SandboxError};
use crate::trace::{self, Attempt};
use crate::volume::Spares;
use crate::workspace::Disks;
use arena_domain::id::{Commit, Fence, JobId};
use arena_domain::job::Job;
use arena_domain::outcome::{Failure, Outcome};
use arena_proto::convert::Wire;
use arena_proto::v1::sessions_client::SessionsClient;
use arena_proto::v1::workers_client::WorkersClient;
use arena_proto::v1::{self, down, up};
use arena_proto::{BLOB_CHUNK, MAX_MESSAGE, packet};
use arena_runtime::tasks::Tasks;
use arena_runtime::telemetry;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Request, Status};
use tracing::Instrument;

/// A third of what a lease holds is the longest that may pass between two.
const HEARTBEAT: Duration = Duration::from_secs(15);

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
}

/// Blobs by the coordinator's service.
#[derive(Clone)]
pub(crate) struct Blobs(SessionsClient<Channel>);

impl Blobs {
    pub(crate) async fn put(&self, bytes: &[u8]) -> Result<String, Status> {
        let chunks: Vec<v1::BlobChunk> =
            bytes.chunks(BLOB_CHUNK).map(|chunk| v1::BlobChunk { data: chunk.to_vec().into() }).collect();
        let put = async { self.0.clone().put_blob(told(tokio_stream::iter(chunks))).await };
        Ok(put.instrument(trace::call("arena.v1.Sessions/PutBlob")).await?.into_inner().digest)
    }

    pub(crate) async fn get(&self, digest: &str) -> Result<Vec<u8>, Status> {
        let request = v1::GetBlobRequest { digest: digest.to_owned() };
        let get = async { self.0.clone().get_blob(told(request)).await };
        let mut chunks = get.instrument(trace::call("arena.v1.Sessions/GetBlob")).await?.into_inner();
        let mut bytes = Vec::new();
        while let Some(chunk) = chunks.next().await {
            bytes.extend_from_slice(&chunk?.data);
        }
        Ok(bytes)
    }
}

/// A request that says where its sender is.
fn told<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    telemetry::metadata(request.metadata_mut());
    request
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
    channel: Channel,
    lost: watch::Receiver<Option<Lost>>,
    dead: Vec<String>,
}

impl Worker {
    pub async fn start(settings: Settings, channel: Channel) -> Result<Self, LinkError> {
        let docker = Docker::connect(settings.docker_host.as_deref()).await?;
        std::fs::create_dir_all(&settings.root)?;
        let boot::Reaped { containers, boots: dead } = boot::reap(&settings.root, &docker).await?;
        if containers > 0 {
            tracing::info!(containers, "containers of a dead boot were removed");
        }
        make_room(&settings.root, cache::Bounds::usual(&settings.root)?).await;
        let boot = Boot::start(&settings.root)?;
        let labels = boot::labels("holder", &settings.root, &boot.id);
        let (lost, watch) = watch::channel(None);
        let broker = broker(&settings, &boot)?;
        let sessions = SessionsClient::new(channel.clone())
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE);
        let context = Context {
            holders: Holders::new(labels, settings.relay.clone()),
            disks: Disks::new(boot.folder.join("disks"))?,
            outbox: Outbox::new(&settings.root),
            blobs: Blobs(sessions),
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
        Ok(Self { context: Arc::new(context), channel, lost: watch, dead })
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
    pub async fn run(mut self, stop: CancellationToken) -> Result<Option<Lost>, LinkError> {
        let served = self.serve(&stop).await;
        self.context.end().await;
        served
    }

    async fn serve(&mut self, stop: &CancellationToken) -> Result<Option<Lost>, LinkError> {
        let settings = &self.context.settings;
        let (up, outgoing) = mpsc::channel(64);
        let hello = v1::Hello {
            worker: self.context.boot.id.clone(),
            slots: settings.slots,
            only_session: settings.only_session.clone(),
            // A boot attaches once: its jobs end with its stream.
            leases: Vec::new(),
        };
        let _ = up.send(v1::Up { up: Some(up::Up::Hello(hello)) }).await;
        let mut client = WorkersClient::new(self.channel.clone())
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE);
        let mut incoming = client.attach(ReceiverStream::new(outgoing)).await?.into_inner();
        let mut jobs = Jobs {
            context: self.context.clone(),
            up,
            tasks: Tasks::default(),
            running: BTreeMap::new(),
            ending: CancellationToken::new(),
        };
        let mut beat = tokio::time::interval(HEARTBEAT);
        let mut space = tokio::time::interval(Duration::from_secs(1));
        let ended = loop {
            tokio::select! {
                message = incoming.next() => match message {
                    Some(Ok(message)) => jobs.told(message),
                    Some(Err(status)) => break Err(status.into()),
                    None => break Ok(None),
                },
                _ = beat.tick() => jobs.beat().await,
                _ = space.tick() => if is_full(&self.context.settings.root).await {
                    self.context.lose(Lost::Space);
                },
                _ = self.lost.changed() => break Ok(self.lost.borrow().clone()),
                () = stop.cancelled() => break Ok(None),
            }
        };
        jobs.ending.cancel();
        for (_, cancel) in jobs.running.values() {
            cancel.cancel();
        }
        // A job that ends now may still report, so the stream is kept open and read until all have ended.
        let drain = async { while incoming.next().await.is_some() {} };
        tokio::select! {
            () = jobs.tasks.join() => {},
            () = drain => jobs.tasks.join().await,
        }
        ended
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

/// The jobs that run, and the way up.
struct Jobs {
    context: Arc<Context>,
    up: mpsc::Sender<v1::Up>,
    tasks: Tasks,
    running: BTreeMap<JobId, (Fence, CancellationToken)>,
    /// This worker stops, and its jobs with it.
    ending: CancellationToken,
}

impl Jobs {
    fn told(&mut self, message: v1::Down) {
        match message.down {
            Some(down::Down::Run(run)) => self.begin(run),
            Some(down::Down::Stop(stop)) => {
                if let Some((_, cancel)) = self.running.get(&JobId::new(stop.job)) {
                    cancel.cancel();
                }
            }
            Some(down::Down::Acknowledged(acknowledged)) => {
                let job = JobId::new(acknowledged.job);
                // One that came too late is kept: whoever runs the job again need not pay for it again.
                if acknowledged.accepted {
                    self.context.outbox.forget(&job);
                }
                self.running.remove(&job);
                crate::figures::slots(self.running.len(), self.context.settings.slots);
            }
            Some(down::Down::Drain(_)) | None => {}
        }
    }

    fn begin(&mut self, run: v1::Run) {
        let (up, context, ending) = (self.up.clone(), self.context.clone(), self.ending.clone());
        let (Some(job), Some(head)) = (run.job, run.head) else { return };
        let lease = v1::Lease { job: job.id.clone(), fence: run.fence.clone() };
        let cancel = CancellationToken::new();
        self.running.insert(JobId::new(&job.id), (Fence::new(&run.fence), cancel.clone()));
        crate::figures::slots(self.running.len(), self.context.settings.slots);
        self.tasks.spawn(async move {
            let (progress, told) = progress(&up, &lease);
            let mut span = None;
            let outcome = match task(job, head, (&run.fence, run.attempt), cancel, progress) {
                Ok(task) => {
                    let outcome = run::run(&context, &task).instrument(task.trace.span()).await;
                    task.trace.ends(&task.job, &outcome);
                    span = task.trace.context();
                    if unfinished(&outcome) && (ending.is_cancelled() || context.is_lost()) {
                        // The end of this worker says nothing about the job: whoever takes the session up runs it again.
                        return;
                    }
                    outcome.to_wire()
                }
                Err(reason) => v1::Outcome {
                    outcome: Some(v1::outcome::Outcome::Failed(v1::Failure {
                        kind: "setup".into(),
                        reason,
                        mend: "update this worker".into(),
                    })),
                },
            };
            // What it said last would come after its lease has ended, and be lost.
            told.await.ok();
            let result = v1::Result { lease: Some(lease), outcome: Some(outcome), trace: span };
            // Without a coordinator the outbox keeps what was paid for.
            let _ = up.send(v1::Up { up: Some(up::Up::Result(result)) }).await;
        });
    }

    async fn beat(&self) {
        let leases: Vec<v1::Lease> = self
            .running
            .iter()
            .map(|(job, (fence, _))| v1::Lease { job: job.to_string(), fence: fence.to_string() })
            .collect();
        let free_slots = self.context.settings.slots.saturating_sub(leases.len() as u32);
        crate::figures::slots(leases.len(), self.context.settings.slots);
        let heartbeat = v1::Heartbeat { leases, free_slots };
        let _ = self.up.send(v1::Up { up: Some(up::Up::Heartbeat(heartbeat)) }).await;
    }
}

/// Nothing that the job did, but what happened to it.
fn unfinished(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Failed(Failure::Cancelled | Failure::Infrastructure(_)) => true,
        Outcome::Failed(Failure::Setup { .. }) | Outcome::Implemented(_) | Outcome::Evaluated(_) => false,
    }
}

fn task(
    job: v1::Job,
    head: v1::SessionHead,
    (fence, attempt): (&str, u32),
    cancel: CancellationToken,
    progress: mpsc::Sender<(String, String)>,
) -> Result<Task, String> {
    let job = Job::from_wire(job).map_err(|error| error.to_string())?;
    let packet =
        packet::submitted(&head).map_err(|problems| problems.first().map(ToString::to_string).unwrap_or_default())?;
    let base = Commit::new(&head.base);
    let trace = Attempt::of(&job, attempt);
    Ok(Task { job, fence: Fence::new(fence), packet, base, head, cancel, progress, trace })
}

/// Turns phases into messages; ends with the task that holds the sender.
fn progress(up: &mpsc::Sender<v1::Up>, lease: &v1::Lease) -> (mpsc::Sender<(String, String)>, JoinHandle<()>) {
    let (sender, mut phases) = mpsc::channel::<(String, String)>(16);
    let (up, lease) = (up.clone(), lease.clone());
    let told = arena_runtime::tasks::spawn(async move {
        while let Some((phase, text)) = phases.recv().await {
            let progress = v1::Progress { lease: Some(lease.clone()), phase, text };
            if up.send(v1::Up { up: Some(up::Up::Progress(progress)) }).await.is_err() {
                return;
            }
        }
    });
    (sender, told)
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
