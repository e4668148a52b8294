//! What is evicted, in which order, and what never is.

use super::*;
use crate::boot::Boot;
use tempfile::TempDir;

const MEBIBYTE: usize = 1 << 20;

/// A worker's folder with one entry of each kind, a mebibyte each, used in this order.
fn filled() -> (TempDir, [PathBuf; 4]) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let names = ["bases/one/tree/file", "setups/two.img", "bases/three.tar", "setups/four.tar"];
    for (age, name) in names.iter().enumerate() {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, vec![7; MEBIBYTE]).unwrap();
        used_at(&path, age as u64);
    }
    fs::write(root.join("bases/one/ready"), "").unwrap();
    fs::write(root.join("bases/one.lock"), "").unwrap();
    fs::write(root.join("bases/three.tar.lock"), "").unwrap();
    fs::write(root.join("setups/two.lock"), "").unwrap();
    let entries = ["bases/one", "setups/two.img", "bases/three.tar", "setups/four.tar"].map(|name| root.join(name));
    used_at(&entries[0], 0);
    (folder, entries)
}

fn used_at(path: &Path, age: u64) {
    File::open(path).unwrap().set_modified(UNIX_EPOCH + Duration::from_secs(1_000_000 + age)).unwrap();
}

fn there(entries: &[PathBuf; 4]) -> [bool; 4] {
    entries.each_ref().map(|path| path.exists())
}

/// Room for this many entries.
fn room_for(entries: u64) -> Bounds {
    Bounds { kept: entries * (MEBIBYTE as u64 + 65_536), free: 0 }
}

#[test]
fn the_least_recently_used_goes_until_what_is_kept_is_within_its_bound() {
    for (kept, expected) in [
        (4, [true, true, true, true]),
        (3, [false, true, true, true]),
        (1, [false, false, false, true]),
        (0, [false; 4]),
    ] {
        let (folder, entries) = filled();
        let evicted = evict(folder.path(), room_for(kept)).unwrap();
        assert_eq!(there(&entries), expected);
        assert_eq!(evicted.entries as u64, 4 - kept);
        assert!(evicted.bytes >= (4 - kept) * MEBIBYTE as u64, "{evicted:?}");
        assert!(!folder.path().join(TRASH).exists());
    }
}

#[test]
fn what_was_used_lately_stays_whenever_it_was_made() {
    let (folder, entries) = filled();
    touch(&entries[0]);
    held(folder.path());
    evict(folder.path(), room_for(1)).unwrap();
    assert_eq!(there(&entries), [true, false, false, false], "to weigh an entry is not to use it");
}

#[test]
fn what_a_living_boot_uses_is_never_taken_and_what_a_boot_that_ended_used_is() {
    let (folder, entries) = filled();
    let (one, other) = (Boot::start(folder.path()).unwrap(), Boot::start(folder.path()).unwrap());
    one.uses(&entries[0]).unwrap();
    other.uses(&entries[2]).unwrap();
    one.uses(&entries[2]).unwrap();
    evict(folder.path(), Bounds::NOTHING).unwrap();
    assert_eq!(there(&entries), [true, false, true, false]);
    one.end();
    evict(folder.path(), Bounds::NOTHING).unwrap();
    assert_eq!(there(&entries), [false, false, true, false]);
    other.end();
    evict(folder.path(), Bounds::NOTHING).unwrap();
    assert_eq!(there(&entries), [false; 4]);
}

#[test]
fn a_disk_that_wants_room_gets_it_and_one_that_has_room_keeps_all() {
    let (folder, entries) = filled();
    let free = crate::space::free(folder.path()).unwrap();
    evict(folder.path(), Bounds { kept: u64::MAX, free: free / 2 }).unwrap();
    assert_eq!(there(&entries), [true; 4]);
    evict(folder.path(), Bounds { kept: u64::MAX, free: u64::MAX }).unwrap();
    assert_eq!(there(&entries), [false; 4]);
}

#[test]
fn locks_go_with_what_they_guard_and_trash_of_a_killed_process_goes_too() {
    let (folder, _) = filled();
    let trash = folder.path().join(TRASH).join("half");
    fs::create_dir_all(&trash).unwrap();
    fs::write(trash.join("file"), "x").unwrap();
    evict(folder.path(), Bounds::NOTHING).unwrap();
    let left = |name: &str| fs::read_dir(folder.path().join(name)).unwrap().count();
    assert_eq!((left("bases"), left("setups"), folder.path().join(TRASH).exists()), (0, 0, false));
}

#[test]
fn a_folder_without_entries_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(evict(folder.path(), Bounds::NOTHING).unwrap(), Evicted::default());
    assert_eq!(held(folder.path()), 0);
    assert!(Bounds::usual(folder.path()).unwrap().free > 0);
}
