//! What a process that was killed left half written in a folder: the library writes `NAME#1` and renames it, and no list of its
//! names such a file.

use super::{BlobError, Blobs, Place};
use arena_domain::job::Millis;
use arena_runtime::files::unless_gone;
use arena_runtime::token;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{fs, io};

impl Blobs {
    /// Takes those away that nobody wrote to for so long by the clock of the folder, and answers how many there were.
    pub(crate) async fn clear_parts(&self, age: Millis) -> Result<usize, BlobError> {
        let Place::Folder(folder) = &self.place else { return Ok(0) };
        let root = folder.root.clone();
        let cleared = tokio::task::spawn_blocking(move || {
            // One's own clock may be another one, and what is being written must stay.
            let Some(now) = time_in(&root)? else { return Ok(0) };
            clear(&root, now.saturating_sub(age))
        });
        cleared.await.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(BlobError::of_folder)
    }
}

/// Nothing: there is no folder.
fn time_in(folder: &Path) -> io::Result<Option<Millis>> {
    // A part by its name, so that no list of blobs names it and whoever comes later takes it away; one's own, for several sweep at once.
    let file = folder.join(format!("{}#0", token::hex(16)));
    let Some(()) = unless_gone(fs::write(&file, []))? else { return Ok(None) };
    let now = fs::metadata(&file)?.modified().ok().and_then(millis);
    fs::remove_file(&file)?;
    Ok(now)
}

/// What others take away meanwhile is gone, and no error.
fn clear(folder: &Path, before: Millis) -> io::Result<usize> {
    let mut cleared = 0;
    let Some(entries) = unless_gone(fs::read_dir(folder))? else { return Ok(0) };
    for entry in entries {
        let entry = entry?;
        let Some(kind) = unless_gone(entry.file_type())? else { continue };
        if kind.is_dir() {
            cleared += clear(&entry.path(), before)?;
        } else if is_part(&entry.file_name().to_string_lossy()) && written(&entry).is_some_and(|at| at < before) {
            cleared += usize::from(fs::remove_file(entry.path()).is_ok());
        }
    }
    Ok(cleared)
}

fn is_part(name: &str) -> bool {
    name.rsplit_once('#').is_some_and(|(_, part)| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Nothing: it is gone, or has its name by now.
fn written(entry: &fs::DirEntry) -> Option<Millis> {
    millis(entry.metadata().ok()?.modified().ok()?)
}

fn millis(at: SystemTime) -> Option<Millis> {
    Millis::try_from(at.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn what_was_half_written_long_ago_goes_and_nothing_else() {
        const DAY: Duration = Duration::from_secs(86_400);
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(folder.path().join("blobs"));
        let clear = async || blobs.clear_parts(DAY.as_millis() as Millis).await.unwrap();
        assert_eq!(clear().await, 0, "there is no folder yet");
        let digest = blobs.put(b"whole").await.unwrap();
        // An upload whose process was killed: it is neither finished nor let go.
        let mut upload = blobs.begin();
        upload.write(bytes::Bytes::from(vec![7; 20 << 20])).await.unwrap();
        std::mem::forget(upload);
        assert_eq!(clear().await, 0, "somebody may be writing it");
        let incoming = folder.path().join("blobs/incoming");
        let parts: Vec<_> = fs::read_dir(&incoming).unwrap().map(|entry| entry.unwrap().path()).collect();
        let [part] = &parts[..] else { panic!("{parts:?}") };
        // What was written last may still be on its way to the disk.
        let mut cleared = 0;
        for _ in 0..100 {
            let Ok(file) = fs::File::options().append(true).open(part) else { break };
            file.set_modified(file.metadata().unwrap().modified().unwrap() - 2 * DAY).unwrap();
            cleared += clear().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!((cleared, clear().await), (1, 0));
        assert!(!part.exists());
        assert_eq!(blobs.get(&digest).await.unwrap(), b"whole");
    }

    /// Coordinators that sweep one folder at once, where folders come and go.
    #[test]
    fn several_at_once_stumble_over_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::thread::scope(|scope| {
            let sweeping = [(); 4].map(|()| {
                scope.spawn(move || {
                    for _ in 0..300 {
                        let now = time_in(root).unwrap().expect("a folder's time");
                        assert_eq!(clear(root, now - 60_000).unwrap(), 0);
                    }
                })
            });
            while !sweeping.iter().all(|one| one.is_finished()) {
                fs::create_dir_all(root.join("tenants/blue")).unwrap();
                fs::write(root.join("tenants/blue/one"), []).unwrap();
                fs::remove_dir_all(root.join("tenants")).unwrap();
            }
        });
        assert_eq!(fs::read_dir(root).unwrap().count(), 0, "no clock is left");
    }
}
