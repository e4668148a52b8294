//! The scope lock: which changed paths are kept, which are put back.
//!
//! Patterns are relative to the repository: `**` stands for any directories, `*` and `?` (one byte) stay within one name,
//! `{a,b}` is either. A pattern whose last name has no wildcard, or that ends in `/`, covers everything beneath. Every other
//! character means itself, so that a directory called `[id]` can be named.

mod pattern;

use crate::packet::{DEFAULT_FORBIDDEN, Scope};
use globset::{Candidate, GlobSet, GlobSetBuilder};
use pattern::Pattern;
use std::collections::HashSet;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    Kept,
    /// Not under `allowed`.
    Outside,
    /// Under `forbidden`, the user's or the default ones.
    Forbidden,
    /// Restored from the base before anything is evaluated.
    Protected,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a glob: {pattern}: {reason}")]
pub struct BadPattern {
    pub pattern: String,
    pub reason: String,
}

/// Whether an added path is what running things leaves behind: no part of a submission, and no violation either.
pub fn is_litter(path: &str) -> bool {
    let litter = |name: &str| {
        matches!(name, "__pycache__" | ".pytest_cache" | ".mypy_cache" | ".ruff_cache" | ".DS_Store")
            || name.ends_with(".pyc")
            // What is installed is no submission, and what a setup has installed is nobody's to write over.
            || matches!(name, "node_modules" | ".venv")
            || name.starts_with(".aider")
    };
    path.split('/').any(litter)
}

/// Compiled patterns of one packet.
#[derive(Debug, Clone)]
pub struct Lock {
    protected: Guard,
    forbidden: Guard,
    default_forbidden: Guard,
    allowed: GlobSet,
    /// The paths that `allowed` names without any wildcard; they lift the default ban.
    allowed_by_name: HashSet<String>,
}

impl Lock {
    pub fn new(scope: &Scope) -> Result<Self, BadPattern> {
        let defaults: Vec<String> = DEFAULT_FORBIDDEN.iter().map(|pattern| (*pattern).to_owned()).collect();
        let allowed = Pattern::parse_all(&scope.allowed)?;
        Ok(Self {
            protected: Guard::new(&scope.protected)?,
            forbidden: Guard::new(&scope.forbidden)?,
            default_forbidden: Guard::new(&defaults)?,
            allowed: compile(&allowed, Pattern::globs)?,
            allowed_by_name: allowed.into_iter().filter_map(Pattern::into_name).collect(),
        })
    }

    /// Whether `allowed` names this very path, which lifts the bans that nobody has written into the packet.
    pub fn is_named(&self, path: &str) -> bool {
        self.allowed_by_name.contains(path)
    }

    /// Rules on one changed path, relative to the repository and with `/` between names, as Git gives it. The first
    /// that applies: protected, forbidden by the user, forbidden by default unless `allowed` names this very path,
    /// allowed. A path that no Git tree can hold is outside.
    pub fn rule(&self, path: &str) -> Ruling {
        if !is_plain(path) {
            return Ruling::Outside;
        }
        let candidate = Candidate::new(path);
        if self.protected.covers(path, &candidate) {
            Ruling::Protected
        } else if self.forbidden.covers(path, &candidate)
            || (self.default_forbidden.covers(path, &candidate) && !self.allowed_by_name.contains(path))
        {
            Ruling::Forbidden
        } else if self.allowed.is_match_candidate(&candidate) {
            Ruling::Kept
        } else {
            Ruling::Outside
        }
    }
}

/// Patterns that keep a competitor out. They also cover every directory on the way to what they name: a changed path is
/// a file or a link, and one that stands where such a directory was has removed what lies beneath it.
#[derive(Debug, Clone)]
struct Guard {
    globs: GlobSet,
    on_the_way: HashSet<String>,
}

impl Guard {
    fn new(patterns: &[String]) -> Result<Self, BadPattern> {
        let parsed = Pattern::parse_all(patterns)?;
        Ok(Self {
            globs: compile(&parsed, Pattern::globs)?,
            on_the_way: parsed.iter().flat_map(Pattern::parents).collect(),
        })
    }

    fn covers(&self, path: &str, candidate: &Candidate<'_>) -> bool {
        self.on_the_way.contains(path) || self.globs.is_match_candidate(candidate)
    }
}

/// One pattern by itself, for telling an author what it names.
#[derive(Debug, Clone)]
pub struct Reach {
    globs: GlobSet,
    /// The longest folder without a wildcard of each alternative; empty for the repository's own.
    folders: Vec<String>,
}

impl Reach {
    pub fn new(pattern: &str) -> Result<Self, BadPattern> {
        let parsed = Pattern::parse_all(&[pattern.to_owned()])?;
        let folders = parsed.iter().map(|one| one.parents().pop().unwrap_or_default()).collect();
        Ok(Self { globs: compile(&parsed, Pattern::globs)?, folders })
    }

    pub fn covers(&self, path: &str) -> bool {
        self.globs.is_match(path)
    }

    pub fn folders(&self) -> &[String] {
        &self.folders
    }
}

fn compile(
    patterns: &[Pattern],
    globs: impl Fn(&Pattern) -> Result<Vec<globset::Glob>, BadPattern>,
) -> Result<GlobSet, BadPattern> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        for glob in globs(pattern)? {
            set.add(glob);
        }
    }
    set.build().map_err(|error| BadPattern {
        pattern: error.glob().unwrap_or_default().to_owned(),
        reason: error.kind().to_string(),
    })
}

/// The source that Python takes a cached module for: `a/x.py` for `a/__pycache__/x.cpython-312.pyc`.
pub fn cached_source(path: &str) -> Option<String> {
    let (folder, name) = path.rsplit_once('/')?;
    let folder = folder.strip_suffix("__pycache__").filter(|above| above.is_empty() || above.ends_with('/'))?;
    Some(format!("{folder}{}.py", name.split('.').next()?))
}

fn is_plain(path: &str) -> bool {
    path.split('/').all(|name| !matches!(name, "" | "." | "..") && !name.eq_ignore_ascii_case(".git"))
}

#[cfg(test)]
mod tests;
