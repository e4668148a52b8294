//! An overlay over the checked-out base for each use, its upper layer on a file system with a quota.
//!
//! A disk is one loop-mounted ext4 image; a spare one is made ahead, so that a workspace is ready in milliseconds whatever
//! the size of the repository.

use crate::mounts;
use arena_runtime::config::Workspaces;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What competitors' trees lie on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// Mounted by this process.
    Overlay,
    /// Copied into a volume in memory, by Docker.
    Volume,
}

impl Backend {
    pub fn choose(asked: Workspaces) -> Self {
        match asked {
            Workspaces::Overlay => Self::Overlay,
            Workspaces::Volume => Self::Volume,
            Workspaces::Auto if mounts::allowed() => Self::Overlay,
            Workspaces::Auto => Self::Volume,
        }
    }
}

/// Makes disks below one folder of this boot.
#[derive(Debug)]
pub struct Disks {
    folder: PathBuf,
    next: AtomicU64,
    spares: Mutex<Vec<Disk>>,
}

/// A file system of its own, with a cap on bytes and inodes; gone when dropped.
#[derive(Debug)]
pub struct Disk {
    image: PathBuf,
    mount: PathBuf,
    bytes: u64,
    stages: AtomicU64,
}

/// One merged tree, mounted; unmounted and its upper layer dropped with it.
#[derive(Debug)]
pub struct Stage {
    merged: PathBuf,
    layer: PathBuf,
    disk: Arc<Disk>,
    keep: bool,
}

impl Disks {
    pub fn new(folder: PathBuf) -> io::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        Ok(Self { folder, next: AtomicU64::new(0), spares: Mutex::default() })
    }

    /// Bytes that all of them take up.
    pub fn held(&self) -> u64 {
        crate::offer::blocks(&self.folder)
    }

    /// A fresh disk of this size: the spare one if there is one.
    pub fn take(&self, bytes: u64) -> io::Result<Disk> {
        let mut spares = self.spares.lock().unwrap_or_else(PoisonError::into_inner);
        match spares.iter().position(|spare| spare.bytes == bytes) {
            Some(index) => Ok(spares.swap_remove(index)),
            None => {
                drop(spares);
                self.make(bytes)
            }
        }
    }

    /// Makes a spare disk unless there is one.
    pub fn prepare(&self, bytes: u64) -> io::Result<()> {
        let ready = |spares: &Vec<Disk>| spares.iter().any(|spare| spare.bytes == bytes);
        if !ready(&self.spares.lock().unwrap_or_else(PoisonError::into_inner)) {
            let disk = self.make(bytes)?;
            self.spares.lock().unwrap_or_else(PoisonError::into_inner).push(disk);
        }
        Ok(())
    }

    /// Lets the spares go.
    pub fn clear(&self) {
        self.spares.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn make(&self, bytes: u64) -> io::Result<Disk> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let image = self.folder.join(format!("{number}.img"));
        let mount = self.folder.join(number.to_string());
        std::fs::create_dir_all(&mount)?;
        mounts::format(&image, bytes)?;
        mounts::attach(&image, &mount, false)?;
        Ok(Disk { image, mount, bytes, stages: AtomicU64::new(0) })
    }
}

impl Disk {
    /// Mounts `lowers` (topmost first) under a fresh upper layer of this disk.
    pub fn stage(self: &Arc<Self>, lowers: &[&Path]) -> io::Result<Stage> {
        let number = self.stages.fetch_add(1, Ordering::Relaxed);
        let layer = self.mount.join(number.to_string());
        let merged = self.mount.with_extension(format!("s{number}"));
        for folder in [&layer.join("up"), &layer.join("work"), &merged] {
            std::fs::create_dir_all(folder)?;
        }
        // The root of the merged tree is the upper layer's: it must belong to whom the base belongs to.
        crate::repository::own_folder(&layer.join("up"))?;
        mounts::overlay(lowers, &layer.join("up"), &layer.join("work"), &merged)?;
        Ok(Stage { merged, layer, disk: self.clone(), keep: false })
    }

    /// The image file, for keeping a layer beyond this boot.
    pub(crate) fn image(&self) -> &Path {
        &self.image
    }
}

impl Stage {
    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.merged
    }

    /// The changes alone: files, whiteouts, opaque folders.
    pub fn upper(&self) -> PathBuf {
        self.layer.join("up")
    }

    /// Takes these names out of the top of the tree: before any container has it, and following no link.
    pub(crate) fn hide(&self, names: &[String]) -> io::Result<()> {
        for name in names {
            let place = self.merged.join(name);
            let meta = match std::fs::symlink_metadata(&place) {
                Ok(meta) => meta,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if meta.is_dir() { std::fs::remove_dir_all(&place)? } else { std::fs::remove_file(&place)? }
        }
        Ok(())
    }

    /// Unmounts and keeps the changes as a layer for further stages.
    pub fn freeze(mut self) -> Layer {
        self.keep = true;
        Layer { path: self.upper(), _disk: Some(self.disk.clone()) }
    }
}

/// A frozen layer, and the disk that holds it.
#[derive(Debug, Clone)]
pub struct Layer {
    path: PathBuf,
    _disk: Option<Arc<Disk>>,
}

impl Layer {
    /// A folder that something else keeps.
    pub fn lasting(path: PathBuf) -> Self {
        Self { path, _disk: None }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Err(error) = mounts::detach(&self.merged) {
            tracing::warn!(path = %self.merged.display(), %error, "a workspace could not be unmounted");
        }
        let _ = std::fs::remove_dir(&self.merged);
        if !self.keep {
            let _ = std::fs::remove_dir_all(&self.layer);
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Err(error) = mounts::detach(&self.mount) {
            tracing::warn!(path = %self.mount.display(), %error, "a disk could not be unmounted");
        }
        let _ = std::fs::remove_dir(&self.mount);
        let _ = std::fs::remove_file(&self.image);
    }
}
