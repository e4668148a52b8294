//! One way to call git: no shell, no prompt, no pager, nothing inherited that points at another repository.

pub(crate) use arena_domain::text::shown;

use super::RepoError;
use crate::sudo::{self, Person};
use arena_domain::text;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The first version with `merge-tree --write-tree`.
pub(crate) const OLDEST: (u32, u32) = (2, 38);

/// Lines of git's own words that an error carries.
const SAID: usize = 6;

/// Variables by which a caller, such as a hook, would send git to another repository or index.
const REDIRECTIONS: [&str; 12] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_GRAFT_FILE",
    "GIT_SHALLOW_FILE",
    "GIT_EXTERNAL_DIFF",
    "GIT_DIFF_OPTS",
];

/// Git in one folder.
#[derive(Debug, Clone)]
pub(crate) struct Git {
    folder: PathBuf,
    /// Without anybody's configuration, for a repository that Arena made itself.
    alone: bool,
    /// Whom it is run as, if not as whoever runs Arena.
    owner: Option<&'static Person>,
}

/// How a command of git ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: Vec<u8>,
    pub(crate) err: Vec<u8>,
}

impl Git {
    /// With the user's configuration.
    pub(crate) fn of_user(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), alone: false, owner: sudo::owner(folder) }
    }

    pub(crate) fn alone(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), alone: true, owner: None }
    }

    /// However it ends.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<Ran, RepoError> {
        self.feed(args, b"")
    }

    /// Its standard output, when it succeeds.
    pub(crate) fn out<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<Vec<u8>, RepoError> {
        self.feed(args, b"")?.or_failed(args)
    }

    /// With standard input.
    pub(crate) fn feed<S: AsRef<OsStr>>(&self, args: &[S], input: &[u8]) -> Result<Ran, RepoError> {
        let mut command = self.command();
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Only its start is on a thread with the owner's rights: whoever has them may end that thread, and this process with it.
        let child = self.as_owner(|| command.spawn())?;
        ran(child.map_err(|error| RepoError::GitMissing { reason: error.to_string() })?, input)
    }

    /// What is read in the repository without git, by whom git is run as.
    pub(super) fn as_owner<T: Send>(&self, act: impl FnOnce() -> T + Send) -> Result<T, RepoError> {
        match self.owner {
            Some(owner) => owner.does(act).map_err(|error| RepoError::GitMissing { reason: error.to_string() }),
            None => Ok(act()),
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new("git");
        if self.alone {
            for (key, _) in std::env::vars_os().filter(|(key, _)| key.as_bytes().starts_with(b"GIT_")) {
                command.env_remove(key);
            }
            command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
            command.env("GIT_ATTR_NOSYSTEM", "1").env("GIT_NO_REPLACE_OBJECTS", "1").env("HOME", sudo::NOWHERE);
            command.env_remove("XDG_CONFIG_HOME");
        }
        if let Some(owner) = &self.owner {
            owner.tells(&mut command);
        }
        for key in REDIRECTIONS {
            command.env_remove(key);
        }
        // Looking must not write the index, and an answer must not depend on the user's language.
        command.env("GIT_OPTIONAL_LOCKS", "0").env("GIT_TERMINAL_PROMPT", "0").env("GIT_PAGER", "cat");
        command.env("LC_ALL", "C").current_dir(&self.folder);
        command
    }
}

fn ran(mut child: Child, input: &[u8]) -> Result<Ran, RepoError> {
    let stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        // The pipe breaks when git ends early; its exit tells why.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
        child.wait_with_output()
    })?;
    Ok(Ran { code: output.status.code(), out: output.stdout, err: output.stderr })
}

impl Ran {
    pub(crate) fn passed(&self) -> bool {
        self.code == Some(0)
    }

    pub(crate) fn or_failed<S: AsRef<OsStr>>(self, args: &[S]) -> Result<Vec<u8>, RepoError> {
        if self.passed() {
            return Ok(self.out);
        }
        let name = args.iter().map(|arg| arg.as_ref().to_string_lossy()).find(|arg| !arg.starts_with('-'));
        Err(RepoError::Failed { command: name.unwrap_or_default().into_owned(), reason: self.reason() })
    }

    /// What git said of it, safe for a terminal, on one line.
    pub(crate) fn reason(&self) -> String {
        let said = text::tail(&self.err, SAID);
        match (said.is_empty(), self.code) {
            (false, _) => said.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" "),
            (true, Some(code)) => format!("exit {code}"),
            (true, None) => "ended by a signal".to_owned(),
        }
    }

    /// Standard output as text without the line end.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).trim_end_matches('\n').to_owned()
    }

    /// Standard output as a path: all of it but one line end.
    pub(crate) fn line(&self) -> OsString {
        line(&self.out)
    }
}

pub(super) fn line(out: &[u8]) -> OsString {
    OsStr::from_bytes(out.strip_suffix(b"\n").unwrap_or(out)).to_owned()
}

/// The names in an output where each is ended by a zero byte.
pub(crate) fn zero_ended(out: &[u8]) -> impl Iterator<Item = &[u8]> {
    out.split(|byte| *byte == 0).filter(|name| !name.is_empty())
}

pub(super) fn check_version(git: &Git) -> Result<(), RepoError> {
    let said = String::from_utf8_lossy(&git.out(&["version"])?).trim().to_owned();
    let found = said.strip_prefix("git version ").unwrap_or(&said).to_owned();
    if version(&found).is_some_and(|version| version >= OLDEST) {
        return Ok(());
    }
    Err(RepoError::GitTooOld { found: text::sanitise_line(&found, 60) })
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(['.', ' ', '-']).map(str::parse::<u32>);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_what_the_vendors_print() {
        let rows = [
            ("2.47.3", Some((2, 47))),
            ("2.39.5 (Apple Git-154)", Some((2, 39))),
            ("2.38.0-rc1", Some((2, 38))),
            ("3.0", Some((3, 0))),
            ("unknown", None),
        ];
        for (text, numbers) in rows {
            assert_eq!(version(text), numbers, "{text}");
        }
    }

    #[test]
    fn names_that_are_no_text_never_look_alike() {
        assert_eq!(shown(b"a\xff\n"), "a\\xff\n");
        assert_ne!(shown(b"\xff"), shown(b"\xfe"));
    }
}
