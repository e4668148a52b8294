//! Archives of real submissions, and their scripts run by `sh`.

use super::*;
use crate::userrepo::tests::{Yard, git_in};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Output};

const PACKET: &str = r#"
[session]
title = "t"
goal = "g"
[brief]
specification = "Sort the lines of a file"
acceptance = ["tests pass"]
[scope]
allowed = ["**"]
forbidden = []
[[competitor]]
name = "a"
engine = "codex"
[[competitor]]
name = "b"
engine = "codex"
"#;

const BETTER: Recorded =
    Recorded { qualified: true, figure: Some(Figure { ratio: 0.8, ci: Some((0.78, 0.83)), verdict: Verdict::Better }) };

fn entry(name: &str, submission: Option<(Commit, Vec<u8>)>, recorded: Recorded) -> Entry {
    let (commit, bundle) = submission.map_or((None, Vec::new()), |(commit, bundle)| (Some(commit), bundle));
    let logs = vec![("brief.md".to_owned(), b"do it".to_vec()), ("../out\n.log".to_owned(), b"\x1b[1m\xff".to_vec())];
    Entry { name: CompetitorName::new(name), commit, bundle, logs, recorded }
}

fn archive<'a>(
    base: &'a Commit,
    base_bundle: Vec<u8>,
    competitors: Vec<Entry>,
    winner: Option<&'a str>,
) -> Archive<'a> {
    Archive {
        session: "0123456789ab",
        packet_text: PACKET,
        base,
        repository: "/somewhere/else",
        report_md: "# Report\n",
        report_html: "<p>Report</p>\n",
        result_json: "{}\n",
        continuation: "Go on.\n",
        competitors,
        winner,
        base_bundle,
    }
}

