//! What must hold of a run, judged from what Docker saw and from the sessions' records. Pure, so that it is shown to fail.

use crate::witness::Seen;
use std::collections::{BTreeMap, BTreeSet};

/// What the queue was told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) fleet: usize,
    pub(crate) tenant: usize,
    pub(crate) session: usize,
    /// Of the engine of this name.
    pub(crate) engine: (&'static str, usize),
}

/// One session that a coordinator answered for.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) id: String,
    pub(crate) tenant: String,
    /// Why its end is not the one that it must have.
    pub(crate) wrong: Option<String>,
    /// When the result of each job was put on record, in milliseconds since the epoch; once each, if all is well.
    pub(crate) settled: BTreeMap<String, Vec<u64>>,
}

/// One line for each wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) lost: Vec<String>,
    pub(crate) doubled: Vec<String>,
    pub(crate) over: Vec<String>,
    /// Engines that ran again before a result of theirs was on record: the price of a fault, and nothing wrong.
    pub(crate) again: usize,
}

/// `seen`: of each worker, in its order.
pub(crate) fn verdict(seen: &[Vec<Seen>], kept: &[Kept], bounds: &Bounds) -> Verdict {
    let mut verdict = Verdict::default();
    for one in kept {
        verdict.lost.extend(one.wrong.as_ref().map(|why| format!("{}: {why}", one.id)));
        let more = one.settled.iter().filter(|(_, times)| times.len() > 1);
        verdict.doubled.extend(more.map(|(job, times)| format!("{job}: {} results on record", times.len())));
    }
    engines(seen, kept, &mut verdict);
    at_once(seen, kept, bounds, &mut verdict);
    verdict
}

/// An engine that begins after its result was put on record is paid for twice.
fn engines(seen: &[Vec<Seen>], kept: &[Kept], verdict: &mut Verdict) {
    let mut starts: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for one in seen.iter().flatten().filter(|one| one.action == "start" && one.job.ends_with("/implement")) {
        starts.entry(&one.job).or_default().push(one.at / 1_000_000);
    }
    let settled: BTreeMap<&String, u64> =
        kept.iter().flat_map(|one| &one.settled).filter_map(|(job, times)| Some((job, *times.first()?))).collect();
    for (job, starts) in starts {
        let on_record = settled.get(&job.to_owned()).copied().unwrap_or(u64::MAX);
        let late = starts.iter().filter(|at| **at > on_record).count();
        if late > 0 {
            verdict.doubled.push(format!("{job}: its engine began {late} times after its result was on record"));
        }
        verdict.again += starts.len() - 1 - late.min(starts.len() - 1);
    }
}

/// Jobs that run at the same moment: each counts once on each worker, however many containers it has there.
fn at_once(seen: &[Vec<Seen>], kept: &[Kept], bounds: &Bounds, verdict: &mut Verdict) {
    let tenants: BTreeMap<&str, &str> = kept.iter().map(|one| (one.id.as_str(), one.tenant.as_str())).collect();
    let mut all: Vec<(usize, &Seen)> =
        seen.iter().enumerate().flat_map(|(worker, all)| all.iter().map(move |one| (worker, one))).collect();
    // An end before a start of the same moment: it frees the slot.
    all.sort_by_key(|(_, one)| (one.at, one.action == "start"));
    let mut running: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    let mut said = BTreeSet::new();
    for (worker, one) in all.into_iter().filter(|(_, one)| !one.job.is_empty()) {
        match one.action.as_str() {
            "start" => drop(running.insert(&one.container, (worker, &one.job))),
            "die" => drop(running.remove(one.container.as_str())),
            _ => continue,
        }
        let jobs: BTreeSet<(usize, &str)> = running.values().copied().collect();
        let count = |which: &dyn Fn(&str) -> bool| jobs.iter().filter(|(_, job)| which(job)).count();
        let session = session_of(&one.job);
        let tenant = tenants.get(session).copied();
        let engine = format!("/{}/", bounds.engine.0);
        for (what, has, may) in [
            ("the fleet".to_owned(), count(&|_| true), bounds.fleet),
            (
                format!("tenant {tenant:?}"),
                count(&|job| tenants.get(session_of(job)).copied() == tenant),
                bounds.tenant,
            ),
            (format!("session {session}"), count(&|job| session_of(job) == session), bounds.session),
            (
                format!("engine {}", bounds.engine.0),
                count(&|job| job.contains(&engine) && job.ends_with("/implement")),
                bounds.engine.1,
            ),
        ] {
            if has > may && said.insert(what.clone()) {
                verdict.over.push(format!("{what}: {has} and not {may} at {}: {jobs:?}", one.at));
            }
        }
        if count(&|job| job == one.job) > 1 && said.insert(one.job.clone()) {
            verdict.doubled.push(format!("{}: two workers ran it at {}", one.job, one.at));
        }
    }
}

