//! The trusted side of git: one bare mirror for each repository, one checked-out base for each commit.

mod changes;
mod import;
mod layout;

pub use changes::{RawChange, Side};
pub use import::{ImportError, Imported};

use crate::git::{Git, GitError};
use crate::sandbox::{AGENT, JUDGE};
use crate::snapshot::Snapshot;
use crate::{cache, space};
use arena_domain::id::{Commit, JobId};
use arena_domain::packet::History;
use arena_runtime::{digest, token};
use rustix::fs::{AtFlags, CWD, FlockOperation, Gid, Uid, chownat, flock};
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A mirror, and where its bases are checked out.
#[derive(Debug, Clone)]
pub struct Repository {
    pub(crate) git: Git,
    pub(crate) mirror: PathBuf,
    bases: PathBuf,
}

/// Files that no commit of ours is signed for, and neither are its dates: the same tree on the same base is one commit.
const AUTHOR: &str = "Arena <arena@localhost> 0 +0000";

/// Highest precedence of all attributes: bytes are bytes.
const NO_ATTRIBUTES: &str = "* -text -eol -filter -ident -working-tree-encoding !diff !merge\n";

/// Where they are put while we work in a checkout.
const ATTRIBUTES: &str = ".git/info/attributes";

#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    #[error(transparent)]
    Git(#[from] GitError),
    #[error("the state directory: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error("the base takes {needed} MiB when it is checked out, and {free} MiB are free on this worker")]
    Room { needed: u64, free: u64 },
}

impl Repository {
    /// `root` is the worker's folder; `source` the user's repository.
    pub fn open(root: &Path, source: &str) -> Result<Self, RepositoryError> {
        fs::create_dir_all(root)?;
        let git = Git::new(root)?;
        let mirror = root.join("mirrors").join(format!("{}.git", &digest::sha256(source.as_bytes())[..16]));
        let bases = root.join("bases");
        fs::create_dir_all(&bases)?;
        // Written last: a mirror without it is one whose making was killed.
        if !mirror.join("info/attributes").exists() {
            let _gate = gate(&mirror)?;
            fs::create_dir_all(&mirror)?;
            git.run(&mirror, &["init", "-q", "--bare", "--template="])?;
            fs::create_dir_all(mirror.join("info"))?;
            arena_runtime::files::write_atomic(&mirror.join("info/attributes"), NO_ATTRIBUTES.as_bytes())?;
        }
        Ok(Self { git, mirror, bases })
    }

    pub fn has(&self, commit: &Commit) -> bool {
        self.git.run(&self.mirror, &["cat-file", "-e", &format!("{commit}^{{commit}}")]).is_ok()
    }

    /// Brings the base from the user's repository, unless it is here.
    pub fn fetch_base(&self, source: &str, base: &Commit) -> Result<(), RepositoryError> {
        if self.has(base) {
            return Ok(());
        }
        let _gate = gate(&self.mirror)?;
        let options = ["fetch", "-q", "--no-tags", "--no-write-fetch-head", "--update-shallow"];
        let args: Vec<&str> = options.into_iter().chain(["--", source, base.as_str()]).collect();
        self.git.run(&self.mirror, &args)?;
        Ok(())
    }

    /// Brings the base from a bundle that came with a session; `shallow` are its commits whose parents are not in it.
    pub fn unpack_base(&self, bundle: &Path, base: &Commit, shallow: &[String]) -> Result<(), RepositoryError> {
        let _gate = gate(&self.mirror)?;
        if self.has(base) {
            return Ok(());
        }
        let lines: String = shallow.iter().map(|commit| format!("{commit}\n")).collect();
        if !lines.is_empty() {
            arena_runtime::files::write_atomic(&self.mirror.join("shallow"), lines.as_bytes())?;
        }
        self.git.run(&self.mirror, &[OsStr::new("bundle"), OsStr::new("unbundle"), bundle.as_os_str()])?;
        // What the bundle was said to hold, or nothing.
        self.git.run(&self.mirror, &["cat-file", "-e", &format!("{base}^{{tree}}")])?;
        Ok(())
    }

    /// Where [`Self::checkout`] keeps a base.
    pub(crate) fn home(&self, base: &Commit, history: History) -> PathBuf {
        self.bases.join(name(base, history))
    }

