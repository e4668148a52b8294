//! Submissions into references of Arena's own, and bases out of the repository, as bundles.

use super::{RepoError, UserRepo, shown};
use arena_domain::id::Commit;
use arena_runtime::token;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// A file that is gone when this is dropped.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

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

    fn unbundle(&self, bytes: &[u8]) -> Result<(), RepoError> {
        let file = Scratch(self.common.join(format!("arena-incoming-{}.bundle", token::hex(12))));
        fs::write(&file.0, bytes)?;
        if let Some(owner) = &self.git.owner {
            // Root's umask may keep it from whoever git runs as.
            owner.takes(&file.0)?;
        }
        // Git takes a bundle only when its base is reachable; the user may have moved the branch since.
        let anchor = format!("refs/arena/import-{}", token::hex(12));
        let mut anchored = false;
        for base in prerequisites(bytes) {
            anchored |= self.git.run(&["update-ref", &format!("{anchor}/{base}"), &base])?.passed();
        }
        let done = self.git.out(&[OsStr::new("bundle"), OsStr::new("unbundle"), file.0.as_os_str()]);
        if anchored {
            self.delete_refs(&format!("{anchor}/"))?;
        }
        done.map(|_| ())
    }

    /// Removes every reference below `prefix`, which must be Arena's own and end in a slash.
    pub(crate) fn delete_refs(&self, prefix: &str) -> Result<Vec<String>, RepoError> {
        let own = prefix.starts_with("refs/heads/arena/") || prefix.starts_with("refs/arena/");
        if !own || !prefix.ends_with('/') {
            return Err(RepoError::ForeignReference { name: prefix.to_owned() });
        }
        let listed = self.references(prefix)?;
        for (name, _) in &listed {
            if let Some(path) = self.checked_out(name)? {
                return Err(RepoError::CheckedOut { branch: name.replacen("refs/heads/", "", 1), path });
            }
        }
        let commands: String = listed.iter().map(|(name, commit)| format!("delete {name}\0{commit}\0")).collect();
        self.update_refs(&commands)?;
        Ok(listed.into_iter().map(|(name, _)| name).collect())
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
        let held = fs::read_to_string(self.common.join("shallow")).unwrap_or_default();
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

/// The commits that a bundle builds on: lines of its header that begin with a hyphen.
fn prerequisites(bytes: &[u8]) -> Vec<String> {
    let header = bytes.split(|byte| *byte == b'\n').take_while(|line| !line.is_empty());
    let id = |line: &[u8]| {
        let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
        let id = line.get(1..end).filter(|id| line[0] == b'-' && id.iter().all(u8::is_ascii_hexdigit))?;
        Some(String::from_utf8_lossy(id).into_owned())
    };
    header.filter_map(id).collect()
}
