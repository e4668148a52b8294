//! A yard with a real repository, and what the user's repository is asked.

use super::*;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

/// A folder with a repository `here`, whose branch is `main`.
pub(crate) struct Yard {
    folder: tempfile::TempDir,
}

impl Yard {
    /// One commit with three files.
    pub(crate) fn new() -> Self {
        let yard = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(yard.root()).unwrap();
        yard.git(&["init", "-q", "-b", "main"]);
        yard.git(&["config", "user.name", "A User"]);
        yard.git(&["config", "user.email", "user@localhost"]);
        yard.write("src/a.rs", "one\ntwo\nthree\nfour\nfive\n");
        yard.write("src/b.rs", "b\n");
        yard.write("notes.txt", "notes\n");
        yard.commit("first");
        yard
    }

    pub(crate) fn beside(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("here")
    }

    pub(crate) fn repo(&self) -> UserRepo {
        UserRepo::open(&self.root()).unwrap()
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        git_in(&self.root(), args)
    }

    pub(crate) fn write(&self, path: impl AsRef<Path>, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap()
    }

    pub(crate) fn commit(&self, message: &str) -> Commit {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.head()
    }

    pub(crate) fn head(&self) -> Commit {
        Commit::new(self.git(&["rev-parse", "HEAD"]))
    }

    /// A submission on `base`, made in a clone, as the commit and the bundle that carries it.
    pub(crate) fn submission(&self, base: &Commit, make: impl Fn(&Path)) -> (Commit, Vec<u8>) {
        let clone = tempfile::tempdir_in(self.folder.path()).unwrap();
        let place = clone.path();
        git_in(place, &["clone", "-q", &self.root().to_string_lossy(), "."]);
        git_in(place, &["checkout", "-q", "--detach", base.as_str()]);
        make(place);
        git_in(place, &["add", "-A"]);
        git_in(place, &["commit", "-q", "-m", "arena submission"]);
        let commit = git_in(place, &["rev-parse", "HEAD"]);
        git_in(place, &["update-ref", "refs/arena/one", &commit]);
        git_in(place, &["bundle", "create", "-q", "../out.bundle", "refs/arena/one", &format!("^{base}")]);
        let bytes = fs::read(place.join("../out.bundle")).unwrap();
        (Commit::new(commit), bytes)
    }

    /// Everything of the user's but git's own state: names, types and bytes.
    pub(crate) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut all = Vec::new();
        walk(&self.root(), &mut all);
        all.sort();
        all
    }

    /// What is staged, as the index holds it.
    pub(crate) fn index(&self) -> String {
        self.git(&["ls-files", "-s", "-z"])
    }
}

pub(crate) fn git_in(folder: &Path, args: &[&str]) -> String {
    let output = std::process::Command::new("git")
        .args(["-c", "protocol.file.allow=always"])
        .args(args)
        .current_dir(folder)
        .env("GIT_AUTHOR_NAME", "A User")
        .env("GIT_AUTHOR_EMAIL", "user@localhost")
        .env("GIT_COMMITTER_NAME", "A User")
        .env("GIT_COMMITTER_EMAIL", "user@localhost")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned()
}

fn walk(folder: &Path, all: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let meta = fs::symlink_metadata(&path).unwrap();
        if path.file_name().is_some_and(|name| name == ".git") {
            continue;
        }
        if meta.is_dir() {
            walk(&path, all);
        } else if meta.is_symlink() {
            all.push((path.clone(), fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()));
        } else {
            let mode = [(meta.permissions().mode() & 0o111 != 0) as u8];
            all.push((path.clone(), [&mode[..], &fs::read(&path).unwrap()].concat()));
        }
    }
}

#[test]
fn a_repository_is_found_from_a_subdirectory_a_linked_tree_and_a_bare_one() {
    let yard = Yard::new();
    let head = yard.head();
    yard.git(&["worktree", "add", "-q", "-b", "other", "../linked\nname"]);
    yard.git(&["clone", "-q", "--bare", ".", "../bare.git"]);
    let linked = yard.beside().join("linked\nname");
    let rows = [
        (yard.root().join("src"), yard.root(), true),
        (linked.join("src"), linked, true),
        (yard.beside().join("bare.git"), yard.beside().join("bare.git"), false),
    ];
    for (path, root, work_tree) in rows {
        let repo = UserRepo::open(&path).unwrap();
        let root = root.canonicalize().unwrap();
        assert_eq!((repo.root().canonicalize().unwrap(), repo.has_work_tree()), (root, work_tree), "{path:?}");
        assert_eq!(repo.resolve(None).unwrap(), head);
    }
}

