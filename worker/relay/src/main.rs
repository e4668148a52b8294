//! The first process of every sandbox: starts the command, reaps orphans, ends whatever outlives the command, and
//! tells the worker how it went; a worker that is gone ends them all. With `--forward` it also carries a loopback port to
//! the broker's socket. `relay hold` only keeps a network namespace alive.
//!
//! The command runs under the same user id and owns the same pipes, so nothing here may be readable or writable by
//! it: the process is not dumpable, and no secret is ever in arguments, environment or an inherited descriptor.

mod children;
mod control;
mod deaf;
mod forward;
mod leash;
mod usage;

use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use std::process::ExitCode;

/// What the relay itself failed at; the same number as `docker run` uses for that.
const OWN_FAILURE: u8 = 125;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let ended = match words.as_slice() {
        ["hold"] => hold(),
        ["run", "--", program, rest @ ..] => run(None, program, rest),
        ["run", "--forward", port, socket, "--", program, rest @ ..] => run(Some((port, socket)), program, rest),
        _ => Err("usage: relay hold | relay run [--forward PORT SOCKET] -- COMMAND [ARGUMENT…]".to_owned()),
    };
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(reason) => {
            eprintln!("relay: {reason}");
            ExitCode::from(OWN_FAILURE)
        }
    }
}

/// Sleeps until it is told to end. Signals are waited for, not handled: a first process without a handler would
/// otherwise never be given SIGTERM by the kernel.
fn hold() -> Result<u8, String> {
    let mut awaited = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGCHLD] {
        awaited.add(signal);
    }
    awaited.thread_block().map_err(|error| format!("cannot block signals: {error}"))?;
    loop {
        let signal = awaited.wait().map_err(|error| format!("cannot wait for signals: {error}"))?;
        if signal != Signal::SIGCHLD {
            return Ok(0);
        }
        children::reap();
    }
}

fn run(way_out: Option<(&str, &str)>, program: &str, arguments: &[&str]) -> Result<u8, String> {
    // Before the secret is read: from here on /proc/1 belongs to root and nobody may attach.
    prctl::set_dumpable(false).map_err(|error| format!("cannot become unreadable: {error}"))?;
    let order = control::Order::read()?;
    deaf::become_deaf().map_err(|error| format!("cannot block signals: {error}"))?;
    let input = order.input()?;
    leash::tie(order.leash)?;
    if let Some((port, socket)) = way_out {
        forward::start(port.parse().map_err(|_| format!("'{port}' is no port"))?, socket)?;
    }
    let before = usage::cgroup_cpu();
    control::record(order.start_key(), "start")?;

    let clock = usage::Clock::start();
    let end = match children::spawn(program, arguments, input) {
        Ok(mut child) => children::wait(&mut child),
        Err(error) => {
            eprintln!("{program}: {error}");
            children::End::not_started(&error)
        }
    };
    let wall = clock.elapsed();
    let survivors = children::clear();

    let used = usage::of_children(before);
    let text = format!(
        "end code={end} wall_ns={} cpu_ns={} peak_bytes={} survivors={survivors}",
        wall.as_nanos(),
        used.cpu.as_nanos(),
        used.peak_bytes
    );
    control::record(order.end_key(), &text)?;
    Ok(end.exit_code())
}
