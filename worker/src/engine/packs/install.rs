//! Installing and removing packs: one at a time for each engine, and a half one is never seen.

use super::seal::{self, Sealed};
use super::{Pack, PackError, Packs, Recipe, Record, fetch, open};
use crate::engine::manifest::{Manifest, replace};
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

/// What an installation came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    pub pack: Pack,
    /// It was there before.
    pub before: bool,
    /// What is not as it should be, for people.
    pub remarks: Vec<String>,
}

impl Packs {
    /// Fetches an engine, unless it is there. Blocks, for minutes on a slow line.
    pub fn install(&self, manifest: &Manifest, version: Option<&str>) -> Result<Installed, PackError> {
        let name = &manifest.name;
        let Some(recipe) = &manifest.pack else {
            return Err(PackError::NoRecipe { name: name.clone(), image: manifest.image.clone() });
        };
        let version = version.unwrap_or(&recipe.version);
        if !is_version(version) {
            return Err(PackError::BadVersion(version.to_owned()));
        }
        let held = self.versions(name).into_iter().find(|pack| pack.record.version == version);
        if let Some(mut pack) = held {
            // Whoever installs again wants to have what was installed; a pack that was copied gets its stamp.
            pack.renew()?;
            return Ok(Installed { pack, before: true, remarks: Vec::new() });
        }
        let words = Words::of_this_machine(name, version)?;
        let shelf = self.shelf(name)?;
        let _lock = lock(&shelf)?;
        let place = shelf.join(version);
        if let Some(pack) = open(&place) {
            // Another process had the lock before, and installed the same.
            return Ok(Installed { pack, before: true, remarks: Vec::new() });
        }
        sweep(&shelf)?;
        let draft = shelf.join(format!(".new-{}", arena_runtime::token::hex(8)));
        let made = make(recipe, name, version, &words, &draft).and_then(|(record, remarks)| {
            if place.exists() {
                // No pack, since it could not be opened; its name is needed.
                seal::remove(&place)?;
            }
            fs::rename(&draft, &place)?;
            File::open(&shelf)?.sync_all()?;
            Ok(Installed { pack: Pack { folder: place, record }, before: false, remarks })
        });
        if made.is_err() {
            let _ = seal::remove(&draft);
        }
        made
    }

    /// Takes one version away, or all of them; gives what was removed.
    pub fn remove(&self, name: &str, version: Option<&str>) -> Result<Vec<Pack>, PackError> {
        let mut removed = self.versions(name);
        removed.retain(|pack| version.is_none_or(|version| pack.record.version == version));
        if removed.is_empty() {
            return Err(PackError::NotInstalled(name.to_owned()));
        }
        for pack in &removed {
            let shelf = pack.folder.parent().unwrap_or(&pack.folder);
            let _lock = lock(shelf)?;
            // First out of sight, so that nobody meets a half one.
            let gone = shelf.join(format!(".old-{}", arena_runtime::token::hex(8)));
            fs::rename(&pack.folder, &gone).map_err(|source| not_writable(shelf, source))?;
            seal::remove(&gone)?;
        }
        Ok(removed)
    }

    /// The folder of an engine below the first root that can be written to.
    fn shelf(&self, name: &str) -> Result<PathBuf, PackError> {
        let mut refused = None;
        for root in &self.roots {
            let shelf = root.join(name);
            let made = fs::create_dir_all(&shelf).and_then(|()| lock_file(&shelf).map(drop));
            match made {
                Ok(()) => return Ok(shelf),
                Err(source) => refused = refused.or(Some(not_writable(root, source))),
            }
        }
        Err(refused.unwrap_or_else(|| not_writable(Path::new(""), io::ErrorKind::NotFound.into())))
    }
}

fn not_writable(folder: &Path, source: io::Error) -> PackError {
    PackError::Folder { folder: folder.to_owned(), source }
}

fn lock_file(shelf: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(shelf.join(".lock"))
}

/// The kernel frees it when the process ends, however it ends.
fn lock(shelf: &Path) -> Result<File, PackError> {
    let file = lock_file(shelf).map_err(|source| not_writable(shelf, source))?;
    flock(&file, FlockOperation::LockExclusive).map_err(io::Error::from)?;
    Ok(file)
}

