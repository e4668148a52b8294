//! The one home of the clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since the epoch, for records.
#[allow(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub fn now_millis() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// A point of the monotonic clock, for durations.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// RFC 3339 in UTC, to the second.
pub fn rfc3339(millis: u64) -> String {
    written(millis, "%Y-%m-%dT%H:%M:%SZ")
}

/// RFC 3339 in UTC, to the millisecond.
pub fn rfc3339_millis(millis: u64) -> String {
    written(millis, "%Y-%m-%dT%H:%M:%S%.3fZ")
}

fn written(millis: u64, format: &str) -> String {
    let stamp = i64::try_from(millis).ok().and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    stamp.map_or_else(|| "unknown".to_owned(), |stamp| stamp.strftime(format).to_string())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_time_is_written_as_the_world_reads_it() {
        assert_eq!(super::rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(super::rfc3339(1_700_000_000_123), "2023-11-14T22:13:20Z");
        assert_eq!(super::rfc3339_millis(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        assert_eq!(super::rfc3339(u64::MAX), "unknown");
    }
}
