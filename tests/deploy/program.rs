//! What the program itself says of configurations and command lines.

use arena_runtime::config::{self, Config};
use std::path::Path;
use std::process::Command;
use support::binary;

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
