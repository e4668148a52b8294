//! What the best competitor changed, read from its bundle in a repository of the moment's own.

use super::{Archive, ArchiveError, Entry};
use crate::userrepo::{Git, RepoError, shown, zero_ended};
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Paths, and whether each is there afterwards.
type Paths = Vec<(Vec<u8>, bool)>;

/// The changes of a submission against its base.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// The files and links as they are afterwards.
    pub(super) tar: Vec<u8>,
    /// Every path that differs, in the order of their bytes, and whether it is there afterwards.
    pub(super) paths: Paths,
}

impl Changes {
    /// Each ended by a zero byte.
    pub(super) fn deleted(&self) -> Vec<u8> {
        let gone = self.paths.iter().filter(|(_, stays)| !stays);
        gone.flat_map(|(path, _)| path.iter().copied().chain([0])).collect()
    }
}

/// One path that is there afterwards.
struct File {
    path: Vec<u8>,
    mode: Mode,
    blob: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Plain,
    Executable,
    Link,
}

/// `folder` is made for the work and may be thrown away afterwards.
pub(super) fn changes(archive: &Archive<'_>, best: &Entry, folder: &Path) -> Result<Changes, ArchiveError> {
    if archive.base_bundle.is_empty() {
        return Err(ArchiveError::NoBase { base: archive.base.to_string() });
    }
    let failed = |source: RepoError| ArchiveError::Submission { name: best.name.to_string(), source };
    let Some(commit) = &best.commit else { return Ok(Changes::default()) };
    let repository = Scratch::new(folder).map_err(|error| ArchiveError::of(folder, &error))?;
    repository.init(archive.base.as_str()).map_err(failed)?;
    for bundle in [&archive.base_bundle, &best.bundle] {
        repository.unbundle(bundle).map_err(failed)?;
    }
    let (paths, files) = repository.differences(archive.base.as_str(), commit.as_str()).map_err(failed)?;
    let contents = repository.contents(&files).map_err(failed)?;
    let tar = tar(&files, &contents).map_err(|error| ArchiveError::of(folder, &error))?;
    Ok(Changes { tar, paths })
}

const INCOMING: &str = "incoming.bundle";

struct Scratch {
    folder: PathBuf,
    git: Git,
}

impl Scratch {
    fn new(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.to_owned(), git: Git::alone(folder) })
    }

    fn init(&self, base: &str) -> Result<(), RepoError> {
        let format = if base.len() == 40 { "--object-format=sha1" } else { "--object-format=sha256" };
        self.git.out(&["init", "-q", "--bare", "--template=", format])?;
        // The base comes without its parents.
        std::fs::write(self.folder.join("shallow"), format!("{base}\n"))?;
        Ok(())
    }

    fn unbundle(&self, bytes: &[u8]) -> Result<(), RepoError> {
        if bytes.is_empty() {
            return Ok(());
        }
        // By its name alone: git is in the folder, which may be one that is held open and has no other path.
        std::fs::write(self.folder.join(INCOMING), bytes)?;
        let heads = self.git.out(&["bundle", "unbundle", INCOMING])?;
        // The next bundle builds on this one, which git believes of reachable commits only.
        if let Some(id) = String::from_utf8_lossy(&heads).split_whitespace().next() {
            self.git.out(&["update-ref", &format!("refs/heads/{id}"), id])?;
        }
        Ok(())
    }

    /// Every path that differs, and the files among them that are there afterwards. A submodule's commit is in no
    /// tree that a competitor could leave, so it is no file.
    fn differences(&self, base: &str, commit: &str) -> Result<(Paths, Vec<File>), RepoError> {
        let args = ["diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", base, commit];
        let out = self.git.out(&args)?;
        let mut fields = zero_ended(&out);
        let (mut paths, mut files) = (Vec::new(), Vec::new());
        while let (Some(head), Some(path)) = (fields.next(), fields.next()) {
            let head = shown(head);
            let words: Vec<&str> = head.split(' ').collect();
            let [_, mode, _, blob, _] = words.as_slice() else { continue };
            let mode = match *mode {
                "100755" => Some(Mode::Executable),
                "120000" => Some(Mode::Link),
                "100644" => Some(Mode::Plain),
                "000000" => None,
                _ => continue,
            };
            paths.push((path.to_vec(), mode.is_some()));
            files.extend(mode.map(|mode| File { path: path.to_vec(), mode, blob: (*blob).to_owned() }));
        }
        paths.sort();
        Ok((paths, files))
    }

    /// The blobs in the order of the files.
    fn contents(&self, files: &[File]) -> Result<Vec<Vec<u8>>, RepoError> {
        let asked: String = files.iter().map(|file| format!("{}\n", file.blob)).collect();
        let args = ["cat-file", "--batch"];
        let out = self.git.feed(&args, asked.as_bytes())?.or_failed(&args)?;
        let mut rest = out.as_slice();
        files.iter().map(|file| Ok(blob(&mut rest, &file.blob)?)).collect()
    }
}

/// `id blob size`, a line end, the bytes, a line end.
fn blob(rest: &mut &[u8], id: &str) -> io::Result<Vec<u8>> {
    let short = || io::Error::new(io::ErrorKind::UnexpectedEof, format!("blob {id} is missing"));
    let end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(short)?;
    let head = shown(&rest[..end]);
    let size = head.strip_prefix(&format!("{id} blob ")).and_then(|size| size.parse().ok()).ok_or_else(short)?;
    *rest = &rest[end + 1..];
    let mut bytes = vec![0; size];
    rest.read_exact(&mut bytes)?;
    *rest = rest.strip_prefix(b"\n").ok_or_else(short)?;
    Ok(bytes)
}

fn tar(files: &[File], contents: &[Vec<u8>]) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (file, bytes) in files.iter().zip(contents) {
        let path = Path::new(OsStr::from_bytes(&file.path));
        let mut header = tar::Header::new_gnu();
        header.set_mtime(0);
        header.set_mode(if file.mode == Mode::Plain { 0o644 } else { 0o755 });
        if file.mode == Mode::Link {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            archive.append_link(&mut header, path, OsStr::from_bytes(bytes))?;
        } else {
            header.set_size(bytes.len() as u64);
            archive.append_data(&mut header, path, bytes.as_slice())?;
        }
    }
    archive.into_inner()
}
