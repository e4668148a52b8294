//! Engines as folders that are mounted read-only into any image: `<engine_packs>/<name>/<version>`.
//!
//! A folder under its own name is whole: it was made beside it, made read-only and renamed.

mod error;
mod fetch;
mod install;
mod seal;
mod verify;

use super::manifest::{Manifest, numbers};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

pub use error::PackError;
pub use install::Installed;

/// What the packs of this machine lie below when the configuration says nothing.
const USUAL: &str = "/opt/arena/engines";
/// What says that a pack is one.
const RECORD: &str = "pack.json";

/// How an engine is fetched, from a manifest; texts may hold `{version}`, `{arch}` (x64) and `{machine}` (x86_64).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    pub client: Client,
    /// That is installed when no other is asked for.
    pub version: String,
    pub packages: Vec<String>,
    /// Taken from this machine into the pack's `lib`, for images without them.
    pub libraries: Vec<String>,
    /// Short names in the pack for what the packages hold.
    pub links: Vec<(String, String)>,
    /// Files of Arena's own in the pack.
    pub files: Vec<(String, String)>,
}

/// The package client that fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    Npm,
    Pip,
}

impl Client {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Pip => "pip",
        }
    }
}

/// One installed engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pack {
    /// What is mounted.
    pub folder: PathBuf,
    pub record: Record,
}

/// What is known of a pack; its `pack.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub name: String,
    pub version: String,
    /// The client, and what it was asked for.
    pub source: Vec<String>,
    pub bytes: u64,
    pub files: u64,
    /// Over every name, mode and content.
    pub digest: String,
    /// Of these very files, by which it is seen without reading them that they are still the same; empty in a pack of an
    /// older Arena.
    #[serde(default)]
    pub stamp: String,
}

/// The packs of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packs {
    /// The first that can be written to takes what is installed; all are searched.
    roots: Vec<PathBuf>,
}

impl Packs {
    /// The configured folder, and one of the user's own beside the usual one, which needs root.
    pub fn new(configured: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let data = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share")));
        let own = data.filter(|_| configured == Path::new(USUAL)).map(|data| data.join("arena/engines"));
        Self { roots: std::iter::once(configured.to_owned()).chain(own).collect() }
    }

    /// All versions of an engine, the newest first.
    pub fn versions(&self, name: &str) -> Vec<Pack> {
        let mut found: Vec<Pack> = Vec::new();
        for root in &self.roots {
            for entry in fs::read_dir(root.join(name)).into_iter().flatten().flatten() {
                found.extend(open(&entry.path()).filter(|pack| pack.record.name == name));
            }
        }
        found.sort_by_cached_key(|pack| std::cmp::Reverse(numbers(&pack.record.version)));
        found.dedup_by(|later, earlier| later.record.version == earlier.record.version);
        found
    }

    /// The one to run: that version, or else the newest that Arena was tested with, or else the newest.
    pub fn choose(&self, manifest: &Manifest, version: Option<&str>) -> Option<Pack> {
        let all = self.versions(&manifest.name);
        let wanted = |pack: &&Pack| match version {
            Some(version) => pack.record.version == version,
            None => manifest.is_tested(&pack.record.version),
        };
        let newest = all.first().filter(|_| version.is_none());
        all.iter().find(wanted).or(newest).cloned()
    }
}

/// `None`: no whole pack under its own name.
fn open(folder: &Path) -> Option<Pack> {
    let named = folder.file_name()?.to_str()?;
    if named.starts_with('.') {
        return None;
    }
    let record: Record = serde_json::from_slice(&fs::read(folder.join(RECORD)).ok()?).ok()?;
    (record.version == named).then(|| Pack { folder: folder.to_owned(), record })
}

#[cfg(test)]
mod tests;
