//! Submissions into references of Arena's own, and bases out of the repository, as bundles.

use super::{RepoError, UserRepo, shown};
use arena_domain::id::Commit;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

impl UserRepo {
    /// Brings a submission and names it. An empty bundle stands for a commit that is here already.
    pub(crate) fn import_bundle(&self, bytes: &[u8], commit: &Commit, refname: &str) -> Result<(), RepoError> {
        let own = |prefix: &str| refname.starts_with(prefix) && refname.len() > prefix.len();
        if !own("refs/heads/arena/") && !own("refs/arena/") {
            return Err(RepoError::ForeignReference { name: refname.to_owned() });
        }
        if self.reference("refs/heads/arena")?.is_some() {
            return Err(RepoError::NameTaken);
        }
        if let Some(path) = self.checked_out(refname)?
            && self.reference(refname)?.as_ref() != Some(commit)
        {
            return Err(RepoError::CheckedOut { branch: refname.replacen("refs/heads/", "", 1), path });
        }
        if !bytes.is_empty() {
            self.unbundle(bytes)?;
        }
        let kind = self.git.run(&["cat-file", "-t", commit.as_str()])?;
        if kind.text() != "commit" {
            return Err(RepoError::WrongBundle { commit: commit.to_string() });
        }
        self.git.out(&["update-ref", "-m", "arena: import", refname, commit.as_str()])?;
        Ok(())
    }

    /// Git is told of it by a pipe: no file of Arena's lies where others may put another in its place. It asks of what a
    /// bundle builds on that it is here, and not that anything leads to it: the user may have moved the branch since.
    fn unbundle(&self, bytes: &[u8]) -> Result<(), RepoError> {
        let Bundle { bases, pack } = Bundle::of(bytes).ok_or(RepoError::NoBundle)?;
        for base in bases {
            if self.git.run(&["cat-file", "-t", &base])?.text() != "commit" {
                return Err(RepoError::BaseGone { base });
            }
        }
        let args = ["index-pack", "--stdin", "--fix-thin"];
        self.git.feed(&args, pack)?.or_failed(&args).map(|_| ())
    }

    /// Several references at once, or none of them; commands as `git update-ref --stdin -z` reads them.
    pub(crate) fn update_refs(&self, commands: &str) -> Result<(), RepoError> {
        if commands.is_empty() {
            return Ok(());
        }
        let args = ["update-ref", "--stdin", "-z"];
        self.git.feed(&args, commands.as_bytes())?.or_failed(&args).map(|_| ())
    }

    /// Full names below a prefix that ends in a slash, with what they point to.
    pub(crate) fn references(&self, prefix: &str) -> Result<Vec<(String, Commit)>, RepoError> {
        let listed = self.git.out(&["for-each-ref", "--format=%(objectname) %(refname)", prefix])?;
        let text = String::from_utf8_lossy(&listed).into_owned();
        let entry = |line: &str| line.split_once(' ').map(|(id, name)| (name.to_owned(), Commit::new(id)));
        Ok(text.lines().filter_map(entry).collect())
    }

    /// The working tree that has this branch checked out.
    pub(crate) fn checked_out(&self, refname: &str) -> Result<Option<PathBuf>, RepoError> {
        let listed = self.git.out(&["worktree", "list", "--porcelain", "-z"])?;
        let mut path = None;
        for field in listed.split(|byte| *byte == 0) {
            if let Some(name) = field.strip_prefix(b"worktree ") {
                path = Some(PathBuf::from(OsStr::from_bytes(name)));
            }
            if field.strip_prefix(b"branch ").is_some_and(|branch| shown(branch) == refname) {
                return Ok(path);
            }
        }
        Ok(None)
    }

    /// The base alone, without its history, as a bundle that needs nothing: an archive is then whole by itself.
    ///
    /// `git bundle create` knows no such thing, so the header, which is three lines of text, is written here.
    pub(crate) fn bundle_base(&self, base: &Commit) -> Result<Vec<u8>, RepoError> {
        self.bundle(base, &["rev-list", "--objects", "--no-walk", base.as_str()])
    }

    /// The base with its history, and the commits of it whose parents this repository does not have itself.
    pub(crate) fn bundle_history(&self, base: &Commit) -> Result<(Vec<u8>, Vec<String>), RepoError> {
        let bytes = self.bundle(base, &["rev-list", "--objects", base.as_str()])?;
        let commits = self.git.out(&["rev-list", base.as_str()])?;
        let commits: BTreeSet<&[u8]> = commits.split(|byte| *byte == b'\n').collect();
        let shallow = self.common.join("shallow");
        let held = self.git.as_owner(|| std::fs::read_to_string(shallow))?.unwrap_or_default();
        let ends = held.lines().filter(|line| commits.contains(line.as_bytes()));
        Ok((bytes, ends.map(str::to_owned).collect()))
    }

    fn bundle(&self, base: &Commit, list: &[&str]) -> Result<Vec<u8>, RepoError> {
        let objects = self.git.out(list)?;
        // One thread: the same objects give the same bytes, so that a coordinator that has them is sent nothing.
        let args = ["pack-objects", "--stdout", "-q", "--threads=1"];
        let pack = self.git.feed(&args, &objects)?.or_failed(&args)?;
        let format =
            if base.as_str().len() == 40 { "# v2 git bundle\n" } else { "# v3 git bundle\n@object-format=sha256\n" };
        Ok([format.as_bytes(), format!("{base} refs/heads/base\n\n").as_bytes(), &pack].concat())
    }
}

/// As git writes one: a line of its kind, lines of what it builds on and what it brings, an empty line, a pack.
struct Bundle<'a> {
    /// The commits that it builds on.
    bases: Vec<String>,
    pack: &'a [u8],
}

impl<'a> Bundle<'a> {
    /// `None`: it is none, or of a kind that asks for more than this.
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let kinds = [&b"# v2 git bundle\n"[..], b"# v3 git bundle\n"];
        let mut rest = kinds.iter().find_map(|kind| bytes.strip_prefix(*kind))?;
        let mut bases = Vec::new();
        loop {
            let end = rest.iter().position(|byte| *byte == b'\n')?;
            let line = &rest[..end];
            rest = &rest[end + 1..];
            match line.first() {
                None => return Some(Self { bases, pack: rest }),
                Some(b'@') if !line.starts_with(b"@object-format=") => return None,
                Some(b'-') => bases.push(base(line)?),
                Some(_) => {}
            }
        }
    }
}

/// A hyphen, the id, and maybe a space with a comment.
fn base(line: &[u8]) -> Option<String> {
    let id = line[1..].split(|byte| *byte == b' ').next().filter(|id| !id.is_empty())?;
    id.iter().all(u8::is_ascii_hexdigit).then(|| String::from_utf8_lossy(id).into_owned())
}