#[test]
fn what_is_no_repository_is_said_with_its_mend() {
    let folder = tempfile::tempdir().unwrap();
    let said = |path: &Path| UserRepo::open(path).unwrap_err().to_string();
    assert!(said(&folder.path().join("nowhere")).contains("`mkdir -p"), "{}", said(&folder.path().join("nowhere")));
    assert!(said(folder.path()).contains(" init`"), "{}", said(folder.path()));
    git_in(folder.path(), &["init", "-q"]);
    assert!(said(folder.path()).contains("no commit yet"), "{}", said(folder.path()));
}

#[test]
fn a_repository_of_another_user_is_refused_with_the_command_that_trusts_it() {
    if !rustix::process::geteuid().is_root() {
        // Only root can give a folder away.
        return;
    }
    let yard = Yard::new();
    let nobody = Some(rustix::fs::Uid::from_raw(65534));
    for path in [yard.root(), yard.root().join(".git")] {
        rustix::fs::chown(path, nobody, None).unwrap();
    }
    let error = UserRepo::open(&yard.root()).unwrap_err();
    assert!(matches!(&error, RepoError::Dubious { path } if path == &yard.root()), "{error}");
    assert!(error.to_string().contains("git config --global --add safe.directory "), "{error}");
}

#[test]
fn a_revision_is_a_branch_a_tag_an_id_or_a_detached_head() {
    let yard = Yard::new();
    let first = yard.head();
    yard.git(&["tag", "-a", "-m", "one", "v1"]);
    yard.write("notes.txt", "more\n");
    let second = yard.commit("second");
    yard.git(&["checkout", "-q", "--detach", "v1"]);
    let repo = yard.repo();
    let rows = [(Some("main"), &second), (Some("v1"), &first), (Some(&first.as_str()[..12]), &first), (None, &first)];
    for (rev, commit) in rows {
        assert_eq!(&repo.resolve(rev).unwrap(), commit, "{rev:?}");
    }
    assert_eq!(repo.branch().unwrap(), None);
}

#[test]
fn a_revision_that_does_not_exist_names_those_near_it() {
    let yard = Yard::new();
    yard.git(&["branch", "feature/tokenizer"]);
    let repo = yard.repo();
    let rows = [("mian", "main"), ("tokenizer", "feature/tokenizer")];
    for (rev, near) in rows {
        let error = repo.resolve(Some(rev)).unwrap_err();
        assert!(matches!(&error, RepoError::UnknownRevision { near: found, .. } if found[0] == near), "{error}");
    }
    assert!(matches!(repo.resolve(Some("--all")), Err(RepoError::UnknownRevision { .. })));
    assert!(matches!(repo.resolve(Some("")), Err(RepoError::UnknownRevision { .. })));
}

#[test]
fn dirty_paths_keep_their_names_whatever_they_are() {
    let yard = Yard::new();
    assert_eq!(yard.repo().is_dirty().unwrap(), Vec::<String>::new());
    yard.write("src/a.rs", "changed\n");
    yard.write("with space\nand line", "x");
    yard.write(Path::new(OsStr::from_bytes(b"odd\xff")), "x");
    yard.git(&["mv", "notes.txt", "moved.txt"]);
    let index = fs::read(yard.root().join(".git/index")).unwrap();
    let mut dirty = yard.repo().is_dirty().unwrap();
    dirty.sort();
    assert_eq!(dirty, ["moved.txt", "notes.txt", "odd\\xff", "src/a.rs", "with space\nand line"]);
    assert_eq!(fs::read(yard.root().join(".git/index")).unwrap(), index);
}

