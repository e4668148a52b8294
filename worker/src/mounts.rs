//! Overlay and loop mounts, made and taken away. Removal is by unmount: what is in a quota'd image needs no walk.

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::ffi::CString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The capability that mounting takes, by its number in the kernel.
const CAP_SYS_ADMIN: u32 = 21;

/// Whether this process may mount, and has the loop devices that disks need. Root in a container often may not.
pub(crate) fn allowed() -> bool {
    rustix::process::geteuid().is_root()
        && Path::new("/dev/loop-control").exists()
        && std::fs::read_to_string("/proc/self/status").is_ok_and(|status| is_capable(&status, CAP_SYS_ADMIN))
}

fn is_capable(status: &str, capability: u32) -> bool {
    let held = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    held.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask >> capability & 1 == 1)
}

/// Lays `upper` over the `lowers` (topmost first) at `target`.
pub(crate) fn overlay(lowers: &[&Path], upper: &Path, work: &Path, target: &Path) -> io::Result<()> {
    let mut data = b"lowerdir=".to_vec();
    for (index, lower) in lowers.iter().enumerate() {
        if index > 0 {
            data.push(b':');
        }
        data.extend(escape(lower));
    }
    for (name, path) in [("upperdir", upper), ("workdir", work)] {
        data.extend(format!(",{name}=").bytes());
        data.extend(escape(path));
    }
    // No redirects and no metadata-only copies: what changed is in the upper layer, whole.
    data.extend(b",redirect_dir=off,metacopy=off,index=off,xino=off");
    let data = CString::new(data).map_err(|_| io::ErrorKind::InvalidInput)?;
    let flags = MountFlags::NODEV | MountFlags::NOSUID;
    Ok(mount("overlay", target, "overlay", flags, data.as_c_str())?)
}

/// Colons and commas separate paths and options.
fn escape(path: &Path) -> Vec<u8> {
    let mut escaped = Vec::new();
    for byte in path.as_os_str().as_bytes() {
        if matches!(byte, b':' | b',' | b'\\') {
            escaped.push(b'\\');
        }
        escaped.push(*byte);
    }
    escaped
}

/// A new ext4 file system of `bytes` in `image`, sparse, with the inode cap that goes with it.
pub(crate) fn format(image: &Path, bytes: u64) -> io::Result<()> {
    std::fs::File::create(image)?.set_len(bytes)?;
    let inodes = (bytes / 8192).clamp(4096, 400_000).to_string();
    let options = ["-q", "-F", "-m", "0", "-b", "4096", "-O", "^has_journal,^resize_inode", "-N", &inodes];
    let lazy = ["-E", "lazy_itable_init=1,nodiscard"];
    run(Command::new("mkfs.ext4").env("PATH", path()).args(options).args(lazy).arg(image))
}

/// Mounts an image; the loop device goes when it is unmounted.
pub(crate) fn attach(image: &Path, target: &Path, read_only: bool) -> io::Result<()> {
    let mode = if read_only { "loop,nodev,nosuid,ro" } else { "loop,nodev,nosuid,noatime" };
    run(Command::new("mount").env("PATH", path()).args(["-t", "ext4", "-o", mode]).arg(image).arg(target))
}

/// At once, even while something below is held open.
pub(crate) fn detach(target: &Path) -> io::Result<()> {
    match unmount(target, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        Ok(()) => Ok(()),
        // Not a mount (any more).
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Everything mounted below `root`, the last mounted first.
pub(crate) fn below(root: &Path) -> io::Result<Vec<PathBuf>> {
    let table = std::fs::read("/proc/self/mountinfo")?;
    let mut found: Vec<PathBuf> = table
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b' ').nth(4))
        .map(|point| PathBuf::from(std::ffi::OsString::from_vec(unescape(point))))
        .filter(|point| point.starts_with(root))
        .collect();
    found.reverse();
    Ok(found)
}

/// `\040` and its like, as the kernel writes spaces.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut index = 0;
    while index < text.len() {
        let octal = text.get(index + 1..index + 4).filter(|_| text[index] == b'\\');
        let value = octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        plain.push(value.unwrap_or(text[index]));
        index += if value.is_some() { 4 } else { 1 };
    }
    plain
}

fn path() -> String {
    let held = std::env::var("PATH").unwrap_or_default();
    format!("{held}:/usr/sbin:/sbin:/usr/bin:/bin")
}

fn run(command: &mut Command) -> io::Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let name = command.get_program().to_string_lossy().into_owned();
    let said = arena_domain::text::sanitise_line(&String::from_utf8_lossy(&output.stderr), 300);
    let full = said.contains("No space left");
    let kind = if full { io::ErrorKind::StorageFull } else { io::ErrorKind::Other };
    Err(io::Error::new(kind, format!("{name}: {said}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_without_the_capability_may_not_mount() {
        assert!(is_capable("Name:\tx\nCapEff:\t000001ffffffffff\n", CAP_SYS_ADMIN));
        assert!(!is_capable("CapEff:\t00000000a80425fb\n", CAP_SYS_ADMIN));
        assert!(!is_capable("", CAP_SYS_ADMIN));
    }

    #[test]
    fn a_path_with_separators_stays_one_path() {
        assert_eq!(escape(Path::new("/a:b,c\\d")), b"/a\\:b\\,c\\\\d");
        assert_eq!(unescape(b"/a\\040b\\134c"), b"/a b\\c");
    }
}
