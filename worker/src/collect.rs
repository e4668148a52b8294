//! The walker: reads what an engine left, from the upper layer alone, and trusts no name, type or size in it.
//!
//! Every open is relative to its folder, follows no link, crosses no mount and does not block. The engine's container is
//! gone before this begins.

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, openat2, readlinkat, statat};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Caps of one collection.
#[derive(Debug, Clone, Copy)]
pub struct Caps {
    pub entries: usize,
    pub depth: usize,
    pub bytes: u64,
    pub name: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self { entries: 200_000, depth: 128, bytes: 512 << 20, name: 4096 }
    }
}

/// One change, with its path relative to the tree, as bytes.
pub enum Found<'a> {
    File {
        path: &'a [u8],
        executable: bool,
        size: u64,
        content: &'a mut dyn Read,
    },
    Link {
        path: &'a [u8],
        target: Vec<u8>,
    },
    /// The base's entry of this name is gone.
    Removed {
        path: &'a [u8],
    },
    /// Whatever the base has below this folder is gone.
    Emptied {
        path: &'a [u8],
    },
    /// What a tree cannot hold, and why it was left out.
    Refused {
        path: &'a [u8],
        why: &'static str,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    #[error("the tree has more than {0} changed entries")]
    TooMany(usize),
    #[error("the tree is deeper than {0} folders")]
    TooDeep(usize),
    #[error("the changed files hold more than {0} bytes")]
    TooLarge(u64),
    #[error("the tree cannot be read: {0}")]
    Io(#[from] io::Error),
}

impl Found<'_> {
    pub(crate) fn path(&self) -> &[u8] {
        match self {
            Self::File { path, .. }
            | Self::Link { path, .. }
            | Self::Removed { path }
            | Self::Emptied { path }
            | Self::Refused { path, .. } => path,
        }
    }
}

/// Passes on what an engine did, but for names at the top that were taken out before it began: that they are gone is no
/// change of its own, and what it put there it could not know.
pub(crate) fn shown(
    found: Found<'_>,
    hidden: &[String],
    visit: &mut dyn FnMut(Found<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let path = found.path();
    if !hidden.iter().any(|name| at_or_below(path, name.as_bytes())) {
        return visit(found);
    }
    match found {
        Found::Removed { .. } | Found::Emptied { .. } => Ok(()),
        Found::File { path, .. } | Found::Link { path, .. } => visit(Found::Refused { path, why: HIDDEN }),
        Found::Refused { .. } => visit(found),
    }
}

/// Why something is left out.
const HIDDEN: &str = "a setting of the engine, which is not shown any";

struct Walk<'a> {
    caps: Caps,
    entries: usize,
    bytes: u64,
    visit: &'a mut dyn FnMut(Found<'_>) -> io::Result<()>,
}

/// Visits every change of an upper layer, folders in the order of their names.
pub fn walk(upper: &Path, caps: Caps, visit: &mut dyn FnMut(Found<'_>) -> io::Result<()>) -> Result<(), CollectError> {
    let root = File::open(upper)?;
    Walk { caps, entries: 0, bytes: 0, visit }.folder(root.as_fd(), &mut Vec::new(), 0)
}

impl Walk<'_> {
    fn folder(&mut self, folder: BorrowedFd<'_>, path: &mut Vec<u8>, depth: usize) -> Result<(), CollectError> {
        if depth > self.caps.depth {
            return Err(CollectError::TooDeep(self.caps.depth));
        }
        let mut names: Vec<Vec<u8>> = Vec::new();
        for entry in Dir::read_from(folder).map_err(io::Error::from)? {
            let entry = entry.map_err(io::Error::from)?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            self.entries += 1;
            if self.entries > self.caps.entries {
                return Err(CollectError::TooMany(self.caps.entries));
            }
            names.push(name.to_vec());
        }
        names.sort();
        for name in names {
            let before = path.len();
            if before > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(&name);
            self.entry(folder, &name, path, depth)?;
            path.truncate(before);
        }
        Ok(())
    }

    fn entry(
        &mut self,
        folder: BorrowedFd<'_>,
        name: &[u8],
        path: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), CollectError> {
        if is_git(name) {
            // The private repository at the top is the competitor's own and no part of its tree.
            return if depth == 0 { Ok(()) } else { self.refuse(path, "a repository inside the tree") };
        }
        if path.len() > self.caps.name {
            return self.refuse(path, "a name too long");
        }
        let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(io::Error::from)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let child = open(folder, name, OFlags::DIRECTORY)?;
                if is_opaque(&child) {
                    (self.visit)(Found::Emptied { path })?;
                }
                self.folder(child.as_fd(), path, depth + 1)
            }
            FileType::RegularFile => self.file(folder, name, path),
            FileType::Symlink => {
                let target = readlinkat(folder, name, Vec::new()).map_err(io::Error::from)?;
                Ok((self.visit)(Found::Link { path, target: target.into_bytes() })?)
            }
            // Overlay marks a removed name by a character device 0/0.
            FileType::CharacterDevice if stat.st_rdev == 0 => Ok((self.visit)(Found::Removed { path })?),
            FileType::CharacterDevice | FileType::BlockDevice => self.refuse(path, "a device"),
            FileType::Fifo => self.refuse(path, "a named pipe"),
            FileType::Socket => self.refuse(path, "a socket"),
            FileType::Unknown => self.refuse(path, "of no known type"),
        }
    }

    fn file(&mut self, folder: BorrowedFd<'_>, name: &[u8], path: &[u8]) -> Result<(), CollectError> {
        let file = File::from(open(folder, name, OFlags::NONBLOCK)?);
        let meta = file.metadata()?;
        if !meta.is_file() {
            return self.refuse(path, "not a regular file any more");
        }
        let size = meta.len();
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > self.caps.bytes {
            return Err(CollectError::TooLarge(self.caps.bytes));
        }
        let executable = std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o100 != 0;
        let content = &mut file.take(size);
        Ok((self.visit)(Found::File { path, executable, size, content })?)
    }

    fn refuse(&mut self, path: &[u8], why: &'static str) -> Result<(), CollectError> {
        Ok((self.visit)(Found::Refused { path, why })?)
    }
}