#[test]
fn a_bundle_arrives_under_arenas_own_names_alone() {
    let yard = Yard::new();
    let base = yard.head();
    let (commit, bundle) = yard.submission(&base, |place| fs::write(place.join("src/b.rs"), "better\n").unwrap());
    let repo = yard.repo();
    let name = "refs/heads/arena/s1/variant-a";
    // The user has rewritten the branch since: nothing reaches the base any more.
    yard.git(&["checkout", "-q", "--orphan", "fresh"]);
    yard.commit("fresh");
    yard.git(&["branch", "-q", "-D", "main"]);
    repo.import_bundle(&bundle, &commit, name).unwrap();
    assert_eq!(yard.git(&["rev-parse", "arena/s1/variant-a"]), commit.as_str());
    assert_eq!(yard.git(&["for-each-ref", "refs/arena"]), "");

    for foreign in ["refs/heads/main", "refs/heads/arena/", "HEAD", "refs/arena/../heads/x"] {
        assert!(repo.import_bundle(&bundle, &commit, foreign).is_err(), "{foreign}");
    }
    let other = Commit::new("1".repeat(40));
    assert!(matches!(repo.import_bundle(b"", &other, name), Err(RepoError::WrongBundle { .. })));
    assert!(repo.import_bundle(b"no bundle", &commit, name).is_err());
    repo.import_bundle(b"", &commit, name).unwrap();
}

#[test]
fn a_bundle_whose_base_is_gone_is_refused_and_so_is_one_of_another_kind() {
    let yard = Yard::new();
    let (commit, bundle) =
        yard.submission(&yard.head(), |place| fs::write(place.join("src/b.rs"), "better\n").unwrap());
    let stranger = Yard::new();
    stranger.git(&["commit", "-q", "--amend", "-m", "another first"]);
    // One that was made in the same second is the same commit, and here still.
    stranger.git(&["reflog", "expire", "--expire=now", "--all"]);
    stranger.git(&["gc", "-q", "--prune=now"]);
    let name = "refs/heads/arena/s1/variant-a";
    let gone = stranger.repo().import_bundle(&bundle, &commit, name).unwrap_err();
    assert!(matches!(&gone, RepoError::BaseGone { base } if *base == yard.head().to_string()), "{gone}");
    let text = bundle.strip_prefix(b"# v2 git bundle\n").unwrap();
    for head in ["# v3 git bundle\n@filter=blob:none\n", "# v4 git bundle\n", ""] {
        let wrong = [head.as_bytes(), text].concat();
        let refused = yard.repo().import_bundle(&wrong, &commit, name).unwrap_err();
        assert!(matches!(refused, RepoError::NoBundle), "{head}: {refused}");
    }
    let cut = yard.repo().import_bundle(&bundle[..bundle.len() - 9], &commit, name).unwrap_err();
    assert!(matches!(cut, RepoError::Failed { .. }), "{cut}");
    assert_eq!(yard.repo().reference(name).unwrap(), None);
}

#[test]
fn nothing_of_arenas_own_lies_in_the_repository_while_git_writes() {
    let yard = Yard::new();
    let (commit, bundle) =
        yard.submission(&yard.head(), |place| fs::write(place.join("src/b.rs"), "better\n").unwrap());
    yard.write(".git/hooks/reference-transaction", "#!/bin/sh\nls .git >> seen\n");
    let hook = yard.root().join(".git/hooks/reference-transaction");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    yard.git(&["update-ref", "refs/arena/before", "HEAD"]);
    let usual = yard.read("seen");
    yard.repo().import_bundle(&bundle, &commit, "refs/heads/arena/s1/variant-a").unwrap();
    let seen = yard.read("seen");
    assert!(seen.len() > usual.len(), "the hook has run");
    assert!(!seen.contains("incoming"), "{seen}");
}

#[test]
fn a_branch_that_somebody_stands_on_is_not_moved_under_their_feet() {
    let yard = Yard::new();
    let base = yard.head();
    let (commit, bundle) = yard.submission(&base, |place| fs::write(place.join("src/b.rs"), "better\n").unwrap());
    yard.git(&["checkout", "-q", "-b", "arena/s1/variant-a"]);
    let error = yard.repo().import_bundle(&bundle, &commit, "refs/heads/arena/s1/variant-a").unwrap_err();
    assert!(matches!(&error, RepoError::CheckedOut { branch, .. } if branch == "arena/s1/variant-a"), "{error}");
    yard.git(&["checkout", "-q", "main"]);
    yard.git(&["branch", "-q", "-D", "arena/s1/variant-a"]);
    yard.git(&["branch", "arena"]);
    let error = yard.repo().import_bundle(&bundle, &commit, "refs/heads/arena/s1/variant-a").unwrap_err();
    assert!(matches!(error, RepoError::NameTaken), "{error}");
}

