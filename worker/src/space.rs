//! The state disk: a reserve that is given up when the disk runs full, so that what is paid for can still be written.

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Enough for the store to write every result that is on its way.
pub const RESERVE: u64 = 32 << 20;
/// With less than this free beside the reserve, work stops.
pub const LOW: u64 = 16 << 20;

/// A file that holds room; removing it gives the room back.
#[derive(Debug, Clone)]
pub struct Reserve {
    path: PathBuf,
}

impl Reserve {
    /// Takes the room, unless it is held already; an error when the disk has not that and some to work with.
    pub fn hold(folder: &Path) -> io::Result<Self> {
        let path = folder.join("reserve");
        let file = File::options().create(true).append(true).open(&path)?;
        if file.metadata()?.len() < RESERVE {
            match fallocate(&file, FallocateFlags::empty(), 0, RESERVE) {
                // Not every file system can promise room; the watch still works without a reserve.
                Ok(()) | Err(rustix::io::Errno::NOTSUP) => {}
                Err(error) => {
                    fs::remove_file(&path)?;
                    return Err(error.into());
                }
            }
        }
        let reserve = Self { path };
        if is_low(folder) {
            reserve.give_up()?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(reserve)
    }

    /// Gives the room back.
    pub fn give_up(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// Bytes that may still be written below this folder.
pub fn free(folder: &Path) -> io::Result<u64> {
    let stat = statvfs(folder)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

pub fn is_low(folder: &Path) -> bool {
    free(folder).is_ok_and(|free| free < LOW)
}
