//! Packs without a registry: what is searched, chosen, refused and removed.

use super::*;
use crate::engine::{built_in, find};
use std::os::unix::fs::PermissionsExt;

struct Shelf {
    root: tempfile::TempDir,
    packs: Packs,
}

impl Shelf {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let packs = Packs::new(root.path(), &|_| None);
        Self { root, packs }
    }

    /// As an installation would leave it.
    fn put(&self, name: &str, version: &str) -> PathBuf {
        let folder = self.root.path().join(name).join(version);
        fs::create_dir_all(folder.join("bin")).unwrap();
        fs::write(folder.join("bin/engine"), version).unwrap();
        let sealed = seal::seal(&folder).unwrap();
        let record = Record {
            name: name.into(),
            version: version.into(),
            source: vec!["npm".into()],
            bytes: sealed.bytes,
            files: sealed.files,
            digest: sealed.digest,
            stamp: seal::stamp(&folder).unwrap(),
        };
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(folder.join(RECORD), serde_json::to_vec(&record).unwrap()).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
        folder
    }

    fn versions(&self, name: &str) -> Vec<String> {
        self.packs.versions(name).into_iter().map(|pack| pack.record.version).collect()
    }
}

fn codex() -> &'static Manifest {
    find(built_in(), "codex").unwrap()
}

#[test]
fn whole_packs_are_found_the_newest_first_and_half_ones_never() {
    let shelf = Shelf::new();
    assert_eq!(shelf.versions("codex"), [""; 0]);
    for version in ["0.99.0", "0.163.0", "0.170.1"] {
        shelf.put("codex", version);
    }
    shelf.put("codex", ".new-0123");
    fs::create_dir_all(shelf.root.path().join("codex/0.180.0")).unwrap();
    // A copy under another name is not what its record says.
    fs::rename(shelf.put("codex", "0.171.0"), shelf.root.path().join("codex/0.172.0")).unwrap();
    assert_eq!(shelf.versions("codex"), ["0.170.1", "0.163.0", "0.99.0"]);
}

#[test]
fn a_tested_version_is_chosen_before_a_newer_one_and_an_asked_one_before_both() {
    let shelf = Shelf::new();
    let chosen = |version| shelf.packs.choose(codex(), version).map(|pack| pack.record.version);
    assert_eq!(chosen(None), None);
    shelf.put("codex", "0.170.0");
    assert_eq!(chosen(None).as_deref(), Some("0.170.0"));
    shelf.put("codex", "0.163.0");
    assert_eq!(chosen(None).as_deref(), Some("0.163.0"));
    assert_eq!(chosen(Some("0.170.0")).as_deref(), Some("0.170.0"));
    assert_eq!(chosen(Some("0.1.0")), None);
}

#[test]
fn what_is_there_is_not_fetched_again() {
    let shelf = Shelf::new();
    let folder = shelf.put("codex", "0.163.0");
    let installed = shelf.packs.install(codex(), None).unwrap();
    assert_eq!((installed.pack.folder, installed.before), (folder, true));
}

#[test]
fn a_removed_pack_is_gone_with_its_files_though_they_were_read_only() {
    let shelf = Shelf::new();
    let (old, new) = (shelf.put("codex", "0.1.0"), shelf.put("codex", "0.2.0"));
    let removed = shelf.packs.remove("codex", Some("0.1.0")).unwrap();
    assert_eq!(removed.into_iter().map(|pack| pack.folder).collect::<Vec<_>>(), std::slice::from_ref(&old));
    assert!(!old.exists() && new.exists());
    assert_eq!(shelf.packs.remove("codex", None).unwrap().len(), 1);
    let left: Vec<_> =
        fs::read_dir(shelf.root.path().join("codex")).unwrap().map(|one| one.unwrap().file_name()).collect();
    assert_eq!(left, [".lock"]);
    assert!(matches!(shelf.packs.remove("codex", None), Err(PackError::NotInstalled(_))));
}

