//! A tree as data: every path with its owner, mode and content, the content in tar files.
//!
//! Snapshots share what they have in common, so a changed tree costs what was changed. Owners live in the archive alone:
//! none of this needs a right on the host.

mod build;
mod pack;
mod read;
mod walk;

use crate::sandbox::{AGENT, JUDGE};
use futures_util::Stream;
use pack::Pack;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::bytes::Bytes;

pub(crate) use read::{Left, Rules};

/// The engine owns every file, the judge may write it through the group: two users, one tree.
pub(crate) const OWNER: (u32, u32) = (AGENT.0, JUDGE.1);
pub(crate) const FOLDER_MODE: u32 = 0o775;
const LINK_MODE: u32 = 0o777;
/// An entry of a volume takes a page of memory at least, as its name and inode do.
const PAGE: u64 = 4096;
/// Of one part of an upload.
const PART: u64 = 256 << 10;

/// By path, relative to the root, which is no entry. Bytes sort a folder before what it holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    entries: BTreeMap<Vec<u8>, Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    meta: Meta,
    pack: Arc<Pack>,
    /// The whole entry of the archive, header and padding included.
    whole: Range<u64>,
    content: u64,
}

/// A link that somebody else has to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub target: Vec<u8>,
    pub path: Vec<u8>,
}

/// What makes two entries of one path the same.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Meta {
    what: What,
    owner: (u32, u32),
    /// Permissions only.
    mode: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Folder,
    File { size: u64, digest: [u8; 32] },
    Link { target: Vec<u8> },
}

impl Snapshot {
    /// Memory that the tree takes in a volume.
    pub(crate) fn footprint(&self) -> u64 {
        let pages = |entry: &Entry| match &entry.meta.what {
            What::File { size, .. } => 1 + size.div_ceil(PAGE),
            What::Folder | What::Link { .. } => 1,
        };
        self.entries.values().map(pages).sum::<u64>() * PAGE
    }

    /// The archive: parts of the packs, one after the other, those that touch as one.
    fn parts(&self, wanted: impl Fn(&[u8], &Entry) -> bool) -> Vec<(Arc<Pack>, Range<u64>)> {
        let mut parts: Vec<(Arc<Pack>, Range<u64>)> = Vec::new();
        for (_, entry) in self.entries.iter().filter(|(path, entry)| wanted(path, entry)) {
            match parts.last_mut() {
                Some((pack, range)) if Arc::ptr_eq(pack, &entry.pack) && range.end == entry.whole.start => {
                    range.end = entry.whole.end;
                }
                Some(_) | None => parts.push((entry.pack.clone(), entry.whole.clone())),
            }
        }
        parts
    }

    /// The archive as a stream, read as it is wanted, without the links that [`Snapshot::outward`] tells of.
    pub(crate) fn archive(&self) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let (sender, receiver) = mpsc::channel(4);
        let parts = self.parts(|path, entry| !entry.leads_out(path));
        drop(tokio::task::spawn_blocking(move || {
            // Nobody listening is no reason to go on.
            read_parts(&parts, |bytes| sender.blocking_send(bytes).is_ok());
        }));
        ReceiverStream::new(receiver)
    }

    /// Links out of the tree, with the user who owns their folder: Docker unpacks none of these.
    pub(crate) fn outward(&self) -> BTreeMap<u32, Vec<Link>> {
        let mut links: BTreeMap<u32, Vec<Link>> = BTreeMap::new();
        for (path, entry) in self.entries.iter().filter(|(path, entry)| entry.leads_out(path)) {
            let What::Link { target } = &entry.meta.what else { continue };
            let folder = path.iter().rposition(|byte| *byte == b'/').and_then(|slash| self.entries.get(&path[..slash]));
            let owner = folder.map_or(OWNER.0, |folder| folder.meta.owner.0);
            links.entry(owner).or_default().push(Link { target: target.clone(), path: path.clone() });
        }
        links
    }

    /// Writes the whole archive, to be read again by [`Snapshot::open`]; whole or not there.
    pub(crate) fn keep(&self, path: &Path) -> io::Result<()> {
        let scratch = arena_runtime::files::scratch_beside(path);
        let written = self.write(&scratch).and_then(|()| std::fs::rename(&scratch, path));
        if written.is_err() {
            let _ = std::fs::remove_file(&scratch);
        }
        written
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let mut file = std::fs::File::create_new(path)?;
        let mut failed = Ok(());
        read_parts(&self.parts(|_, _| true), |bytes| {
            failed = bytes.and_then(|bytes| io::Write::write_all(&mut file, &bytes));
            failed.is_ok()
        });
        failed?;
        file.sync_all()
    }
}

impl Entry {
    /// Whether this is a link that climbs above the root of the tree.
    fn leads_out(&self, path: &[u8]) -> bool {
        let What::Link { target } = &self.meta.what else { return false };
        let mut depth = path.iter().filter(|byte| **byte == b'/').count();
        for name in target.split(|byte| *byte == b'/') {
            match name {
                b"" | b"." => {}
                b".." if depth == 0 => return true,
                b".." => depth -= 1,
                _ => depth += 1,
            }
        }
        false
    }
}

/// Hands the parts on, and the end of the archive after them, for as long as they are wanted.
fn read_parts(parts: &[(Arc<Pack>, Range<u64>)], mut hand_on: impl FnMut(io::Result<Bytes>) -> bool) {
    for (pack, range) in parts {
        let mut at = range.start;
        while at < range.end {
            let part = pack.bytes(at..range.end.min(at + PART));
            let failed = part.is_err();
            at += PART;
            if !hand_on(part.map(Bytes::from)) || failed {
                return;
            }
        }
    }
    hand_on(Ok(Bytes::from_static(&[0; 1024])));
}

#[cfg(test)]
mod tests;
