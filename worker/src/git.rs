//! Git, called and never linked: on trusted repositories only, with every door to foreign configuration shut.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GitError {
    #[error("git is not on this machine: {0}")]
    Missing(String),
    #[error("git {command} failed: {reason}")]
    Failed { command: String, reason: String },
}

/// Git with the configuration file that this worker wrote.
#[derive(Debug, Clone)]
pub(crate) struct Git {
    config: PathBuf,
}

/// The only configuration that counts: repositories of any owner may be read, any commit may be asked for, no hook, no
/// file watcher and no filter runs.
const CONFIG: &str = "[safe]\n\tdirectory = *\n[uploadpack]\n\tallowAnySHA1InWant = true\n[core]\n\thooksPath = \
                      /dev/null\n\tfsmonitor = false\n\tautocrlf = false\n\tquotePath = true\n\tsymlinks = true\n[gc]\n\tauto = \
                      0\n[maintenance]\n\tauto = false\n[protocol \"ext\"]\n\tallow = never\n[advice]\n\tdetachedHead = false\n[init]\n\tdefaultBranch = arena\n";

impl Git {
    pub(crate) fn new(folder: &Path) -> std::io::Result<Self> {
        let config = folder.join("gitconfig");
        if std::fs::read_to_string(&config).is_ok_and(|held| held == CONFIG) {
            return Ok(Self { config });
        }
        arena_runtime::files::write_atomic(&config, CONFIG.as_bytes())?;
        Ok(Self { config })
    }

    /// Standard output of one command in `dir` (a git dir or a trusted working tree).
    pub(crate) fn run<S: AsRef<OsStr>>(&self, dir: &Path, args: &[S]) -> Result<Vec<u8>, GitError> {
        self.feed(dir, args, &[], &[])
    }

    /// With standard input and further environment.
    pub(crate) fn feed<S: AsRef<OsStr>>(
        &self,
        dir: &Path,
        args: &[S],
        env: &[(&str, &OsStr)],
        input: &[u8],
    ) -> Result<Vec<u8>, GitError> {
        let name = args.first().map(|arg| arg.as_ref().to_string_lossy().into_owned()).unwrap_or_default();
        let failed = |reason: String| GitError::Failed { command: name.clone(), reason };
        let mut command = Command::new("git");
        for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("GIT_")) {
            command.env_remove(key);
        }
        let mut child = command
            .args(args)
            .current_dir(dir)
            .env("GIT_CONFIG_GLOBAL", &self.config)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("LC_ALL", "C")
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| GitError::Missing(error.to_string()))?;
        let stdin = child.stdin.take();
        let output = std::thread::scope(|scope| {
            // The pipe breaks when git ends early; its exit tells why.
            scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
            child.wait_with_output()
        });
        let output = output.map_err(|error| failed(error.to_string()))?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = arena_domain::text::sanitise(&output.stderr);
        let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
        Err(failed(lines[lines.len().saturating_sub(3)..].join("; ")))
    }
}
