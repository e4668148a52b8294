//! Snapshots that are made here: of a checkout, of a stored tree, of what a build left.

use super::pack::{Head, Packing};
use super::{Entry, FOLDER_MODE, OWNER, Snapshot, What};
use crate::collect::at_or_below;
use crate::repository::{RawChange, Side};
use arena_runtime::clock;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

const FOLDER: &[u8] = b"/";

impl Snapshot {
    /// A trusted folder of this host, packed into a file within `scratch`.
    pub(crate) fn of(root: &Path, scratch: &Path) -> io::Result<Self> {
        let mut paths = Vec::new();
        list(root, &mut Vec::new(), &mut paths)?;
        // In the order of the entries, so that the archive is one part of one pack.
        paths.sort();
        let (mut packing, mut snapshot) = (Packing::within(scratch)?, Self::default());
        for path in paths {
            let place = root.join(OsStr::from_bytes(&path));
            let meta = fs::symlink_metadata(&place)?;
            let changed = u64::try_from(meta.mtime()).unwrap_or(0);
            let entry = if meta.is_dir() {
                packing.folder(&path, ours(FOLDER_MODE, changed))?
            } else if meta.is_symlink() {
                let target = fs::read_link(&place)?.into_os_string();
                packing.link(&path, ours(0o777, changed), target.as_bytes().to_vec())?
            } else {
                let head = ours(file_mode(meta.mode() & 0o100 != 0), changed);
                packing.file(&path, head, meta.len(), &mut File::open(&place)?, None)?
            };
            snapshot.entries.insert(path, entry);
        }
        Ok(snapshot)
    }

    /// This tree with a stored tree's changes; `blob` gives their content.
    pub(crate) fn with<E: From<io::Error>>(
        &self,
        changes: &[RawChange],
        mut blob: impl FnMut(&Side) -> Result<Vec<u8>, E>,
        scratch: &Path,
    ) -> Result<Self, E> {
        let (mut packing, mut tree) = (Packing::within(scratch)?, self.clone());
        // Removals first: a file may become a folder, a folder a file.
        for change in changes.iter().filter(|change| change.before.is_some()) {
            tree.remove(&change.path);
        }
        let now = clock::now_millis() / 1000;
        for change in changes {
            let Some(side) = &change.after else { continue };
            tree.make_parents(&change.path, &mut packing, now)?;
            let path = change.path.as_slice();
            let entry = match side.mode.as_str() {
                // A submodule is an empty folder.
                "160000" => packing.folder(path, ours(FOLDER_MODE, now))?,
                "120000" => packing.link(path, ours(0o777, now), blob(side)?)?,
                mode => {
                    let content = blob(side)?;
                    let head = ours(file_mode(mode == "100755"), now);
                    packing.file(path, head, content.len() as u64, &mut content.as_slice(), None)?
                }
            };
            tree.entries.insert(change.path.clone(), entry);
        }
        Ok(tree)
    }

    /// This tree without these names at its top, and without what lies below them.
    pub(crate) fn without(self: Arc<Self>, names: &[String]) -> Arc<Self> {
        let hidden = |path: &[u8]| names.iter().any(|name| at_or_below(path, name.as_bytes()));
        if !self.entries.keys().any(|path| hidden(path)) {
            return self;
        }
        let mut tree = Self::clone(&self);
        tree.entries.retain(|path, _| !hidden(path));
        Arc::new(tree)
    }

    /// This tree with everything that is taken out, and only that, as it is in `before`.
    pub(crate) fn guarded(mut self, before: &Self, takes_out: impl Fn(&[u8]) -> bool) -> Self {
        let protected =
            |(path, entry): &(&Vec<u8>, &Entry)| entry.meta.what != What::Folder && takes_out(path.as_slice());
        let written: Vec<Vec<u8>> = self.entries.iter().filter(protected).map(|(path, _)| path.clone()).collect();
        for path in written {
            self.entries.remove(&path);
        }
        for (path, entry) in before.entries.iter().filter(protected) {
            for parent in parents(path) {
                let is_folder = self.entries.get(parent).is_some_and(|held| held.meta.what == What::Folder);
                if let Some(folder) = before.entries.get(parent).filter(|_| !is_folder) {
                    self.entries.insert(parent.to_vec(), folder.clone());
                }
            }
            self.remove_below(path);
            self.entries.insert(path.clone(), entry.clone());
        }
        self
    }

