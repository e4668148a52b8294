//! The user's own repository: trusted, with the user's configuration, through git alone.
//!
//! Nothing here writes to the working tree or the index. References are written below `refs/heads/arena/` and
//! `refs/arena/` only.

mod codebase;
mod diff;
mod error;
mod git;
mod import;

pub(crate) use error::RepoError;
pub(crate) use git::{Git, Ran, shown, zero_ended};

use arena_domain::id::Commit;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// How many names are offered for one that does not exist.
const NEAR: usize = 3;
/// How alike two names must be, from 0 to 1, for one to be offered for the other.
const LIKENESS: f64 = 0.5;

/// A repository with at least one commit.
#[derive(Debug, Clone)]
pub(crate) struct UserRepo {
    /// The top of the working tree, or the git directory of a bare repository.
    root: PathBuf,
    /// Of this working tree; `common` is shared with linked ones.
    git_dir: PathBuf,
    common: PathBuf,
    work_tree: bool,
    git: Git,
}

impl UserRepo {
    /// Finds the repository that `path` lies in: a subdirectory, a linked working tree or a bare repository.
    pub(crate) fn open(path: &Path) -> Result<Self, RepoError> {
        if !path.is_dir() {
            return Err(RepoError::NoSuchPath { path: path.to_owned() });
        }
        let git = Git::of_user(path);
        git::check_version(&git)?;
        let asked = git.run(&["rev-parse", "--absolute-git-dir"])?;
        if !asked.passed() {
            return Err(not_open(&git, path)?);
        }
        let git_dir = PathBuf::from(asked.line());
        let common = git.out(&["rev-parse", "--path-format=absolute", "--git-common-dir"])?;
        let top = git.run(&["rev-parse", "--show-toplevel"])?;
        let root = if top.passed() { PathBuf::from(top.line()) } else { git_dir.clone() };
        let repo = Self {
            git: Git::of_user(&root),
            common: PathBuf::from(git::line(&common)),
            work_tree: top.passed(),
            root,
            git_dir,
        };
        if !repo.has_commits()? {
            return Err(RepoError::NoCommits { path: repo.root });
        }
        Ok(repo)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where this working tree's own state lies, such as a merge in progress.
    pub(crate) fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// The git directory that all working trees share.
    pub(crate) fn common(&self) -> &Path {
        &self.common
    }

    pub(crate) fn has_work_tree(&self) -> bool {
        self.work_tree
    }

    pub(crate) fn git(&self) -> &Git {
        &self.git
    }

    /// The commit that a branch, a tag or an id stands for; `None` is HEAD, detached or not.
    pub(crate) fn resolve(&self, rev: Option<&str>) -> Result<Commit, RepoError> {
        let rev = rev.unwrap_or("HEAD");
        // What begins with a hyphen would be an option.
        if !rev.starts_with('-') && !rev.is_empty() {
            let found = self.git.run(&["rev-parse", "--verify", "--quiet", &format!("{rev}^{{commit}}")])?;
            if found.passed() {
                return Ok(Commit::new(found.text()));
            }
        }
        Err(RepoError::UnknownRevision {
            rev: rev.to_owned(),
            near: self.near(rev)?,
            shallow: self.common.join("shallow").exists(),
        })
    }

    /// Paths with changes, staged or not, and untracked ones; names that are no UTF-8 are shown with `\xNN`.
    pub(crate) fn is_dirty(&self) -> Result<Vec<String>, RepoError> {
        if !self.work_tree {
            return Ok(Vec::new());
        }
        let args = ["status", "--porcelain=v1", "-z", "--untracked-files=normal", "--no-renames"];
        let listed = self.git.out(&args)?;
        // Two letters of state and a space stand before each name.
        Ok(zero_ended(&listed).filter_map(|entry| entry.get(3..)).map(shown).collect())
    }

    /// Whether the commit's tree has this path.
    pub(crate) fn holds(&self, commit: &Commit, path: &Path) -> bool {
        let mut name = OsString::from(format!("{commit}:"));
        name.push(path);
        let ran = self.git().run(&[OsString::from("cat-file"), OsString::from("-e"), name]);
        ran.is_ok_and(|ran| ran.passed())
    }

    /// Every path that a commit tracks; names that are no UTF-8 are shown with `\xNN`.
    pub(crate) fn files(&self, commit: &Commit) -> Result<Vec<String>, RepoError> {
        let listed = self.git.out(&["ls-tree", "-r", "-z", "--name-only", "--full-tree", commit.as_str()])?;
        Ok(zero_ended(&listed).map(shown).collect())
    }

    /// Paths of the submodules that a commit tracks; their contents are no part of any tree of a session.
    pub(crate) fn submodules(&self, commit: &Commit) -> Result<Vec<String>, RepoError> {
        let listed = self.git.out(&["ls-tree", "-r", "-z", "--full-tree", commit.as_str()])?;
        let path = |entry: &[u8]| {
            let tab = entry.iter().position(|byte| *byte == b'\t')?;
            entry.starts_with(b"160000 ").then(|| shown(&entry[tab + 1..]))
        };
        Ok(zero_ended(&listed).filter_map(path).collect())
    }

    pub(crate) fn is_ancestor(&self, older: &Commit, newer: &Commit) -> Result<bool, RepoError> {
        Ok(self.git.run(&["merge-base", "--is-ancestor", older.as_str(), newer.as_str()])?.passed())
    }

    /// The commit of a reference by its full name.
    pub(crate) fn reference(&self, name: &str) -> Result<Option<Commit>, RepoError> {
        let found = self.git.run(&["rev-parse", "--verify", "--quiet", &format!("{name}^{{commit}}")])?;
        Ok(found.passed().then(|| Commit::new(found.text())))
    }

    /// The branch that HEAD is on; `None` when it is detached.
    pub(crate) fn branch(&self) -> Result<Option<String>, RepoError> {
        let found = self.git.run(&["symbolic-ref", "--quiet", "HEAD"])?;
        Ok(found.text().strip_prefix("refs/heads/").filter(|_| found.passed()).map(str::to_owned))
    }

    fn has_commits(&self) -> Result<bool, RepoError> {
        let any = self.git.out(&["rev-list", "-n", "1", "--all", "HEAD", "--"]);
        match any {
            Ok(commit) => Ok(!commit.is_empty()),
            // An unborn HEAD is no revision; other branches may still have commits.
            Err(RepoError::Failed { .. }) => Ok(!self.git.out(&["rev-list", "-n", "1", "--all"])?.is_empty()),
            Err(other) => Err(other),
        }
    }

    /// Branches and tags whose names are like `rev`, the likest first.
    fn near(&self, rev: &str) -> Result<Vec<String>, RepoError> {
        let args = ["for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/tags", "refs/remotes"];
        let listed = self.git.out(&args)?;
        let likeness = |name: &str| {
            let last = name.rsplit('/').next().unwrap_or(name);
            if last == rev { 1.0 } else { strsim::jaro_winkler(name, rev) }
        };
        let mut names: Vec<(f64, String)> = String::from_utf8_lossy(&listed)
            .lines()
            .map(|name| (likeness(name), name.to_owned()))
            .filter(|(likeness, _)| *likeness > LIKENESS)
            .collect();
        names.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        Ok(names.into_iter().take(NEAR).map(|(_, name)| name).collect())
    }
}

/// Why git does not open a repository here. Asked again with every owner allowed, so that no text has to be read.
fn not_open(git: &Git, path: &Path) -> Result<RepoError, RepoError> {
    let any_owner = git.run(&["-c", "safe.directory=*", "rev-parse", "--absolute-git-dir"])?;
    if !any_owner.passed() {
        return Ok(RepoError::NotARepository { path: path.to_owned() });
    }
    let top = git.run(&["-c", "safe.directory=*", "rev-parse", "--show-toplevel"])?;
    let owner = if top.passed() { top } else { any_owner };
    Ok(RepoError::Dubious { path: PathBuf::from(owner.line()) })
}

#[cfg(test)]
pub(crate) mod tests;
