//! What the command used, as the kernel counted it.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};
use std::time::{Duration, Instant};

pub(crate) struct Clock(Instant);

impl Clock {
    #[allow(clippy::disallowed_methods, reason = "the relay is a program of its own and this is its only clock")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

pub(crate) struct Used {
    pub(crate) cpu: Duration,
    /// The largest resident set of any one process.
    pub(crate) peak_bytes: u64,
}

/// Processor time of all that were reaped. A parent that ignores SIGCHLD hides its children from that sum, so the
/// control group's own count, where it can be read, stands when it is the larger one.
pub(crate) fn of_children(cgroup_before: Option<Duration>) -> Used {
    let grouped = cgroup_cpu().zip(cgroup_before).map(|(after, before)| after.saturating_sub(before));
    let Ok(usage) = getrusage(UsageWho::RUSAGE_CHILDREN) else {
        return Used { cpu: grouped.unwrap_or_default(), peak_bytes: 0 };
    };
    let reaped = span(usage.user_time()) + span(usage.system_time());
    let peak_kib = u64::try_from(usage.max_rss()).unwrap_or(0);
    Used { cpu: reaped.max(grouped.unwrap_or_default()), peak_bytes: peak_kib * 1024 }
}

/// Processor time of this container so far: version 1 counts nanoseconds, version 2 microseconds.
pub(crate) fn cgroup_cpu() -> Option<Duration> {
    if let Ok(text) = std::fs::read_to_string("/sys/fs/cgroup/cpuacct/cpuacct.usage") {
        return text.trim().parse().ok().map(Duration::from_nanos);
    }
    let text = std::fs::read_to_string("/sys/fs/cgroup/cpu.stat").ok()?;
    let micros = text.lines().find_map(|line| line.strip_prefix("usage_usec "))?;
    micros.trim().parse().ok().map(Duration::from_micros)
}

fn span(time: TimeVal) -> Duration {
    Duration::from_micros(u64::try_from(time.num_microseconds()).unwrap_or(0))
}