/// What an installation left that was killed; nobody else holds the lock.
fn sweep(shelf: &Path) -> io::Result<()> {
    for entry in fs::read_dir(shelf)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with(".new-") || name.starts_with(".old-") {
            seal::remove(&path)?;
        }
    }
    Ok(())
}

/// It becomes a folder's name and a client's argument.
fn is_version(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-+_".contains(c);
    text.len() <= 64 && text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(plain)
}

/// What a recipe's placeholders stand for.
struct Words {
    version: String,
    /// As npm names processors.
    arch: &'static str,
    /// As compilers name them.
    machine: &'static str,
}

impl Words {
    fn of_this_machine(name: &str, version: &str) -> Result<Self, PackError> {
        let (arch, machine) = match std::env::consts::ARCH {
            "x86_64" => ("x64", "x86_64"),
            "aarch64" => ("arm64", "aarch64"),
            other => return Err(PackError::Machine { name: name.to_owned(), machine: other.to_owned() }),
        };
        Ok(Self { version: version.to_owned(), arch, machine })
    }

    fn fill(&self, template: &str) -> String {
        let value = |name: &str| match name {
            "version" => Some(self.version.clone()),
            "arch" => Some(self.arch.to_owned()),
            "machine" => Some(self.machine.to_owned()),
            _ => None,
        };
        replace(template, &["version", "arch", "machine"], value).unwrap_or_default()
    }
}

fn make(
    recipe: &Recipe,
    name: &str,
    version: &str,
    words: &Words,
    draft: &Path,
) -> Result<(Record, Vec<String>), PackError> {
    fs::create_dir(draft)?;
    let packages: Vec<String> = recipe.packages.iter().map(|package| words.fill(package)).collect();
    fetch::fetch(recipe.client, name, &packages, draft)?;
    for (path, content) in &recipe.files {
        let path = inside(draft, path)?;
        fs::write(path, content)?;
    }
    let mut remarks = Vec::new();
    for library in &recipe.libraries {
        match library_here(library, words) {
            Some(found) => drop(fs::copy(found, inside(draft, &format!("lib/{library}"))?)?),
            None => remarks.push(format!("{library} is not on this machine; images for {name} must have it")),
        }
    }
    for (short, target) in &recipe.links {
        link(draft, short, &words.fill(target))?;
    }
    let Sealed { bytes, files, digest } = seal::seal(draft)?;
    let source = std::iter::once(recipe.client.as_str().to_owned()).chain(packages).collect();
    let stamp = seal::stamp(draft)?;
    let record = Record { name: name.to_owned(), version: version.to_owned(), source, bytes, files, digest, stamp };
    record.write(draft)?;
    Ok((record, remarks))
}

/// A place below `draft`, whose folder is made.
fn inside(draft: &Path, path: &str) -> Result<PathBuf, PackError> {
    let plain = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    if !plain || path.is_empty() {
        return Err(PackError::Broken(format!("place for {path}")));
    }
    let place = draft.join(path);
    fs::create_dir_all(place.parent().unwrap_or(draft))?;
    Ok(place)
}

/// A relative one, so that it holds wherever the pack is mounted; its target is made to run.
fn link(draft: &Path, short: &str, target: &str) -> Result<(), PackError> {
    let (place, held) = (inside(draft, short)?, inside(draft, target)?);
    if !held.is_file() {
        return Err(PackError::Broken(target.to_owned()));
    }
    fs::set_permissions(&held, fs::Permissions::from_mode(0o755))?;
    let up = "../".repeat(Path::new(short).components().count() - 1);
    symlink(format!("{up}{target}"), place)?;
    Ok(())
}

fn library_here(library: &str, words: &Words) -> Option<PathBuf> {
    let own = format!("{}-linux-gnu", words.machine);
    let folders =
        [format!("/usr/lib/{own}"), format!("/lib/{own}"), "/usr/lib64".into(), "/lib64".into(), "/usr/lib".into()];
    folders.iter().map(|folder| Path::new(folder).join(library)).find(|path| path.is_file())
}
