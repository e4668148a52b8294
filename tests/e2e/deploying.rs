//! The scripts behind `make test`: what may be missing when a registry is away, and what may not.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Output, skip};

fn script(name: &str) -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("deploy").join(name))
}

/// `deploy/engines` for one engine, into an empty folder, with this registry of npm.
fn engines(folder: &Path, registry: &str) -> Output {
    let mut command = script("engines");
    command.arg(folder.join("packs")).arg("codex").env("ARENA", support::binary());
    command.env("npm_config_registry", registry).env("npm_config_cache", folder.join("cache"));
    support::run(command.env("XDG_CONFIG_HOME", folder))
}

/// `deploy/skips` for these lines of skipped tests.
fn unexpected(folder: &Path, lines: &[&str]) -> Output {
    let skips = folder.join("skips.txt");
    std::fs::write(&skips, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).expect("a list");
    support::run(script("skips").arg(&skips).arg(folder.join("packs")).arg(folder.join("tools")))
}

fn packs(folder: &Path, unreachable: &str) -> PathBuf {
    let packs = folder.join("packs");
    std::fs::create_dir_all(&packs).expect("a folder");
    std::fs::write(packs.join("unreachable"), unreachable).expect("a list");
    packs
}

fn npm(test: &str) -> bool {
    let there = Command::new("npm").arg("--version").output().is_ok();
    if !there {
        skip(test, "no npm");
    }
    there
}

const CODEX: &str = "codex_ends_in_its_class: no pack of codex in /x/engines; make one by: deploy/engines /x/engines";
const QWEN: &str = "qwen_ends_in_its_class: no pack of qwen in /x/engines; make one by: deploy/engines /x/engines";
const TOOLS: &str = "a_bucket_keeps_the_contract: no S3 server; `deploy/tools target/tools` installs it";
const ADVISORIES: &str = "advisories: their database cannot be fetched";

#[test]
fn an_engine_is_expected_to_be_missing_when_its_registry_is_away() {
    if !npm("an_engine_is_expected_to_be_missing") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let made = engines(folder.path(), "http://127.0.0.1:9");
    assert_eq!(made.code, 0, "{made:?}");
    assert!(
        made.stdout.contains("engines: SKIP codex: error: npm cannot reach its registry (ECONNREFUSED)"),
        "{made:?}"
    );
    let away = std::fs::read_to_string(folder.path().join("packs/unreachable")).expect("a list");
    assert_eq!(away, "codex\n");
    assert_eq!(unexpected(folder.path(), &[CODEX, ADVISORIES]).code, 0);
}

#[test]
fn an_engine_that_fails_to_install_otherwise_is_not_expected_to_be_missing() {
    if !npm("an_engine_that_fails_to_install_otherwise") {
        return;
    }
    // A registry that answers, and has nothing.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let registry = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            while lines.next().is_some_and(|line| !line.is_empty()) {}
            let _ = (&stream).write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let made = engines(folder.path(), &registry);
    assert!(made.code == 0 && made.stdout.contains("engines: SKIP codex: error: npm could not fetch"), "{made:?}");
    assert_eq!(std::fs::read_to_string(folder.path().join("packs/unreachable")).expect("a list"), "");
    let said = unexpected(folder.path(), &[CODEX, ADVISORIES]);
    assert_eq!((said.code, said.stdout.trim_end()), (1, CODEX), "{said:?}");
}

#[test]
fn only_what_was_said_to_be_away_is_an_expected_skip() {
    let folder = tempfile::tempdir().expect("a folder");
    let docker = "an_engine: no Docker answers";
    let rows: [(&str, &[&str], &[&str]); 6] = [
        ("", &[], &[]),
        ("", &[ADVISORIES], &[]),
        ("", &[CODEX], &[CODEX]),
        ("codex\n", &[CODEX, QWEN], &[QWEN]),
        ("codex\nqwen\n", &[CODEX, QWEN, docker], &[docker]),
        ("code\n", &[CODEX], &[CODEX]),
    ];
    for (away, skipped, wanted) in rows {
        packs(folder.path(), away);
        let said = unexpected(folder.path(), skipped);
        let found: Vec<&str> = said.stdout.lines().collect();
        assert_eq!((said.code, found.as_slice()), (i32::from(!wanted.is_empty()), wanted), "{away:?} {skipped:?}");
    }
    std::fs::remove_file(packs(folder.path(), "").join("unreachable")).expect("a list");
    assert_eq!(unexpected(folder.path(), &[TOOLS]).code, 1, "nothing of it is away");
    std::fs::create_dir(folder.path().join("tools")).expect("a folder");
    std::fs::write(folder.path().join("tools/unreachable"), "venv\n").expect("a list");
    assert_eq!(unexpected(folder.path(), &[TOOLS]).code, 0);
    assert_eq!(unexpected(folder.path(), &[CODEX]).code, 1, "nobody asked a registry");
}
