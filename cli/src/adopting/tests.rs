//! Stories of adoption, with a real repository whose user is in the middle of something.

use super::error::{Conflict, Side};
use super::*;
use crate::userrepo::tests::{Yard, git_in};
use arena_domain::id::{Commit, CompetitorName};
use std::fs;
use std::path::Path;

const SESSION: &str = "s1";

/// Imports a submission on HEAD as a session does.
fn pick(yard: &Yard, name: &str, make: impl Fn(&Path)) -> (CompetitorName, Commit) {
    pick_on(yard, &yard.head(), name, make)
}

fn pick_on(yard: &Yard, base: &Commit, name: &str, make: impl Fn(&Path)) -> (CompetitorName, Commit) {
    let (commit, bundle) = yard.submission(base, make);
    let reference = format!("refs/heads/{}", branch(SESSION, name));
    yard.repo().import_bundle(&bundle, &commit, &reference).unwrap();
    (CompetitorName::new(name), commit)
}

fn plan(yard: &Yard, base: &Commit, picks: &[(CompetitorName, Commit)]) -> Result<Merged, AdoptError> {
    plan_merge(&yard.repo(), SESSION, base, picks, "Adopt a", "Because it is faster.")
}

fn adopt(yard: &Yard, base: &Commit, picks: &[(CompetitorName, Commit)]) -> Result<Landed, AdoptError> {
    let merged = plan(yard, base, picks)?;
    land(&yard.repo(), &merged, SESSION)
}

fn first_line(place: &Path) {
    fs::write(place.join("src/a.rs"), "ONE\ntwo\nthree\nfour\nfive\n").unwrap();
}

fn last_line(place: &Path) {
    fs::write(place.join("src/a.rs"), "one\ntwo\nthree\nfour\nFIVE\n").unwrap();
}

/// Nothing of the user's may differ after `act`: files, index, HEAD and the references of undo.
fn changes_nothing(yard: &Yard, act: impl FnOnce() -> AdoptError) -> AdoptError {
    let state = || (yard.files(), yard.index(), yard.head(), yard.git(&["for-each-ref"]));
    let before = state();
    let error = act();
    assert_eq!(state(), before, "{error}");
    error
}

#[test]
fn planning_touches_no_file_and_landing_is_the_planned_commit() {
    let yard = Yard::new();
    let base = yard.head();
    let one = pick(&yard, "a", first_line);
    let before = (yard.files(), yard.index(), yard.head());
    let merged = plan(&yard, &base, std::slice::from_ref(&one)).unwrap();
    assert_eq!((yard.files(), yard.index(), yard.head()), before);
    assert_eq!(merged.parents, [base.clone(), one.1.clone()]);
    assert_eq!(merged.changed, ["src/a.rs"]);
    let landed = land(&yard.repo(), &merged, SESSION).unwrap();
    assert_eq!((&landed.before, &landed.after, landed.branch.as_deref()), (&base, &yard.head(), Some("main")));
    assert_eq!(yard.read("src/a.rs").lines().next(), Some("ONE"));
    assert_eq!(yard.git(&["log", "-1", "--format=%s|%b"]).trim(), "Adopt a|Because it is faster.");
    assert_eq!(yard.git(&["status", "--porcelain"]), "");
}

#[test]
fn every_kind_of_uncommitted_change_survives_adoption_and_undo() {
    let yard = Yard::new();
    let base = yard.head();
    let one = pick(&yard, "a", |place| {
        first_line(place);
        fs::write(place.join("src/new.rs"), "new\n").unwrap();
    });
    yard.write("src/b.rs", "staged\n");
    yard.write("staged and new\n", "x\n");
    yard.git(&["add", "-A"]);
    yard.write("src/b.rs", "staged, then changed\n");
    yard.write("untracked file", "u\n");
    fs::remove_file(yard.root().join("notes.txt")).unwrap();
    let (files, index) = (yard.files(), yard.index());
    check_room(&yard.repo(), &plan(&yard, &base, std::slice::from_ref(&one)).unwrap()).unwrap();
    adopt(&yard, &base, &[one]).unwrap();
    let expected: Vec<_> = files.iter().filter(|(path, _)| !path.ends_with("src/a.rs")).cloned().collect();
    let mine = |(path, _): &(std::path::PathBuf, Vec<u8>)| !path.ends_with("src/a.rs") && !path.ends_with("new.rs");
    assert_eq!(yard.files().into_iter().filter(mine).collect::<Vec<_>>(), expected);
    assert_eq!(yard.read("src/new.rs"), "new\n");
    assert_eq!(undo(&yard.repo(), SESSION).unwrap(), Undone::Restored(base.clone()));
    assert_eq!((yard.files(), yard.index(), yard.head()), (files, index, base));
    assert_eq!(yard.repo().branch().unwrap().as_deref(), Some("main"));
}

