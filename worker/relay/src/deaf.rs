//! No signal is ever delivered to the relay. The kernel shields a first process from those of its own namespace only
//! while no thread of it is in a handler or has them blocked when another has not: then a signal that nobody handles
//! ends them all, and a command that sends many meets that moment. So every thread has them blocked for good.

use nix::sys::signal::SigSet;
use std::io;

/// Before the first thread is made: every later one inherits it.
pub(crate) fn become_deaf() -> io::Result<()> {
    Ok(SigSet::all().thread_block()?)
}

/// A command inherits what is blocked, so it is started with nothing blocked. Before its first instruction there is
/// nobody in the namespace who could send a signal.
pub(crate) fn hearing<T>(start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    SigSet::all().thread_unblock()?;
    let started = start();
    become_deaf()?;
    started
}