#[test]
fn a_diff_is_exact_for_git_and_harmless_for_a_terminal() {
    let yard = Yard::new();
    let base = yard.head();
    yard.git(&["config", "diff.external", "false"]);
    yard.git(&["config", "diff.noprefix", "true"]);
    let (commit, bundle) = yard.submission(&base, |place| {
        fs::write(place.join("src/b.rs"), "b\n\x1b]0;title\x07evil\r\n").unwrap();
        fs::write(place.join("bin"), [0, 1, 2, 255]).unwrap();
    });
    let repo = yard.repo();
    repo.import_bundle(&bundle, &commit, "refs/arena/x/one").unwrap();
    let raw = repo.diff(&base, &commit, false, false).unwrap();
    fs::write(yard.beside().join("patch"), &raw).unwrap();
    yard.git(&["apply", "../patch"]);
    assert_eq!(fs::read(yard.root().join("bin")).unwrap(), [0, 1, 2, 255]);
    assert_eq!(yard.read("src/b.rs"), "b\n\x1b]0;title\x07evil\r\n");
    let shown = String::from_utf8(repo.diff(&base, &commit, true, false).unwrap()).unwrap();
    assert!(shown.contains("\x1b[32m+evil") && !shown.contains("\x1b]"), "{shown:?}");
    let stat = String::from_utf8(repo.diff(&base, &commit, true, true).unwrap()).unwrap();
    assert!(stat.contains("2 files changed"), "{stat}");
}

#[test]
fn a_base_bundle_is_the_base_and_nothing_before_it() {
    let yard = Yard::new();
    let first = yard.head();
    yard.write("notes.txt", "more\n");
    let second = yard.commit("second");
    let bundle = yard.repo().bundle_base(&second).unwrap();
    let fresh = yard.beside().join("fresh");
    fs::create_dir(&fresh).unwrap();
    fs::write(yard.beside().join("base.bundle"), bundle).unwrap();
    git_in(&fresh, &["init", "-q"]);
    git_in(&fresh, &["bundle", "unbundle", "../base.bundle"]);
    fs::write(fresh.join(".git/shallow"), format!("{second}\n")).unwrap();
    git_in(&fresh, &["checkout", "-q", second.as_str()]);
    assert_eq!(fs::read_to_string(fresh.join("notes.txt")).unwrap(), "more\n");
    let repo = UserRepo::open(&fresh).unwrap();
    assert!(repo.resolve(Some(first.as_str())).is_err());
}

#[test]
fn a_shallow_clone_takes_a_submission_and_says_that_it_is_shallow() {
    let yard = Yard::new();
    yard.write("notes.txt", "more\n");
    let base = yard.commit("second");
    let (commit, bundle) = yard.submission(&base, |place| fs::write(place.join("src/b.rs"), "better\n").unwrap());
    let url = format!("file://{}", yard.root().display());
    git_in(yard.beside(), &["clone", "-q", "--depth", "1", &url, "shallow"]);
    let repo = UserRepo::open(&yard.beside().join("shallow")).unwrap();
    repo.import_bundle(&bundle, &commit, "refs/heads/arena/s/variant-a").unwrap();
    assert_eq!(repo.resolve(Some("arena/s/variant-a")).unwrap(), commit);
    let error = repo.resolve(Some("v9")).unwrap_err();
    assert!(error.to_string().contains("git fetch --unshallow"), "{error}");
    assert_eq!(repo.bundle_base(&base).unwrap()[..15], *b"# v2 git bundle");
}

#[test]
fn submodules_are_listed_by_path() {
    let yard = Yard::new();
    yard.git(&["clone", "-q", ".", "../library"]);
    yard.git(&["submodule", "--quiet", "add", "../library", "deps/my lib"]);
    let commit = yard.commit("with a submodule");
    assert_eq!(yard.repo().submodules(&commit).unwrap(), ["deps/my lib"]);
}