pub(crate) fn session_of(job: &str) -> &str {
    job.split('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { fleet: 3, tenant: 2, session: 2, engine: ("low", 1) };

    fn ran(container: &str, job: &str, from: u64, to: u64) -> Vec<Seen> {
        let seen = |at: u64, action: &str| Seen {
            at: at * 1_000_000,
            action: action.into(),
            container: container.into(),
            job: job.into(),
        };
        vec![seen(from, "start"), seen(to, "die")]
    }

    fn kept(id: &str, tenant: &str, settled: &[(&str, &[u64])]) -> Kept {
        let settled = settled.iter().map(|(job, times)| ((*job).to_owned(), times.to_vec())).collect();
        Kept { id: id.into(), tenant: tenant.into(), wrong: None, settled }
    }

    #[test]
    fn a_run_in_which_all_went_well_has_no_wrong() {
        let seen = [ran("c1", "s1/low/1/implement", 10, 20), ran("c2", "s2/low/1/implement", 20, 30)];
        let all =
            [kept("s1", "a", &[("s1/low/1/implement", &[21])]), kept("s2", "b", &[("s2/low/1/implement", &[31])])];
        assert_eq!(verdict(&seen, &all, &BOUNDS), Verdict::default());
    }

    #[test]
    fn an_engine_that_begins_again_is_doubled_only_once_its_result_is_on_record() {
        let job = "s1/low/1/implement";
        let all = [kept("s1", "a", &[(job, &[50])])];
        let killed = [ran("c1", job, 10, 20), ran("c2", job, 30, 40)];
        let judged = verdict(&killed, &all, &BOUNDS);
        assert_eq!(judged, Verdict { again: 1, ..Verdict::default() });
        let late = [ran("c1", job, 10, 20), ran("c2", job, 51, 60)];
        let judged = verdict(&late, &all, &BOUNDS);
        assert_eq!((judged.doubled.len(), judged.again), (1, 0), "{judged:?}");
    }

    #[test]
    fn two_results_two_workers_at_once_and_a_wrong_end_are_each_seen() {
        let job = "s1/mid/1/implement";
        let twice = [kept("s1", "a", &[(job, &[50, 60])])];
        assert_eq!(verdict(&[], &twice, &BOUNDS).doubled.len(), 1);
        let one = [kept("s1", "a", &[])];
        let both = [ran("c1", job, 10, 30), ran("c2", job, 20, 40)];
        assert_eq!(verdict(&both, &one, &BOUNDS).doubled.len(), 1);
        let lost = [Kept { wrong: Some("it did not end".into()), ..kept("s1", "a", &[]) }];
        assert_eq!(verdict(&[], &lost, &BOUNDS).lost.len(), 1);
    }

    #[test]
    fn each_limit_is_counted_from_what_ran_at_the_same_moment() {
        let all = ["s1", "s2", "s3", "s4"].map(|id| kept(id, if id < "s3" { "a" } else { "b" }, &[]));
        let rows: [(&[&str], usize); 5] = [
            (&["s1/mid/1/implement", "s2/base/0/evaluate", "s3/mid/1/implement"], 0),
            (&["s1/mid/1/implement", "s2/base/0/evaluate", "s3/mid/1/implement", "s4/base/0/evaluate"], 1),
            (&["s1/mid/1/implement", "s1/x/1/implement", "s2/base/0/evaluate"], 1),
            (&["s1/low/1/implement", "s3/low/1/implement"], 1),
            (&["s1/low/1/implement", "s3/low/1/evaluate"], 0),
        ];
        for (jobs, over) in rows {
            let seen: Vec<Vec<Seen>> = jobs.iter().map(|job| ran(job, job, 10, 20)).collect();
            assert_eq!(verdict(&seen, &all, &BOUNDS).over.len(), over, "{jobs:?}");
        }
    }
}