fn open(folder: BorrowedFd<'_>, name: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
    let resolve =
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    Ok(openat2(folder, name, flags, Mode::empty(), resolve)?)
}

/// Whether a path is this name at the top of the tree, or lies below it.
pub(crate) fn at_or_below(path: &[u8], name: &[u8]) -> bool {
    path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// `.git` in any case, and the short name that some file systems give it.
pub(crate) fn is_git(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b".git") || name.eq_ignore_ascii_case(b"git~1")
}

fn is_opaque(folder: &OwnedFd) -> bool {
    let mut value = [0u8; 4];
    matches!(rustix::fs::fgetxattr(folder, c"trusted.overlay.opaque", &mut value[..]), Ok(1) if value[0] == b'y')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    fn seen(root: &Path, caps: Caps) -> Result<Vec<String>, CollectError> {
        let mut lines = Vec::new();
        walk(root, caps, &mut |found| {
            lines.push(match found {
                Found::File { path, executable, size, content } => {
                    let mut text = String::new();
                    content.read_to_string(&mut text).unwrap();
                    assert_eq!(text.len() as u64, size);
                    format!("file {} {executable} {text}", String::from_utf8_lossy(path))
                }
                Found::Link { path, target } => {
                    format!("link {} {}", String::from_utf8_lossy(path), String::from_utf8_lossy(&target))
                }
                Found::Removed { path } => format!("removed {}", String::from_utf8_lossy(path)),
                Found::Emptied { path } => format!("emptied {}", String::from_utf8_lossy(path)),
                Found::Refused { path, why } => format!("refused {} {why}", String::from_utf8_lossy(path)),
            });
            Ok(())
        })?;
        Ok(lines)
    }

    #[test]
    fn links_are_data_and_pipes_and_repositories_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("a/.GIT")).unwrap();
        std::fs::create_dir_all(root.join(".git/hooks")).unwrap();
        std::fs::write(root.join("a/x y\n"), "text").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", root.join("a/link")).unwrap();
        std::fs::write(root.join(std::ffi::OsStr::from_bytes(b"odd\xff")), "").unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, root.join("pipe"), FileType::Fifo, Mode::from(0o644), 0).unwrap();
        assert_eq!(
            seen(root, Caps::default()).unwrap(),
            [
                "refused a/.GIT a repository inside the tree",
                "link a/link /etc/passwd",
                "file a/x y\n false text",
                "file odd\u{fffd} false ",
                "refused pipe a named pipe",
            ]
        );
    }

    #[test]
    fn every_cap_holds() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("a/b/c")).unwrap();
        std::fs::write(folder.path().join("big"), [0; 100]).unwrap();
        let caps = Caps::default();
        let rows = [Caps { entries: 3, ..caps }, Caps { depth: 2, ..caps }, Caps { bytes: 99, ..caps }];
        for caps in rows {
            assert!(seen(folder.path(), caps).is_err(), "{caps:?}");
        }
        assert!(seen(folder.path(), Caps { entries: 4, depth: 3, bytes: 100, ..caps }).is_ok());
    }
}