/// A submission with everything that is hard on names and types.
fn odd(place: &Path) {
    fs::write(place.join("src/a.rs"), "changed\n").unwrap();
    fs::remove_file(place.join("src/b.rs")).unwrap();
    fs::remove_file(place.join("notes.txt")).unwrap();
    fs::create_dir(place.join("notes.txt")).unwrap();
    fs::write(place.join("notes.txt/now a folder"), "x\n").unwrap();
    fs::remove_dir_all(place.join("dir")).unwrap();
    fs::write(place.join("dir"), "now a file\n").unwrap();
    fs::remove_file(place.join("link")).unwrap();
    fs::create_dir(place.join("link")).unwrap();
    fs::write(place.join("link/inside"), "x\n").unwrap();
    fs::write(place.join("it's\nodd $(x) -rf"), "x\n").unwrap();
    fs::remove_file(place.join("it's\ngone")).unwrap();
    fs::write(place.join(OsStr::from_bytes(b"bytes\xff")), [0, 1, 2]).unwrap();
    fs::write(place.join("x".repeat(180)), "long\n").unwrap();
    symlink("/etc/passwd", place.join("to elsewhere")).unwrap();
    fs::write(place.join("run.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(place.join("run.sh"), PermissionsExt::from_mode(0o755)).unwrap();
}

fn yard() -> Yard {
    let yard = Yard::new();
    yard.write("dir/deep/file", "x\n");
    yard.write("it's\ngone", "x\n");
    yard.write("linked/inside", "must stay\n");
    symlink("linked", yard.root().join("link")).unwrap();
    yard.commit("base");
    yard
}

/// An archive whose winner is `a`, with nothing else in its folder than what belongs there.
fn written(yard: &Yard, recorded: Recorded) -> PathBuf {
    let base = yard.head();
    let submission = yard.submission(&base, odd);
    let bundle = yard.repo().bundle_base(&base).unwrap();
    let all = vec![entry("a", Some(submission), recorded), entry("b", None, recorded)];
    let dir = yard.beside().join("an archive");
    let files = write(&archive(&base, bundle, all, Some("a")), &dir).unwrap();
    assert!(files.iter().all(|file| file.is_file()), "{files:?}");
    dir
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn an_archive_has_every_file_and_nothing_beside_it() {
    let yard = yard();
    let dir = written(&yard, BETTER);
    let top = [
        "README.md",
        "base.bundle",
        "bundles",
        "continuation.md",
        "logs",
        "packet.toml",
        "report.html",
        "report.md",
        "reproduce",
        "reproduce.sh",
        "result.json",
    ];
    assert_eq!(names(&dir), top);
    assert_eq!(names(&dir.join("bundles")), ["a.bundle"]);
    assert_eq!(names(&dir.join("logs/b")), ["_.._out_.log", "brief.md"]);
    assert_eq!(names(&dir.join("reproduce")), ["apply.sh", "deleted", "packet.toml", "winner.tar"]);
    assert_eq!(fs::read(dir.join("logs/a/_.._out_.log")).unwrap(), b"\x1b[1m\xff");
    assert_eq!(names(yard.beside()).iter().filter(|name| name.contains("archive")).count(), 1);
    let deleted = fs::read(dir.join("reproduce/deleted")).unwrap();
    assert_eq!(deleted, b"dir/deep/file\0it's\ngone\0link\0notes.txt\0src/b.rs\0");
}

#[test]
fn the_recorded_tree_comes_back_with_sh_and_tar_alone() {
    let yard = yard();
    let base = yard.head();
    let submission = yard.submission(&base, odd);
    let dir = written(&yard, BETTER);
    let place = yard.beside().join("place");
    git_in(yard.beside(), &["clone", "-q", "here", "place"]);
    let script = fs::read(dir.join("reproduce/apply.sh")).unwrap();
    let script =
        String::from_utf8_lossy(&script).replace("/arena/files/winner.tar", &shell(&dir.join("reproduce/winner.tar")));
    // The name that is no text is only put back, never removed first: it is new.
    let done = Command::new("sh").arg("-c").arg(script).current_dir(&place).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    git_in(&place, &["add", "-A"]);
    let tree = git_in(&place, &["write-tree"]);
    yard.repo().import_bundle(&submission.1, &submission.0, "refs/arena/x/y").unwrap();
    assert_eq!(tree, yard.git(&["rev-parse", "refs/arena/x/y^{tree}"]));
    assert_eq!(fs::read_to_string(place.join("linked/inside")).unwrap(), "must stay\n");
}

fn shell(path: &Path) -> String {
    arena_domain::text::shell_quote(path.to_str().unwrap())
}

#[test]
fn the_packet_of_a_reproduction_has_one_competitor_and_the_base_by_its_commit() {
    let yard = yard();
    let dir = written(&yard, BETTER);
    let packet = arena_proto::packet::parse(&fs::read_to_string(dir.join("reproduce/packet.toml")).unwrap());
    let packet = packet.unwrap().packet;
    assert_eq!(packet.competitors.len(), 1);
    assert_eq!(packet.competitors[0].name.as_str(), "a");
    assert_eq!((packet.base.as_deref(), packet.budget.rounds), (Some(yard.head().as_str()), 1));
    assert_eq!(packet.engines["replay"].files, ["winner.tar", "apply.sh"]);
}

#[test]
fn a_folder_that_is_empty_is_filled_and_any_other_is_refused() {
    let yard = yard();
    let base = yard.head();
    let empty = archive(&base, Vec::new(), Vec::new(), None);
    let dir = yard.beside().join("there");
    fs::create_dir(&dir).unwrap();
    write(&empty, &dir).unwrap();
    assert_eq!(names(&dir).len(), 7);
    let before = names(&dir);
    assert!(matches!(write(&empty, &dir), Err(ArchiveError::NotEmpty { .. })));
    assert_eq!(names(&dir), before);
    assert!(matches!(write(&empty, &dir.join("README.md")), Err(ArchiveError::NotAFolder { .. })));
    write(&empty, &yard.beside().join("new/and deep")).unwrap();
}

#[test]
fn a_failure_leaves_nothing_half_written() {
    let yard = yard();
    let base = yard.head();
    let (commit, bundle) = yard.submission(&base, odd);
    let base_bundle = yard.repo().bundle_base(&base).unwrap();
    let spoiled = entry("a", Some((commit.clone(), bundle[..bundle.len() / 2].to_vec())), BETTER);
    let good = entry("a", Some((commit, bundle)), BETTER);
    let mut no_packet = archive(&base, base_bundle.clone(), vec![good.clone()], Some("a"));
    no_packet.packet_text = "[";
    let dir = yard.beside().join("out");
    type Expected = fn(&ArchiveError) -> bool;
    let rows: [(Archive<'_>, Expected); 3] = [
        (no_packet, |error| matches!(error, ArchiveError::Packet { .. })),
        (archive(&base, Vec::new(), vec![good], Some("a")), |error| matches!(error, ArchiveError::NoBase { .. })),
        (archive(&base, base_bundle, vec![spoiled], None), |error| matches!(error, ArchiveError::Submission { .. })),
    ];
    let before = names(yard.beside());
    for (archive, expected) in rows {
        let error = write(&archive, &dir).unwrap_err();
        assert!(expected(&error), "{error}");
        assert_eq!(names(yard.beside()), before, "{error}");
    }
    let full = ArchiveError::of(&dir, &std::io::Error::from(std::io::ErrorKind::StorageFull));
    assert!(full.to_string().ends_with(&format!("`df -h {}`", yard.beside().display())), "{full}");
}

#[test]
fn without_a_winner_the_best_that_has_a_commit_is_measured_again() {
    let yard = yard();
    let base = yard.head();
    let submission = yard.submission(&base, odd);
    let all = vec![entry("a", None, BETTER), entry("b", Some(submission), BETTER)];
    let one = archive(&base, Vec::new(), all, Some("a"));
    assert_eq!(one.best().unwrap().name.as_str(), "b");
}

/// `reproduce.sh` with stand-ins on PATH: an `arena` that prints `result` and keeps the packet, a `docker` that
/// answers.
fn reproduce(yard: &Yard, dir: &Path, repository: &Path, result: &str) -> Output {
    let bin = yard.beside().join("bin");
    fs::create_dir_all(&bin).unwrap();
    fs::write(yard.beside().join("result.json"), result).unwrap();
    // As a run does: it writes a branch where the packet says that the repository is.
    let arena = "#!/bin/sh\ncp \"$2\" \"$KEPT/packet.kept\"\nprintf '%s\\n' \"$@\" >\"$KEPT/args.kept\"\n\
                 clone=$(sed -n 's/^repository *= *\"\\(.*\\)\"$/\\1/p' \"$2\")\n\
                 git -C \"$clone\" update-ref refs/heads/arena/x/variant-a HEAD || exit 1\n\
                 git -C \"$clone\" rev-parse HEAD >\"$KEPT/base.kept\"\ncat \"$KEPT/result.json\"\n";
    for (name, script) in [("arena", arena), ("docker", "#!/bin/sh\n")] {
        fs::write(bin.join(name), script).unwrap();
        fs::set_permissions(bin.join(name), PermissionsExt::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    Command::new("sh")
        .arg(dir.join("reproduce.sh"))
        .arg(repository)
        .env("PATH", path)
        .env("KEPT", yard.beside())
        .output()
        .unwrap()
}

fn result(qualified: bool, verdict: &str, ratio: &str, ci: &str) -> String {
    let tricky = r#"\\\"kpis\":[{\"ratio\":9}], {[ \\"#;
    format!(
        "{{\"event\":\"log\",\"text\":\"{tricky}\"}}\n{{\"event\":\"result\",\"reason\":\"{tricky}\",\"standing\":[{{\"rank\":1,\
         \"gates\":[{{\"name\":\"x,y\",\"passed\":true}}],\"qualified\":{qualified},\
         \"kpis\":[{{\"name\":\"{tricky}\",\"ratio\":{ratio},\"ci\":{ci},\"verdict\":\"{verdict}\"}},\
         {{\"name\":\"second\",\"ratio\":5,\"ci\":[4,6],\"verdict\":\"worse\"}}]}}],\"report\":\"x\"}}\n"
    )
}

#[test]
fn a_reproduction_is_the_same_verdict_and_an_interval_that_overlaps() {
    let yard = yard();
    let dir = written(&yard, BETTER);
    let rows = [
        (result(true, "better", "0.82", "[0.80,0.85]"), 0, "\nreproduced\n"),
        (result(true, "better", "0.9", "[0.84,0.95]"), 3, "too far apart"),
        (result(true, "same", "0.82", "[0.80,0.85]"), 3, "the verdict was better and is same"),
        (result(false, "better", "0.82", "[0.80,0.85]"), 3, "qualified was true and is false"),
        (result(true, "better", "0.82", "null"), 3, "only one of the two has an interval"),
        ("{\"event\":\"other\"}\n".to_owned(), 1, ""),
    ];
    let refs = || git_in(&yard.root(), &["for-each-ref"]);
    let before = refs();
    for (result, code, says) in rows {
        let output = reproduce(&yard, &dir, &yard.root().join("src"), &result);
        let said = String::from_utf8_lossy(&output.stdout);
        let wrong = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{result}\n{said}\n{wrong}");
        assert!(said.contains(says), "{says:?} is not in {said}");
    }
    assert_eq!(refs(), before, "the given clone is only read");
    let kept = |name: &str| fs::read_to_string(yard.beside().join(name)).unwrap();
    let clone = PathBuf::from(arena_proto::packet::parse(&kept("packet.kept")).unwrap().packet.repository);
    assert_eq!(kept("base.kept").trim_end(), yard.head().as_str());
    let work = clone.parent().unwrap();
    let args = format!("run\n{0}/packet.toml\n--json\n--yes\n--state\n{0}/state\n", work.display());
    assert_eq!(kept("args.kept"), args);
    assert!(!work.exists(), "the clone and the state go with the run");
}

#[test]
fn an_exact_measurement_and_one_without_intervals_compare_by_their_figures() {
    let figure = |ci, verdict| Recorded { qualified: true, figure: Some(Figure { ratio: 0.5, ci, verdict }) };
    let rows = [
        (figure(Some((0.5, 0.5)), Verdict::Better), result(true, "better", "0.50", "[0.50,0.50]"), 0),
        (figure(Some((0.5, 0.5)), Verdict::Better), result(true, "better", "0.6", "[0.6,0.6]"), 3),
        (figure(None, Verdict::Inconclusive), result(true, "inconclusive", "5e-1", "null"), 0),
        (figure(None, Verdict::Inconclusive), result(true, "inconclusive", "0.51", "null"), 3),
        (
            Recorded { qualified: true, figure: None },
            "{ \"event\" : \"result\", \"standing\": [ {\"qualified\": true, \"kpis\": []} ] }\n".to_owned(),
            0,
        ),
    ];
    for (recorded, result, code) in rows {
        let yard = yard();
        let dir = written(&yard, recorded);
        let output = reproduce(&yard, &dir, &yard.root(), &result);
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{said}{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn what_is_missing_is_said_with_its_mend() {
    let yard = yard();
    let dir = written(&yard, BETTER);
    let good = result(true, "better", "0.82", "[0.80,0.85]");
    let other = Yard::new();
    other.write("other", "x");
    other.commit("other");
    let rows = [
        (other.root(), "git init base"),
        (yard.beside().to_owned(), "give a clone"),
        (yard.beside().join("nowhere"), "there is no folder"),
    ];
    for (repository, says) in rows {
        let output = reproduce(&yard, &dir, &repository, &good);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains(says), "{says:?} is not in {said}");
    }
    let output = Command::new("sh").arg(dir.join("reproduce.sh")).env("ARENA", "no-such-arena").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("arena is not on this machine"));
}

#[test]
fn the_archive_alone_makes_a_repository_to_reproduce_in() {
    let yard = yard();
    let dir = written(&yard, BETTER);
    let base = yard.head();
    let place = yard.beside().join("it's \"the\" base\\");
    fs::create_dir(&place).unwrap();
    git_in(&place, &["init", "-q"]);
    git_in(&place, &["bundle", "unbundle", dir.join("base.bundle").to_str().unwrap()]);
    fs::write(place.join(".git/shallow"), format!("{base}\n")).unwrap();
    git_in(&place, &["update-ref", "refs/heads/base", base.as_str()]);
    let output = reproduce(&yard, &dir, &place, &result(true, "better", "0.82", "[0.80,0.85]"));
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fs::read_to_string(yard.beside().join("base.kept")).unwrap().trim_end(), base.as_str());
}

#[test]
fn a_session_without_any_commit_says_that_there_is_nothing_to_reproduce() {
    let yard = yard();
    let base = yard.head();
    let dir = yard.beside().join("out");
    write(&archive(&base, Vec::new(), vec![entry("a", None, BETTER)], None), &dir).unwrap();
    assert!(!dir.join("reproduce").exists());
    let output = reproduce(&yard, &dir, &yard.root(), "");
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing to reproduce"));
}

#[test]
fn every_script_is_sound_for_a_plain_shell() {
    let yard = yard();
    let dir = written(&yard, BETTER);
    for script in ["reproduce.sh", "reproduce/apply.sh"] {
        let checked = Command::new("sh").arg("-n").arg(dir.join(script)).output().unwrap();
        assert!(checked.status.success(), "{script}: {}", String::from_utf8_lossy(&checked.stderr));
    }
    let mode = fs::metadata(dir.join("reproduce.sh")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
}
