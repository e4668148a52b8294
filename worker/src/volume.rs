//! Workspaces in memory, for a worker that may not mount: the tree is copied into a volume that Docker bounds.
//!
//! One filled volume is made ahead while an engine works, so that the next competitor finds its tree ready.

use crate::boot;
use crate::collect::{Caps, CollectError};
use crate::repository::{ImportError, RepositoryError};
use crate::run::{Context, RunError};
use crate::sandbox::{AGENT, Error as SandboxError, JUDGE, Mount, Source, Spec, Volume, VolumeSpec};
use crate::snapshot::{FOLDER_MODE, Left, Link, OWNER, Rules, Snapshot};
use arena_domain::packet::Sandbox;
use arena_domain::text;
use arena_runtime::tasks;
use futures_util::{Stream, StreamExt};
use std::io::{self, Read};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::bytes::{Buf, Bytes};
use tokio_util::sync::CancellationToken;

/// Sizes are rounded up to it, so that trees that differ a little fit the same volume.
const GRAIN: u64 = 1 << 20;
/// A tree that takes more memory than this is not copied ahead.
const SPARE_MOST: u64 = 512 << 20;
/// Most that one entry takes in an archive beside its content.
const HEADERS: u64 = 8 << 10;
const PAGE: u64 = 4096;
/// Links that one container makes.
const LINKS: usize = 1000;

/// One tree in a volume of its own; gone when dropped.
pub(crate) struct VolumeStage {
    volume: Volume,
    bytes: u64,
    /// What its changes are counted from.
    base: Arc<Snapshot>,
}

/// The volume that is filled already, and the making of it.
#[derive(Default)]
pub(crate) struct Spares {
    ready: Mutex<Option<(Arc<Snapshot>, VolumeStage)>>,
    making: Mutex<Option<JoinHandle<()>>>,
}

impl VolumeStage {
    /// A volume with this tree in it.
    pub(crate) async fn fill(context: &Context, sandbox: &Sandbox, tree: &Arc<Snapshot>) -> Result<Self, SandboxError> {
        Self::filled(context, sandbox, tree, tree).await
    }

    async fn filled(
        context: &Context,
        sandbox: &Sandbox,
        base: &Arc<Snapshot>,
        tree: &Snapshot,
    ) -> Result<Self, SandboxError> {
        let stage = Self::empty(context, sandbox, base, tree).await?;
        stage.unpack(context, sandbox, tree).await?;
        Ok(stage)
    }

    async fn unpack(&self, context: &Context, sandbox: &Sandbox, tree: &Snapshot) -> Result<(), SandboxError> {
        context.docker.upload(&self.volume, tree.archive()).await?;
        for (owner, links) in tree.outward() {
            let user = if owner == JUDGE.0 { JUDGE } else { AGENT };
            for links in links.chunks(LINKS) {
                self.link(context, sandbox, user, links).await?;
            }
        }
        Ok(())
    }

    /// Makes links that Docker does not unpack, by a container that can write nothing but this tree.
    async fn link(
        &self,
        context: &Context,
        sandbox: &Sandbox,
        user: (u32, u32),
        links: &[Link],
    ) -> Result<(), SandboxError> {
        let words = ["xargs", "-0", "-n", "2", "ln", "-sfn", "--"];
        let source = Source::Volume(self.volume.name().to_owned());
        let spec = Spec {
            user,
            workdir: "/work".into(),
            mounts: vec![Mount { source, target: "/work".into(), read_only: false }],
            labels: boot::labels("links", &context.settings.root, &context.boot.id),
            runtime: context.settings.runtime.clone(),
            network_holder: Some(self.volume.keeper().to_owned()),
            stdin: links.iter().flat_map(|link| [link.target.as_slice(), &[0], &link.path, &[0]].concat()).collect(),
            ..Spec::new(&sandbox.image, &context.settings.relay, &words)
        };
        let finished = context.docker.run(&spec, &CancellationToken::new(), None).await?;
        if finished.exit.passed() {
            return Ok(());
        }
        let said = text::sanitise_line(&String::from_utf8_lossy(&finished.stderr), 200);
        Err(SandboxError::Refused(format!("links out of the tree could not be made: {said}")))
    }

