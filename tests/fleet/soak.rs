//! A minute of what `make soak` does for half an hour: the same checks on the same fleet.

use std::time::Duration;
use support::soak::{Fault, Soak};
use support::{ready, skip};

#[test]
fn under_faults_nothing_is_lost_doubled_or_left_and_no_limit_is_passed() {
    const TEST: &str = "under_faults_nothing_is_lost";
    if !ready(TEST) {
        return;
    }
    let faults = vec![
        Fault::FlushFunctions,
        Fault::KillWorker,
        Fault::CutCoordinator,
        Fault::KillCoordinator,
        Fault::CutWorker,
        Fault::PauseWorker,
        Fault::PauseCoordinator,
        Fault::PauseRedis,
        Fault::RestartAll,
        Fault::KillPrimary,
        Fault::CutPrimary,
    ];
    let soak = Soak { seed: 7, lasts: Duration::ZERO, sessions: 6, at_once: 3, faults, says: false };
    match soak.run() {
        Ok(counted) => {
            assert!(counted.is_good(), "{counted}\n{}", counted.wrongs());
            assert_eq!(counted.faults.len(), 11, "{counted}");
        }
        Err(reason) => skip(TEST, &reason),
    }
}