    /// Where [`Self::packed`] keeps it.
    pub(crate) fn archive(&self, base: &Commit, history: History) -> PathBuf {
        self.bases.join(format!("{}.tar", name(base, history)))
    }

    /// The checked-out base with its private repository, owned by the engine's user; made once, under a lock.
    pub fn checkout(&self, base: &Commit, history: History) -> Result<PathBuf, RepositoryError> {
        let home = self.home(base, history);
        let tree = home.join("tree");
        if home.join("ready").exists() {
            return Ok(tree);
        }
        let _gate = gate(&home)?;
        if home.join("ready").exists() {
            return Ok(tree);
        }
        if home.exists() {
            fs::remove_dir_all(&home)?;
        }
        self.check_out(base, history, &tree)?;
        own_all(&tree)?;
        self.git.run(&tree, &["update-index", "-q", "--refresh"]).ok();
        fs::remove_file(tree.join(ATTRIBUTES))?;
        own(&tree.join(".git/index"), 0o664)?;
        fs::write(home.join("ready"), "")?;
        Ok(tree)
    }

    /// The same as an archive, which no right on this host is needed for; made once, under a lock.
    pub(crate) fn packed(&self, base: &Commit, history: History) -> Result<PathBuf, RepositoryError> {
        let archive = self.archive(base, history);
        if archive.exists() {
            return Ok(archive);
        }
        let _gate = gate(&archive)?;
        if archive.exists() {
            return Ok(archive);
        }
        let tree = archive.with_extension("unpacked");
        if tree.exists() {
            fs::remove_dir_all(&tree)?;
        }
        self.check_out(base, history, &tree)?;
        // Unpacked elsewhere, a file keeps of what git remembers of it its size and the second of its last change.
        self.git.run(&tree, &["config", "core.checkStat", "minimal"])?;
        self.git.run(&tree, &["config", "core.trustctime", "false"])?;
        fs::remove_file(tree.join(ATTRIBUTES))?;
        Snapshot::of(&tree, &self.bases)?.keep(&archive)?;
        fs::remove_dir_all(&tree)?;
        Ok(archive)
    }

    /// Working tree and private repository at the base, in a new folder; [`ATTRIBUTES`] still have to go.
    fn check_out(&self, base: &Commit, history: History, tree: &Path) -> Result<(), RepositoryError> {
        self.make_room(base)?;
        fs::create_dir_all(tree)?;
        let shown = match history {
            History::None => self.alone(base)?,
            History::Base => base.clone(),
        };
        self.git.run(tree, &["init", "-q", "--template="])?;
        fs::create_dir_all(tree.join(".git/info"))?;
        fs::write(tree.join(ATTRIBUTES), NO_ATTRIBUTES)?;
        let mirror = self.mirror.to_string_lossy().into_owned();
        let fetch = ["fetch", "-q", "--no-tags", "--no-write-fetch-head", "--update-shallow", &mirror, shown.as_str()];
        self.git.run(tree, &fetch)?;
        self.git.run(tree, &["update-ref", "refs/heads/arena", shown.as_str()])?;
        self.git.run(tree, &["read-tree", "HEAD"])?;
        // `-u` keeps in the index what the files looked like, so that nothing is read again to know it.
        self.git.run(tree, &["checkout-index", "-a", "-f", "-u"])?;
        Ok(())
    }

    /// A base that would fill the disk is not begun: whoever else works on this disk would stop with it.
    fn make_room(&self, base: &Commit) -> Result<(), RepositoryError> {
        let needed = self.size(base)?.saturating_add(space::LOW);
        if space::free(&self.bases)? < needed
            && let Some(root) = self.bases.parent()
        {
            cache::evict(root, cache::Bounds::NOTHING)?;
        }
        let free = space::free(&self.bases)?;
        if free < needed {
            return Err(RepositoryError::Room { needed: needed >> 20, free: free >> 20 });
        }
        Ok(())
    }

