//! Writes a stored tree's difference to the base into a mounted stage. Follows no link of either tree.

use super::{RawChange, Repository, RepositoryError, Side, own_file, own_folder, own_link};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

impl Repository {
    /// Brings `root` (a stage over the base) to the tree that these changes lead to.
    pub fn lay_out(&self, changes: &[RawChange], root: &Path) -> Result<(), RepositoryError> {
        // Removals first: a file may become a folder, a folder a file.
        for change in changes.iter().filter(|change| change.before.is_some()) {
            remove(root, &change.path)?;
        }
        for change in changes {
            if let Some(side) = &change.after {
                self.put(root, &change.path, side)?;
            }
        }
        Ok(())
    }

    fn put(&self, root: &Path, path: &[u8], side: &Side) -> Result<(), RepositoryError> {
        // A submodule is an empty folder.
        if side.mode == "160000" {
            let folder = folder(root, path)?;
            return Ok(own_folder(&folder)?);
        }
        let content = self.blob(&side.blob)?;
        let (parent, name) = split(path);
        let target = folder(root, parent)?.join(OsStr::from_bytes(name));
        if side.mode == "120000" {
            std::os::unix::fs::symlink(OsStr::from_bytes(&content), &target)?;
            return Ok(own_link(&target)?);
        }
        let mut file = File::options().write(true).create_new(true).open(&target)?;
        io::Write::write_all(&mut file, &content)?;
        Ok(own_file(&target, side.mode == "100755")?)
    }
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(index) => (&path[..index], &path[index + 1..]),
        None => (b"", path),
    }
}

/// The folder of this name below `root`, made where it is missing; a link on the way is an error.
fn folder(root: &Path, path: &[u8]) -> io::Result<PathBuf> {
    let mut place = root.to_owned();
    for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
        place.push(OsStr::from_bytes(name));
        match fs::create_dir(&place) {
            Ok(()) => own_folder(&place)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        beneath(root, &place)?;
    }
    Ok(place)
}

/// Fails when a link leads elsewhere.
fn beneath(root: &Path, place: &Path) -> io::Result<()> {
    let relative = place.strip_prefix(root).map_err(io::Error::other)?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    openat2(File::open(root)?, relative, OFlags::PATH | OFlags::DIRECTORY, Mode::empty(), resolve)?;
    Ok(())
}

/// Removes one path and the folders that it leaves empty, as git does.
fn remove(root: &Path, path: &[u8]) -> io::Result<()> {
    let (parent, _) = split(path);
    let place = root.join(OsStr::from_bytes(path));
    let mut folder = root.join(OsStr::from_bytes(parent));
    if !parent.is_empty() {
        beneath(root, &folder)?;
    }
    match fs::symlink_metadata(&place) {
        Ok(meta) if meta.is_dir() => drop(fs::remove_dir(&place)),
        Ok(_) => fs::remove_file(&place)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    while folder != root && fs::remove_dir(&folder).is_ok() {
        folder.pop();
    }
    Ok(())
}
