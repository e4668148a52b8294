//! When leases that ran out may be taken away: only by a coordinator that was there to hear them renewed.

use arena_domain::job::Millis;
use std::time::Duration;

/// Whoever looks less often than this slept, or was held up: workers could not be heard.
const GAP: Duration = Duration::from_secs(10);
/// Leases are looked through this often.
const EVERY: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Vigil {
    since: Millis,
    latest: Millis,
    taken: Millis,
}

impl Vigil {
    /// Whether leases that ran out may be taken now: not while workers have not had a whole lease, of this length, to be
    /// heard, so that a machine that wakes up does not take its own jobs away.
    pub(super) fn may_take(&mut self, now: Millis, lease: Duration) -> bool {
        if now.abs_diff(self.latest) > millis(GAP) {
            self.since = now;
        }
        self.latest = now;
        let watched = now.saturating_sub(self.since) >= millis(lease);
        if !watched || now.abs_diff(self.taken) < millis(EVERY) {
            return false;
        }
        self.taken = now;
        true
    }
}

fn millis(duration: Duration) -> Millis {
    duration.as_millis() as Millis
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Millis = 1_700_000_000_000;

    /// The seconds after the start at which leases are taken, when looks are a second apart but for those left out.
    fn taken(seconds: u64, slept: impl Fn(u64) -> bool) -> Vec<u64> {
        let mut vigil = Vigil::default();
        let looks = (0..seconds).filter(|second| !slept(*second));
        looks.filter(|second| vigil.may_take(START + second * 1000, Duration::from_secs(60))).collect()
    }

    #[test]
    fn a_coordinator_that_has_just_started_takes_nothing_for_a_whole_lease() {
        assert_eq!(taken(72, |_| false), [60, 65, 70]);
    }

    #[test]
    fn a_machine_that_wakes_up_gives_its_workers_a_whole_lease() {
        assert_eq!(taken(700, |second| (62..630).contains(&second)), [60, 690, 695]);
    }

    #[test]
    fn a_short_delay_is_no_sleep() {
        assert_eq!(taken(72, |second| (30..38).contains(&second)), [60, 65, 70]);
    }
}
