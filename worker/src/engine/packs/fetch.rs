//! The package clients: they know registries, proxies and checksums; nothing of that is repeated here.

use super::{Client, PackError};
use arena_domain::text;
use std::path::Path;
use std::process::{Command, Stdio};

/// Scripts of packages are never run: an engine is files, and its scripts would run here with our rights.
const NPM: [&str; 14] = [
    "install",
    "--ignore-scripts",
    "--omit=optional",
    "--omit=dev",
    "--no-audit",
    "--no-fund",
    "--no-package-lock",
    "--no-update-notifier",
    "--loglevel=error",
    "--fetch-retries=2",
    "--fetch-retry-mintimeout=1000",
    "--fetch-retry-maxtimeout=5000",
    "--fetch-timeout=120000",
    "--prefix",
];
/// Wheels only, since anything else would have to be built by scripts of its own.
const PIP: [&str; 9] = [
    "-m",
    "pip",
    "install",
    "--quiet",
    "--no-input",
    "--disable-pip-version-check",
    "--only-binary=:all:",
    "--no-compile",
    "--target",
];

/// Puts the packages below `folder`: `node_modules` of npm, `python` of pip.
pub(super) fn fetch(client: Client, name: &str, packages: &[String], folder: &Path) -> Result<(), PackError> {
    let mut command = match client {
        Client::Npm => {
            let mut command = Command::new("npm");
            command.args(NPM).arg(folder);
            command
        }
        Client::Pip => {
            let mut command = Command::new("python3");
            command.args(PIP).arg(folder.join("python"));
            command
        }
    };
    command.arg("--").args(packages).current_dir(folder).stdin(Stdio::null());
    let output = match command.output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(PackError::NoClient { client, name: name.to_owned() });
        }
        Err(error) => return Err(error.into()),
    };
    if output.status.success() {
        return Ok(());
    }
    let said = text::tail(&output.stderr, 4).join(" | ");
    if client == Client::Pip && said.contains("No module named pip") {
        return Err(PackError::NoClient { client, name: name.to_owned() });
    }
    let said = if said.is_empty() { output.status.to_string() } else { text::sanitise_line(&said, 400) };
    Err(PackError::Fetch { client, what: packages.join(", "), said })
}
