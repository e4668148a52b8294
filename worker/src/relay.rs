//! The static relay, carried in this binary and laid down where Docker can mount it.

use arena_runtime::{digest, files};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const RELAY: &[u8] = include_bytes!(env!("ARENA_RELAY"));

/// Its path below `root`, by content: another version is another file.
pub fn lay_down(root: &Path) -> io::Result<PathBuf> {
    let path = root.join(format!("relay-{}", &digest::sha256(RELAY)[..16]));
    if !std::fs::read(&path).is_ok_and(|held| held == RELAY) {
        files::write_atomic(&path, RELAY)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(path)
}
