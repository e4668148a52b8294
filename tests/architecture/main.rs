//! Who may import whom; the sizes of files; what has one home. Read from the sources, so that a stranger is refused.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// Arena's own crates that a manifest names in `[dependencies]`, and everything else it names there.
fn dependencies(krate: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let text = fs::read_to_string(root().join(krate).join("Cargo.toml")).expect("a manifest");
    let manifest: toml_edit::Document<String> = text.parse().expect("a valid manifest");
    let table = manifest.get("dependencies").and_then(|item| item.as_table_like());
    let names = table.into_iter().flat_map(|table| table.iter().map(|(name, _)| name.to_owned()));
    names.partition(|name| name.starts_with("arena-"))
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target" && name != ".git") {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// What is compiled for tests alone: it may name what the product may not.
fn is_test(path: &Path) -> bool {
    let test = |name: &str| {
        matches!(name, "tests" | "tests.rs" | "laws.rs" | "story" | "story.rs" | "contract" | "contract.rs")
    };
    path.components().any(|part| part.as_os_str().to_str().is_some_and(test))
}

fn product() -> Vec<(PathBuf, String)> {
    let crates = ["domain", "proto", "runtime", "coordinator", "worker", "cli"];
    crates
        .iter()
        .flat_map(|name| sources(&root().join(name)))
        .filter(|path| !is_test(path.strip_prefix(root()).expect("below the root")))
        .map(|path| (path.clone(), fs::read_to_string(&path).expect("a source")))
        .collect()
}

#[test]
fn each_layer_depends_only_on_what_is_below_it() {
    let rows: [(&str, &[&str]); 6] = [
        ("domain", &[]),
        ("proto", &["arena-domain"]),
        ("runtime", &[]),
        ("coordinator", &["arena-domain", "arena-proto", "arena-runtime"]),
        ("worker", &["arena-domain", "arena-proto", "arena-runtime"]),
        ("cli", &["arena-coordinator", "arena-domain", "arena-proto", "arena-runtime", "arena-worker"]),
    ];
    for (krate, allowed) in rows {
        let (own, _) = dependencies(krate);
        let allowed: BTreeSet<String> = allowed.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(own, allowed, "{krate}");
    }
}

#[test]
fn the_domain_knows_no_wire_no_clock_and_no_file() {
    let (_, outside) = dependencies("domain");
    assert_eq!(outside, BTreeSet::from(["globset".to_owned(), "thiserror".to_owned()]));
    let rules = sources(&root().join("domain/src"));
    for path in rules.into_iter().filter(|path| !is_test(path.strip_prefix(root()).expect("below the root"))) {
        let text = fs::read_to_string(&path).expect("a source");
        for word in ["std::fs", "std::net", "std::io", "SystemTime", "Instant", "std::env", "std::process"] {
            assert!(!text.contains(word), "{} uses {word}", path.display());
        }
    }
}

#[test]
fn what_has_one_home_is_used_nowhere_else() {
    let rows: [(&str, &[&str]); 7] = [
        ("use object_store", &["coordinator/src/blobs", "coordinator/src/blobs.rs"]),
        ("use bollard", &["worker/src/sandbox"]),
        ("use rusqlite", &["coordinator/src/store", "coordinator/src/store.rs"]),
        ("use redis", &["coordinator/src/store/redis", "coordinator/src/store/redis.rs"]),
        ("SystemTime::now", &["runtime/src/clock.rs"]),
        ("Instant::now", &["runtime/src/clock.rs", "worker/src/sandbox", "worker/relay"]),
        ("tokio::spawn", &["runtime/src/tasks.rs", "worker/src/sandbox"]),
    ];
    for (word, homes) in rows {
        for (path, text) in product() {
            let place = path.strip_prefix(root()).expect("below the root");
            let at_home = homes.iter().any(|home| place.starts_with(home));
            assert!(at_home || !text.contains(word), "{} has `{word}`, whose home is {homes:?}", place.display());
        }
    }
}

#[test]
fn every_file_is_short_and_says_what_it_is() {
    for (path, text) in product() {
        let lines = text.lines().count();
        assert!(lines <= 400, "{} has {lines} lines; split it", path.display());
        assert!(text.starts_with("//!"), "{} does not open with what it is", path.display());
    }
}

#[test]
fn nothing_is_unfinished_or_silenced() {
    for (path, text) in product() {
        for word in ["todo!(", "unimplemented!(", "TODO", "FIXME", "allow(dead_code)"] {
            assert!(!text.contains(word), "{} has {word}", path.display());
        }
        let ignored = text.lines().any(|line| line.trim_start().starts_with("#[ignore"));
        assert!(!ignored, "{} has a test that is ignored", path.display());
    }
}

#[test]
fn there_is_one_of_each_crate_that_connects_and_no_tls_in_c() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("the lock");
    let count = |name: &str| lock.lines().filter(|line| *line == format!("name = \"{name}\"")).count();
    for name in ["hyper", "rustls", "h2", "http", "reqwest", "tokio", "tonic", "prost", "ring", "object_store"] {
        assert_eq!(count(name), 1, "{name}");
    }
    for name in ["aws-lc-rs", "aws-lc-sys", "openssl", "openssl-sys", "native-tls"] {
        assert_eq!(count(name), 0, "{name}");
    }
}

#[test]
fn every_test_that_the_list_of_faults_names_is_there() {
    let text = fs::read_to_string(root().join("docs/faults.md")).expect("the list");
    let all: String = sources(&root()).iter().map(|path| fs::read_to_string(path).expect("a source")).collect();
    let named: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
    let (files, tests): (Vec<&str>, Vec<&str>) =
        named.into_iter().filter(|name| name.contains('_') || name.contains('/')).partition(|name| name.contains('/'));
    assert!(files.len() >= 4 && tests.len() >= 25, "{} files and {} tests", files.len(), tests.len());
    for file in files {
        assert!(root().join(file).exists(), "{file} is not there");
    }
    for test in tests {
        assert_eq!(all.matches(&format!("fn {test}(")).count(), 1, "{test}");
    }
}

/// Of any file: `ARENA_` and what follows it.
fn variables(text: &str) -> impl Iterator<Item = String> {
    let word = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let rests = text.split("ARENA_").skip(1);
    rests.map(move |rest| format!("ARENA_{}", rest.chars().take_while(|c| word(*c)).collect::<String>()))
}

#[test]
fn every_variable_that_something_of_ours_says_is_one_that_the_program_knows() {
    let config = arena_runtime::config::load(None, &|_| None, &[]).expect("the defaults");
    let listed = std::process::Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output().expect("git");
    let files = String::from_utf8(listed.stdout).expect("names");
    // One tells of what changed and the other has misspelt ones for its tests.
    let aside =
        ["CHANGELOG.md", "runtime/src/config/variables.rs", "cli/src/environment.rs", "tests/e2e/commands/mends.rs"];
    let mut seen = 0;
    for file in files.split('\0').filter(|file| !file.is_empty() && !aside.contains(file)) {
        let Ok(text) = fs::read_to_string(root().join(file)) else { continue };
        // What ends so is the beginning of several.
        let names: BTreeSet<String> = variables(&text).filter(|name| !name.ends_with('_')).collect();
        let strange = arena_runtime::config::strange(names.iter().map(String::as_str), &config);
        assert_eq!(strange, [], "{file}");
        seen += names.len();
    }
    assert!(seen >= 40, "{seen}");
}
