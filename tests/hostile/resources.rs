//! Controls of the attacks on resources: without limits, each of them succeeds. `e2e/limits` shows the limits at work.

use crate::naive::docker;
use support::{CROWD, EAT, FLOOD, ready};

#[test]
fn every_control_is_crowded_flooded_or_deceived() {
    if !ready("every_control_is_crowded") {
        return;
    }
    let count = "ls -d /proc/[0-9]* | wc -l";
    let crowd = docker(&["run", "--rm", "arena/base", "sh", "-c", &format!("{CROWD}; {count}")]);
    assert!(crowd.stdout.trim().parse::<u32>().unwrap() > 500, "{crowd:?}");
    let hidden = format!("{EAT}; echo eaten; exit 0");
    let oom = docker(&["run", "--rm", "--memory", "256m", "--memory-swap", "256m", "arena/base", "sh", "-c", &hidden]);
    assert_eq!((oom.code, oom.stdout.as_str()), (0, "eaten\n"), "nobody tells that a child was killed");
    let flood = docker(&["run", "--rm", "arena/base", "sh", "-c", FLOOD]);
    assert_eq!(flood.stdout.len(), 30_000_000, "all of it is taken in");
}
