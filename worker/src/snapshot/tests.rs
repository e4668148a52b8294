//! Trees as data: what is packed comes back, what is read is trusted in nothing.

use super::pack::{Head, Packing};
use super::*;
use crate::collect::{Caps, CollectError, Found};
use crate::repository::{RawChange, Side};
use arena_domain::packet::{OnViolation, Scope};
use arena_domain::scope::{Lock, Ruling};
use std::os::unix::ffi::OsStrExt;
use tar::EntryType;

const RULES: Rules = Rules { caps: Caps { entries: 100, depth: 4, bytes: 10_000, name: 300 }, nested: false };

/// A folder of this host with a bit of everything, packed.
fn base(scratch: &Path) -> Snapshot {
    let root = scratch.join("tree");
    std::fs::create_dir_all(root.join("a/deep")).unwrap();
    std::fs::create_dir_all(root.join(".git")).unwrap();
    for (path, content) in
        [(".git/HEAD", "own"), ("a/deep/x", "x"), ("a-b", "between"), ("tests/t", "test"), ("gone", "")]
    {
        let place = root.join(path);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, content).unwrap();
    }
    std::fs::write(root.join(std::ffi::OsStr::from_bytes(b"odd\xff\n")), vec![7; 3_000]).unwrap();
    std::os::unix::fs::symlink("a//deep/./x", root.join("link")).unwrap();
    Snapshot::of(&root, scratch).unwrap()
}

/// The archive as Docker gives it: below one folder, written by somebody else.
struct Docker(tar::Builder<Vec<u8>>);

impl Docker {
    fn of(snapshot: &Snapshot) -> Self {
        let mut docker = Self(tar::Builder::new(Vec::new()));
        docker.add("", EntryType::Directory, 0o775, b"", None);
        for (path, entry) in &snapshot.entries {
            let name = std::ffi::OsStr::from_bytes(path).to_owned();
            let mode = entry.meta.mode;
            match &entry.meta.what {
                What::Folder => docker.add(&name, EntryType::Directory, mode, b"", None),
                What::Link { target } => docker.add(&name, EntryType::Symlink, mode, b"", Some(target)),
                What::File { size, .. } => {
                    let content = entry.pack.bytes(entry.content..entry.content + size).unwrap();
                    docker.add(&name, EntryType::Regular, mode, &content, None);
                }
            }
        }
        docker
    }

    fn add(
        &mut self,
        path: impl AsRef<std::ffi::OsStr>,
        kind: EntryType,
        mode: u32,
        content: &[u8],
        target: Option<&[u8]>,
    ) {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(OWNER.0.into());
        header.set_gid(OWNER.1.into());
        header.set_mtime(1);
        header.set_size(content.len() as u64);
        if let Some(target) = target {
            header.set_link_name_literal(target).unwrap();
        }
        self.0.append_data(&mut header, Path::new("work").join(path.as_ref()), content).unwrap();
    }

    fn file(&mut self, path: &str, content: &[u8]) {
        self.add(path, EntryType::Regular, 0o664, content, None);
    }

    fn read(mut self, before: &Snapshot, rules: Rules, scratch: &Path) -> Result<Left, CollectError> {
        self.0.finish().unwrap();
        before.read(self.0.get_ref().as_slice(), rules, scratch)
    }
}

fn told(left: &Left, before: &Snapshot) -> Vec<String> {
    let mut lines = Vec::new();
    let name = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    left.walk(before, &mut |found| {
        lines.push(match found {
            Found::File { path, executable, content, .. } => {
                let mut bytes = Vec::new();
                content.read_to_end(&mut bytes).unwrap();
                format!("file {} {executable} {}", name(path), String::from_utf8_lossy(&bytes))
            }
            Found::Link { path, target } => format!("link {} {}", name(path), name(&target)),
            Found::Removed { path } => format!("removed {}", name(path)),
            Found::Emptied { path } => format!("emptied {}", name(path)),
            Found::Refused { path, why } => format!("refused {} {why}", name(path)),
        });
        Ok(())
    })
    .unwrap();
    lines
}

#[test]
fn what_is_kept_is_read_again_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let base = base(folder.path());
    base.keep(&folder.path().join("kept.tar")).unwrap();
    let again = Snapshot::open(&folder.path().join("kept.tar")).unwrap();
    let metas = |snapshot: &Snapshot| -> Vec<(Vec<u8>, Meta)> {
        snapshot.entries.iter().map(|(path, entry)| (path.clone(), entry.meta.clone())).collect()
    };
    assert_eq!(metas(&again), metas(&base));
    assert_eq!(base.parts(|_, _| true).len(), 1, "the archive of a checkout is read from one end to the other");
    let link = &again.entries[b"link".as_slice()].meta.what;
    assert_eq!(*link, What::Link { target: b"a//deep/./x".to_vec() }, "a target is not tidied up");
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "packs have no name: {names:?}");
}

