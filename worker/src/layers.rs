//! Trees to run things on: the base, the setup's results, a submission's changes, what build gates made.

use crate::repository::{RawChange, Repository, RepositoryError};
use crate::run::{Canaries, Context, Made, RunError, Sayings, Task};
use crate::sandbox::Source;
use crate::setup::{self, Setups};
use crate::snapshot::Snapshot;
use crate::space;
use crate::volume::VolumeStage;
use crate::workspace::{Backend, Disk, Layer, Stage};
use arena_domain::id::{Commit, SessionId};
use arena_domain::job::Tree;
use arena_domain::outcome::GateResult;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// Something to make fresh workspaces of, and what its build gates said.
pub(crate) struct Prepared {
    pub ground: Ground,
    pub built: Vec<GateResult>,
    /// Of the base: which of its gates are known to be able to fail.
    pub canaries: Canaries,
    /// What its build gates left.
    pub made: Made,
    /// Of the base: what its harness prints.
    pub sayings: Sayings,
}

pub(crate) enum Ground {
    /// Layers, topmost first, the base last; and the disk for those that are put on them.
    Layers(Vec<Layer>, Arc<Disk>),
    Packed(Arc<Snapshot>),
}

/// One tree that containers work on; gone when dropped.
#[allow(clippy::large_enum_variant, reason = "a handful exist at a time, and none is moved often")]
pub(crate) enum Workspace {
    Overlay(Stage),
    Volume(Box<VolumeStage>),
}

/// The bases that this worker has prepared, by session: measured beside every candidate.
#[derive(Default)]
pub(crate) struct Trees {
    bases: Mutex<HashMap<SessionId, Arc<OnceCell<Arc<Prepared>>>>>,
    pub setups: Setups,
    /// Packed trees that this boot has read, by their file.
    packed: Mutex<HashMap<PathBuf, Arc<OnceCell<Arc<Snapshot>>>>>,
}

impl Prepared {
    fn new(ground: Ground) -> Self {
        Self {
            ground,
            built: Vec::new(),
            canaries: Canaries::default(),
            made: Made::default(),
            sayings: Sayings::default(),
        }
    }

    /// The folders of all layers, the checked-out base last; none where there are no layers.
    pub(crate) fn layers(&self) -> Vec<PathBuf> {
        match &self.ground {
            Ground::Layers(layers, _) => layers.iter().map(|layer| layer.path().to_owned()).collect(),
            Ground::Packed(_) => Vec::new(),
        }
    }

    /// Another layer on top, where there are layers.
    pub(crate) fn cover(&mut self, layer: Layer) {
        match &mut self.ground {
            Ground::Layers(layers, _) => layers.insert(0, layer),
            Ground::Packed(_) => {}
        }
    }

    /// A fresh workspace.
    pub(crate) async fn stage(&self, context: &Context, task: &Task) -> Result<Workspace, RunError> {
        match &self.ground {
            Ground::Layers(layers, disk) => Ok(Workspace::Overlay(overlay(context, layers, disk)?)),
            Ground::Packed(tree) => {
                Ok(Workspace::Volume(Box::new(VolumeStage::fill(context, &task.packet.sandbox, tree).await?)))
            }
        }
    }

    /// A fresh workspace with further changes of ours, which follow no link of the tree.
    pub(crate) async fn changed_stage(
        &self,
        context: &Arc<Context>,
        task: &Task,
        changes: Vec<RawChange>,
    ) -> Result<Workspace, RunError> {
        match &self.ground {
            Ground::Layers(layers, disk) => {
                let stage = overlay(context, layers, disk)?;
                lay_out(context, task, changes, &stage).await?;
                Ok(Workspace::Overlay(stage))
            }
            Ground::Packed(tree) => {
                let tree = laid_over(context, task, tree, changes).await?;
                Ok(Workspace::Volume(Box::new(VolumeStage::fill(context, &task.packet.sandbox, &tree).await?)))
            }
        }
    }

