//! What a build may not leave behind: the build of a candidate runs the candidate's code, and what it writes lies under
//! everything that judges it.

use super::{RunError, Task};
use crate::repository::{Repository, RepositoryError};
use arena_domain::id::Commit;
use arena_domain::packet::Packet;
use arena_domain::scope::{self, Lock, Ruling};
use arena_domain::tamper::{self, Shadows};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What the base's own build left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Made {
    /// Files, links and removals in folders that were there before.
    pub paths: BTreeSet<Vec<u8>>,
    /// Folders that were not there before: all in them is what building makes.
    pub folders: BTreeSet<Vec<u8>>,
}

/// Decides on each path that a build has written.
pub(crate) struct Guard {
    lock: Lock,
    shadows: Shadows,
    /// Absent while the base itself is built.
    made: Option<Made>,
}

/// The files of the base, and where a new module would be found before another.
pub(super) fn shadows(repository: &Repository, packet: &Packet, base: &Commit) -> Result<Shadows, RepositoryError> {
    let gates = packet.gates.iter().map(|gate| gate.run.as_str());
    let commands = gates.chain(packet.harness.iter().map(|harness| harness.run.as_str()));
    let files = repository.listing(base)?.into_iter().filter_map(|(path, _)| String::from_utf8(path).ok());
    Ok(Shadows::of(commands, files))
}

impl Guard {
    /// Nothing where the packet's patterns cannot be read; such a packet comes no further than its first engine.
    pub(super) fn of(repository: &Repository, task: &Task, made: Option<Made>) -> Result<Option<Self>, RunError> {
        let Ok(lock) = Lock::new(&task.packet.scope) else { return Ok(None) };
        let shadows = shadows(repository, &task.packet, &task.base)?;
        Ok(Some(Self { lock, shadows, made }))
    }

    /// Whether what a build left at this path is taken out again, so that the base's shows through.
    pub(crate) fn takes_out(&self, path: &[u8]) -> bool {
        let shown = String::from_utf8_lossy(path);
        // A module is loaded from its cache: a forged cache is a forged module. What it costs is the time to make it anew.
        if scope::cached_source(&shown).is_some_and(|source| self.is_fixed(&source)) {
            return true;
        }
        let is_strange = match self.lock.rule(&shown) {
            Ruling::Protected => return true,
            Ruling::Forbidden => true,
            Ruling::Outside => (self.shadows.is_old(&shown) && tamper::is_test(&shown)) || self.shadows.holds(&shown),
            Ruling::Kept => self.shadows.holds(&shown) && !self.lock.is_named(&shown),
        };
        is_strange && self.made.as_ref().is_some_and(|made| !made.has(path))
    }

    /// Nobody may change this file.
    fn is_fixed(&self, path: &str) -> bool {
        match self.lock.rule(path) {
            Ruling::Protected | Ruling::Forbidden => true,
            Ruling::Outside => self.shadows.is_old(path),
            Ruling::Kept => false,
        }
    }
}

impl Made {
    /// By the upper layer of the base's build, over the layers below it.
    pub(super) fn over(upper: &Path, below: &[PathBuf]) -> io::Result<Self> {
        let mut made = Self::default();
        made.list(upper, &mut Vec::new(), below)?;
        Ok(made)
    }

    fn list(&mut self, folder: &Path, path: &mut Vec<u8>, below: &[PathBuf]) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let (entry, before) = (entry?, path.len());
            if before > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(entry.file_name().as_bytes());
            let was_folder = |layer: &PathBuf| {
                fs::symlink_metadata(layer.join(OsStr::from_bytes(path))).is_ok_and(|meta| meta.is_dir())
            };
            if !entry.file_type()?.is_dir() {
                self.paths.insert(path.clone());
            } else if below.iter().any(was_folder) {
                self.list(&entry.path(), path, below)?;
            } else {
                self.folders.insert(path.clone());
            }
            path.truncate(before);
        }
        Ok(())
    }

    fn has(&self, path: &[u8]) -> bool {
        let mut above = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(slash, _)| &path[..slash]);
        self.paths.contains(path) || above.any(|folder| self.folders.contains(folder))
    }
}
