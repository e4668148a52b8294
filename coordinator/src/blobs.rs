//! Content-addressed files: bundles, logs. A blob is whole and on the disk before its name is given.

use arena_runtime::{digest, files};
use std::io;
use std::path::PathBuf;

#[derive(Debug, Clone)]
pub struct Blobs {
    root: PathBuf,
}

impl Blobs {
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The digest; storing the same bytes twice is one blob.
    pub fn put(&self, bytes: &[u8]) -> io::Result<String> {
        let name = digest::sha256(bytes);
        let path = self.path(&name).ok_or(io::ErrorKind::InvalidInput)?;
        // One that is damaged is mended by whoever has the right bytes.
        if !std::fs::read(&path).is_ok_and(|held| held == bytes) {
            files::write_atomic(&path, bytes)?;
        }
        Ok(name)
    }

    pub fn get(&self, digest: &str) -> io::Result<Vec<u8>> {
        let path = self.path(digest).ok_or(io::ErrorKind::InvalidInput)?;
        let bytes = std::fs::read(path)?;
        // A damaged blob must not be taken for what was stored.
        if digest::sha256(&bytes) != digest {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("blob {digest} is damaged")));
        }
        Ok(bytes)
    }

    /// `None` for what is no digest, so that a name cannot leave the folder.
    fn path(&self, digest: &str) -> Option<PathBuf> {
        let plain = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        plain.then(|| self.root.join(&digest[..2]).join(&digest[2..]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_comes_back_and_a_damaged_blob_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(folder.path().into());
        let name = blobs.put(b"tree").unwrap();
        assert_eq!(blobs.put(b"tree").unwrap(), name);
        assert_eq!(blobs.get(&name).unwrap(), b"tree");
        std::fs::write(blobs.path(&name).unwrap(), b"other").unwrap();
        assert_eq!(blobs.get(&name).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(blobs.put(b"tree").unwrap(), name);
        assert_eq!(blobs.get(&name).unwrap(), b"tree", "put again, it is mended");
    }

    #[test]
    fn a_name_that_is_no_digest_leads_nowhere() {
        let blobs = Blobs::new("/nowhere".into());
        for name in ["", "../../etc/passwd", "zz"] {
            assert_eq!(blobs.get(name).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
    }
}
