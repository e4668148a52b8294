//! Trees to run things on: the base, the setup's layer, a submission's changes, what build gates made.

use crate::repository::{RawChange, Repository, RepositoryError};
use crate::run::{Context, RunError, Task};
use crate::setup::Setups;
use crate::workspace::{Disk, Layer, Stage};
use arena_domain::id::{Commit, SessionId};
use arena_domain::job::Tree;
use arena_domain::outcome::GateResult;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// Something to put fresh upper layers on, and what its build gates said.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Topmost first; the base is the last.
    layers: Vec<Layer>,
    pub disk: Arc<Disk>,
    pub built: Vec<GateResult>,
}

/// The bases that this worker has prepared, by session: measured beside every candidate.
#[derive(Default)]
pub(crate) struct Trees {
    bases: Mutex<HashMap<SessionId, Arc<OnceCell<Arc<Prepared>>>>>,
    pub setups: Setups,
}

impl Prepared {
    pub(crate) fn new(layers: Vec<Layer>, disk: Arc<Disk>) -> Self {
        Self { layers, disk, built: Vec::new() }
    }

    pub(crate) fn stage(&self) -> std::io::Result<Stage> {
        let lowers: Vec<&Path> = self.layers.iter().map(Layer::path).collect();
        self.disk.stage(&lowers)
    }

    /// Another layer on top.
    pub(crate) fn cover(&mut self, layer: Layer) {
        self.layers.insert(0, layer);
    }
}

impl Trees {
    pub(crate) fn base(&self, session: &SessionId) -> Arc<OnceCell<Arc<Prepared>>> {
        self.bases.lock().unwrap_or_else(PoisonError::into_inner).entry(session.clone()).or_default().clone()
    }

    /// Lets all layers go, and with them their disks.
    pub(crate) fn clear(&self) {
        self.bases.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.setups.clear();
    }
}

/// The base's checkout with the setup's layer over it, on a disk of its own.
pub(crate) async fn base_layers(context: &Arc<Context>, task: &Task) -> Result<Prepared, RunError> {
    let tree = checkout(context, task).await?;
    let setup = match &task.packet.sandbox.setup {
        Some(command) => Some(crate::setup::layer(context, task, &tree, command).await?),
        None => None,
    };
    let layers = setup.into_iter().chain([Layer::lasting(tree)]).collect();
    Ok(Prepared::new(layers, disk(context, task).await?))
}

pub(crate) async fn checkout(context: &Arc<Context>, task: &Task) -> Result<PathBuf, RunError> {
    let (shared, base, history) = (context.clone(), task.base.clone(), task.packet.sandbox.history);
    let (root, source) = (shared.settings.root.clone(), task.head.repository.clone());
    let tree = tokio::task::spawn_blocking(move || -> Result<PathBuf, RepositoryError> {
        let repository = Repository::open(&root, &source)?;
        repository.fetch_base(&source, &base)?;
        repository.checkout(&base, history)
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

/// What a stored tree changes of the base; brought here first when another worker made it.
pub(crate) async fn changes(context: &Arc<Context>, task: &Task, tree: &Tree) -> Result<Vec<RawChange>, RunError> {
    let repository = context.repository(task)?;
    if !repository.has(&tree.commit) {
        let bundle = context.blobs.get(&tree.bundle).await?;
        repository.unbundle(&bundle)?;
    }
    let (base, commit): (Commit, Commit) = (task.base.clone(), tree.commit.clone());
    Ok(tokio::task::spawn_blocking(move || repository.diff(&base, &commit)).await??)
}

/// Writes a stored tree into a stage.
pub(crate) async fn lay_out(
    context: &Arc<Context>,
    task: &Task,
    changes: Vec<RawChange>,
    stage: &Stage,
) -> Result<(), RunError> {
    let repository = context.repository(task)?;
    let root = stage.path().to_owned();
    Ok(tokio::task::spawn_blocking(move || repository.lay_out(&changes, &root)).await??)
}