    /// A fresh workspace for an engine, with its parent's changes and without what it must not see.
    pub(crate) async fn engine_stage(
        &self,
        context: &Arc<Context>,
        task: &Task,
        parent: Option<&Tree>,
        hidden: &[String],
    ) -> Result<Workspace, RunError> {
        let changes = match parent {
            Some(parent) => changes(context, task, parent).await?,
            None => Vec::new(),
        };
        match &self.ground {
            Ground::Layers(layers, disk) => {
                let stage = overlay(context, layers, disk)?;
                lay_out(context, task, changes, &stage).await?;
                stage.hide(hidden).map_err(|error| on_quota(context, error))?;
                Ok(Workspace::Overlay(stage))
            }
            Ground::Packed(base) => {
                let tree = laid_over(context, task, base, changes).await?.without(hidden);
                let stage = VolumeStage::take(context, &task.packet.sandbox, base, &tree).await?;
                Ok(Workspace::Volume(Box::new(stage)))
            }
        }
    }

    /// With a stored tree written over it by us: nothing of an engine's workspace is used again.
    pub(crate) async fn with(self, context: &Arc<Context>, task: &Task, tree: &Tree) -> Result<Self, RunError> {
        let changes = changes(context, task, tree).await?;
        let ground = match self.ground {
            Ground::Layers(mut layers, disk) => {
                let stage = overlay(context, &layers, &disk)?;
                lay_out(context, task, changes, &stage).await?;
                layers.insert(0, stage.freeze());
                Ground::Layers(layers, disk)
            }
            Ground::Packed(base) => Ground::Packed(laid_over(context, task, &base, changes).await?),
        };
        Ok(Self {
            ground,
            built: self.built,
            canaries: Canaries::default(),
            made: Made::default(),
            sayings: Sayings::default(),
        })
    }
}

impl Workspace {
    /// What containers mount.
    pub(crate) fn source(&self) -> Source {
        match self {
            Self::Overlay(stage) => Source::Path(stage.path().to_owned()),
            Self::Volume(stage) => Source::Volume(stage.volume().name().to_owned()),
        }
    }

    /// A container whose network is this workspace's own, if it has one.
    pub(crate) fn holder(&self) -> Option<String> {
        match self {
            Self::Overlay(_) => None,
            Self::Volume(stage) => Some(stage.volume().keeper().to_owned()),
        }
    }
}

impl Trees {
    pub(crate) fn base(&self, session: &SessionId) -> Arc<OnceCell<Arc<Prepared>>> {
        self.bases.lock().unwrap_or_else(PoisonError::into_inner).entry(session.clone()).or_default().clone()
    }

    /// A packed tree, read once.
    pub(crate) async fn packed(&self, path: PathBuf) -> Result<Arc<Snapshot>, RunError> {
        let cell = self.packed.lock().unwrap_or_else(PoisonError::into_inner).entry(path.clone()).or_default().clone();
        let read = cell.get_or_try_init(async || -> Result<Arc<Snapshot>, RunError> {
            Ok(Arc::new(tokio::task::spawn_blocking(move || Snapshot::open(&path)).await??))
        });
        read.await.cloned()
    }

    /// Lets all layers go, and with them their disks.
    pub(crate) fn clear(&self) {
        self.bases.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.packed.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.setups.clear();
    }
}

fn overlay(context: &Context, layers: &[Layer], disk: &Arc<Disk>) -> Result<Stage, RunError> {
    let lowers: Vec<&Path> = layers.iter().map(Layer::path).collect();
    disk.stage(&lowers).map_err(|error| on_quota(context, error))
}

/// A workspace's own disk runs full by what its tree holds, and that is nobody else's matter: only where the state disk is
/// low as well does the worker stop.
fn on_quota(context: &Context, error: io::Error) -> RunError {
    if arena_runtime::files::is_full(&error) && !space::is_low(&context.settings.root) {
        let reason = "the tree does not fit the disk of a workspace".to_owned();
        let mend = "have the engine leave less behind, or raise [sandbox] disk".to_owned();
        return RunError::Setup { reason, mend };
    }
    error.into()
}

