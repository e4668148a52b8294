//! The laws of the queue as properties over random commands.

use super::*;
use crate::id::CompetitorName;
use crate::job::Work;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Command {
    Enqueue { tenant: u8, session: u8, number: u8, engine: u8 },
    Claim { only: Option<u8> },
    Renew { nth: usize, stale: bool },
    Settle { nth: usize, stale: bool },
    GiveBack { nth: usize },
    Expire,
    Cancel { session: u8 },
    Abandon { session: u8, left: Left },
    Bury,
    Pass { millis: u64 },
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        4 => (0..3u8, 0..3u8, 0..12u8, 0..2u8)
            .prop_map(|(tenant, session, number, engine)| Command::Enqueue { tenant, session, number, engine }),
        5 => proptest::option::of(0..3u8).prop_map(|only| Command::Claim { only }),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(nth, stale)| Command::Renew { nth, stale }),
        3 => (any::<usize>(), any::<bool>()).prop_map(|(nth, stale)| Command::Settle { nth, stale }),
        1 => any::<usize>().prop_map(|nth| Command::GiveBack { nth }),
        1 => Just(Command::Expire),
        1 => (0..3u8).prop_map(|session| Command::Cancel { session }),
        1 => (0..3u8, prop_oneof![Just(Left::Politely), Just(Left::Dead)])
            .prop_map(|(session, left)| Command::Abandon { session, left }),
        1 => Just(Command::Bury),
        2 => (0..40_000u64).prop_map(|millis| Command::Pass { millis }),
    ]
}

fn job(tenant: u8, session: u8, number: u8, engine: u8) -> Job {
    // A session belongs to one tenant, as in life.
    let session = SessionId::new(format!("t{tenant}-s{session}"));
    let competitor = CompetitorName::new(format!("c{number}"));
    Job {
        id: Job::derive_id(&session, Some(&competitor), 1, "implement"),
        tenant: Tenant::new(format!("t{tenant}")),
        competitor: Some(competitor),
        round: 1,
        work: Work::Implement { brief: String::new(), parent: None },
        session_limit: 2,
        engine: Some(format!("e{engine}")),
        trace: crate::job::Mark::default(),
        session,
    }
}

fn limits() -> Limits {
    Limits { fleet: 4, tenant: 3, engine: BTreeMap::from([("e0".to_owned(), 2)]) }
}

fn leases(queue: &Queue) -> Vec<(JobId, Fence)> {
    let held = |place: &Place| match &place.state {
        State::Leased { fence, .. } => Some((place.job.id.clone(), fence.clone())),
        State::Queued { .. } | State::Done { .. } | State::Cancelled => None,
    };
    queue.places().filter_map(held).collect()
}

/// What attempts have cost, over all jobs.
fn spent(queue: &Queue) -> u32 {
    queue.places().map(|place| place.failed + place.died).sum()
}

fn within_limits(queue: &Queue) -> bool {
    let limits = limits();
    queue.places().filter(|p| matches!(p.state, State::Leased { .. })).all(|place| {
        let job = &place.job;
        let engine_limit = job.engine.as_ref().and_then(|e| limits.engine.get(e)).copied().unwrap_or(u32::MAX);
        queue.running(|_| true) <= limits.fleet
            && queue.running(|other| other.tenant == job.tenant) <= limits.tenant
            && queue.running(|other| other.session == job.session) <= job.session_limit
            && queue.running(|other| other.engine == job.engine) <= engine_limit
    })
}

struct World {
    queue: Queue,
    now: Millis,
    claims: u64,
    enqueued: usize,
}

impl World {
    fn step(&mut self, command: Command) -> Result<(), TestCaseError> {
        let held = leases(&self.queue);
        let pick = |nth: usize| (!held.is_empty()).then(|| held[nth % held.len()].clone());
        let before = self.queue.clone();
        match command {
            Command::Enqueue { tenant, session, number, engine } => {
                let job = job(tenant, session, number, engine);
                let fresh = self.queue.place(&job.id).is_none();
                prop_assert_eq!(self.queue.enqueue(job.clone(), self.now), fresh);
                self.enqueued += usize::from(fresh);
                let once = self.queue.clone();
                prop_assert!(!self.queue.enqueue(job, self.now), "the same job twice is one job");
                prop_assert_eq!(&self.queue, &once);
            }
            Command::Claim { only } => self.claim(only)?,
            Command::Renew { nth, stale } => {
                if let Some((id, fence)) = pick(nth) {
                    let fence = if stale { Fence::new("old") } else { fence };
                    prop_assert_eq!(self.queue.renew(&id, &fence, self.now), !stale);
                    prop_assert!(!stale || self.queue == before);
                }
            }
            Command::Settle { nth, stale } => {
                if let Some((id, fence)) = pick(nth) {
                    if stale {
                        prop_assert_eq!(self.queue.settle(&id, &Fence::new("old")), Settled::Stale);
                        prop_assert_eq!(&self.queue, &before);
                    } else {
                        prop_assert_eq!(self.queue.settle(&id, &fence), Settled::Accepted);
                        let once = self.queue.clone();
                        prop_assert_eq!(self.queue.settle(&id, &fence), Settled::Repeated);
                        prop_assert_eq!(&self.queue, &once);
                    }
                }
            }
            Command::GiveBack { nth } => {
                if let Some((id, fence)) = pick(nth) {
                    prop_assert_eq!(self.queue.give_back(&id, &fence, self.now + 10), Settled::Accepted);
                }
            }
            Command::Expire => drop(self.queue.expire(self.now)),
            Command::Cancel { session } => drop(self.queue.cancel(&SessionId::new(format!("t0-s{session}")), |_| true)),
            Command::Abandon { session, left } => {
                drop(self.queue.abandon(&SessionId::new(format!("t1-s{session}")), left, self.now));
                prop_assert!(left == Left::Dead || spent(&self.queue) == spent(&before), "a polite stop costs nothing");
            }
            Command::Bury => drop(self.queue.bury(&[WorkerId::new("w")], self.now)),
            Command::Pass { millis } => self.now += millis,
        }
        prop_assert!(within_limits(&self.queue));
        prop_assert!(
            self.queue.places().all(|place| place.failed + place.died <= place.attempt),
            "each attempt ends once"
        );
        prop_assert_eq!(self.queue.places().count(), self.enqueued, "none is lost, none doubled");
        Ok(())
    }