#[test]
fn a_replaced_file_is_seen_though_its_size_and_its_time_are_the_old_ones() {
    let shelf = Shelf::new();
    let folder = shelf.put("codex", "0.163.0");
    let pack = shelf.packs.choose(codex(), None).unwrap();
    assert_eq!(pack.check(None).unwrap(), pack.record.stamp);
    pack.verify().unwrap();
    let place = folder.join("bin/engine");
    let old = fs::metadata(&place).unwrap().modified().unwrap();
    fs::set_permissions(&place, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&place, "0.163.1").unwrap();
    fs::File::options().write(true).open(&place).unwrap().set_modified(old).unwrap();
    fs::set_permissions(&place, fs::Permissions::from_mode(0o444)).unwrap();
    let error = pack.check(None).unwrap_err();
    assert!(matches!(error, PackError::Changed { .. }), "{error}");
    assert!(error.mend().contains("arena engines remove codex --version 0.163.0"), "{}", error.mend());
    assert!(shelf.packs.install(codex(), None).is_err(), "nor is it taken for installed");
}

#[test]
fn a_pack_that_was_copied_is_read_once_and_then_known_by_its_stamp() {
    let shelf = Shelf::new();
    let folder = shelf.put("codex", "0.163.0");
    let copied = folder.with_file_name("copy");
    let status = std::process::Command::new("cp").arg("-r").args([&folder, &copied]).status().unwrap();
    assert!(status.success());
    seal::remove(&folder).unwrap();
    fs::rename(&copied, &folder).unwrap();
    let pack = shelf.packs.choose(codex(), None).unwrap();
    let stamp = pack.check(None).unwrap();
    assert_ne!(stamp, pack.record.stamp);
    // With a wrong digest nothing but the stamp can let it pass.
    let mut spoilt = pack.clone();
    spoilt.record.digest = String::new();
    assert!(spoilt.check(None).is_err());
    assert_eq!(spoilt.check(Some(&stamp)).unwrap(), stamp);
    let installed = shelf.packs.install(codex(), None).unwrap();
    assert_eq!((installed.before, installed.pack.record.stamp.as_str()), (true, stamp.as_str()));
    assert_eq!(shelf.packs.choose(codex(), None).unwrap().record.stamp, stamp, "and keeps it");
}

#[test]
fn a_digest_changes_with_every_name_mode_and_content() {
    let digest = |change: &dyn Fn(&Path)| {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "1").unwrap();
        std::os::unix::fs::symlink("a", folder.path().join("l")).unwrap();
        change(folder.path());
        let sealed = seal::seal(folder.path()).unwrap();
        seal::remove(folder.path()).unwrap();
        sealed.digest
    };
    let plain = digest(&|_| ());
    assert_eq!(plain, digest(&|_| ()));
    let changes: [&dyn Fn(&Path); 4] = [
        &|folder| fs::write(folder.join("a"), "2").unwrap(),
        &|folder| fs::rename(folder.join("a"), folder.join("b")).unwrap(),
        &|folder| fs::set_permissions(folder.join("a"), fs::Permissions::from_mode(0o755)).unwrap(),
        &|folder| fs::write(folder.join("c"), "").unwrap(),
    ];
    for (at, change) in changes.into_iter().enumerate() {
        assert_ne!(digest(change), plain, "{at}");
    }
}

#[test]
fn what_cannot_be_installed_says_what_mends_it() {
    let shelf = Shelf::new();
    let aider = find(built_in(), "aider").unwrap();
    let error = shelf.packs.install(aider, None).unwrap_err();
    assert_eq!(error.mend(), "put it into the sandbox's image: `pip install aider-chat`");
    for version in ["", "-x", "../1", "1 2", "a/b"] {
        assert!(matches!(shelf.packs.install(codex(), Some(version)), Err(PackError::BadVersion(_))), "{version}");
    }
    // A file is where the folder should be: nobody can write there, not even root.
    let file = shelf.root.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Packs::new(&file, &|_| None).install(codex(), None).unwrap_err();
    assert!(matches!(error, PackError::Folder { .. }), "{error}");
    assert!(error.mend().contains("engine_packs") && error.mend().contains("--config"));
}

#[test]
fn a_users_own_folder_stands_beside_the_usual_one_alone() {
    let home = |name: &str| (name == "HOME").then(|| "/home/me".to_owned());
    let own = Path::new("/home/me/.local/share/arena/engines");
    assert_eq!(Packs::new(Path::new(USUAL), &home).roots, [Path::new(USUAL), own]);
    assert_eq!(Packs::new(Path::new("/srv/packs"), &home).roots, [Path::new("/srv/packs")]);
}
