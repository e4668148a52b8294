//! Content-addressed files: bundles, logs, bases. A blob is whole and on the disk before its name is given. Each tenant
//! has blobs of its own: a name alone opens nothing of another's.

use arena_domain::id::Tenant;
use arena_runtime::{digest, files};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

#[derive(Debug, Clone)]
pub struct Blobs {
    root: PathBuf,
}

/// One on its way in; dropped before its end it leaves nothing.
pub struct Incoming {
    root: PathBuf,
    scratch: PathBuf,
    file: File,
    running: digest::Running,
}

/// One on its way out.
pub struct Outgoing {
    name: String,
    file: File,
    running: Option<digest::Running>,
}

impl Blobs {
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Those of one tenant; `name` is one that the gate has let through.
    pub fn of(&self, tenant: &Tenant) -> Self {
        if *tenant == Tenant::local() {
            return self.clone();
        }
        Self { root: self.root.join("tenants").join(tenant.as_str()) }
    }

    pub fn begin(&self) -> io::Result<Incoming> {
        fs::create_dir_all(&self.root)?;
        let scratch = files::scratch_beside(&self.root.join("incoming"));
        let file = File::options().write(true).create_new(true).open(&scratch)?;
        Ok(Incoming { root: self.root.clone(), scratch, file, running: digest::Running::default() })
    }

    /// The digest; storing the same bytes twice is one blob.
    pub fn put(&self, bytes: &[u8]) -> io::Result<String> {
        let mut incoming = self.begin()?;
        incoming.write(bytes)?;
        incoming.finish()
    }

    pub fn open(&self, digest: &str) -> io::Result<Outgoing> {
        let file = File::open(path(&self.root, digest).ok_or(io::ErrorKind::InvalidInput)?)?;
        Ok(Outgoing { name: digest.to_owned(), file, running: Some(digest::Running::default()) })
    }

    pub fn get(&self, digest: &str) -> io::Result<Vec<u8>> {
        let (mut outgoing, mut bytes) = (self.open(digest)?, Vec::new());
        while let Some(piece) = outgoing.next(1 << 20)? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    pub fn has(&self, digest: &str) -> bool {
        path(&self.root, digest).is_some_and(|path| path.is_file())
    }
}

/// `None` for what is no digest, so that a name cannot leave the folder.
fn path(root: &Path, digest: &str) -> Option<PathBuf> {
    let plain = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| root.join(&digest[..2]).join(&digest[2..]))
}

impl Incoming {
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.running.update(bytes);
        self.file.write_all(bytes)
    }

    pub fn finish(mut self) -> io::Result<String> {
        let name = std::mem::take(&mut self.running).finish();
        let path = path(&self.root, &name).ok_or(io::ErrorKind::InvalidInput)?;
        // One that is damaged is mended by whoever has the right bytes.
        if is_whole(&path, &name) {
            return Ok(name);
        }
        self.file.sync_all()?;
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder)?;
        fs::rename(&self.scratch, &path)?;
        File::open(folder)?.sync_all()?;
        Ok(name)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // Gone already when it was finished as something new.
        let _ = fs::remove_file(&self.scratch);
    }
}

impl Outgoing {
    /// The next piece; an error at the end when what was read is not what was stored.
    pub fn next(&mut self, most: usize) -> io::Result<Option<Vec<u8>>> {
        let mut piece = Vec::with_capacity(most);
        Read::by_ref(&mut self.file).take(most as u64).read_to_end(&mut piece)?;
        if !piece.is_empty() {
            if let Some(running) = &mut self.running {
                running.update(&piece);
            }
            return Ok(Some(piece));
        }
        let whole = self.running.take().is_none_or(|running| running.finish() == self.name);
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, format!("blob {} is damaged", self.name));
        if whole { Ok(None) } else { Err(damaged()) }
    }
}

fn is_whole(path: &Path, name: &str) -> bool {
    let Ok(mut file) = File::open(path) else { return false };
    let (mut running, mut piece) = (digest::Running::default(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut piece) {
            Ok(0) => return running.finish() == name,
            Ok(read) => running.update(&piece[..read]),
            Err(_) => return false,
        }
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
        std::fs::write(path(&blobs.root, &name).unwrap(), b"other").unwrap();
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

    #[test]
    fn what_is_broken_off_leaves_nothing_and_tenants_see_only_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(folder.path().into());
        let mut incoming = blobs.begin().unwrap();
        incoming.write(b"half").unwrap();
        drop(incoming);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let (blue, red) = (blobs.of(&Tenant::new("blue")), blobs.of(&Tenant::new("red")));
        let name = blue.put(b"secret").unwrap();
        assert!(blue.has(&name) && !red.has(&name) && !blobs.has(&name));
        assert_eq!(red.get(&name).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
