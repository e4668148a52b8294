//! The leash: a worker keeps this container's standard input open for as long as it lives, and says each second how long its
//! lease holds. When either ends, whoever would read the result, pay for it or count its slot is gone or hangs, and somebody
//! else may begin the same work, so everything in here ends at once.

use crate::usage::Clock;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::thread::Builder;
use std::time::Duration;

const STACK: usize = 64 << 10;
/// As a shell says that a hang-up ended something.
const HUNG_UP: i32 = 129;
/// A wait is no longer than this; then it is waited again.
const LONGEST_WAIT: u16 = 10_000;

/// The end of the first process is the end of all in its namespace. `leash`: how long the lease holds; nothing: only the
/// worker's end ends it.
pub(crate) fn tie(leash: Option<Duration>) -> Result<(), String> {
    let failed = |error| format!("cannot watch for the worker's end: {error}");
    // Of its own: what the standard library has read ahead is the command's input, and no more than a word or two of these.
    let words = File::from(std::io::stdin().as_fd().try_clone_to_owned().map_err(failed)?);
    let watch = move || {
        watch(words, leash);
        std::process::exit(HUNG_UP);
    };
    Builder::new().stack_size(STACK).spawn(watch).map(drop).map_err(failed)
}

/// Returns when everything has to end.
fn watch(mut words: File, mut leash: Option<Duration>) {
    let mut heard = Clock::start();
    loop {
        let left = leash.map(|leash| leash.saturating_sub(heard.elapsed()));
        if left.is_some_and(|left| left.is_zero()) {
            return;
        }
        let wait = left.map_or(u128::MAX, |left| left.as_millis() + 1).min(LONGEST_WAIT.into());
        let mut waits = [PollFd::new(words.as_fd(), PollFlags::POLLIN)];
        if !poll(&mut waits, PollTimeout::from(wait as u16)).is_ok_and(|ready| ready > 0) {
            continue;
        }
        let mut bytes = [0; 64];
        match words.read(&mut bytes) {
            Ok(0) => return,
            // Without a lease nothing is said.
            Ok(read) if leash.is_some() => {
                leash = bytes[..read].last().map(|seconds| Duration::from_secs((*seconds).into()));
                heard = Clock::start();
            }
            Ok(_) => {}
            Err(error) if [ErrorKind::Interrupted, ErrorKind::WouldBlock].contains(&error.kind()) => {}
            Err(_) => return,
        }
    }
}
