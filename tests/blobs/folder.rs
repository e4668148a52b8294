//! Blobs in a folder.

use crate::contract::{self, Subject};
use crate::sweep;
use arena_coordinator::blobs::{BlobError, BlobSettings, Blobs};
use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use support::skip;

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_keeps_the_contract() {
    let folder = tempfile::tempdir().expect("a folder");
    let blobs = Blobs::new(folder.path().into());
    let raw = Arc::new(LocalFileSystem::new_with_prefix(folder.path()).expect("a folder"));
    let subject = Subject { blobs, raw, below: Path::default() };
    contract::holds(&subject).await;
    sweep::holds(&subject).await;
}

#[tokio::test]
async fn what_is_stored_again_counts_as_stored_now() {
    let folder = tempfile::tempdir().expect("a folder");
    let blobs = Blobs::new(folder.path().into());
    let name = blobs.put(b"once more").await.expect("a blob");
    let at = folder.path().join(&name[..2]).join(&name[2..]);
    let written = || at.metadata().expect("the file").modified().expect("a time");
    let long_ago = written() - Duration::from_secs(90_000);
    std::fs::File::options().write(true).open(&at).expect("the file").set_modified(long_ago).expect("a time");
    assert_eq!(blobs.put(b"once more").await.expect("a blob"), name);
    assert!(written() > long_ago + Duration::from_secs(80_000), "or a sweep would take it for an old one");
}

#[tokio::test]
async fn looking_makes_no_folder_and_putting_makes_the_layout_of_older_versions() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("odd näme #1 %20");
    let blobs = Blobs::connect(&BlobSettings::new(format!("file://{}", root.display()))).expect("a folder");
    assert!(matches!(blobs.get(&"0".repeat(64)).await, Err(BlobError::NotFound)));
    assert!(!root.exists());
    let name = blobs.put(b"tree").await.expect("a blob");
    assert_eq!(std::fs::read(root.join(&name[..2]).join(&name[2..])).expect("the file"), b"tree");
}

#[tokio::test]
async fn a_full_disk_is_told_as_such_and_what_is_there_stays_whole() {
    let name = "a_full_disk_is_told_as_such";
    if !rustix::process::geteuid().is_root() {
        return skip(name, "not root: no small disk can be mounted");
    }
    let disk = Disk::mounted();
    let blobs = Blobs::new(disk.0.path().join("blobs"));
    let held = blobs.put(b"was there before").await.expect("room");
    assert_full(stream_in(&blobs, 20 << 20).await);
    let mut small = Ok(String::new());
    for at in 0..8 {
        small = small.and(blobs.put(&vec![at; 3 << 20]).await);
    }
    assert_full(small);
    assert_eq!(blobs.put(b"was there before").await.expect("it is there"), held);
    assert_eq!(blobs.get(&held).await.expect("it is there"), b"was there before");
    assert_eq!(blobs.put(&[]).await.expect("a file needs no room"), arena_runtime::digest::sha256(b""));
}

fn assert_full(told: Result<String, BlobError>) {
    assert!(matches!(&told, Err(BlobError::Full)), "{told:?}");
}

async fn stream_in(blobs: &Blobs, bytes: usize) -> Result<String, BlobError> {
    let mut incoming = blobs.begin();
    for _ in 0..bytes >> 18 {
        incoming.write(Bytes::from(vec![7; 1 << 18])).await?;
    }
    incoming.finish().await
}

/// In a process of its own, whose memory is that of this test alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_blob_passes_through_a_little_memory() {
    const ALONE: &str = "ARENA_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let program = std::env::current_exe().expect("this program");
        let name = "folder::a_large_blob_passes_through_a_little_memory";
        let ran = Command::new(program).args(["--exact", name]).env(ALONE, "1").output().expect("this program");
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let blobs = Blobs::new(folder.path().into());
    let before = most_memory();
    let name = stream_in(&blobs, 256 << 20).await.expect("a blob");
    let (mut outgoing, mut read) = (blobs.open(&name).await.expect("the blob"), 0);
    while let Some(piece) = outgoing.next(1 << 18).await.expect("a piece") {
        read += piece.len();
    }
    assert_eq!(read, 256 << 20);
    let more = most_memory().saturating_sub(before);
    assert!(more < 96 << 20, "{} MiB more", more >> 20);
    println!("256 MiB took {} MiB of memory", more >> 20);
}

/// Of this process, in bytes, since it began.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a mark");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

/// 16 MiB, gone with its handle.
struct Disk(tempfile::TempDir);

impl Disk {
    fn mounted() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"]).arg(folder.path()).status();
        assert!(mounted.expect("mount").success());
        Self(folder)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}
