//! Whether a pack is still what was installed: by its stamp before every run, by its whole digest when that differs.

use super::{Pack, PackError, RECORD, Record, seal};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

impl Pack {
    /// Reads nothing but names and times when the stamp is the record's or `known`; gives the stamp that was found good.
    pub fn check(&self, known: Option<&str>) -> Result<String, PackError> {
        let stamp = seal::stamp(&self.folder)?;
        if stamp != self.record.stamp && known != Some(&stamp) {
            self.verify()?;
        }
        Ok(stamp)
    }

    /// Reads all of it.
    pub fn verify(&self) -> Result<(), PackError> {
        if seal::digest(&self.folder)? == self.record.digest {
            return Ok(());
        }
        let Record { name, version, .. } = &self.record;
        Err(PackError::Changed { name: name.clone(), version: version.clone(), folder: self.folder.clone() })
    }

    /// Gives a whole pack the stamp of its files. One that cannot be written to is read again at each check.
    pub(super) fn renew(&mut self) -> Result<(), PackError> {
        let stamp = self.check(None)?;
        if stamp != self.record.stamp {
            self.record.stamp = stamp;
            if let Err(error) = self.record.write(&self.folder) {
                tracing::debug!(%error, "a pack keeps its old stamp");
            }
        }
        Ok(())
    }
}

impl Record {
    /// Into a sealed folder, which is sealed again.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(self)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
        let written = arena_runtime::files::write_atomic(&folder.join(RECORD), &text)
            .and_then(|()| fs::set_permissions(folder.join(RECORD), fs::Permissions::from_mode(0o444)));
        fs::set_permissions(folder, fs::Permissions::from_mode(0o555))?;
        written
    }
}
