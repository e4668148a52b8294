//! Whom a hint wakes: somebody of every kind, few for nothing, and nobody is forgotten.

use super::*;
use arena_domain::id::{Request, Tenant};
use proptest::prelude::*;

impl Roster {
    /// Whether nobody asks, and nobody shall.
    pub(in crate::dispatch) fn rests(&self) -> bool {
        let inner = self.inner();
        inner.lines.values().all(|line| line.is_dry())
            && !inner.seats.values().any(|one| matches!(one.at, At::Asking { .. }))
    }
}

fn kind(tenant: &str) -> Ask {
    Ask { tenant: Some(Tenant::new(tenant)), ..Ask::any(WorkerId::new(""), Request::new("")) }
}

/// Workers, each of a kind, and the jobs that wait for each kind.
struct Floor {
    roster: Arc<Roster>,
    seats: Vec<(Ask, Option<Seat>)>,
    jobs: BTreeMap<Ask, u32>,
    asking: VecDeque<usize>,
    claims: u32,
}

impl Floor {
    fn new(tenants: &[(&str, usize)]) -> Self {
        let roster = Arc::new(Roster::default());
        let many = tenants.iter().flat_map(|(tenant, many)| std::iter::repeat_n(kind(tenant), *many));
        let seats: Vec<(Ask, Option<Seat>)> =
            many.map(|kind| (kind, Some(roster.seat(WorkerId::new("w"), None)))).collect();
        Self { roster, seats, jobs: BTreeMap::new(), asking: VecDeque::new(), claims: 0 }
    }

    fn all_stand(&mut self) {
        for (kind, seat) in &self.seats {
            seat.as_ref().unwrap().stands(Some(kind.clone()));
        }
        self.listen();
    }

    fn listen(&mut self) {
        for (number, (_, seat)) in self.seats.iter().enumerate() {
            if seat.as_ref().is_some_and(|seat| seat.bell.heard().ask) {
                self.asking.push_back(number);
            }
        }
    }

    fn arrive(&mut self, tenant: &str, many: u32) {
        *self.jobs.entry(kind(tenant)).or_default() += many;
        self.roster.hint();
        self.listen();
    }

    /// The claim that was asked for longest is answered; a worker that is given a job has no free slot any more.
    fn answer(&mut self) -> bool {
        let Some(number) = self.asking.pop_front() else { return false };
        let (kind, seat) = &self.seats[number];
        let Some(seat) = seat else { return true };
        self.claims += 1;
        let left = self.jobs.entry(kind.clone()).or_default();
        let given = *left > 0;
        *left -= u32::from(given);
        seat.answered(Some(given), (!given).then(|| kind.clone()));
        self.listen();
        true
    }

    fn settle(&mut self) -> u32 {
        let before = self.claims;
        while self.answer() {}
        assert!(self.roster.rests());
        self.claims - before
    }
}

#[test]
fn a_burst_reaches_as_many_workers_as_there_are_jobs_and_few_ask_for_nothing() {
    let mut floor = Floor::new(&[("a", 1_000)]);
    floor.all_stand();
    assert_eq!(floor.settle(), 1, "a thousand workers that come find out once that there is nothing");
    floor.arrive("a", 200);
    let claims = floor.settle();
    assert_eq!(floor.jobs[&kind("a")], 0);
    assert!((201..=216).contains(&claims), "{claims} claims for 200 jobs");
    floor.arrive("a", 1);
    assert!(floor.settle() <= 3);
}

#[test]
fn a_job_that_one_worker_of_a_thousand_may_have_reaches_it() {
    let mut floor = Floor::new(&[("b", 1_000), ("a", 1)]);
    floor.all_stand();
    floor.settle();
    floor.arrive("a", 1);
    assert_eq!(floor.settle(), 2, "one of each kind");
    assert_eq!(floor.jobs[&kind("a")], 0);
}

#[test]
fn a_fleet_of_many_kinds_asks_few_at_a_time_and_nobody_is_left_out() {
    let names: Vec<String> = (0..50).map(|number| format!("t{number}")).collect();
    let tenants: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 2)).collect();
    let mut floor = Floor::new(&tenants);
    floor.all_stand();
    floor.settle();
    floor.jobs = names.iter().map(|name| (kind(name), 1)).collect();
    floor.roster.hint();
    floor.listen();
    assert_eq!(floor.asking.len(), MOST_PROBES);
    floor.settle();
    assert!(floor.jobs.values().all(|left| *left == 0), "{:?}", floor.jobs);
}

