//! Reads what a volume holds, and trusts no name, type or size in it.
//!
//! What is as it was before is not stored again, so a reading takes room for what has changed only.

use super::pack::{Head, Pack, Packing};
use super::{AGENT, Entry, JUDGE, Meta, Snapshot, What};
use crate::collect::{Caps, CollectError, is_git};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use tar::EntryType;

/// Why a repository below the top is left out.
pub(super) const NESTED: &str = "a repository inside the tree";

/// What a reading accepts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// Of what has changed.
    pub caps: Caps,
    /// Whether repositories below the top may stay.
    pub nested: bool,
}

/// A tree as it was left. The private repository at its top is that of before, whatever was done to it.
#[derive(Debug)]
pub(crate) struct Left {
    pub snapshot: Snapshot,
    /// What no tree can hold, and why it was left out.
    pub refused: Vec<(Vec<u8>, &'static str)>,
}

struct Reading<'a> {
    before: &'a Snapshot,
    rules: Rules,
    packing: Packing,
    left: Left,
    entries: usize,
    bytes: u64,
}

impl Snapshot {
    /// Reads an archive of a tree that began as this one. New content goes into a file within `folder`.
    pub(crate) fn read(&self, archive: impl Read, rules: Rules, folder: &Path) -> Result<Left, CollectError> {
        let packing = Packing::within(folder)?;
        let left = Left { snapshot: Self::default(), refused: Vec::new() };
        let mut reading = Reading { before: self, rules, packing, left, entries: 0, bytes: 0 };
        for entry in tar::Archive::new(archive).entries()? {
            reading.entry(&mut entry?)?;
        }
        let own = self.entries.iter().filter(|(path, _)| is_own(path));
        reading.left.snapshot.entries.extend(own.map(|(path, entry)| (path.clone(), entry.clone())));
        Ok(reading.left)
    }

    /// An archive that [`Snapshot::keep`] wrote; it stays where it is.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let pack = Arc::new(Pack { file: File::open(path)? });
        let (mut snapshot, mut start) = (Self::default(), 0);
        for entry in tar::Archive::new(io::BufReader::with_capacity(1 << 18, File::open(path)?)).entries()? {
            let mut entry = entry?;
            let (path, head) = (plain(&entry.path_bytes()), head(entry.header())?);
            let (size, content) = (entry.size(), entry.raw_file_position());
            let kind = entry.header().entry_type();
            let of = |what| Meta { what, owner: head.owner, mode: head.mode };
            let meta = if kind.is_dir() {
                of(What::Folder)
            } else if kind.is_symlink() {
                Meta::link(target(&entry))
            } else {
                of(What::File { size, digest: super::pack::digest(&mut entry)? })
            };
            // Only the header of an entry lies between it and the one before.
            let end = content + size.next_multiple_of(512);
            snapshot.entries.insert(path, Entry { meta, pack: pack.clone(), whole: start..end, content });
            start = end;
        }
        Ok(snapshot)
    }
}

