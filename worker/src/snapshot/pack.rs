//! One tar file, written entry by entry; entries are found by their place in it.

use super::{Entry, LINK_MODE, Meta, OWNER, What};
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// What is larger is not held in memory.
const SMALL: u64 = 1 << 20;
const BLOCK: u64 = 512;

/// An archive that is read by place.
#[derive(Debug)]
pub(super) struct Pack {
    pub(super) file: File,
}

/// What the archive says of an entry beside its content.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) owner: (u32, u32),
    pub(super) mode: u32,
    /// Seconds since 1970.
    pub(super) changed: u64,
}

/// An archive that grows at its end.
pub(super) struct Packing {
    pack: Arc<Pack>,
    end: u64,
}

impl Pack {
    pub(super) fn bytes(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(range.end - range.start).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut bytes, range.start)?;
        Ok(bytes)
    }

    pub(super) fn reader(self: &Arc<Self>, range: Range<u64>) -> PackReader {
        PackReader { pack: self.clone(), range }
    }
}

/// Reads one part of a pack.
pub(super) struct PackReader {
    pack: Arc<Pack>,
    range: Range<u64>,
}

impl Read for PackReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.range.end - self.range.start).unwrap_or(usize::MAX);
        let many = buffer.len().min(left);
        let read = self.pack.file.read_at(&mut buffer[..many], self.range.start)?;
        self.range.start += read as u64;
        Ok(read)
    }
}

impl Meta {
    /// Who owns a link, and what it permits, means nothing.
    pub(super) fn link(target: Vec<u8>) -> Self {
        Self { what: What::Link { target }, owner: OWNER, mode: LINK_MODE }
    }
}

impl Packing {
    /// In a file that is gone from its folder at once: nothing is left of it when this process ends, however it ends.
    pub(super) fn within(folder: &Path) -> io::Result<Self> {
        let path = folder.join(format!("pack-{}", arena_runtime::token::hex(12)));
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        std::fs::remove_file(path)?;
        Ok(Self { pack: Arc::new(Pack { file }), end: 0 })
    }

    pub(super) fn folder(&mut self, path: &[u8], head: Head) -> io::Result<Entry> {
        let header = header(path, tar::EntryType::Directory, head, 0, None)?;
        self.put(header, Meta { what: What::Folder, owner: head.owner, mode: head.mode }, 0)
    }

    pub(super) fn link(&mut self, path: &[u8], head: Head, target: Vec<u8>) -> io::Result<Entry> {
        let header = header(path, tar::EntryType::Symlink, head, 0, Some(&target))?;
        self.put(header, Meta::link(target), 0)
    }

    /// Reads `size` bytes of content. `same` is an entry to give back when this one is no different: it takes no room.
    pub(super) fn file(
        &mut self,
        path: &[u8],
        head: Head,
        size: u64,
        content: &mut dyn Read,
        same: Option<&Entry>,
    ) -> io::Result<Entry> {
        let header = header(path, tar::EntryType::Regular, head, size, None)?;
        let start = self.end + header.len() as u64;
        let meta = |digest| Meta { what: What::File { size, digest }, owner: head.owner, mode: head.mode };
        if size <= SMALL {
            let mut bytes = header;
            let content = read_exactly(content, &mut bytes, size)?;
            let meta = meta(Sha256::digest(&bytes[content..]).into());
            return match same.filter(|same| same.meta == meta) {
                Some(same) => Ok(same.clone()),
                None => self.put(bytes, meta, size),
            };
        }
        let meta = meta(self.stream(start, size, content)?);
        match same.filter(|same| same.meta == meta) {
            Some(same) => Ok(same.clone()),
            None => {
                self.pack.file.write_all_at(&header, self.end)?;
                Ok(self.entry(meta, start, size))
            }
        }
    }

    /// Writes large content to its place, and gives its digest.
    fn stream(&self, start: u64, size: u64, content: &mut dyn Read) -> io::Result<[u8; 32]> {
        let (mut hash, mut at, mut part) = (Sha256::new(), 0, Vec::new());
        while at < size {
            part.clear();
            read_exactly(content, &mut part, SMALL.min(size - at))?;
            hash.update(&part);
            self.pack.file.write_all_at(&part, start + at)?;
            at += part.len() as u64;
        }
        self.pack.file.write_all_at(&[0; BLOCK as usize][..padding(size)], start + size)?;
        Ok(hash.finalize().into())
    }

    /// Header and content, if any, in one write.
    fn put(&mut self, mut bytes: Vec<u8>, meta: Meta, size: u64) -> io::Result<Entry> {
        let content = self.end + bytes.len() as u64 - size;
        bytes.resize(bytes.len() + padding(size), 0);
        self.pack.file.write_all_at(&bytes, self.end)?;
        Ok(self.entry(meta, content, size))
    }

    fn entry(&mut self, meta: Meta, content: u64, size: u64) -> Entry {
        let start = std::mem::replace(&mut self.end, content + size + padding(size) as u64);
        Entry { meta, pack: self.pack.clone(), whole: start..self.end, content }
    }
}

pub(super) fn digest(content: &mut dyn Read) -> io::Result<[u8; 32]> {
    let (mut hash, mut part) = (Sha256::new(), vec![0; 64 << 10]);
    loop {
        match content.read(&mut part)? {
            0 => return Ok(hash.finalize().into()),
            many => hash.update(&part[..many]),
        }
    }
}

/// Appends exactly `size` bytes; the place where they begin.
fn read_exactly(content: &mut dyn Read, bytes: &mut Vec<u8>, size: u64) -> io::Result<usize> {
    let before = bytes.len();
    let read = content.take(size).read_to_end(bytes)?;
    if read as u64 == size { Ok(before) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn padding(size: u64) -> usize {
    (size.next_multiple_of(BLOCK) - size) as usize
}

/// The blocks before the content: the header, and those before it that hold a long name or target.
fn header(path: &[u8], kind: tar::EntryType, head: Head, size: u64, target: Option<&[u8]>) -> io::Result<Vec<u8>> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_uid(head.owner.0.into());
    header.set_gid(head.owner.1.into());
    header.set_mode(head.mode);
    header.set_mtime(head.changed);
    header.set_size(size);
    let mut blocks = Vec::new();
    if let Some(target) = target {
        if target.len() > header.as_old().linkname.len() {
            blocks = long_target(target)?;
        }
        let shown = &target[..target.len().min(header.as_old().linkname.len())];
        // As it is: a target is text, not a path to be tidied up.
        header.set_link_name_literal(shown)?;
    }
    let mut builder = tar::Builder::new(blocks);
    builder.append_data(&mut header, OsStr::from_bytes(path), io::empty())?;
    Ok(std::mem::take(builder.get_mut()))
}

/// The entry that stands before one whose target does not fit into its header.
fn long_target(target: &[u8]) -> io::Result<Vec<u8>> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNULongLink);
    header.set_size(target.len() as u64 + 1);
    header.set_mode(0o644);
    let mut content = target.to_vec();
    content.push(0);
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_data(&mut header, "@LongLink", content.as_slice())?;
    Ok(std::mem::take(builder.get_mut()))
}
