//! Repositories of every kind, and the packet that each one gets.

use super::packet;
use std::fs;
use std::path::Path;
use tempfile::TempDir;
use toml_edit::{Document, DocumentMut, Item};

fn repository(files: &[(&str, &str)]) -> TempDir {
    let root = TempDir::new().unwrap();
    for (path, text) in files {
        let whole = root.path().join(path);
        fs::create_dir_all(whole.parent().unwrap()).unwrap();
        fs::write(whole, text).unwrap();
    }
    root
}

fn parsed(root: &Path) -> DocumentMut {
    let text = packet(root).unwrap();
    match text.parse::<DocumentMut>() {
        Ok(document) => document,
        Err(error) => panic!("{error}\n{text}"),
    }
}

fn list(document: &DocumentMut, section: &str, key: &str) -> Vec<String> {
    let items = document[section][key].as_array().unwrap();
    items.iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

fn runs(document: &DocumentMut) -> Vec<String> {
    let gates = document.get("gate").and_then(Item::as_array_of_tables);
    let gates = gates.into_iter().flat_map(|gates| gates.iter());
    gates.map(|gate| gate["run"].as_str().unwrap().to_owned()).collect()
}

/// Allowed patterns, protected patterns, gates.
type Expected = (&'static [&'static str], &'static [&'static str], &'static [&'static str]);

const CLASSES: &str = "import unittest\n\nclass A(unittest.TestCase):\n    def test_a(self):\n        pass\n";
const BARE: &str = "from tool import f\n\ndef test_f():\n    assert f() == 1\n";

type Files = Vec<(&'static str, &'static str)>;

