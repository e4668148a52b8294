//! `setup` runs once per base; what it leaves is under every later workspace, as a layer or packed with the base.

use crate::broker::{Budgets, Door, Policy};
use crate::engine;
use crate::layers::{self, Workspace};
use crate::mounts;
use crate::run::Phase;
use crate::run::{self, Context, RunError, Task, User};
use crate::snapshot::Snapshot;
use crate::volume::VolumeStage;
use crate::workspace::Layer;
use arena_domain::text;
use arena_runtime::digest;
use rustix::fs::{FlockOperation, flock};
use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A setup may load a whole toolchain.
const TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// Setup layers that this boot has mounted.
#[derive(Default)]
pub(crate) struct Setups {
    mounted: Mutex<HashMap<String, Layer>>,
}

impl Setups {
    pub(crate) fn clear(&self) {
        self.mounted.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// The layer of this setup on this base in this image: from the cache, or made now, by one process at a time.
pub(crate) async fn layer(context: &Arc<Context>, task: &Task, tree: &Path, command: &str) -> Result<Layer, RunError> {
    let key = key(context, task, command).await?;
    let held = || context.trees.setups.mounted.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
    if let Some(layer) = held() {
        return Ok(layer);
    }
    let folder = folder(context)?;
    let image = folder.join(format!("{key}.img"));
    context.boot.uses(&image)?;
    let _gate = gate(folder.join(format!("{key}.lock"))).await?;
    if let Some(layer) = held() {
        return Ok(layer);
    }
    if !image.exists() {
        make_layer(context, task, tree, command, &image).await?;
    }
    let point = context.boot.folder.join(format!("setup-{}", &key[..12]));
    fs::create_dir_all(&point)?;
    mounts::attach(&image, &point, true)?;
    let layer = Layer::lasting(point.join("0/up"));
    context.trees.setups.mounted.lock().unwrap_or_else(PoisonError::into_inner).insert(key, layer.clone());
    Ok(layer)
}

/// The base with what this setup leaves, packed: from the cache, or made now, by one process at a time.
pub(crate) async fn packed(
    context: &Arc<Context>,
    task: &Task,
    base: &Arc<Snapshot>,
    command: &str,
) -> Result<Arc<Snapshot>, RunError> {
    let (key, folder) = (key(context, task, command).await?, folder(context)?);
    let archive = folder.join(format!("{key}.tar"));
    context.boot.uses(&archive)?;
    if !archive.exists() {
        let _gate = gate(folder.join(format!("{key}.lock"))).await?;
        if !archive.exists() {
            let stage = VolumeStage::fill(context, &task.packet.sandbox, base).await?;
            let workspace = Workspace::Volume(Box::new(stage));
            run(context, task, command, &workspace).await?;
            if let Workspace::Volume(stage) = &workspace {
                let (left, archive) = (stage.keep(context).await?, archive.clone());
                tokio::task::spawn_blocking(move || left.snapshot.keep(&archive)).await??;
            }
        }
    }
    context.trees.packed(archive).await
}

/// What a setup's results depend on.
async fn key(context: &Context, task: &Task, command: &str) -> Result<String, RunError> {
    let sandbox = &task.packet.sandbox;
    let image = context.docker.image_id(&sandbox.image).await?;
    let history = format!("{:?}", sandbox.history);
    let disk = sandbox.disk_bytes.to_string();
    let parts = [&image, command, task.base.as_str(), &disk, &task.head.repository, &history];
    Ok(digest::sha256(parts.join("\0").as_bytes()))
}

fn folder(context: &Context) -> std::io::Result<PathBuf> {
    let folder = context.settings.root.join("setups");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

async fn gate(path: PathBuf) -> Result<File, RunError> {
    let locked = tokio::task::spawn_blocking(move || -> std::io::Result<File> {
        let file = File::options().create(true).append(true).open(path)?;
        flock(&file, FlockOperation::LockExclusive)?;
        Ok(file)
    });
    Ok(locked.await??)
}

async fn make_layer(
    context: &Arc<Context>,
    task: &Task,
    tree: &Path,
    command: &str,
    image: &Path,
) -> Result<(), RunError> {
    let disk = layers::disk(context, task).await?;
    let workspace = Workspace::Overlay(disk.stage(&[tree])?);
    run(context, task, command, &workspace).await?;
    if let Workspace::Overlay(stage) = workspace {
        // What the setup did to the private repository is nobody's business.
        let _ = fs::remove_dir_all(stage.upper().join(".git"));
        drop(stage.freeze());
    }
    keep(&disk, image)?;
    Ok(())
}

async fn run(context: &Context, task: &Task, command: &str, workspace: &Workspace) -> Result<(), RunError> {
    task.phase(Phase::Setup, command).await;
    let words = ["sh", "-c", command].map(str::to_owned).to_vec();
    let mut spec = context.spec(task, workspace, User::Agent, words);
    let door = door(context, task)?;
    if let Some(door) = &door {
        spec.way_out = Some(door.socket_dir().to_owned());
        spec.env.extend(engine::proxies());
    }
    let finished = context.sandboxed(task, spec, TIMEOUT, None).await;
    if let Some(door) = door {
        door.close().await;
    }
    let finished = finished?;
    if finished.exit.passed() {
        return Ok(());
    }
    let said = [finished.stdout, finished.stderr].concat();
    let reason = format!("setup ended with {}: {}", finished.exit.describe(), text::tail(&said, 3).join(" / "));
    let mend =
        "correct [sandbox] setup; it runs in the sandbox image and reaches what [sandbox] egress lists".to_owned();
    Err(RunError::Setup { reason, mend })
}

/// The way out of a setup: to the addresses of the packet, to no model. None are listed: no way out.
fn door(context: &Context, task: &Task) -> Result<Option<Door>, RunError> {
    let packet = &task.packet;
    let egress: BTreeSet<&String> =
        packet.engines.values().flat_map(|engine| &engine.egress).chain(&packet.sandbox.egress).collect();
    if egress.is_empty() {
        return Ok(None);
    }
    let policy = Policy {
        session: task.job.session.clone(),
        job: task.job.id.clone(),
        competitor: None,
        engine: "setup".into(),
        provider: None,
        model: None,
        models: Vec::new(),
        egress: egress.into_iter().cloned().collect(),
        budgets: Budgets::default(),
        session_cost: None,
        span: task.trace.here(),
    };
    context.broker.open(policy).map(Some).map_err(|error| run::refused(&error))
}

/// The image of a disk that nobody mounts any more, under its lasting name; whole or not there.
fn keep(disk: &Arc<crate::workspace::Disk>, image: &Path) -> std::io::Result<()> {
    let scratch = arena_runtime::files::scratch_beside(image);
    mounts::detach(&disk.image().with_extension(""))?;
    fs::rename(disk.image(), &scratch)?;
    File::open(&scratch)?.sync_all()?;
    fs::rename(scratch, image)
}
