//! What the kernel says of processes, and what is made of it.

use crate::Fallible;
use arena_runtime::clock::Stopwatch;

/// Of all coordinators, in kilobytes.
#[derive(Clone, Copy)]
pub(crate) struct Memory(f64);

impl Memory {
    pub(crate) fn of(pids: &[u32]) -> Fallible<Self> {
        let one = |pid: &u32| -> Fallible<f64> {
            let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
            let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
            Ok(line.trim().trim_end_matches("kB").trim().parse()?)
        };
        Ok(Self(pids.iter().map(one).collect::<Fallible<Vec<f64>>>()?.iter().sum()))
    }

    /// For each of so many.
    pub(crate) fn over(self, before: Self, many: usize) -> f64 {
        (self.0 - before.0) / many as f64
    }

    pub(crate) fn mb(self) -> f64 {
        self.0 / 1024.0
    }
}

/// Seconds of processor time, or processors.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    at: Stopwatch,
    coordinators: f64,
    redis: f64,
}

impl Sample {
    pub(crate) fn take(coordinators: &[u32], redis: u32) -> Fallible<Self> {
        let all = coordinators.iter().map(|pid| processor_time(*pid)).collect::<Fallible<Vec<f64>>>()?;
        Ok(Self { at: Stopwatch::start(), coordinators: all.iter().sum(), redis: processor_time(redis)? })
    }

    pub(crate) fn since(self, before: &Self) -> Self {
        let seconds = before.at.elapsed().as_secs_f64();
        let each = |now: f64, then: f64| (now - then) / seconds;
        let coordinators = each(self.coordinators, before.coordinators);
        Self { coordinators, redis: each(self.redis, before.redis), ..self }
    }

    pub(crate) fn coordinators(&self) -> f64 {
        self.coordinators
    }

    pub(crate) fn redis(&self) -> f64 {
        self.redis
    }
}

/// Of a process, in seconds; the kernel counts in hundredths.
fn processor_time(pid: u32) -> Fallible<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after = text.rsplit_once(')').ok_or("no stat")?.1;
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks = |index: usize| -> Fallible<f64> { Ok(fields.get(index).ok_or("no field")?.parse()?) };
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}

pub(crate) fn percentile(sorted: &[f64], percent: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted
        .get(((sorted.len() as f64 * percent / 100.0).ceil() as usize).saturating_sub(1).min(last))
        .copied()
        .unwrap_or(f64::NAN)
}
