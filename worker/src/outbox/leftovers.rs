//! What earlier boots left that nobody will ask for. Several may run here at once, on one machine.

use super::within;
use arena_domain::job::Millis;
use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::path::Path;
use std::time::UNIX_EPOCH;

/// What is being written is younger.
const HALF: Millis = 24 * 3_600_000;
/// A session whose job it was has ended long before.
const OLD: Millis = 30 * HALF;

/// Half-written files, and what was earned so long ago that was told or cannot be. What still has to be told stays.
pub(crate) fn clear(root: &Path, now: Millis) {
    let (spool, outbox) = (root.join("spool"), root.join("outbox"));
    halves(&spool, now);
    halves(&outbox, now);
    for held in within(&outbox) {
        within(&held.path()).iter().for_each(|tenant| halves(&tenant.path(), now));
    }
    let told = |name: &OsStr| !spool.join(Path::new(name).with_extension("")).exists();
    for entry in within(&outbox).iter().filter(|entry| told(&entry.file_name()) && is_older(entry, OLD, now)) {
        let path = entry.path();
        let gone = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        match gone {
            Ok(()) => tracing::info!(path = %path.display(), "what an engine earned was asked for by nobody"),
            Err(error) => tracing::warn!(path = %path.display(), %error, "it could not be taken away"),
        }
    }
}

fn halves(folder: &Path, now: Millis) {
    let half = |entry: &DirEntry| entry.file_name().as_encoded_bytes().starts_with(b".") && !entry.path().is_dir();
    for entry in within(folder).iter().filter(|entry| half(entry) && is_older(entry, HALF, now)) {
        let _ = fs::remove_file(entry.path());
    }
}

fn is_older(entry: &DirEntry, than: Millis, now: Millis) -> bool {
    let written = entry.metadata().and_then(|about| about.modified()).ok();
    let at = written.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).map(|at| at.as_millis());
    at.is_some_and(|at| at + u128::from(than) < u128::from(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arena_runtime::digest;

    #[test]
    fn what_is_old_and_told_goes_with_what_is_half_written() {
        let root = tempfile::tempdir().unwrap();
        let make = |path: String| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, b"x").unwrap();
            path
        };
        let (told, untold) = (digest::sha256(b"told"), digest::sha256(b"untold"));
        let gone = [format!("outbox/{told}"), format!("outbox/{told}.blobs/blue/{told}")].map(make);
        let stay = [
            format!("outbox/{untold}"),
            format!("outbox/{untold}.blobs/blue/{told}"),
            format!("spool/{untold}"),
            "spool/unknown".to_owned(),
        ]
        .map(make);
        let half =
            ["spool/.0.1".to_owned(), "outbox/.0.1".into(), format!("outbox/{untold}.blobs/blue/.0.1")].map(make);
        let now = arena_runtime::clock::now_millis();
        clear(root.path(), now);
        assert!(half.iter().chain(&gone).chain(&stay).all(|path| path.exists()), "somebody may be writing");
        clear(root.path(), now + HALF + 60_000);
        assert!(half.iter().all(|path| !path.exists()));
        assert!(gone.iter().chain(&stay).all(|path| path.exists()), "it may be asked for");
        clear(root.path(), now + OLD + 60_000);
        assert!(gone.iter().all(|path| !path.exists()) && stay.iter().all(|path| path.exists()));
    }
}
