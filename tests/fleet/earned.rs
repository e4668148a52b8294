//! What an engine was paid for, and a worker that comes back late.

use crate::cut::watched;
use crate::faults::HASTY;
use arena_runtime::digest;
use std::fs::{self, DirEntry};
use std::path::Path;
use support::{Fleet, Packet, ready, soon};

/// Whether a whole result lies in a folder of a worker.
pub(crate) fn holds(folder: &Path) -> bool {
    let is_whole = |entry: DirEntry| entry.path().is_file() && digest::is_name(&entry.file_name());
    fs::read_dir(folder).is_ok_and(|all| all.flatten().any(is_whole))
}

#[test]
fn a_worker_that_comes_back_after_its_lease_pays_for_nothing_again() {
    if !ready("a_worker_that_comes_back_after_its_lease") {
        return;
    }
    let mut fleet = Fleet::new();
    fleet.env.extend(HASTY.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let mut coordinator = fleet.coordinator();
    let witness = watched(&fleet, "one");
    let mut worker = fleet.worker("one", None);
    let token = fleet.token("ann", "submitter", "blue");
    fleet.await_workers(&token, 1);
    // Long enough on its way that the job is given anew while the boot before is still sending.
    let shell = "head -c 50000000 /dev/urandom > large; sleep 4; echo 2 > value";
    let mut packet = Packet::lower(&[("low", shell)]);
    packet.sandbox = packet.sandbox.replace("64MiB", "128MiB").replace("256MiB", "512MiB");
    let mut run = fleet.submit(&token, &packet);
    let engines = || {
        let is_it = |job: &str| job.ends_with("/low/1/implement");
        witness.seen().iter().filter(|one| one.action == "create" && is_it(&one.job)).count()
    };
    assert!(soon(|| engines() == 1), "{}", run.said());
    coordinator.kill();
    let outbox = fleet.worker_state("one").join("worker/outbox");
    assert!(soon(|| holds(&outbox)), "the engine has ended");
    worker.kill();
    coordinator = fleet.coordinator_again(0);
    let waits = || {
        let queue = fleet.ask(&token, &["queue", "--json"]).document();
        queue.as_array().is_some_and(|all| all.iter().any(|one| one["state"] == "queued"))
    };
    assert!(soon(waits), "its lease is over: {}", run.said());
    worker = fleet.worker_again("one");
    run.await_word("\"winner\":\"low\"");
    assert_eq!(engines(), 1, "it ran once: {}", run.said());
    assert_eq!([worker.stop(), coordinator.stop()], [Some(0); 2]);
    let left = fs::read_dir(&outbox).map_or(0, Iterator::count);
    assert_eq!(left, 0, "what it earned is told");
    fleet.assert_clean();
}