    /// For an engine: `tree` on what was prepared for `base`, if that is ready and nothing of it has to go.
    pub(crate) async fn take(
        context: &Arc<Context>,
        sandbox: &Sandbox,
        base: &Arc<Snapshot>,
        tree: &Snapshot,
    ) -> Result<Self, SandboxError> {
        let added = tree.added_to(base);
        let spare = if added.is_some() { context.spares.take(base).await } else { None };
        let stage = match (spare, added) {
            (Some(spare), Some(added)) if added.is_empty() => spare,
            (Some(spare), Some(added)) => {
                spare.unpack(context, sandbox, &added).await?;
                spare
            }
            (Some(_) | None, _) => Self::filled(context, sandbox, base, tree).await?,
        };
        context.spares.prepare(context, sandbox, base);
        Ok(stage)
    }

    async fn empty(
        context: &Context,
        sandbox: &Sandbox,
        base: &Arc<Snapshot>,
        tree: &Snapshot,
    ) -> Result<Self, SandboxError> {
        // The quota is on what is added to the tree.
        let bytes = (tree.footprint() + sandbox.disk_bytes).next_multiple_of(GRAIN);
        let labels = boot::labels("volume", &context.settings.root, &context.boot.id);
        let spec = VolumeSpec { bytes, owner: OWNER, mode: FOLDER_MODE, labels };
        let (image, relay) = (&sandbox.image, &context.settings.relay);
        let volume = context.docker.volume(&spec, image, relay).await?;
        Ok(Self { volume, bytes, base: base.clone() })
    }

    pub(crate) fn base(&self) -> &Arc<Snapshot> {
        &self.base
    }

    pub(crate) fn volume(&self) -> &Volume {
        &self.volume
    }

    /// What the tree has become, for a submission: what git cannot hold is refused.
    pub(crate) async fn collect(&self, context: &Context) -> Result<Left, RunError> {
        self.read(context, Rules { caps: Caps::default(), nested: false }).await
    }

    /// What the tree has become, as the ground for what follows.
    pub(crate) async fn keep(&self, context: &Context) -> Result<Left, RunError> {
        // The volume itself bounds all of these; a tree that looks larger than its volume is sparse or linked.
        let entries = usize::try_from(self.bytes / PAGE).unwrap_or(usize::MAX);
        let caps = Caps { entries, bytes: self.bytes, depth: 1024, ..Caps::default() };
        self.read(context, Rules { caps, nested: true }).await
    }

    async fn read(&self, context: &Context, rules: Rules) -> Result<Left, RunError> {
        let (sender, receiver) = mpsc::channel(16);
        let (before, folder) = (self.base.clone(), context.boot.folder.clone());
        let reading =
            tokio::task::spawn_blocking(move || before.read(Parts { receiver, part: Bytes::new() }, rules, &folder));
        // What the volume holds, each entry's header, and what the caps would let pass of content that is not there.
        let most = self.bytes + rules.caps.bytes + self.bytes / PAGE * HEADERS;
        let fed = feed(context.docker.download(&self.volume), sender, most).await?;
        let left = reading.await?.map_err(collected)?;
        match fed {
            Fed::Whole | Fed::Unwanted => Ok(left),
            Fed::TooMuch => Err(collected(CollectError::TooLarge(rules.caps.bytes))),
            Fed::Cut => Err(SandboxError::Lost("the archive of a workspace broke off".into()).into()),
        }
    }
}

fn collected(error: CollectError) -> RunError {
    RunError::Repository(RepositoryError::Import(ImportError::Collect(error)))
}

