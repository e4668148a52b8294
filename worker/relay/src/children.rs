//! Starting the command, reaping every orphan, and leaving nobody alive.

use crate::deaf;
use crate::usage::Clock;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use std::fmt;
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

/// How long a process may still be ending by itself before it counts as a survivor. Helpers that end when a pipe
/// closes need a few milliseconds, and many on a busy machine; nobody waits when nothing is left.
const GRACE: Duration = Duration::from_millis(200);
const POLL: Duration = Duration::from_millis(1);
/// nix has no name for a real-time signal; the last one stands for all of them in the one race that hides which.
const SOME_REAL_TIME_SIGNAL: i32 = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Code(i32),
    Signal(i32),
}

impl End {
    /// As a shell says it: 127 for a missing command, 126 for one that cannot be run.
    pub(crate) fn not_started(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound { Self::Code(127) } else { Self::Code(126) }
    }

    pub(crate) fn exit_code(self) -> u8 {
        let code = match self {
            Self::Code(code) => code,
            Self::Signal(number) => 128 + number,
        };
        u8::try_from(code & 0xff).unwrap_or(u8::MAX)
    }

    fn of(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, Some(number)) => Self::Signal(number),
            (None, None) => Self::Signal(SOME_REAL_TIME_SIGNAL),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(out, "{code}"),
            Self::Signal(number) => write!(out, "sig{number}"),
        }
    }
}

/// Starts the command; it gets this input and then the end of file.
pub(crate) fn spawn(program: &str, arguments: &[&str], input: Vec<u8>) -> io::Result<Child> {
    let stdin = if input.is_empty() { Stdio::null() } else { Stdio::piped() };
    let mut child = deaf::hearing(|| Command::new(program).args(arguments).stdin(stdin).spawn())?;
    if let Some(pipe) = child.stdin.take() {
        // Not joined: a command may never read its input, and the process ends with its last record.
        std::thread::Builder::new().spawn(move || feed(pipe, &input))?;
    }
    Ok(child)
}

/// A command that closes its input early is its own affair.
fn feed(mut pipe: ChildStdin, input: &[u8]) {
    drop((pipe.write_all(input), pipe));
}

/// Waits for the command and reaps every orphan that ends before it.
pub(crate) fn wait(child: &mut Child) -> End {
    loop {
        // Only looks, so that the command's own status is left for `try_wait`, which knows every signal.
        let dead = waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
        match child.try_wait() {
            Ok(Some(status)) => return End::of(status),
            Ok(None) => {}
            Err(_) => return End::Signal(SOME_REAL_TIME_SIGNAL),
        }
        match dead.as_ref().map(WaitStatus::pid) {
            Ok(Some(orphan)) => drop(waitpid(orphan, Some(WaitPidFlag::WNOHANG))),
            Ok(None) | Err(Errno::EINTR) => {}
            Err(_) => drop(waitpid(None, Some(WaitPidFlag::WNOHANG))),
        }
    }
}

/// Takes every child that has ended; says whether any is left.
pub(crate) fn reap() -> bool {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => return true,
            Err(Errno::ECHILD) => return false,
            // A status without a name in nix has been reaped all the same.
            Ok(_) | Err(_) => {}
        }
    }
}

/// Counts who outlived the command, kills them all, and returns when nobody is left. Everyone in this process
/// namespace ends up as a child of the first process, so no child means no process.
pub(crate) fn clear() -> usize {
    let clock = Clock::start();
    let mut survivors = 0;
    while reap() {
        survivors = living();
        if survivors == 0 || clock.elapsed() >= GRACE {
            break;
        }
        std::thread::sleep(POLL);
    }
    if !reap() {
        return 0;
    }
    loop {
        // Again and again: a fork may have slipped past the round before.
        kill(Pid::from_raw(-1), Signal::SIGKILL).ok();
        if !reap() {
            return survivors;
        }
        std::thread::sleep(POLL);
    }
}

/// Processes other than this one that are not yet dead.
fn living() -> usize {
    let Ok(entries) = std::fs::read_dir("/proc") else { return 0 };
    let own = std::process::id().to_string();
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| *name != own && name.bytes().all(|byte| byte.is_ascii_digit()) && alive(name)).count()
}

/// The state is the first letter after the command's name, which is in brackets and may hold anything.
fn alive(pid: &str) -> bool {
    let Ok(stat) = std::fs::read(format!("/proc/{pid}/stat")) else { return false };
    let after_name = stat.iter().rposition(|byte| *byte == b')').map(|at| &stat[at + 1..]);
    after_name.and_then(|rest| rest.get(1)).is_some_and(|state| !b"ZX".contains(state))
}
