//! What the program itself says of configurations and command lines.

use arena_runtime::config::{self, Config};
use std::path::Path;
use std::process::Command;
use support::{binary, skip};

/// Whether this program has the services of a team; the test is skipped by its name when it has not.
pub fn has_services(test: &str) -> bool {
    let there = ["coordinator", "worker", "certs"].iter().all(|command| parses(&[command]).is_ok());
    if !there {
        skip(test, "this program has no `arena coordinator`, `arena worker` and `arena certs`");
    }
    there
}

/// Whether a command line is one that the program takes; nothing is run.
pub fn parses(words: &[&str]) -> Result<(), String> {
    let said = Command::new(binary()).args(words).arg("--help").output().expect("arena");
    if said.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&said.stderr).into_owned()) }
}

/// Read by the parser that the program reads it with.
pub fn configuration(name: &str, text: &str) -> Config {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).expect("a file");
    match config::load(Some(Path::new(&path)), &|_| None, &[]) {
        Ok(config) => config,
        Err(problems) => {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            panic!("{name}:\n{}", lines.join("\n"));
        }
    }
}

/// A value of a configuration, without asking for a field that a program without services does not have.
pub fn said(text: &str, table: &str, key: &str) -> String {
    let document: toml_edit::Document<String> = text.parse().expect("TOML");
    let item = document.get(table).and_then(|table| table.get(key)).unwrap_or_else(|| panic!("{table}.{key}"));
    let value = item.as_value().expect("a value");
    value.as_str().map_or_else(|| value.to_string().trim().to_owned(), str::to_owned)
}