fn rows() -> Vec<(&'static str, Files, Expected)> {
    vec![
        (
            "rust workspace",
            vec![
                ("Cargo.toml", ""),
                ("a/Cargo.toml", ""),
                ("a/src/lib.rs", ""),
                ("a/tests/t.rs", ""),
                ("src/main.rs", ""),
                ("target/debug/src/x.rs", ""),
                ("notes/src/x.rs", ""),
            ],
            (&["a/src/**", "src/**"], &["a/tests/**"], &["cargo build --all-targets", "cargo test"]),
        ),
        (
            "python with pytest",
            vec![
                ("pyproject.toml", "[tool.pytest.ini_options]"),
                ("src/pkg/__init__.py", ""),
                ("tests/test_a.py", ""),
                ("docs/conf.py", ""),
            ],
            (&["src/**"], &["tests/**"], &["PYTHONPATH=src python3 -m pytest -q"]),
        ),
        (
            "python with unittest",
            vec![("tool.py", ""), ("setup.py", ""), ("tests/test_a.py", CLASSES)],
            (&["tool.py"], &["tests/**"], &["python3 -m unittest discover -s tests"]),
        ),
        (
            "python scripts",
            vec![("tool.py", ""), ("test_tool.py", CLASSES)],
            (&["tool.py"], &["test_tool.py"], &["python3 -m unittest discover"]),
        ),
        ("python without tests", vec![("pkg/__init__.py", "")], (&["pkg/**"], &[], &["python3 -m compileall -q ."])),
        (
            "node",
            vec![
                ("package.json", r#"{"scripts":{"test":"node --test","lint":"eslint ."}}"#),
                ("src/a.js", ""),
                ("src/a.test.js", ""),
                ("node_modules/x/src/a.js", ""),
                ("test/b.js", ""),
            ],
            (&["src/**"], &["**/*.test.js", "test/**"], &["npm run lint", "npm test"]),
        ),
        (
            "node without tests",
            vec![
                ("package.json", r#"{"scripts":{"test":"echo \"Error: no test specified\" && exit 1"}}"#),
                ("index.js", ""),
            ],
            (&["index.js"], &[], &[]),
        ),
        (
            "go",
            vec![("go.mod", ""), ("main.go", ""), ("main_test.go", ""), ("internal/a/a.go", "")],
            (&["internal/**", "main.go"], &["**/*_test.go"], &["go build ./...", "go vet ./...", "go test ./..."]),
        ),
        (
            "rust and python",
            vec![
                ("Cargo.toml", ""),
                ("src/lib.rs", ""),
                ("requirements.txt", "pytest"),
                ("py/__init__.py", ""),
                ("tests/test_a.py", ""),
            ],
            (&["py/**", "src/**"], &["tests/**"], &["cargo build --all-targets", "cargo test", "python3 -m pytest -q"]),
        ),
        (
            "unknown",
            vec![("code/a.zig", ""), ("Makefile", "all:\ntest:\n\ttrue\n")],
            (&["code/**"], &[], &["make test"]),
        ),
        ("empty", vec![], (&[], &[], &[])),
    ]
}

#[test]
fn each_kind_of_repository_gets_its_sources_tests_and_gates() {
    for (kind, files, (allowed, protected, gates)) in rows() {
        let root = repository(&files);
        let document = parsed(root.path());
        assert_eq!(list(&document, "scope", "allowed"), allowed, "{kind}");
        assert_eq!(list(&document, "scope", "protected"), protected, "{kind}");
        assert_eq!(runs(&document), gates, "{kind}");
    }
}

#[test]
fn every_packet_has_what_a_session_needs() {
    for (kind, files, _) in rows() {
        let root = repository(&files);
        let document = parsed(root.path());
        let specification = document["brief"]["specification"].as_str().unwrap();
        assert!(specification.trim().len() >= 20 && specification.contains("EDIT"), "{kind}");
        assert!(document["session"]["title"].as_str().unwrap().contains("EDIT"), "{kind}");
        assert!(!list(&document, "brief", "acceptance").is_empty(), "{kind}");
        let competitors = document["competitor"].as_array_of_tables().unwrap();
        assert_eq!(competitors.len(), 2, "{kind}");
        for competitor in competitors {
            let engine = competitor["engine"].as_str().unwrap();
            assert!(document["engine"][engine]["command"].is_array(), "{kind}");
        }
        assert!(document["budget"]["rounds"].is_integer() && document["sandbox"]["image"].is_str(), "{kind}");
    }
}

#[test]
fn two_gates_never_share_a_name() {
    let root = repository(&[("Cargo.toml", ""), ("src/lib.rs", ""), ("go.mod", ""), ("main.go", "")]);
    let document = parsed(root.path());
    let gates = document["gate"].as_array_of_tables().unwrap();
    let names: Vec<&str> = gates.iter().map(|gate| gate["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["build", "tests", "build-go", "vet", "tests-go"]);
}

#[test]
fn the_commented_example_is_valid_when_it_is_uncommented() {
    let root = repository(&[("tool.py", "")]);
    let text = packet(root.path()).unwrap();
    let example = text.split("# [harness]").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap();
    let lines = example.lines().map(|line| line.trim_start_matches('#').trim_start());
    let example = format!("[harness]{}", lines.collect::<Vec<_>>().join("\n"));
    let document = Document::parse(example).unwrap();
    assert_eq!(document["kpi"][0]["source"].as_str(), Some("wall_time"));
}

#[test]
fn a_name_that_means_more_than_itself_is_left_out() {
    let root =
        repository(&[("tool.py", ""), ("a*b.py", ""), ("x\"y.py", ""), ("new\nline.py", ""), ("-rf/__init__.py", "")]);
    assert_eq!(list(&parsed(root.path()), "scope", "allowed"), ["tool.py"]);
}

#[test]
fn the_example_engine_really_changes_the_sources_and_nothing_else() {
    let root = repository(&[("tool.py", "a = 1  \nb = 2\n"), ("tests/test_a.py", "x  \n"), ("readme.txt", "y  \n")]);
    let document = parsed(root.path());
    let command = document["engine"]["fixer"]["command"].as_array().unwrap();
    let words: Vec<&str> = command.iter().map(|word| word.as_str().unwrap()).collect();
    let status = std::process::Command::new(words[0]).args(&words[1..]).current_dir(root.path()).status().unwrap();
    assert!(status.success());
    let read = |path: &str| fs::read_to_string(root.path().join(path)).unwrap();
    assert_eq!(read("tool.py"), "a = 1\nb = 2\n");
    assert_eq!((read("tests/test_a.py"), read("readme.txt")), ("x  \n".into(), "y  \n".into()));
}

#[test]
fn a_place_that_is_not_there_is_an_error() {
    assert!(packet(Path::new("/nonexistent/repository")).is_err());
}

#[test]
fn the_runner_of_a_python_test_is_the_one_that_finds_it() {
    let pytest = "python3 -m pytest -q";
    let rows: [(&str, Files, &str); 13] = [
        ("bare functions", vec![("tests/test_a.py", BARE)], pytest),
        ("async functions", vec![("tests/test_a.py", "async def test_f():\n    pass\n")], pytest),
        ("an import", vec![("test_a.py", "import pytest\nfrom unittest import TestCase\n")], pytest),
        ("a fixture", vec![("test_a.py", "from unittest import TestCase\n@pytest.fixture\ndef f(): pass\n")], pytest),
        ("classes of pytest's", vec![("test_a.py", "class TestA:\n    def test_a(self):\n        pass\n")], pytest),
        ("conftest", vec![("test_a.py", CLASSES), ("conftest.py", "")], pytest),
        ("requirements-dev", vec![("test_a.py", CLASSES), ("requirements-dev.txt", "pytest==8\n")], pytest),
        ("requirements/", vec![("test_a.py", CLASSES), ("requirements/test.txt", "pytest\n")], pytest),
        (
            "a group of pyproject",
            vec![("test_a.py", CLASSES), ("pyproject.toml", "[dependency-groups]\ndev = [\"pytest\"]\n")],
            pytest,
        ),
        ("tox", vec![("test_a.py", CLASSES), ("tox.ini", "[testenv]\ncommands = pytest\n")], pytest),
        ("one of two is bare", vec![("test_a.py", CLASSES), ("test_b.py", BARE)], pytest),
        ("classes alone", vec![("test_a.py", CLASSES)], "python3 -m unittest discover"),
        (
            "classes with the name behind",
            vec![("tests/a_test.py", CLASSES)],
            "python3 -m unittest discover -s tests -p '*_test.py'",
        ),
    ];
    for (kind, files, gate) in rows {
        let root = repository(&[&files[..], &[("tool.py", "")]].concat());
        assert_eq!(runs(&parsed(root.path())), [gate], "{kind}");
    }
}

#[test]
fn a_workspace_and_a_project_in_a_folder_are_tested_where_they_are() {
    let rows: [(&str, Files, &[&str], &[&str]); 8] = [
        (
            "a package with members",
            vec![
                ("Cargo.toml", "[package]\n[workspace]\nmembers = [\"a\"]"),
                ("src/lib.rs", ""),
                ("a/Cargo.toml", ""),
                ("a/src/lib.rs", ""),
            ],
            &["a/src/**", "src/**"],
            &["cargo build --workspace --all-targets", "cargo test --workspace"],
        ),
        (
            "a crate in a folder",
            vec![("core/Cargo.toml", "[package]"), ("core/src/lib.rs", "")],
            &["core/src/**"],
            &["cd core && cargo build --all-targets", "cd core && cargo test"],
        ),
        (
            "vitest without a script",
            vec![("package.json", r#"{"devDependencies":{"vitest":"1"}}"#), ("src/a.ts", "")],
            &["src/**"],
            &["npx vitest run"],
        ),
        (
            "jest, installed by pnpm",
            vec![
                ("package.json", r#"{"devDependencies":{"jest":"1"},"scripts":{"typecheck":"tsc"}}"#),
                ("pnpm-lock.yaml", ""),
                ("src/a.ts", ""),
            ],
            &["src/**"],
            &["pnpm run typecheck", "npx jest"],
        ),
        (
            "node's own runner without a script",
            vec![("package.json", "{}"), ("lib/a.mjs", ""), ("test/a.mjs", "import test from 'node:test'\n")],
            &["lib/**"],
            &["node --test"],
        ),
        (
            "members of npm's",
            vec![
                ("package.json", r#"{"workspaces":["packages/*"]}"#),
                ("packages/a/package.json", r#"{"scripts":{"test":"node --test"}}"#),
                ("packages/a/src/a.js", ""),
                ("packages/a/test/a.js", ""),
            ],
            &["packages/a/src/**"],
            &["npm test --workspaces --if-present"],
        ),
        (
            "modules of Go in folders",
            vec![("api/go.mod", ""), ("api/main.go", ""), ("tool/go.mod", ""), ("tool/x/x.go", "")],
            &["api/main.go", "tool/x/**"],
            &[
                "cd api && go build ./...",
                "cd api && go vet ./...",
                "cd api && go test ./...",
                "cd tool && go build ./...",
                "cd tool && go vet ./...",
                "cd tool && go test ./...",
            ],
        ),
        (
            "a server and a page",
            vec![
                ("server/pyproject.toml", ""),
                ("server/app/__init__.py", ""),
                ("server/tests/test_a.py", BARE),
                ("web page/package.json", r#"{"scripts":{"test":"vitest"}}"#),
                ("web page/src/a.ts", ""),
            ],
            &["server/app/**", "web page/src/**"],
            &["cd server && python3 -m pytest -q", "cd 'web page' && npm test"],
        ),
    ];
    for (kind, files, allowed, gates) in rows {
        let root = repository(&files);
        let document = parsed(root.path());
        assert_eq!(list(&document, "scope", "allowed"), allowed, "{kind}");
        assert_eq!(runs(&document), gates, "{kind}");
        let names: Vec<&str> =
            document["gate"].as_array_of_tables().unwrap().iter().map(|gate| gate["name"].as_str().unwrap()).collect();
        let distinct: std::collections::BTreeSet<&str> = names.iter().copied().collect();
        assert_eq!(distinct.len(), names.len(), "{kind}: {names:?}");
    }
}
