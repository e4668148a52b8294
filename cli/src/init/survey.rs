//! What is in a repository, as far as a packet needs it: files by folder, a few levels deep, links not followed.

use super::ecosystem::{self, Found};
use arena_domain::text::sanitise_line;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

/// Levels of folders that are looked into.
const DEEPEST: usize = 4;
/// Files that are looked at; a survey of more than this would take longer than writing the packet by hand.
const MOST_FILES: usize = 20_000;
/// Bytes of a manifest that are read.
const LARGEST_MANIFEST: u64 = 256 * 1024;
/// Folders that hold what was built or fetched.
const SKIPPED: &[&str] = &[
    "target",
    "node_modules",
    "vendor",
    "dist",
    "build",
    "out",
    "coverage",
    "venv",
    "env",
    "__pycache__",
    "site-packages",
];

/// Paths are relative to the root, with `/`, in order.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// The folder's name, if it has one.
    pub(crate) name: String,
    pub(crate) files: BTreeSet<String>,
    pub(crate) folders: BTreeSet<String>,
    pub(crate) found: Found,
}

impl Survey {
    pub(crate) fn of(root: &Path) -> io::Result<Self> {
        let whole = root.canonicalize()?;
        let name = whole.file_name().map(|name| sanitise_line(&name.to_string_lossy(), 80)).unwrap_or_default();
        let mut survey = Self { name, ..Self::default() };
        survey.walk(&whole, "", 0)?;
        survey.found = ecosystem::find(&survey, &|path| manifest(&whole, path));
        Ok(survey)
    }

    /// A folder below the root that cannot be read is left out: what is in it cannot be named.
    fn walk(&mut self, folder: &Path, prefix: &str, depth: usize) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if self.files.len() >= MOST_FILES || !is_plain(&name) {
                continue;
            }
            let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
            let kind = entry.file_type()?;
            if kind.is_file() {
                self.files.insert(path);
            } else if kind.is_dir() && depth < DEEPEST && !SKIPPED.contains(&name.as_str()) {
                self.folders.insert(path.clone());
                let _unreadable = self.walk(&entry.path(), &path, depth + 1);
            }
        }
        Ok(())
    }

    /// What lies below a folder, as if that were the repository.
    pub(crate) fn below(&self, folder: &str) -> Self {
        let prefix = format!("{folder}/");
        let strip = |paths: &BTreeSet<String>| {
            paths.iter().filter_map(|path| path.strip_prefix(&prefix)).map(str::to_owned).collect()
        };
        Self {
            name: self.name.clone(),
            files: strip(&self.files),
            folders: strip(&self.folders),
            found: Found::default(),
        }
    }

    pub(crate) fn has_file(&self, path: &str) -> bool {
        self.files.contains(path)
    }

    /// Names at the top of the repository that end like this.
    pub(crate) fn top_files(&self, ending: &str) -> Vec<&str> {
        self.files.iter().map(String::as_str).filter(|path| !path.contains('/') && path.ends_with(ending)).collect()
    }

    pub(crate) fn any_file(&self, is: impl Fn(&str) -> bool) -> bool {
        self.files.iter().any(|path| is(path))
    }

    /// Whether a file under the folder ends like one of these.
    pub(crate) fn holds(&self, folder: &str, endings: &[&str]) -> bool {
        let under = format!("{folder}/");
        self.files.iter().any(|path| path.starts_with(&under) && endings.iter().any(|ending| path.ends_with(ending)))
    }

    /// Folders with this name, at any depth.
    pub(crate) fn named(&self, name: &str) -> Vec<&str> {
        let is = |path: &&str| path.rsplit('/').next() == Some(name);
        self.folders.iter().map(String::as_str).filter(is).collect()
    }

    pub(crate) fn top_folders(&self) -> Vec<&str> {
        self.folders.iter().map(String::as_str).filter(|path| !path.contains('/')).collect()
    }
}

/// A name that means itself in a pattern and in a shell; hidden ones are configuration, not sources.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || "._-+@ ".contains(c);
    !name.starts_with(['.', '-', ' ']) && name.chars().all(plain)
}

/// The text of a manifest; empty when it is not there, is too large, or is no text.
fn manifest(root: &Path, path: &str) -> String {
    let whole = root.join(path);
    let small = fs::symlink_metadata(&whole).is_ok_and(|data| data.is_file() && data.len() <= LARGEST_MANIFEST);
    if small { fs::read_to_string(whole).unwrap_or_default() } else { String::new() }
}