    fn claim(&mut self, only: Option<u8>) -> Result<(), TestCaseError> {
        self.claims += 1;
        let ask = Ask {
            worker: WorkerId::new("w"),
            fence: Fence::new(format!("f{}", self.claims)),
            only: only.map(|n| SessionId::new(format!("t0-s{n}"))),
        };
        let eligible = self.queue.places().any(|place| {
            matches!(place.state, State::Queued { due } if due <= self.now)
                && ask.only.as_ref().is_none_or(|only| only == &place.job.session)
                && self.queue.blocked(&place.job).is_none()
        });
        let claimed = self.queue.claim(&ask, self.now);
        prop_assert_eq!(claimed.is_some(), eligible, "work-conserving");
        Ok(())
    }
}

proptest! {
    #[test]
    fn the_laws_hold_under_any_order_of_commands(commands in proptest::collection::vec(command(), 1..120)) {
        let mut world = World { queue: Queue::new(limits()), now: 1_000, claims: 0, enqueued: 0 };
        for command in commands {
            world.step(command)?;
        }
        // When commands stop, everything drains.
        for turn in 0..500 {
            world.now += 100_000;
            let Some(place) = world.queue.claim(
                &Ask { worker: WorkerId::new("w"), fence: Fence::new(format!("d{turn}")), only: None },
                world.now,
            ) else {
                world.queue.expire(world.now);
                if world.queue.places().all(|place| !place.state.is_live()) { break; }
                continue;
            };
            world.queue.settle(&place.job.id, &Fence::new(format!("d{turn}")));
        }
        prop_assert!(world.queue.places().all(|place| !place.state.is_live()));
        prop_assert_eq!(world.queue.running(|_| true), 0);
    }
}

/// A queue with one job, claimed.
fn claimed() -> (Queue, JobId) {
    let mut queue = Queue::new(limits());
    let job = job(0, 0, 0, 1);
    let id = job.id.clone();
    queue.enqueue(job, 0);
    (queue, id)
}

/// How often the job can be claimed and left like this before it is worn out; at most 20 times.
fn lives(leave: impl Fn(&mut Queue, &JobId, &Fence, Millis)) -> u32 {
    let (mut queue, id) = claimed();
    for turn in 0..20 {
        let (fence, now) = (Fence::new(format!("f{turn}")), Millis::from(turn) * 1_000_000);
        let ask = Ask { worker: WorkerId::new("w"), fence: fence.clone(), only: None };
        if queue.claim(&ask, now).unwrap().worn_out().is_some() {
            return turn;
        }
        leave(&mut queue, &id, &fence, now);
    }
    20
}

#[test]
fn a_job_that_ends_its_worker_each_time_is_given_up_and_one_that_is_stopped_is_not() {
    let session = SessionId::new("t0-s0");
    assert_eq!(lives(|queue, _, _, now| drop(queue.expire(now + 60_000))), MAX_ATTEMPTS);
    assert_eq!(
        lives(|queue, id, fence, now| assert_eq!(queue.give_back(id, fence, now), Settled::Accepted)),
        MAX_ATTEMPTS
    );
    assert_eq!(lives(|queue, _, _, now| drop(queue.bury(&[WorkerId::new("w")], now))), MAX_DEATHS);
    assert_eq!(lives(|queue, _, _, now| drop(queue.abandon(&session, Left::Dead, now))), MAX_DEATHS);
    assert_eq!(lives(|queue, _, _, now| drop(queue.abandon(&session, Left::Politely, now))), 20);
}

#[test]
fn a_tenant_with_many_jobs_does_not_starve_another() {
    let mut queue = Queue::new(Limits { fleet: 1, ..Limits::default() });
    for number in 0..10 {
        queue.enqueue(job(0, 0, number, 1), 0);
    }
    queue.enqueue(job(1, 0, 0, 1), 0);
    let mut order = Vec::new();
    for turn in 0..4 {
        let fence = Fence::new(format!("f{turn}"));
        let ask = Ask { worker: WorkerId::new("w"), fence: fence.clone(), only: None };
        let place = queue.claim(&ask, 1).unwrap();
        order.push(place.job.tenant.to_string());
        queue.settle(&place.job.id, &fence);
    }
    assert_eq!(order, ["t0", "t1", "t0", "t0"]);
}

#[test]
fn a_waiting_job_says_what_it_waits_for() {
    let mut queue = Queue::new(limits());
    for number in 0..3 {
        queue.enqueue(job(0, 0, number, 1), 0);
    }
    for turn in 0..2 {
        let ask = Ask { worker: WorkerId::new("w"), fence: Fence::new(format!("f{turn}")), only: None };
        queue.claim(&ask, 1).unwrap();
    }
    let waiting = job(0, 0, 2, 1).id;
    assert_eq!(queue.why(&waiting, 1), Why::Limit { dimension: "session", name: "t0-s0".into(), running: 2, limit: 2 });
    assert_eq!(queue.why(&job(0, 0, 0, 1).id, 1), Why::Runs { worker: WorkerId::new("w") });
    assert_eq!(queue.why(&JobId::new("nothing"), 1), Why::Unknown);
}