#[test]
fn a_tree_that_was_not_touched_has_no_changes_and_takes_no_room() {
    let folder = tempfile::tempdir().unwrap();
    let base = base(folder.path());
    let left = Docker::of(&base).read(&base, RULES, folder.path()).unwrap();
    assert_eq!(told(&left, &base), [""; 0]);
    assert!(left.snapshot.entries.iter().all(|(path, entry)| Arc::ptr_eq(&entry.pack, &base.entries[path].pack)));
}

#[test]
fn changes_are_told_as_the_walker_of_an_upper_layer_tells_them() {
    let folder = tempfile::tempdir().unwrap();
    let base = base(folder.path());
    let mut after = base.clone();
    for path in ["gone", "a/deep/x", "a/deep", "tests/t", "tests"] {
        after.entries.remove(path.as_bytes());
    }
    let mut docker = Docker::of(&after);
    docker.file("a/deep", b"now a file");
    docker.add("tests", EntryType::Symlink, 0o777, b"", Some(b"../../etc"));
    docker.add("run", EntryType::Regular, 0o775, b"new", None);
    docker.add("run again", EntryType::Link, 0o775, b"", Some(b"work/run"));
    docker.add("own", EntryType::Link, 0o664, b"", Some(b"work/.git/HEAD"));
    docker.file(".git/HEAD", b"theirs");
    docker.add("pipe", EntryType::Fifo, 0o664, b"", None);
    docker.add("null", EntryType::Char, 0o664, b"", None);
    docker.add("b", EntryType::Directory, 0o775, b"", None);
    docker.add("b/.Git", EntryType::Directory, 0o775, b"", None);
    docker.file("b/.Git/HEAD", b"");
    let left = docker.read(&base, RULES, folder.path()).unwrap();
    assert_eq!(
        told(&left, &base),
        [
            "removed a/deep/x",
            "removed gone",
            "removed tests/t",
            "file a/deep false now a file",
            "refused b/.Git a repository inside the tree",
            "refused null a device",
            "refused own a hard link to what is left out",
            "refused pipe a named pipe",
            "file run true new",
            "file run again true new",
            "link tests ../../etc",
        ]
    );
    let head = &left.snapshot.entries[b".git/HEAD".as_slice()];
    assert_eq!(head.meta, base.entries[b".git/HEAD".as_slice()].meta, "the private repository is that of before");
}

#[test]
fn a_repository_that_a_setup_has_left_may_stay_and_not_change() {
    let folder = tempfile::tempdir().unwrap();
    let base = base(folder.path());
    let mut docker = Docker::of(&base);
    docker.file("deps/.git/HEAD", b"theirs");
    let rules = Rules { nested: true, ..RULES };
    let setup = docker.read(&base, rules, folder.path()).unwrap().snapshot;
    let same = Docker::of(&setup).read(&setup, RULES, folder.path()).unwrap();
    assert_eq!(told(&same, &setup), [""; 0]);
    let refused = ["refused deps/.git a repository inside the tree"];
    let mut changed = setup.clone();
    changed.entries.remove(b"deps/.git/HEAD".as_slice());
    let lost = Docker::of(&changed).read(&setup, RULES, folder.path()).unwrap();
    assert_eq!(told(&lost, &setup), refused);
    let mut docker = Docker::of(&changed);
    docker.file("deps/.git/HEAD", b"another");
    let other = docker.read(&setup, RULES, folder.path()).unwrap();
    assert_eq!(told(&other, &setup), refused);
}

#[test]
fn every_cap_holds_and_none_is_about_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let base = base(folder.path());
    let caps = RULES.caps;
    let reads = |caps: Caps| {
        let mut docker = Docker::of(&base);
        docker.add("n", EntryType::Directory, 0o775, b"", None);
        docker.add("n/n", EntryType::Directory, 0o775, b"", None);
        docker.file("n/n/new", &[1; 600]);
        docker.add("n/n/again", EntryType::Link, 0o664, b"", Some(b"work/n/n/new"));
        docker.read(&base, Rules { caps, nested: false }, folder.path()).map(drop)
    };
    let tight = Caps { entries: 4, depth: 2, bytes: 1200, ..caps };
    reads(tight).unwrap();
    for caps in [Caps { entries: 3, ..tight }, Caps { depth: 1, ..tight }, Caps { bytes: 1199, ..tight }] {
        assert!(reads(caps).is_err(), "{caps:?}");
    }
    let mut docker = Docker::of(&base);
    docker.file(&"n".repeat(301), b"");
    let left = docker.read(&base, RULES, folder.path()).unwrap();
    assert_eq!(left.refused, [("n".repeat(301).into_bytes(), "a name too long")]);
}