#[test]
fn workers_that_are_told_to_ask_and_never_do_keep_nobody_from_a_job() {
    let deaf: Vec<String> = (0..MOST_PROBES).map(|number| format!("deaf{number}")).collect();
    let tenants: Vec<(&str, usize)> = deaf.iter().map(|name| (name.as_str(), 1)).chain([("a", 2)]).collect();
    let mut floor = Floor::new(&tenants);
    floor.all_stand();
    floor.settle();
    // Their streams lead to peers that read nothing, and so does that of one worker of the kind that there is a job for.
    floor.arrive("a", 1);
    floor.asking.clear();
    floor.roster.hint();
    floor.listen();
    assert_eq!(floor.asking.len(), 0, "nobody else's turn has come");
    floor.roster.hint_at(clock::now_millis() + LATE);
    floor.listen();
    floor.settle();
    assert_eq!(floor.jobs[&kind("a")], 0);
    // Whoever hears again is there again.
    let (kind, seat) = &floor.seats[0];
    seat.as_ref().unwrap().answered(Some(false), Some(kind.clone()));
    seat.as_ref().unwrap().stands(Some(kind.clone()));
    floor.listen();
    assert!(floor.asking.contains(&0));
    assert!(floor.roster.inner().probes <= MOST_PROBES);
}

#[test]
fn an_answer_that_is_older_than_a_hint_is_not_the_last_word() {
    let mut floor = Floor::new(&[("a", 1)]);
    floor.all_stand();
    floor.settle();
    floor.roster.hint();
    floor.listen();
    let (_, seat) = &floor.seats[floor.asking.pop_front().unwrap()];
    // The store has answered already, and the job comes now.
    floor.roster.hint();
    seat.as_ref().unwrap().answered(Some(false), Some(kind("a")));
    floor.listen();
    assert_eq!(floor.asking.len(), 1);
}

#[test]
fn what_is_lost_is_told_to_whoever_holds_it_now() {
    let roster = Arc::new(Roster::default());
    let (old, new) = (roster.seat(WorkerId::new("w"), None), roster.seat(WorkerId::new("w"), None));
    let (job, fence) = (JobId::new("s/c/1/implement"), Fence::new("1.1.r"));
    old.holds(&job, &fence);
    new.holds(&job, &fence);
    drop(old);
    assert_eq!(roster.held(), [(job.clone(), fence.clone())], "it was taken up again by another stream");
    roster.lose(&job, Fence::new("1.0.r"));
    assert_eq!(new.bell.heard(), Said::default(), "an older lease is not this one");
    roster.lose(&job, fence.clone());
    assert_eq!(new.bell.heard(), Said { lost: vec![(job, fence)], ..Said::default() });
    drop(new);
    assert_eq!(roster.held(), []);
}

proptest! {
    /// Law 5 of the queue, here: when nobody asks any more, no free worker stands beside a job that it may have.
    #[test]
    fn when_all_have_asked_no_free_worker_stands_beside_a_job_for_it(
        steps in prop::collection::vec((0_u8..5, 0_usize..9, 0_usize..3), 0..80)
    ) {
        let tenants = ["a", "b", "c"];
        let mut floor = Floor::new(&[("a", 3), ("b", 3), ("c", 3)]);
        for (step, worker, tenant) in steps {
            match step {
                0 => floor.arrive(tenants[tenant], 1 + worker as u32 / 4),
                1 => {
                    let (kind, seat) = &floor.seats[worker];
                    if let Some(seat) = seat {
                        seat.stands(Some(kind.clone()));
                    }
                }
                2 => {
                    if let Some(seat) = &floor.seats[worker].1 {
                        seat.stands(None);
                    }
                }
                3 => floor.seats[worker].1 = None,
                _ => drop(floor.answer()),
            }
            floor.listen();
        }
        floor.settle();
        let inner = floor.roster.inner();
        for (kind, line) in &inner.lines {
            let left = floor.jobs.get(kind).copied().unwrap_or_default();
            prop_assert!(left == 0 || line.is_empty(), "{left} jobs wait beside a free worker");
        }
        prop_assert_eq!(inner.probes, 0);
    }
}
