//! What is not there is a skip with its reason, never a pass.

use std::io::Write;
use std::process::Command;
use std::sync::OnceLock;

/// Says why a test did not run; `make test` collects these lines and fails on one that it does not expect.
pub fn skip(test: &str, reason: &str) {
    eprintln!("SKIP {test}: {reason}");
    if let Some(path) = std::env::var_os("ARENA_SKIPS")
        && let Ok(mut file) = std::fs::File::options().create(true).append(true).open(path)
    {
        let _ = writeln!(file, "{test}: {reason}");
    }
}

/// Docker answers, the image is there and this is root; or the test is skipped.
pub fn ready(test: &str) -> bool {
    static REASON: OnceLock<Option<String>> = OnceLock::new();
    match REASON.get_or_init(missing) {
        None => true,
        Some(reason) => {
            skip(test, reason);
            false
        }
    }
}

fn missing() -> Option<String> {
    let works = |args: &[&str]| Command::new("docker").args(args).output().is_ok_and(|out| out.status.success());
    if !works(&["version"]) {
        return Some("no Docker answers".into());
    }
    if !works(&["image", "inspect", "arena/base"]) {
        return Some("no image arena/base".into());
    }
    (!rustix::process::geteuid().is_root()).then(|| "not root: workspaces cannot be mounted".into())
}
