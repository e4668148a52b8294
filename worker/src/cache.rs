//! What is kept between sessions: checked-out bases and what setups left. Bounded; the least recently used goes first.
//!
//! Law: what a boot has said it uses is not taken away before that boot's folder is. A boot says so, and entries are taken
//! away, under the gate of boots, so several processes may share one state directory.

use crate::boot;
use arena_runtime::{clock, token};
use rustix::fs::statvfs;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where entries lie, below the worker's folder. Mirrors are not among them: they hold what sessions delivered.
const FOLDERS: [&str; 2] = ["bases", "setups"];
/// On its way to be removed.
const TRASH: &str = "trash";
/// Inside of a folder that is whole, so that it is walked once.
const SIZE: &str = "size";
/// A dozen large repositories with their toolchains.
pub const KEPT: u64 = 10 << 30;
/// Room that is made for a session before it begins, on a disk that has ten times that.
const ROOM: u64 = 1 << 30;

/// How much may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of all entries.
    pub kept: u64,
    /// Bytes that the disk should have free.
    pub free: u64,
}

/// What was taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Evicted {
    pub entries: usize,
    pub bytes: u64,
}

#[derive(Debug)]
struct Entry {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

impl Bounds {
    /// At the start of a worker.
    pub fn usual(root: &Path) -> io::Result<Self> {
        let stat = statvfs(root)?;
        let tenth = stat.f_blocks.saturating_mul(stat.f_frsize) / 10;
        Ok(Self { kept: KEPT, free: ROOM.min(tenth) })
    }

    /// When the disk runs full: all that nobody uses goes.
    pub const NOTHING: Self = Self { kept: 0, free: 0 };
}

/// The name that the files of one entry share: the tree, the archive, the image and their locks.
pub(crate) fn stem(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.trim_start_matches('.').split('.').next().unwrap_or_default().to_owned()
}

/// This entry was used now.
pub(crate) fn touch(path: &Path) {
    let now = UNIX_EPOCH + Duration::from_millis(clock::now_millis());
    // One that is not made yet is as young as it can be.
    if let Ok(Err(error)) = File::open(path).map(|file| file.set_modified(now)) {
        tracing::debug!(%error, path = %path.display(), "the time of its use was not written");
    }
}

/// Bytes of all entries.
pub fn held(root: &Path) -> u64 {
    entries(root).iter().map(|entry| entry.bytes).sum()
}

/// Takes away what is too much, as far as nobody uses it.
pub fn evict(root: &Path, bounds: Bounds) -> io::Result<Evicted> {
    empty_trash(root);
    let mut entries = entries(root);
    let held: u64 = entries.iter().map(|entry| entry.bytes).sum();
    let free = crate::space::free(root)?;
    let mut over = held.saturating_sub(bounds.kept).max(bounds.free.saturating_sub(free));
    let mut evicted = Evicted::default();
    if over == 0 {
        return Ok(evicted);
    }
    entries.sort_by_key(|entry| entry.used);
    {
        let _gate = boot::gate(root)?;
        let used: BTreeSet<String> = boot::used(root)?;
        for entry in entries.iter().filter(|entry| !used.contains(&stem(&entry.path))) {
            if over == 0 {
                break;
            }
            throw_away(root, &entry.path)?;
            over = over.saturating_sub(entry.bytes.max(1));
            evicted = Evicted { entries: evicted.entries + 1, bytes: evicted.bytes + entry.bytes };
        }
    }
    // What takes its time is done when nobody waits for the gate.
    empty_trash(root);
    Ok(evicted)
}

/// Out of everybody's sight at once. Its lock is held by nobody: whoever makes an entry uses it.
fn throw_away(root: &Path, path: &Path) -> io::Result<()> {
    let trash = root.join(TRASH);
    fs::create_dir_all(&trash)?;
    fs::rename(path, trash.join(token::hex(12)))?;
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    for lock in [PathBuf::from(lock), path.with_extension("lock")] {
        let _ = fs::remove_file(lock);
    }
    Ok(())
}

/// Also what a process that was killed here had thrown away.
fn empty_trash(root: &Path) {
    match fs::remove_dir_all(root.join(TRASH)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::debug!(%error, "the trash of the state directory is not empty");
        }
        Ok(()) | Err(_) => {}
    }
}

fn entries(root: &Path) -> Vec<Entry> {
    let read = FOLDERS.iter().filter_map(|folder| fs::read_dir(root.join(folder)).ok());
    let paths = read.flatten().flatten().map(|entry| entry.path());
    paths.filter(|path| path.extension().is_none_or(|ending| ending != "lock")).filter_map(entry).collect()
}

fn entry(path: PathBuf) -> Option<Entry> {
    let data = fs::symlink_metadata(&path).ok()?;
    let bytes = if data.is_dir() { bytes_of(&path) } else { data.blocks() * 512 };
    Some(Entry { bytes, used: data.modified().ok()?, path })
}

/// Of a folder; written down in one that is whole.
fn bytes_of(folder: &Path) -> u64 {
    let note = folder.join(SIZE);
    if let Some(bytes) = fs::read_to_string(&note).ok().and_then(|text| text.parse().ok()) {
        return bytes;
    }
    let bytes = walked(folder);
    let used = fs::metadata(folder).and_then(|data| data.modified());
    if folder.join("ready").exists()
        && fs::write(&note, bytes.to_string()).is_ok()
        && let (Ok(used), Ok(folder)) = (used, File::open(folder))
    {
        // To weigh it is not to use it.
        let _ = folder.set_modified(used);
    }
    bytes
}

fn walked(folder: &Path) -> u64 {
    let Ok(inside) = fs::read_dir(folder) else { return 0 };
    let each = inside.flatten().filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)));
    each.map(|(path, data)| data.blocks() * 512 + if data.is_dir() { walked(&path) } else { 0 }).sum()
}

#[cfg(test)]
mod tests;