    /// Bytes of all files of a commit.
    fn size(&self, commit: &Commit) -> Result<u64, RepositoryError> {
        let listed = self.git.run(&self.mirror, &["ls-tree", "-r", "-l", "--full-tree", commit.as_str()])?;
        // Mode, kind, id, size: of a submodule it is `-`.
        let size = |line: &[u8]| {
            let before = line.split(|byte| *byte == b'\t').next().unwrap_or_default();
            String::from_utf8_lossy(before).split_ascii_whitespace().nth(3).and_then(|text| text.parse::<u64>().ok())
        };
        Ok(listed.split(|byte| *byte == b'\n').filter_map(size).sum())
    }

    /// The base's tree as a commit without parents.
    fn alone(&self, base: &Commit) -> Result<Commit, RepositoryError> {
        let env: Vec<(&str, &OsStr)> = [
            ("GIT_AUTHOR_NAME", "Arena"),
            ("GIT_AUTHOR_EMAIL", "arena@localhost"),
            ("GIT_AUTHOR_DATE", "@0 +0000"),
            ("GIT_COMMITTER_NAME", "Arena"),
            ("GIT_COMMITTER_EMAIL", "arena@localhost"),
            ("GIT_COMMITTER_DATE", "@0 +0000"),
        ]
        .map(|(key, value)| (key, OsStr::new(value)))
        .to_vec();
        let args = ["commit-tree", "-m", "base", &format!("{base}^{{tree}}")];
        let id = self.git.feed(&self.mirror, &args, &env, b"")?;
        Ok(Commit::new(String::from_utf8_lossy(&id).trim()))
    }

    /// The bundle of what the job's import has stored, to be kept before anything else happens to it.
    pub fn bundle(&self, job: &JobId, base: &Commit) -> Result<Vec<u8>, RepositoryError> {
        Ok(self.git.run(&self.mirror, &["bundle", "create", "-q", "-", &branch(job), &format!("^{base}")])?)
    }

    /// Brings a submission that another worker has made.
    pub fn unbundle(&self, bytes: &[u8]) -> Result<(), RepositoryError> {
        let file = self.mirror.join(format!("incoming-{}", token::hex(12)));
        fs::write(&file, bytes)?;
        let done = self.git.run(&self.mirror, &[OsStr::new("bundle"), OsStr::new("unbundle"), file.as_os_str()]);
        fs::remove_file(&file)?;
        done?;
        Ok(())
    }
}

/// Where a job's submission lies in the mirror.
fn branch(job: &JobId) -> String {
    format!("refs/arena/{}", digest::sha256(job.as_str().as_bytes()))
}

/// Of what is kept for a base.
fn name(base: &Commit, history: History) -> String {
    match history {
        History::None => base.to_string(),
        History::Base => format!("{base}-history"),
    }
}

/// One process at a time at this place; freed by the kernel.
fn gate(place: &Path) -> io::Result<fs::File> {
    let mut name = place.as_os_str().to_owned();
    name.push(".lock");
    fs::create_dir_all(place.parent().unwrap_or(Path::new("/")))?;
    let file = OpenOptions::new().create(true).append(true).open(PathBuf::from(name))?;
    flock(&file, FlockOperation::LockExclusive)?;
    Ok(file)
}

/// The engine owns every file, the judge may write it through the group: two users, one tree.
fn own(path: &Path, mode: u32) -> io::Result<()> {
    let (owner, group) = (Uid::from_raw(AGENT.0), Gid::from_raw(JUDGE.1));
    chownat(CWD, path, Some(owner), Some(group), AtFlags::SYMLINK_NOFOLLOW)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

pub(crate) fn own_folder(path: &Path) -> io::Result<()> {
    own(path, 0o775)
}

pub(crate) fn own_file(path: &Path, executable: bool) -> io::Result<()> {
    own(path, if executable { 0o775 } else { 0o664 })
}

pub(crate) fn own_link(path: &Path) -> io::Result<()> {
    let (owner, group) = (Uid::from_raw(AGENT.0), Gid::from_raw(JUDGE.1));
    Ok(chownat(CWD, path, Some(owner), Some(group), AtFlags::SYMLINK_NOFOLLOW)?)
}

fn own_all(folder: &Path) -> io::Result<()> {
    own_folder(folder)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let path = entry.path();
        if kind.is_dir() {
            own_all(&path)?;
        } else if kind.is_symlink() {
            own_link(&path)?;
        } else {
            own_file(&path, entry.metadata()?.permissions().mode() & 0o100 != 0)?;
        }
    }
    Ok(())
}