#[test]
fn what_overlaps_is_refused_by_name_and_nothing_changes() {
    type Mess = fn(&Yard);
    let rows: [(&str, Mess, &str); 6] = [
        ("unstaged", |yard| yard.write("src/a.rs", "mine\n"), "src/a.rs"),
        (
            "staged",
            |yard| {
                yard.write("src/a.rs", "mine\n");
                yard.git(&["add", "-A"]);
            },
            "src/a.rs",
        ),
        ("untracked", |yard| yard.write("src/new file.rs", "mine\n"), "src/new file.rs"),
        (
            "ignored",
            |yard| {
                yard.write(".git/info/exclude", "new*\n");
                yard.write("src/new file.rs", "mine\n");
            },
            "src/new file.rs",
        ),
        ("a file for a folder", |yard| yard.write("deep", "mine\n"), "deep"),
        ("a folder for a file", |yard| yard.write("src/new file.rs/mine", "mine\n"), "src/new file.rs"),
    ];
    for (what, mess, file) in rows {
        let yard = Yard::new();
        let base = yard.head();
        let one = pick(&yard, "a", |place| {
            first_line(place);
            fs::write(place.join("src/new file.rs"), "new\n").unwrap();
            fs::create_dir(place.join("deep")).unwrap();
            fs::write(place.join("deep/er.rs"), "new\n").unwrap();
        });
        mess(&yard);
        let merged = plan(&yard, &base, std::slice::from_ref(&one)).unwrap();
        let early = changes_nothing(&yard, || check_room(&yard.repo(), &merged).unwrap_err());
        let error = changes_nothing(&yard, || adopt(&yard, &base, &[one]).unwrap_err());
        assert_eq!(early.to_string(), error.to_string(), "{what}");
        assert!(matches!(&error, AdoptError::Overlap { files } if files == &[file]), "{what}: {error}");
        assert!(error.to_string().contains("`git stash -u`"), "{error}");
    }
}

#[test]
fn undo_is_refused_where_it_would_lose_what_came_since() {
    let yard = Yard::new();
    let base = yard.head();
    let one = pick(&yard, "a", |place| {
        first_line(place);
        fs::remove_file(place.join("notes.txt")).unwrap();
    });
    adopt(&yard, &base, &[one]).unwrap();
    yard.write(".git/info/exclude", "notes.txt\n");
    yard.write("notes.txt", "mine, ignored\n");
    let error = changes_nothing(&yard, || undo(&yard.repo(), SESSION).unwrap_err());
    assert!(matches!(&error, AdoptError::Overlap { files } if files == &["notes.txt"]), "{error}");
    fs::remove_file(yard.root().join("notes.txt")).unwrap();
    yard.write("src/a.rs", "mine\n");
    let error = changes_nothing(&yard, || undo(&yard.repo(), SESSION).unwrap_err());
    assert!(matches!(&error, AdoptError::Overlap { files } if files == &["src/a.rs"]), "{error}");
    yard.git(&["checkout", "-q", "src/a.rs"]);
    undo(&yard.repo(), SESSION).unwrap();
    let error = undo(&yard.repo(), SESSION).unwrap_err();
    assert!(matches!(error, AdoptError::NotAdopted { .. }), "{error}");
}

