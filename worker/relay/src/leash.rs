//! The leash: a worker keeps this container's standard input open for as long as it lives. When that ends, whoever would
//! read the result, pay for it or count its slot is gone, so everything in here ends at once.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::AsFd;
use std::thread::Builder;

const STACK: usize = 64 << 10;
/// As a shell says that a hang-up ended something.
const HUNG_UP: i32 = 129;

/// Only looks and reads nothing: what is still to be read belongs to the command, which may never do so.
pub(crate) fn tie() -> Result<(), String> {
    let watch = || {
        let input = std::io::stdin();
        loop {
            let mut ends = [PollFd::new(input.as_fd(), PollFlags::empty())];
            if poll(&mut ends, PollTimeout::NONE).is_ok() {
                // It waits for nothing but the end. That of the first process is the end of all in its namespace.
                std::process::exit(HUNG_UP);
            }
        }
    };
    let tied = Builder::new().stack_size(STACK).spawn(watch);
    tied.map(drop).map_err(|error| format!("cannot watch for the worker's end: {error}"))
}
