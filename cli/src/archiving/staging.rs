//! The folder as it is being written: beside its place, and put there in one go.

use super::ArchiveError;
use arena_runtime::files::scratch_beside;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Gone with everything in it unless finished.
#[derive(Debug)]
pub(super) struct Staging {
    target: PathBuf,
    /// The target is there and empty: it may be a mount point, or where the user's shell stands, so it is filled and
    /// not replaced.
    fill: bool,
    scratch: PathBuf,
    files: Vec<PathBuf>,
}

impl Staging {
    pub(super) fn open(dir: &Path) -> Result<Self, ArchiveError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |error: io::Error| ArchiveError::of(&path, &error)
        };
        let fill = match fs::symlink_metadata(dir) {
            Ok(_) if !dir.is_dir() => return Err(ArchiveError::NotAFolder { path: dir.to_owned() }),
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(ArchiveError::of(dir, &error)),
        };
        if fill && fs::read_dir(dir).map_err(at(dir))?.next().is_some() {
            return Err(ArchiveError::NotEmpty { path: dir.to_owned() });
        }
        let scratch = if fill { scratch_beside(&dir.join("arena")) } else { scratch_beside(dir) };
        fs::create_dir_all(scratch.join("files")).map_err(at(&scratch))?;
        Ok(Self { target: dir.to_owned(), fill, scratch, files: Vec::new() })
    }

    /// A place of that name for work that is no part of the archive.
    pub(super) fn scratch(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }

    /// A file by its path within the archive; flushed, so that a full disk is known before anything is put in place.
    pub(super) fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
        let place = self.scratch.join("files").join(path);
        let written = place.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| {
            let mut file = File::create_new(&place)?;
            file.write_all(bytes)?;
            file.sync_all()
        });
        written.map_err(|error| ArchiveError::of(&self.target.join(path), &error))?;
        self.files.push(PathBuf::from(path));
        Ok(())
    }

    pub(super) fn make_executable(&self, path: &str) -> Result<(), ArchiveError> {
        let place = self.scratch.join("files").join(path);
        fs::set_permissions(&place, fs::Permissions::from_mode(0o755))
            .map_err(|error| ArchiveError::of(&self.target.join(path), &error))
    }

    pub(super) fn finish(self) -> Result<Vec<PathBuf>, ArchiveError> {
        let from = self.scratch.join("files");
        let placed = if self.fill { fill(&from, &self.target) } else { fs::rename(&from, &self.target) };
        placed.map_err(|error| ArchiveError::of(&self.target, &error))?;
        Ok(self.files.iter().map(|file| self.target.join(file)).collect())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.scratch);
    }
}

/// Moves every entry of `from` up into `target`, or none.
fn fill(from: &Path, target: &Path) -> io::Result<()> {
    let mut moved = Vec::new();
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let place = target.join(entry.file_name());
        if let Err(error) = fs::rename(entry.path(), &place) {
            for (back, place) in moved {
                let _ = fs::rename(place, back);
            }
            return Err(error);
        }
        moved.push((entry.path(), place));
    }
    Ok(())
}