/// The base's checkout with the setup's results over it.
pub(crate) async fn base_layers(context: &Arc<Context>, task: &Task) -> Result<Prepared, RunError> {
    let command = task.packet.sandbox.setup.as_deref();
    match context.settings.backend {
        Backend::Overlay => {
            let tree = checkout(context, task).await?;
            let setup = match command {
                Some(command) => Some(setup::layer(context, task, &tree, command).await?),
                None => None,
            };
            let layers = setup.into_iter().chain([Layer::lasting(tree)]).collect();
            Ok(Prepared::new(Ground::Layers(layers, disk(context, task).await?)))
        }
        Backend::Volume => {
            let base = context.trees.packed(checkout(context, task).await?).await?;
            let tree = match command {
                Some(command) => setup::packed(context, task, &base, command).await?,
                None => base,
            };
            Ok(Prepared::new(Ground::Packed(tree)))
        }
    }
}

/// The base: a folder to put layers on, or a packed tree.
async fn checkout(context: &Arc<Context>, task: &Task) -> Result<PathBuf, RunError> {
    let (base, history, backend) = (task.base.clone(), task.packet.sandbox.history, context.settings.backend);
    let (repository, context) = (context.repository(task).await?, context.clone());
    let tree = tokio::task::spawn_blocking(move || -> Result<PathBuf, RepositoryError> {
        match backend {
            Backend::Overlay => {
                context.boot.uses(&repository.home(&base, history))?;
                repository.checkout(&base, history)
            }
            Backend::Volume => {
                context.boot.uses(&repository.archive(&base, history))?;
                repository.packed(&base, history)
            }
        }
    });
    Ok(tree.await??)
}

/// A fresh disk now, and a spare one made ahead for whoever comes next.
pub(crate) async fn disk(context: &Arc<Context>, task: &Task) -> Result<Arc<Disk>, RunError> {
    let (shared, bytes) = (context.clone(), task.packet.sandbox.disk_bytes);
    let disk = tokio::task::spawn_blocking(move || shared.disks.take(bytes)).await??;
    let shared = context.clone();
    drop(tokio::task::spawn_blocking(move || {
        if let Err(error) = shared.disks.prepare(bytes) {
            tracing::debug!(%error, "no spare disk");
        }
    }));
    Ok(Arc::new(disk))
}

/// Bytes of the bundle of one submission: what it wrote fits its disk, and the bundle is little more at the worst.
fn most(task: &Task) -> usize {
    usize::try_from(task.packet.sandbox.disk_bytes).unwrap_or(usize::MAX).saturating_add(16 << 20)
}

/// What a stored tree changes of the base; brought here first when another worker made it.
pub(crate) async fn changes(context: &Arc<Context>, task: &Task, tree: &Tree) -> Result<Vec<RawChange>, RunError> {
    let repository = context.repository(task).await?;
    if !repository.has(&tree.commit) {
        let bundle = context.blobs.get(&task.job.tenant, &tree.bundle, most(task)).await?;
        repository.unbundle(&bundle)?;
    }
    let (base, commit): (Commit, Commit) = (task.base.clone(), tree.commit.clone());
    Ok(tokio::task::spawn_blocking(move || repository.diff(&base, &commit)).await??)
}

/// Writes a stored tree into a stage.
async fn lay_out(context: &Arc<Context>, task: &Task, changes: Vec<RawChange>, stage: &Stage) -> Result<(), RunError> {
    if changes.is_empty() {
        return Ok(());
    }
    let repository = context.repository(task).await?;
    let root = stage.path().to_owned();
    let laid = tokio::task::spawn_blocking(move || repository.lay_out(&changes, &root)).await?;
    laid.map_err(|error| match error {
        RepositoryError::Io(error) => on_quota(context, error),
        other @ (RepositoryError::Git(_) | RepositoryError::Import(_) | RepositoryError::Room { .. }) => other.into(),
    })
}

/// A stored tree as a snapshot that shares what it has in common with the base.
async fn laid_over(
    context: &Arc<Context>,
    task: &Task,
    base: &Arc<Snapshot>,
    changes: Vec<RawChange>,
) -> Result<Arc<Snapshot>, RunError> {
    if changes.is_empty() {
        return Ok(base.clone());
    }
    let repository: Repository = context.repository(task).await?;
    let (base, scratch) = (base.clone(), context.boot.folder.clone());
    let laid = tokio::task::spawn_blocking(move || -> Result<Snapshot, RepositoryError> {
        base.with(&changes, |side| repository.blob(&side.blob), &scratch)
    });
    Ok(Arc::new(laid.await??))
}