#[test]
fn a_conflict_names_the_files_and_what_either_side_did() {
    let yard = Yard::new();
    let base = yard.head();
    let one = pick(&yard, "a", |place| {
        first_line(place);
        fs::remove_file(place.join("src/b.rs")).unwrap();
        fs::write(place.join("both new\n.rs"), "theirs\n").unwrap();
    });
    yard.write("src/a.rs", "UNO\ntwo\nthree\nfour\nfive\n");
    yard.write("src/b.rs", "mine\n");
    yard.write("both new\n.rs", "mine\n");
    yard.commit("mine");
    let error = changes_nothing(&yard, || adopt(&yard, &base, &[one]).unwrap_err());
    let AdoptError::Conflict { branch, files } = &error else { panic!("{error}") };
    let one = |path: &str, yours, theirs| Conflict { path: path.into(), yours, theirs };
    assert_eq!(
        files,
        &[
            one("both new\n.rs", Side::Added, Side::Added),
            one("src/a.rs", Side::Changed, Side::Changed),
            one("src/b.rs", Side::Changed, Side::Deleted),
        ]
    );
    assert_eq!(branch, "arena/s1/variant-a");
    assert!(error.to_string().ends_with("by hand: `git merge arena/s1/variant-a`"), "{error}");
}

#[test]
fn a_hybrid_has_the_changes_of_both_and_all_parents() {
    let yard = Yard::new();
    let base = yard.head();
    let picks = [pick(&yard, "a", first_line), pick(&yard, "b", last_line)];
    yard.write("src/b.rs", "mine\n");
    let head = yard.commit("mine");
    let landed = adopt(&yard, &base, &picks).unwrap();
    assert_eq!(yard.read("src/a.rs"), "ONE\ntwo\nthree\nfour\nFIVE\n");
    assert_eq!(yard.read("src/b.rs"), "mine\n");
    let parents = yard.git(&["log", "-1", "--format=%P"]);
    assert_eq!(parents, format!("{head} {} {}", picks[0].1, picks[1].1));
    assert_eq!(landed.files, ["src/a.rs"]);
    assert_eq!(undo(&yard.repo(), SESSION).unwrap(), Undone::Restored(head));

    let clash = pick_on(&yard, &base, "c", |place| fs::write(place.join("src/a.rs"), "ALL\n").unwrap());
    let error = adopt(&yard, &base, &[picks[0].clone(), clash]).unwrap_err();
    assert!(matches!(&error, AdoptError::Conflict { branch, .. } if branch == "arena/s1/variant-c"), "{error}");
}

#[test]
fn adopting_twice_is_said_and_a_pick_that_is_in_already_is_left_out() {
    let yard = Yard::new();
    let base = yard.head();
    let picks = [pick(&yard, "a", first_line), pick(&yard, "b", last_line)];
    adopt(&yard, &base, &picks[..1]).unwrap();
    let error = changes_nothing(&yard, || adopt(&yard, &base, &picks[..1]).unwrap_err());
    assert!(matches!(&error, AdoptError::AlreadyAdopted { what } if what == "a"), "{error}");
    let merged = plan(&yard, &base, &picks).unwrap();
    assert_eq!(merged.parents[1..], [picks[1].1.clone()]);
    assert!(matches!(plan(&yard, &base, &[]), Err(AdoptError::Nobody)));
}

#[test]
fn further_commits_are_kept_when_an_adoption_is_undone() {
    let yard = Yard::new();
    let base = yard.head();
    let one = pick(&yard, "a", first_line);
    adopt(&yard, &base, &[one]).unwrap();
    yard.write("src/b.rs", "later\n");
    let later = yard.commit("later");
    yard.write("notes.txt", "not committed\n");
    let undone = undo(&yard.repo(), SESSION).unwrap();
    assert_eq!(undone, Undone::Reverted(yard.head()));
    assert_eq!(yard.git(&["rev-parse", "HEAD^"]), later.as_str());
    assert_eq!(yard.read("src/a.rs"), "one\ntwo\nthree\nfour\nfive\n");
    assert_eq!((yard.read("src/b.rs"), yard.read("notes.txt")), ("later\n".into(), "not committed\n".into()));
    assert_eq!(yard.git(&["log", "-1", "--format=%s"]), "Revert \"Adopt a\"");
}

#[test]
fn an_adoption_that_was_built_on_is_not_torn_out() {
    let yard = Yard::new();
    let base = yard.head();
    let one = pick(&yard, "a", first_line);
    adopt(&yard, &base, &[one]).unwrap();
    yard.write("src/a.rs", "ONE and more\ntwo\nthree\nfour\nfive\n");
    yard.commit("on top");
    let error = changes_nothing(&yard, || undo(&yard.repo(), SESSION).unwrap_err());
    assert!(matches!(&error, AdoptError::UndoConflict { files, .. } if files == &["src/a.rs"]), "{error}");
}

