//! Trees from outside: what a commit holds, what a judge saw, what a checkout looks like, all as bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use support::{Packet, World};

/// Mode, blob and path in hex of every entry: what a judge prints of the files that it really has.
pub(crate) type Manifest = BTreeSet<String>;

/// Prints the manifest of the working directory from the files alone, without git.
const LIST: &str = r#"
import os, hashlib
for folder, dirs, files in os.walk(b"."):
    if folder == b".": dirs.remove(b".git")
    for name in files + dirs:
        path = os.path.join(folder, name)[2:]
        if os.path.islink(path): mode, data = "120000", os.readlink(path)
        elif os.path.isdir(path): continue
        else: mode, data = "100755" if os.stat(path).st_mode & 64 else "100644", open(path, "rb").read()
        print(mode, hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest(), path.hex())
"#;

/// Makes the packet's gate print what it judges.
pub(crate) fn listing(mut packet: Packet) -> Packet {
    let run = serde_json::Value::from(format!("grep -qx '[0-9]*' value && python3 -c '{LIST}'"));
    packet.gates = format!("[[gate]]\nname = \"number\"\nkind = \"test\"\nrun = {run}\ntimeout = \"60s\"");
    packet
}

/// What the gate of this competitor has printed; the packet was made by `listing`.
pub(crate) fn judged(world: &World, session: &str, name: &str) -> Manifest {
    let logs = world.arena(&["logs", session, name]);
    let lines =
        logs.stdout.lines().filter(|line| ["100644 ", "100755 ", "120000 "].iter().any(|mode| line.starts_with(mode)));
    lines.map(str::to_owned).collect()
}

/// The manifest of a commit; submodules are no files.
pub(crate) fn held(repo: &Path, revision: &str) -> Manifest {
    let entries = entries(repo, revision);
    let line = |(path, (mode, blob)): (Vec<u8>, (String, String))| {
        let hex: String = path.iter().map(|byte| format!("{byte:02x}")).collect();
        (mode != "160000").then(|| format!("{mode} {blob} {hex}"))
    };
    entries.into_iter().filter_map(line).collect()
}

/// Path to mode and object of every entry of a commit.
pub(crate) fn entries(repo: &Path, revision: &str) -> BTreeMap<Vec<u8>, (String, String)> {
    let listed = bytes(repo, &["ls-tree", "-r", "-z", "--full-tree", revision]);
    let entry = |entry: &[u8]| {
        let tab = entry.iter().position(|byte| *byte == b'\t')?;
        let head = String::from_utf8_lossy(&entry[..tab]).into_owned();
        let mut words = head.split(' ').map(str::to_owned);
        let (mode, object) = (words.next()?, words.nth(1)?);
        Some((entry[tab + 1..].to_vec(), (mode, object)))
    };
    listed.split(|byte| *byte == 0).filter_map(entry).collect()
}

/// The content of one path of a commit, byte for byte.
pub(crate) fn content(repo: &Path, revision: &str, path: &[u8]) -> Vec<u8> {
    let all = entries(repo, revision);
    let (_, object) = all.get(path).unwrap_or_else(|| panic!("no {:?} in {revision}", String::from_utf8_lossy(path)));
    bytes(repo, &["cat-file", "blob", object])
}

/// Standard output of git, untouched.
pub(crate) fn bytes(repo: &Path, args: &[&str]) -> Vec<u8> {
    let output = Command::new("git").arg("-C").arg(repo).args(args).output().expect("git");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Every file of a checkout with its mode and bytes, the index and HEAD among them; Arena's own refs and git's objects are not.
pub(crate) fn snapshot(repo: &Path) -> BTreeMap<Vec<u8>, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    look(repo, repo, &mut found);
    for name in [".git/index", ".git/HEAD", ".git/config"] {
        found.insert(name.into(), (0, std::fs::read(repo.join(name)).unwrap_or_default()));
    }
    found
}

fn look(root: &Path, folder: &Path, found: &mut BTreeMap<Vec<u8>, (u32, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
        let path = entry.path();
        let meta = std::fs::symlink_metadata(&path).expect("an entry");
        let name = path.strip_prefix(root).expect("below").as_os_str().as_bytes().to_vec();
        if name == b".git" {
            continue;
        }
        let content = if meta.is_symlink() {
            std::fs::read_link(&path).expect("a link").as_os_str().as_bytes().to_vec()
        } else if meta.is_file() {
            std::fs::read(&path).expect("a file")
        } else {
            look(root, &path, found);
            Vec::new()
        };
        found.insert(name, (meta.mode(), content));
    }
}

/// A file of any name.
pub(crate) fn write_raw(repo: &Path, name: &[u8], content: &[u8]) {
    let path = repo.join(OsStr::from_bytes(name));
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
    std::fs::write(path, content).expect("a file");
}