impl Reading<'_> {
    fn entry(&mut self, entry: &mut tar::Entry<'_, impl Read>) -> Result<(), CollectError> {
        // The daemon puts everything below a folder of the volume's own name.
        let full = plain(&entry.path_bytes());
        let Some(path) = below(&full) else { return Ok(()) };
        if is_own(path) || self.is_refused(path) {
            return Ok(());
        }
        if path.len() > self.rules.caps.name {
            return self.refuse(path, "a name too long");
        }
        if let Some(repository) = nested(path).filter(|_| !self.rules.nested) {
            return if self.is_as_before(path, entry)? { Ok(()) } else { self.refuse(repository, NESTED) };
        }
        let head = head(entry.header())?;
        let kind = entry.header().entry_type();
        let made = if kind.is_dir() {
            if path.split(|byte| *byte == b'/').count() > self.rules.caps.depth {
                return Err(CollectError::TooDeep(self.rules.caps.depth));
            }
            self.packing.folder(path, head)?
        } else if kind.is_symlink() {
            self.packing.link(path, head, target(entry))?
        } else if kind.is_file() || kind.is_contiguous() {
            let size = entry.size();
            self.file(path, head, size, entry)?
        } else if kind.is_hard_link() {
            match self.linked(&target(entry)) {
                Some((size, mut content)) => self.file(path, head, size, &mut content)?,
                None => return self.refuse(path, "a hard link to what is left out"),
            }
        } else {
            return self.refuse(path, unfit(kind));
        };
        self.take(path, made)
    }

    /// A file whose content is stored if it is new; the caps are checked before it is read.
    fn file(&mut self, path: &[u8], head: Head, size: u64, content: &mut dyn Read) -> Result<Entry, CollectError> {
        let before = self.before.entries.get(path);
        let as_before = |entry: &&Entry| matches!(entry.meta.what, What::File { size: held, .. } if held == size);
        let before = before.filter(as_before);
        if before.is_none() && self.bytes.saturating_add(size) > self.rules.caps.bytes {
            return Err(CollectError::TooLarge(self.rules.caps.bytes));
        }
        let made = self.packing.file(path, head, size, content, before)?;
        if before.is_none_or(|before| !Arc::ptr_eq(&before.pack, &made.pack)) {
            self.bytes = self.bytes.saturating_add(size);
        }
        if self.bytes > self.rules.caps.bytes {
            return Err(CollectError::TooLarge(self.rules.caps.bytes));
        }
        Ok(made)
    }

    /// Keeps an entry that is as it was before: a setup may have left what an engine may not.
    fn is_as_before(&mut self, path: &[u8], entry: &mut tar::Entry<'_, impl Read>) -> io::Result<bool> {
        let Some(before) = self.before.entries.get(path) else { return Ok(false) };
        let (kind, head) = (entry.header().entry_type(), head(entry.header())?);
        let is_owned = (before.meta.owner, before.meta.mode) == (head.owner, head.mode);
        let same = match &before.meta.what {
            What::Folder => kind.is_dir() && is_owned,
            What::Link { target: held } => kind.is_symlink() && *held == target(entry),
            What::File { size, digest } => {
                kind.is_file() && is_owned && *size == entry.size() && *digest == super::pack::digest(entry)?
            }
        };
        if same {
            self.left.snapshot.entries.insert(path.to_vec(), before.clone());
        }
        Ok(same)
    }

    fn take(&mut self, path: &[u8], made: Entry) -> Result<(), CollectError> {
        let same = self.before.entries.get(path).filter(|before| before.meta == made.meta);
        if same.is_none() {
            self.count()?;
        }
        self.left.snapshot.entries.insert(path.to_vec(), same.cloned().unwrap_or(made));
        Ok(())
    }

    fn count(&mut self) -> Result<(), CollectError> {
        self.entries += 1;
        if self.entries > self.rules.caps.entries {
            return Err(CollectError::TooMany(self.rules.caps.entries));
        }
        Ok(())
    }

    /// What a hard link leads to: an entry that was read before, since the daemon writes the first name's content.
    fn linked(&self, target: &[u8]) -> Option<(u64, impl Read + use<>)> {
        let target = plain(target);
        let entry = self.left.snapshot.entries.get(below(&target)?)?;
        match &entry.meta.what {
            What::File { size, .. } => Some((*size, entry.pack.reader(entry.content..entry.content + size))),
            What::Folder | What::Link { .. } => None,
        }
    }

    fn refuse(&mut self, path: &[u8], why: &'static str) -> Result<(), CollectError> {
        self.count()?;
        self.left.refused.push((path.to_vec(), why));
        Ok(())
    }

    /// Below the last thing that was refused: an archive holds a folder right before what is in it.
    fn is_refused(&self, path: &[u8]) -> bool {
        let within = |(folder, _): &(Vec<u8>, _)| {
            path.strip_prefix(folder.as_slice()).is_some_and(|rest| rest.first() == Some(&b'/'))
        };
        self.left.refused.last().is_some_and(within)
    }
}

/// The repository below the top that a path belongs to.
pub(super) fn nested(path: &[u8]) -> Option<&[u8]> {
    let mut start = 0;
    for name in path.split(|byte| *byte == b'/') {
        let end = start + name.len();
        if start > 0 && is_git(name) {
            return Some(&path[..end]);
        }
        start = end + 1;
    }
    None
}

fn unfit(kind: EntryType) -> &'static str {
    if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_character_special() || kind.is_block_special() {
        "a device"
    } else {
        "of no known type"
    }
}

/// Of the private repository at the top.
fn is_own(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').next().is_some_and(is_git)
}

/// Without the slash of a folder.
fn plain(path: &[u8]) -> Vec<u8> {
    path.strip_suffix(b"/").unwrap_or(path).to_vec()
}

/// Without the first name; `None` for what has no other.
fn below(path: &[u8]) -> Option<&[u8]> {
    let slash = path.iter().position(|byte| *byte == b'/')?;
    Some(&path[slash + 1..])
}

fn target(entry: &tar::Entry<'_, impl Read>) -> Vec<u8> {
    entry.link_name_bytes().map(|name| name.into_owned()).unwrap_or_default()
}

/// Whatever the archive says, users are the two that a sandbox has, and no permission is special.
fn head(header: &tar::Header) -> io::Result<Head> {
    let one = |id: u64| if id == u64::from(JUDGE.0) { JUDGE.0 } else { AGENT.0 };
    Ok(Head { owner: (one(header.uid()?), one(header.gid()?)), mode: header.mode()? & 0o777, changed: header.mtime()? })
}
