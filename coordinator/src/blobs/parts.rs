//! What a process that was killed left half written in a folder: the library writes `NAME#1` and renames it, and no list of its
//! names such a file.

use super::{BlobError, Blobs, Place};
use arena_domain::job::Millis;
use std::path::Path;
use std::time::UNIX_EPOCH;
use std::{fs, io};

impl Blobs {
    /// Takes away those that nobody wrote to since `before`, and answers how many there were.
    pub(crate) async fn clear_parts(&self, before: Millis) -> Result<usize, BlobError> {
        let Place::Folder(folder) = &self.place else { return Ok(0) };
        let root = folder.root.clone();
        let cleared = tokio::task::spawn_blocking(move || clear(&root, before)).await;
        cleared.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(BlobError::of_folder)
    }
}

fn clear(folder: &Path, before: Millis) -> io::Result<usize> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut cleared = 0;
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
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
    let since = entry.metadata().ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Millis::try_from(since.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arena_runtime::clock;

    #[tokio::test]
    async fn what_was_half_written_long_ago_goes_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(folder.path().join("blobs"));
        assert_eq!(blobs.clear_parts(clock::now_millis()).await.unwrap(), 0, "there is no folder yet");
        let digest = blobs.put(b"whole").await.unwrap();
        // An upload whose process was killed: it is neither finished nor let go.
        let mut upload = blobs.begin();
        upload.write(bytes::Bytes::from(vec![7; 20 << 20])).await.unwrap();
        std::mem::forget(upload);
        let now = clock::now_millis();
        assert_eq!(blobs.clear_parts(now - 60_000).await.unwrap(), 0, "somebody may be writing it");
        assert_eq!(blobs.clear_parts(now + 60_000).await.unwrap(), 1);
        assert_eq!(blobs.clear_parts(now + 60_000).await.unwrap(), 0);
        assert_eq!(blobs.get(&digest).await.unwrap(), b"whole");
    }
}