#[test]
fn a_detached_head_and_a_linked_tree_adopt_as_well() {
    let yard = Yard::new();
    let base = yard.head();
    let one = pick(&yard, "a", first_line);
    yard.git(&["checkout", "-q", "--detach"]);
    let landed = adopt(&yard, &base, std::slice::from_ref(&one)).unwrap();
    assert_eq!((landed.branch, yard.git(&["rev-parse", "main"])), (None, base.to_string()));
    assert_eq!(undo(&yard.repo(), SESSION).unwrap(), Undone::Restored(base.clone()));
    assert_eq!((yard.head(), yard.repo().branch().unwrap()), (base.clone(), None));

    yard.git(&["worktree", "add", "-q", "-b", "other", "../linked tree", "main"]);
    let linked = yard.beside().join("linked tree");
    let repo = crate::userrepo::UserRepo::open(&linked.join("src")).unwrap();
    let merged = plan_merge(&repo, SESSION, &base, &[one], "Adopt a", "").unwrap();
    assert_eq!(land(&repo, &merged, SESSION).unwrap().branch.as_deref(), Some("other"));
    assert!(fs::read_to_string(linked.join("src/a.rs")).unwrap().starts_with("ONE"));
    assert!(yard.read("src/a.rs").starts_with("one"));
    assert_eq!(undo(&repo, SESSION).unwrap(), Undone::Restored(base));
}

#[test]
fn a_shallow_clone_and_a_sparse_one_adopt_as_well() {
    let yard = Yard::new();
    yard.write("other/c.rs", "c\n");
    let base = yard.commit("second");
    let (commit, bundle) = yard.submission(&base, |place| {
        first_line(place);
        fs::write(place.join("other/c.rs"), "C\n").unwrap();
    });
    let url = format!("file://{}", yard.root().display());
    git_in(yard.beside(), &["clone", "-q", "--depth", "1", &url, "shallow"]);
    let place = yard.beside().join("shallow");
    git_in(&place, &["config", "user.name", "A User"]);
    git_in(&place, &["config", "user.email", "user@localhost"]);
    git_in(&place, &["sparse-checkout", "set", "src"]);
    let repo = crate::userrepo::UserRepo::open(&place).unwrap();
    repo.import_bundle(&bundle, &commit, "refs/heads/arena/s1/variant-a").unwrap();
    let merged = plan_merge(&repo, SESSION, &base, &[(CompetitorName::new("a"), commit)], "Adopt a", "").unwrap();
    land(&repo, &merged, SESSION).unwrap();
    assert!(fs::read_to_string(place.join("src/a.rs")).unwrap().starts_with("ONE"));
    assert!(!place.join("other").exists());
    assert_eq!(git_in(&place, &["status", "--porcelain"]), "");
    assert_eq!(undo(&repo, SESSION).unwrap(), Undone::Restored(base));
}

#[test]
fn what_moved_or_is_underway_or_locked_is_refused() {
    let yard = Yard::new();
    let base = yard.head();
    let one = pick(&yard, "a", first_line);
    let merged = plan(&yard, &base, std::slice::from_ref(&one)).unwrap();
    yard.write(".git/index.lock", "");
    let error = land(&yard.repo(), &merged, SESSION).unwrap_err();
    assert!(matches!(&error, AdoptError::Refused { reason } if reason.contains("index.lock")), "{error}");
    fs::remove_file(yard.root().join(".git/index.lock")).unwrap();
    assert!(matches!(undo(&yard.repo(), SESSION), Err(AdoptError::NotAdopted { .. })));

    yard.git(&["checkout", "-q", "-b", "side"]);
    yard.write("src/a.rs", "side\n");
    yard.commit("side");
    let error = changes_nothing(&yard, || land(&yard.repo(), &merged, SESSION).unwrap_err());
    assert!(matches!(error, AdoptError::Moved), "{error}");
    let other = std::process::Command::new("git")
        .args(["cherry-pick", one.1.as_str()])
        .current_dir(yard.root())
        .output()
        .unwrap();
    assert!(!other.status.success());
    let error = changes_nothing(&yard, || plan(&yard, &base, &[one]).unwrap_err());
    assert!(matches!(error, AdoptError::Underway { what: "cherry-pick", .. }), "{error}");
}