/// How the reading of an archive ended.
#[derive(Debug, PartialEq, Eq)]
enum Fed {
    Whole,
    /// The reader has ended before.
    Unwanted,
    TooMuch,
    /// Without the zeros that end an archive.
    Cut,
}

async fn feed(
    parts: impl Stream<Item = Result<Bytes, SandboxError>>,
    sender: mpsc::Sender<Bytes>,
    most: u64,
) -> Result<Fed, SandboxError> {
    let mut parts = pin!(parts);
    let (mut bytes, mut zeros) = (0, 0);
    while let Some(part) = parts.next().await {
        let part = part?;
        bytes += part.len() as u64;
        if bytes > most {
            return Ok(Fed::TooMuch);
        }
        zeros = match part.iter().rposition(|byte| *byte != 0) {
            Some(last) => part.len() - 1 - last,
            None => zeros + part.len(),
        };
        if sender.send(part).await.is_err() {
            return Ok(Fed::Unwanted);
        }
    }
    Ok(if zeros >= 1024 { Fed::Whole } else { Fed::Cut })
}

/// The parts of a stream, for a reader that blocks.
struct Parts {
    receiver: mpsc::Receiver<Bytes>,
    part: Bytes,
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.part.is_empty() {
            match self.receiver.blocking_recv() {
                Some(part) => self.part = part,
                None => return Ok(0),
            }
        }
        let many = buffer.len().min(self.part.len());
        self.part.copy_to_slice(&mut buffer[..many]);
        Ok(many)
    }
}

impl Spares {
    /// The one for this tree. One that is being made is waited for: it will be ready before another could be.
    async fn take(&self, base: &Arc<Snapshot>) -> Option<VolumeStage> {
        let making = lock(&self.making).take();
        if let Some(making) = making {
            making.await.ok();
        }
        let spare = lock(&self.ready).take();
        spare.filter(|(held, _)| Arc::ptr_eq(held, base)).map(|(_, stage)| stage)
    }

    /// Fills one in the background, unless there is one.
    fn prepare(&self, context: &Arc<Context>, sandbox: &Sandbox, base: &Arc<Snapshot>) {
        let mut making = lock(&self.making);
        if base.footprint() > SPARE_MOST || making.is_some() || lock(&self.ready).is_some() {
            return;
        }
        let (context, sandbox, base) = (context.clone(), sandbox.clone(), base.clone());
        *making = Some(tasks::spawn(async move {
            match VolumeStage::fill(&context, &sandbox, &base).await {
                Ok(stage) => *lock(&context.spares.ready) = Some((base, stage)),
                Err(error) => tracing::debug!(%error, "no spare volume"),
            }
        }));
    }

    /// Lets the spare go, and waits until none is being made.
    pub(crate) async fn clear(&self) {
        let making = lock(&self.making).take();
        if let Some(making) = making {
            making.abort();
            making.await.ok();
        }
        lock(&self.ready).take();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn fed(parts: &[&[u8]], most: u64) -> Fed {
        let (sender, mut receiver) = mpsc::channel(16);
        let parts: Vec<_> = parts.iter().map(|part| Ok(Bytes::copy_from_slice(part))).collect();
        let end = feed(tokio_stream::iter(parts), sender, most).await.unwrap();
        while receiver.recv().await.is_some() {}
        end
    }

    #[tokio::test]
    async fn an_archive_without_its_end_is_no_archive() {
        assert_eq!(fed(&[&[1; 512], &[0; 600], &[0; 424]], 4096).await, Fed::Whole);
        assert_eq!(fed(&[&[1; 512], &[0; 600], &[0; 423]], 4096).await, Fed::Cut);
        assert_eq!(fed(&[&[0; 1024], &[1; 1]], 4096).await, Fed::Cut);
        assert_eq!(fed(&[&[0; 1024]], 1023).await, Fed::TooMuch);
    }
}
