//! One boot of a worker: a folder with a lock that the kernel frees when the process ends, however it ends.
//!
//! What a dead boot has left (containers, volumes, mounts, disks) is taken away by the next one: by its lock, never by its age.

use crate::sandbox::{Docker, Error};
use crate::{cache, mounts};
use rustix::fs::{FlockOperation, flock};
use rustix::io::{FdFlags, fcntl_setfd};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Label of every container: which state directory it belongs to.
pub const LABEL_STATE: &str = "arena.state";
pub const LABEL_BOOT: &str = "arena.boot";

/// Below a boot's folder: an empty file for each kept base or setup that it uses.
const USES: &str = "uses";

/// A program that a killed worker had called (mount, mkfs, git) has ended by then.
const LAST_CALLS: u32 = 500;
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub struct Boot {
    pub id: String,
    pub folder: PathBuf,
    root: PathBuf,
    _lock: File,
    _calls: File,
}

/// What dead boots had left.
#[derive(Debug, Default)]
pub struct Reaped {
    pub containers: usize,
    /// Their ids, which are the names of their workers.
    pub boots: Vec<String>,
}

impl Boot {
    /// `root` is the worker's folder in the state directory.
    pub fn start(root: &Path) -> io::Result<Self> {
        let id = arena_runtime::token::hex(12);
        let folder = root.join("run").join(&id);
        std::fs::create_dir_all(root)?;
        let _gate = gate(root)?;
        std::fs::create_dir_all(&folder)?;
        let calls = lock_file(&folder, "calls")?;
        flock(&calls, FlockOperation::NonBlockingLockExclusive)?;
        // Programs that this process calls inherit it, so that it is free only when the last of them has ended.
        fcntl_setfd(&calls, FdFlags::empty())?;
        let lock = lock_file(&folder, "lock")?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self { id, folder, root: root.to_owned(), _lock: lock, _calls: calls })
    }

    /// Says that this boot uses a kept base or setup until it ends: before it looks whether it is there.
    pub(crate) fn uses(&self, entry: &Path) -> io::Result<()> {
        let mark = self.folder.join(USES).join(cache::stem(entry));
        if !mark.exists() {
            let _gate = gate(&self.root)?;
            std::fs::create_dir_all(self.folder.join(USES))?;
            File::create(&mark)?;
        }
        cache::touch(entry);
        Ok(())
    }

    /// Unmounts all of this boot and removes its folder.
    pub fn end(&self) {
        if let Err(error) = clear(&self.folder) {
            tracing::warn!(%error, "the folder of this boot could not be removed");
        }
    }
}

/// Of a container or volume that serves a whole boot.
pub(crate) fn labels(kind: &str, root: &Path, boot: &str) -> Vec<(String, String)> {
    [("arena", kind), (LABEL_STATE, &state_label(root)), (LABEL_BOOT, boot)]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .to_vec()
}

/// What every container of this state directory is labelled with.
pub fn state_label(root: &Path) -> String {
    arena_runtime::digest::sha256(root.as_os_str().as_encoded_bytes())[..16].to_owned()
}

/// Takes away what dead boots have left.
pub async fn reap(root: &Path, docker: &Docker) -> Result<Reaped, Error> {
    let dead = dead_boots(root);
    let mut reaped = Reaped { containers: 0, boots: dead.iter().map(|(id, _)| id.clone()).collect() };
    let is_dead = |labels: &BTreeMap<String, String>| {
        let boot = labels.get(LABEL_BOOT).cloned().unwrap_or_default();
        !root.join("run").join(&boot).is_dir() || dead.iter().any(|(id, _)| id == &boot)
    };
    let label = format!("{LABEL_STATE}={}", state_label(root));
    for found in docker.list(&label).await?.into_iter().filter(|found| is_dead(&found.labels)) {
        docker.remove(&found.id).await?;
        reaped.containers += 1;
    }
    for (name, _) in docker.volumes(&label).await?.into_iter().filter(|(_, labels)| is_dead(labels)) {
        if let Err(error) = docker.remove_volume(&name).await {
            tracing::warn!(volume = %name, %error, "a volume of a dead boot could not be removed");
        }
    }
    for (id, _lock) in &dead {
        // A mount that is on its way would outlive what is taken away now.
        last_calls(&root.join("run").join(id)).await;
        if let Err(error) = clear(&root.join("run").join(id)) {
            tracing::warn!(boot = %id, %error, "what a dead boot left could not be removed");
        }
    }
    Ok(reaped)
}

/// Waits for the programs that a dead boot had called; one that hangs is not waited for longer than it may take.
async fn last_calls(folder: &Path) {
    let Ok(calls) = lock_file(folder, "calls") else { return };
    for _ in 0..LAST_CALLS {
        if flock(&calls, FlockOperation::NonBlockingLockExclusive).is_ok() {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Boots whose lock is free, with the lock held from now on.
fn dead_boots(root: &Path) -> Vec<(String, File)> {
    let Ok(_gate) = gate(root) else { return Vec::new() };
    let Ok(entries) = std::fs::read_dir(root.join("run")) else { return Vec::new() };
    let dead = |entry: std::fs::DirEntry| {
        let lock = lock_file(&entry.path(), "lock").ok()?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).ok()?;
        Some((entry.file_name().to_string_lossy().into_owned(), lock))
    };
    entries.flatten().filter(|entry| entry.path().is_dir()).filter_map(dead).collect()
}

/// One process at a time makes or judges a boot: a folder that is not locked yet is no dead one.
pub(crate) fn gate(root: &Path) -> io::Result<File> {
    let gate = OpenOptions::new().create(true).append(true).open(root.join("run.lock"))?;
    flock(&gate, FlockOperation::LockExclusive)?;
    Ok(gate)
}

/// What boots say they use, by [`cache::stem`]; those that are dead and not yet taken away count too.
pub(crate) fn used(root: &Path) -> io::Result<BTreeSet<String>> {
    let boots = match std::fs::read_dir(root.join("run")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        boots => boots?,
    };
    let marks = boots.flatten().filter_map(|boot| std::fs::read_dir(boot.path().join(USES)).ok());
    Ok(marks.flatten().flatten().map(|mark| mark.file_name().to_string_lossy().into_owned()).collect())
}

fn lock_file(folder: &Path, name: &str) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(folder.join(name))
}

fn clear(folder: &Path) -> io::Result<()> {
    for point in mounts::below(folder)? {
        mounts::detach(&point)?;
    }
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