#[test]
fn an_unborn_branch_a_bare_repository_and_a_foreign_commit_are_refused() {
    let yard = Yard::new();
    let base = yard.head();
    let one = pick(&yard, "a", first_line);
    let merged = plan(&yard, &base, std::slice::from_ref(&one)).unwrap();
    yard.git(&["clone", "-q", "--bare", ".", "../bare.git"]);
    let bare = crate::userrepo::UserRepo::open(&yard.beside().join("bare.git")).unwrap();
    assert!(matches!(land(&bare, &merged, SESSION), Err(AdoptError::Bare)));
    assert!(matches!(undo(&bare, SESSION), Err(AdoptError::Bare)));
    yard.git(&["checkout", "-q", "--orphan", "fresh"]);
    assert!(matches!(plan(&yard, &base, std::slice::from_ref(&one)), Err(AdoptError::Unborn)));
    let stranger = yard.commit("stranger");
    let error = plan(&yard, &base, &[(CompetitorName::new("x"), stranger)]).unwrap_err();
    assert!(matches!(error, AdoptError::NotOnBase { .. }), "{error}");
}

#[test]
fn a_hook_that_the_submission_brings_does_not_run_and_the_users_own_does() {
    let hook = "#!/bin/sh\necho ran >> ran\n";
    let executable = |path: &Path| {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    };
    let yard = Yard::new();
    let base = yard.head();
    let one = pick(&yard, "a", |place| {
        first_line(place);
        fs::create_dir(place.join("hooks")).unwrap();
        fs::write(place.join("hooks/post-merge"), hook).unwrap();
        executable(&place.join("hooks/post-merge"));
    });
    yard.git(&["config", "core.hooksPath", "hooks"]);
    adopt(&yard, &base, &[one]).unwrap();
    assert!(!yard.root().join("ran").exists());
    undo(&yard.repo(), SESSION).unwrap();
    yard.git(&["config", "--unset", "core.hooksPath"]);
    yard.write(".git/hooks/post-merge", hook);
    executable(&yard.root().join(".git/hooks/post-merge"));
    let two = pick(&yard, "b", first_line);
    adopt(&yard, &base, &[two]).unwrap();
    assert!(yard.root().join("ran").exists());
}

#[test]
fn cleaning_leaves_every_loser_recoverable_and_no_branch_that_is_in_use() {
    let yard = Yard::new();
    let base = yard.head();
    let picks = [pick(&yard, "a", first_line), pick(&yard, "b", last_line), pick(&yard, "c", first_line)];
    adopt(&yard, &base, &picks[..1]).unwrap();
    yard.git(&["worktree", "add", "-q", "../looking", "arena/s1/variant-c"]);
    let kept = pick_on(&yard, &base, "d", last_line);
    let cleaned = clean(&yard.repo(), SESSION, &[kept.0]).unwrap();
    assert_eq!(cleaned.removed, ["arena/s1/variant-a", "arena/s1/variant-b"]);
    assert_eq!(cleaned.losers, ["refs/arena/s1/losers/b"]);
    assert_eq!(cleaned.in_use[0].0, "arena/s1/variant-c");
    assert_eq!(yard.git(&["rev-parse", "refs/arena/s1/losers/b"]), picks[1].1.as_str());
    assert_eq!(
        yard.git(&["branch", "--list", "--format=%(refname:short)", "arena/*"]),
        "arena/s1/variant-c\narena/s1/variant-d"
    );
    // Undo still knows where it was.
    assert_eq!(undo(&yard.repo(), SESSION).unwrap(), Undone::Restored(base));
}

#[test]
fn a_user_whom_git_does_not_know_is_told_how_to_introduce_themselves() {
    let yard = Yard::new();
    let base = yard.head();
    let one = pick(&yard, "a", first_line);
    yard.git(&["config", "user.name", ""]);
    yard.git(&["config", "user.useConfigOnly", "true"]);
    let error = plan(&yard, &base, &[one]).unwrap_err();
    assert!(matches!(error, AdoptError::NoIdentity), "{error}");
}
