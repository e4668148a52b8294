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
    if let Some(said) = unreachable(client, &String::from_utf8_lossy(&output.stderr)) {
        return Err(PackError::Unreachable { client, said });
    }
    let said = text::tail(&output.stderr, 4).join(" | ");
    if client == Client::Pip && said.contains("No module named pip") {
        return Err(PackError::NoClient { client, name: name.to_owned() });
    }
    let said = if said.is_empty() { output.status.to_string() } else { text::sanitise_line(&said, 400) };
    Err(PackError::Fetch { client, what: packages.join(", "), said })
}

/// By what npm calls an error that is the network's or the registry's own; any other is an answer of the registry.
const AWAY: [&str; 12] = [
    "ECONNREFUSED",
    "ECONNRESET",
    "ECONNABORTED",
    "ENOTFOUND",
    "EAI_AGAIN",
    "ETIMEDOUT",
    "ESOCKETTIMEDOUT",
    "ERR_SOCKET_TIMEOUT",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "ENETDOWN",
    "EPIPE",
];

/// What a client says that had no answer from its registry, after all its retries.
fn unreachable(client: Client, said: &str) -> Option<String> {
    match client {
        Client::Npm => {
            let codes =
                said.lines().filter_map(|line| line.split_once(" code ").filter(|(who, _)| who.starts_with("npm ")));
            let mut codes = codes.map(|(_, code)| code.trim());
            let away = |code: &&str| AWAY.contains(code) || (code.len() == 4 && code.starts_with("E5"));
            codes.find(away).map(str::to_owned)
        }
        Client::Pip => {
            let last = said.lines().find(|line| line.contains("Retry(total=0"))?;
            Some(text::sanitise_line(last.rsplit_once("object at ").map_or(last, |(_, reason)| reason), 120))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_that_is_away_is_no_version_that_is_missing() {
        let rows = [
            (Client::Npm, "npm error code ECONNREFUSED\nnpm error syscall connect\n", Some("ECONNREFUSED")),
            (Client::Npm, "npm ERR! code EAI_AGAIN\n", Some("EAI_AGAIN")),
            (Client::Npm, "npm error code E503\nnpm error 503 Service Unavailable\n", Some("E503")),
            (Client::Npm, "npm error code ETARGET\nnpm error notarget No matching version found for x@99\n", None),
            (Client::Npm, "npm error code E404\n", None),
            (Client::Npm, "npm error code EINTEGRITY\n", None),
            (Client::Npm, "npm error code ENOSPC\nnpm error nospc write after ECONNREFUSED\n", None),
            (
                Client::Pip,
                "WARNING: Retrying (Retry(total=0, connect=None)) after connection broken by 'NewConnectionError('<x \
                 object at 0x7f>: Failed to establish a new connection: [Errno 111] Connection refused')': /simple/six/\n\
                 ERROR: No matching distribution found for six\n",
                Some("0x7f>: Failed to establish a new connection: [Errno 111] Connection refused')': /simple/six/"),
            ),
            (Client::Pip, "ERROR: No matching distribution found for six==99\n", None),
        ];
        for (client, said, expected) in rows {
            assert_eq!(unreachable(client, said).as_deref(), expected, "{said}");
        }
    }
}