#[test]
fn large_content_is_streamed_and_the_same_again_is_not_stored() {
    let folder = tempfile::tempdir().unwrap();
    let content: Vec<u8> = (0..3_000_001_u32).map(|number| (number % 251) as u8).collect();
    let head = Head { owner: OWNER, mode: 0o664, changed: 1 };
    let mut packing = Packing::within(folder.path()).unwrap();
    let pack = |packing: &mut Packing, same| {
        packing.file(b"large", head, content.len() as u64, &mut content.as_slice(), same).unwrap()
    };
    let first = pack(&mut packing, None);
    let again = pack(&mut packing, Some(&first));
    assert_eq!(again.whole, first.whole);
    assert_eq!(first.pack.bytes(first.content..first.content + 3_000_001).unwrap(), content);
    let next = packing.folder(b"next", head).unwrap();
    assert_eq!(next.whole.start, first.whole.end);
}

#[test]
fn a_stored_tree_is_laid_over_as_git_would() {
    let folder = tempfile::tempdir().unwrap();
    let base = base(folder.path());
    let side = |mode: &str| Some(Side { mode: mode.into(), blob: "content".into() });
    let change = |path: &str, before: Option<Side>, after: Option<Side>| RawChange {
        path: path.into(),
        shown: path.into(),
        before,
        after,
        added_lines: 0,
        removed_lines: 0,
        binary: false,
    };
    let changes = [
        change("a/deep/x", side("100644"), None),
        change("a", None, side("120000")),
        change("gone", side("100644"), None),
        change("gone/now/a folder", None, side("100755")),
        change("module", None, side("160000")),
    ];
    let blob = |side: &Side| Ok::<_, io::Error>(side.blob.clone().into_bytes());
    let tree = base.with(&changes, blob, folder.path()).unwrap();
    let names: Vec<String> = tree.entries.keys().map(|path| String::from_utf8_lossy(path).into_owned()).collect();
    let expected = [
        ".git",
        ".git/HEAD",
        "a",
        "a-b",
        "gone",
        "gone/now",
        "gone/now/a folder",
        "link",
        "module",
        "odd\u{fffd}\n",
        "tests",
        "tests/t",
    ];
    assert_eq!(names, expected);
    assert_eq!(tree.entries[b"gone/now/a folder".as_slice()].meta.mode, 0o775);
    assert!(tree.added_to(&base).is_none(), "something of the base has to go");
    let added = base.with(&changes[4..], blob, folder.path()).unwrap().added_to(&base).unwrap();
    assert_eq!(added.entries.keys().collect::<Vec<_>>(), [b"module"]);
    let through = [change("link/in", None, side("100644"))];
    assert!(base.with(&through, blob, folder.path()).is_err(), "nothing is written through a link");
}

#[test]
fn what_is_protected_is_the_bases_whatever_a_build_did() {
    let folder = tempfile::tempdir().unwrap();
    let base = base(folder.path());
    let scope = Scope {
        allowed: Vec::new(),
        forbidden: Vec::new(),
        protected: vec!["**/t".into()],
        on_violation: OnViolation::Revert,
    };
    let lock = Lock::new(&scope).unwrap();
    let mut after = base.clone();
    after.entries.remove(b"tests/t".as_slice());
    after.entries.remove(b"tests".as_slice());
    let mut docker = Docker::of(&after);
    // In the place of the folder of what is protected stands a link to what a build wrote.
    docker.add("tests", EntryType::Symlink, 0o777, b"", Some(b"mine"));
    docker.file("mine/t", b"exit 0");
    docker.file("out", b"built");
    let left = docker.read(&base, RULES, folder.path()).unwrap().snapshot;
    let left = left.guarded(&base, |path| lock.rule(&String::from_utf8_lossy(path)) == Ruling::Protected);
    assert_eq!(left.entries[b"tests".as_slice()].meta.what, What::Folder);
    assert_eq!(left.entries[b"tests/t".as_slice()].meta, base.entries[b"tests/t".as_slice()].meta);
    assert!(left.entries.contains_key(b"out".as_slice()) && !left.entries.contains_key(b"mine/t".as_slice()));
}

#[test]
fn links_that_climb_out_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let base = base(folder.path());
    let mut docker = Docker::of(&base);
    let links =
        [("up", "../x"), ("a/up", "../x"), ("a/out", "../../x"), ("rooted", "/etc/passwd"), ("back", "a/../../x")];
    for (path, target) in links {
        docker.add(path, EntryType::Symlink, 0o777, b"", Some(target.as_bytes()));
    }
    let left = docker.read(&base, RULES, folder.path()).unwrap().snapshot;
    let outward = left.outward();
    let paths: Vec<&[u8]> = outward[&OWNER.0].iter().map(|link| link.path.as_slice()).collect();
    assert_eq!(paths, [b"a/out".as_slice(), b"back", b"up"]);
    assert_eq!(left.parts(|_, _| true).iter().map(|(_, range)| range.end - range.start).sum::<u64>() % 512, 0);
}
