//! A folder made read-only and measured, so that what runs is what was fetched.

use super::RECORD;
use arena_runtime::digest;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

pub(super) struct Sealed {
    pub(super) bytes: u64,
    pub(super) files: u64,
    pub(super) digest: String,
}

/// Takes every right to write away, and sums up what is there.
pub(super) fn seal(folder: &Path) -> io::Result<Sealed> {
    let mut sum = Sum { sealing: true, ..Sum::default() };
    walk(folder, folder, &mut sum)?;
    Ok(Sealed { bytes: sum.bytes, files: sum.files, digest: sum.digest.finish() })
}

/// The digest of a sealed folder as it is now; what a seal did not cover, its record, is left out.
pub(super) fn digest(folder: &Path) -> io::Result<String> {
    let mut sum = Sum::default();
    walk(folder, folder, &mut sum)?;
    Ok(sum.digest.finish())
}

/// What changes when a file is written, replaced or moved here, without reading any: the same stamp, the same content.
/// The kernel sets the time of the last change itself, so nobody can put it back.
pub(super) fn stamp(folder: &Path) -> io::Result<String> {
    let mut sum = Sum { stamping: true, ..Sum::default() };
    walk(folder, folder, &mut sum)?;
    Ok(sum.digest.finish())
}

#[derive(Default)]
struct Sum {
    bytes: u64,
    files: u64,
    digest: digest::Running,
    sealing: bool,
    stamping: bool,
}

impl Sum {
    fn line(&mut self, kind: &str, path: &Path, value: &str) {
        self.digest.update(format!("{kind} {} {value}\n", path.display()).as_bytes());
    }
}

fn walk(root: &Path, folder: &Path, sum: &mut Sum) -> io::Result<()> {
    let entries: io::Result<Vec<_>> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect();
    let mut entries = entries?;
    entries.sort();
    for path in entries {
        let (meta, name) = (fs::symlink_metadata(&path)?, path.strip_prefix(root).unwrap_or(&path).to_owned());
        if meta.is_dir() {
            walk(root, &path, sum)?;
        } else if meta.is_symlink() {
            sum.line("link", &name, &fs::read_link(&path)?.to_string_lossy());
        } else if folder == root && path.file_name().is_some_and(|name| name == RECORD) {
            // It holds the digest, so the digest cannot cover it.
        } else if sum.stamping {
            let times = (meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec());
            sum.line("stamp", &name, &format!("{} {} {} {times:?}", meta.ino(), meta.len(), meta.mode()));
        } else {
            let runs = meta.permissions().mode() & 0o111 != 0;
            let mode = if runs { 0o555 } else { 0o444 };
            let content = digest_of(&path)?;
            if sum.sealing {
                fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
            }
            sum.line(if runs { "program" } else { "file" }, &name, &content);
            sum.files += 1;
            sum.bytes += meta.len();
        }
    }
    if sum.sealing { fs::set_permissions(folder, fs::Permissions::from_mode(0o555)) } else { Ok(()) }
}

fn digest_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut running = digest::Running::default();
    let mut piece = vec![0; 1 << 20];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(running.finish()),
            read => running.update(&piece[..read]),
        }
    }
}

/// Removes a sealed folder.
pub(super) fn remove(folder: &Path) -> io::Result<()> {
    unseal(folder)?;
    fs::remove_dir_all(folder)
}

fn unseal(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            unseal(&entry.path())?;
        }
    }
    Ok(())
}