    /// The files, links and removals by which this tree differs from `before`, and the folders that it alone has. What lies
    /// in those is not told.
    pub(crate) fn differs(&self, before: &Self) -> (BTreeSet<Vec<u8>>, BTreeSet<Vec<u8>>) {
        let is_folder = |entry: &Entry| entry.meta.what == What::Folder;
        let was_folder = |path: &[u8]| before.entries.get(path).is_some_and(is_folder);
        let (mut paths, mut folders) = (BTreeSet::new(), BTreeSet::new());
        for (path, entry) in &self.entries {
            if parents(path).any(|parent| folders.contains(parent)) {
                continue;
            }
            if is_folder(entry) && !was_folder(path) {
                folders.insert(path.clone());
            } else if !is_folder(entry) && before.entries.get(path).is_none_or(|held| held.meta != entry.meta) {
                paths.insert(path.clone());
            }
        }
        paths.extend(before.entries.keys().filter(|path| !self.entries.contains_key(*path)).cloned());
        (paths, folders)
    }

    /// What has to be unpacked over `base` to have this tree; nothing when something of the base has to go.
    pub(crate) fn added_to(&self, base: &Self) -> Option<Self> {
        let is_folder = |entry: &Entry| entry.meta.what == What::Folder;
        let stays = |(path, held): (&Vec<u8>, &Entry)| {
            self.entries.get(path).is_some_and(|now| is_folder(now) == is_folder(held))
        };
        base.entries.iter().all(stays).then(|| {
            let new =
                |(path, entry): &(&Vec<u8>, &Entry)| base.entries.get(*path).is_none_or(|held| held.meta != entry.meta);
            let entries = self.entries.iter().filter(new).map(|(path, entry)| (path.clone(), entry.clone()));
            Self { entries: entries.collect() }
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Removes one path and the folders that it leaves empty, as git does. A folder goes only when it is empty.
    fn remove(&mut self, path: &[u8]) {
        let mut place = path;
        while !self.holds_something(place) {
            self.entries.remove(place);
            match place.iter().rposition(|byte| *byte == b'/') {
                Some(slash) => place = &place[..slash],
                None => return,
            }
        }
    }

    fn holds_something(&self, folder: &[u8]) -> bool {
        let first = [folder, FOLDER].concat();
        self.entries.range(first.clone()..).next().is_some_and(|(path, _)| path.starts_with(&first))
    }

    fn remove_below(&mut self, folder: &[u8]) {
        let first = [folder, FOLDER].concat();
        let below =
            self.entries.range(first.clone()..).map(|(path, _)| path).take_while(|path| path.starts_with(&first));
        for path in below.cloned().collect::<Vec<_>>() {
            self.entries.remove(&path);
        }
    }

    /// Makes the folders above a path where they are missing; something else on the way is an error.
    fn make_parents(&mut self, path: &[u8], packing: &mut Packing, now: u64) -> io::Result<()> {
        for parent in parents(path) {
            match self.entries.get(parent) {
                Some(entry) if entry.meta.what == What::Folder => {}
                Some(_) => return Err(io::Error::other("something stands where a folder has to be")),
                None => {
                    let folder = packing.folder(parent, ours(FOLDER_MODE, now))?;
                    self.entries.insert(parent.to_vec(), folder);
                }
            }
        }
        Ok(())
    }
}

/// The folders above a path, the outermost first.
fn parents(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(slash, _)| &path[..slash])
}

fn ours(mode: u32, changed: u64) -> Head {
    Head { owner: OWNER, mode, changed }
}

fn file_mode(executable: bool) -> u32 {
    if executable { 0o775 } else { 0o664 }
}

fn list(root: &Path, folder: &mut Vec<u8>, paths: &mut Vec<Vec<u8>>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(OsStr::from_bytes(folder)))? {
        let entry = entry?;
        let before = folder.len();
        if before > 0 {
            folder.push(b'/');
        }
        folder.extend_from_slice(entry.file_name().as_bytes());
        paths.push(folder.clone());
        if entry.file_type()?.is_dir() {
            list(root, folder, paths)?;
        }
        folder.truncate(before);
    }
    Ok(())
}
