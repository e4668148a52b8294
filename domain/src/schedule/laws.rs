//! The laws of the queue as properties over random commands.

mod placement;

use super::*;
use crate::id::{CompetitorName, Tenant};
use crate::job::{MAX_ATTEMPTS, MAX_DEATHS, Work};
use crate::placement::{Home, Needs, Room, SQUEEZED, Slot};
use placement::{offer, room_of};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

/// Not the usual ones.
const TERMS: Terms = Terms { lease: Duration::from_secs(50), margin: Duration::from_secs(12) };

#[derive(Debug, Clone)]
enum Command {
    Enqueue { tenant: u8, session: u8, number: u8, engine: u8 },
    Claim { only: Option<u8>, tenant: Option<u8>, engine: Option<u8>, dice: u16 },
    Renew { nth: usize, stale: bool },
    Settle { nth: usize, stale: bool },
    GiveBack { nth: usize, wait: u64 },
    Expire,
    Cancel { session: u8 },
    Abandon { session: u8, left: Left },
    Bury,
    Revive { nth: usize },
    Again { nth: usize },
    Pass { millis: u64 },
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        4 => (0..3u8, 0..3u8, 0..12u8, 0..4u8)
            .prop_map(|(tenant, session, number, engine)| Command::Enqueue { tenant, session, number, engine }),
        5 => (
            proptest::option::of(0..3u8),
            proptest::option::weighted(0.2, 0..3u8),
            proptest::option::weighted(0.2, 0..3u8),
            any::<u16>(),
        )
            .prop_map(|(only, tenant, engine, dice)| Command::Claim { only, tenant, engine, dice }),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(nth, stale)| Command::Renew { nth, stale }),
        3 => (any::<usize>(), any::<bool>()).prop_map(|(nth, stale)| Command::Settle { nth, stale }),
        1 => (any::<usize>(), 0..5_000u64).prop_map(|(nth, wait)| Command::GiveBack { nth, wait }),
        1 => Just(Command::Expire),
        1 => (0..3u8).prop_map(|session| Command::Cancel { session }),
        1 => (0..3u8, prop_oneof![Just(Left::Politely), Just(Left::Dead)])
            .prop_map(|(session, left)| Command::Abandon { session, left }),
        1 => Just(Command::Bury),
        1 => any::<usize>().prop_map(|nth| Command::Revive { nth }),
        1 => any::<usize>().prop_map(|nth| Command::Again { nth }),
        2 => (0..40_000u64).prop_map(|millis| Command::Pass { millis }),
    ]
}

fn job(tenant: u8, which: u8, number: u8, engine: u8) -> Job {
    // A session belongs to one tenant, as in life.
    let session = SessionId::new(format!("t{tenant}-s{which}"));
    let competitor = CompetitorName::new(format!("c{number}"));
    Job {
        id: Job::derive_id(&session, Some(&competitor), 1, "implement"),
        tenant: Tenant::new(format!("t{tenant}")),
        competitor: Some(competitor),
        round: 1,
        work: match number % 5 {
            0 => Work::Evaluate { tree: None, holdout: false },
            _ => Work::Implement { brief: String::new(), parent: None },
        },
        session_limit: 2,
        session_weight: 1 + u32::from(which),
        priority: u32::from(which % 2) * 3,
        engine: (engine < 3).then(|| format!("e{engine}")),
        needs: Needs {
            ability: (engine < 2).then(|| format!("e{engine}")),
            labels: (number % 3 == 1).then(|| "gpu".to_owned()).into_iter().collect(),
            room: Room { memory: 20 + 20 * u32::from(number % 4), disk: 10 },
        },
        home: match number % 4 {
            1 => Some(Home::Worker("near".into())),
            2 => Some(Home::Hardware("big".into())),
            _ => None,
        },
        trace: crate::job::Mark::default(),
        session,
    }
}

fn limits() -> Limits {
    Limits {
        fleet: 5,
        tenant: 3,
        tenants: BTreeMap::from([("t2".to_owned(), TenantLimits { running: 4, weight: 2 })]),
        engine: BTreeMap::from([("e0".to_owned(), 2)]),
        provider: BTreeMap::from([("p".to_owned(), provider())]),
        terms: TERMS,
        ..Limits::default()
    }
}

fn provider() -> Provider {
    Provider { running: 3, engines: BTreeSet::from(["e1".to_owned(), "e2".to_owned()]) }
}

fn ask(request: &str) -> Ask {
    let offer = Offer { labels: BTreeSet::from(["gpu".to_owned()]), ..Offer::everything("w") };
    Ask { offer, ..Ask::any(WorkerId::new("w"), Request::new(request)) }
}

fn leases(queue: &Queue) -> Vec<(JobId, Fence)> {
    let held = |place: &Place| match &place.state {
        State::Leased { fence, .. } => Some((place.job.id.clone(), fence.clone())),
        State::Queued { .. } | State::Done { .. } | State::Cancelled | State::Dead { .. } => None,
    };
    queue.places().filter_map(held).collect()
}

/// What attempts have cost, over all jobs.
fn spent(queue: &Queue) -> u32 {
    queue.places().map(|place| place.failed + place.died).sum()
}

fn running(queue: &Queue, which: impl Fn(&Job) -> bool) -> u32 {
    queue.places().filter(|place| matches!(place.state, State::Leased { .. }) && which(&place.job)).count() as u32
}

fn within_limits(queue: &Queue) -> bool {
    let (limits, provider) = (limits(), provider());
    let provided = |job: &Job| job.engine.as_ref().is_some_and(|engine| provider.engines.contains(engine));
    queue.places().filter(|p| matches!(p.state, State::Leased { .. })).all(|place| {
        let job = &place.job;
        let engine_limit = job.engine.as_ref().and_then(|e| limits.engine.get(e)).copied().unwrap_or(u32::MAX);
        running(queue, |_| true) <= limits.fleet
            && running(queue, |other| other.tenant == job.tenant) <= limits.of_tenant(job.tenant.as_str()).running
            && running(queue, |other| other.session == job.session) <= job.session_limit
            && (job.engine.is_none() || running(queue, |other| other.engine == job.engine) <= engine_limit)
            && running(queue, provided) <= provider.running
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
                prop_assert_eq!(self.queue.enqueue(job.clone(), self.now, self.now), fresh);
                self.enqueued += usize::from(fresh);
                let once = self.queue.clone();
                prop_assert!(!self.queue.enqueue(job, self.now, self.now), "the same job twice is one job");
                prop_assert_eq!(&self.queue, &once);
            }
            Command::Claim { only, tenant, engine, dice } => self.claim(only, tenant, offer(dice, engine))?,
            Command::Renew { nth, stale } => {
                if let Some((id, fence)) = pick(nth) {
                    let fence = if stale { Fence::new("old") } else { fence };
                    prop_assert_eq!(self.queue.renew(&id, &fence, self.now), !stale);
                    prop_assert!(!stale || self.queue == before);
                }
            }
            Command::Settle { nth, stale } => {
                if let Some((id, fence)) = pick(nth) {
                    self.settle(&id, if stale { Fence::new("old") } else { fence })?;
                }
            }
            Command::GiveBack { nth, wait } => {
                if let Some((id, fence)) = pick(nth) {
                    let due = self.now + wait;
                    prop_assert_eq!(self.queue.give_back(&id, &fence, due, self.now), Settled::Accepted);
                    let over = self.queue.place(&id).unwrap().state.clone();
                    prop_assert!(over == State::Queued { due } || matches!(over, State::Dead { .. }), "{:?}", over);
                }
            }
            Command::Expire => self.expire()?,
            Command::Cancel { session } => {
                drop(self.queue.cancel(&SessionId::new(format!("t0-s{session}")), |_| true, self.now));
            }
            Command::Abandon { session, left } => {
                drop(self.queue.abandon(&SessionId::new(format!("t1-s{session}")), left, self.now));
                prop_assert!(left == Left::Dead || spent(&self.queue) == spent(&before), "a polite stop costs nothing");
            }
            Command::Bury => drop(self.queue.bury(&[WorkerId::new("w")], self.now)),
            Command::Revive { nth } => {
                let dead: Vec<JobId> = self.dead();
                if !dead.is_empty() {
                    prop_assert!(self.queue.revive(&dead[nth % dead.len()], self.now));
                    prop_assert!(!self.queue.revive(&dead[nth % dead.len()], self.now));
                }
            }
            Command::Again { nth } => self.ask_again(nth)?,
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

    fn settle(&mut self, id: &JobId, fence: Fence) -> Result<(), TestCaseError> {
        let before = self.queue.clone();
        if !before.place(id).is_some_and(|place| place.held_by(&fence)) {
            prop_assert_eq!(self.queue.settle(id, &fence, self.now), Settled::Stale);
            prop_assert_eq!(&self.queue, &before);
            return Ok(());
        }
        prop_assert_eq!(self.queue.settle(id, &fence, self.now), Settled::Accepted);
        let once = self.queue.clone();
        prop_assert_eq!(self.queue.settle(id, &fence, self.now), Settled::Repeated);
        prop_assert_eq!(&self.queue, &once);
        Ok(())
    }

    fn dead(&self) -> Vec<JobId> {
        let dead = self.queue.places().filter(|place| matches!(place.state, State::Dead { .. }));
        dead.map(|place| place.job.id.clone()).collect()
    }

    /// Suspects keep their slots until the margin has passed, and come back until then.
    fn expire(&mut self) -> Result<(), TestCaseError> {
        let margin = TERMS.margin_millis();
        let before = self.queue.clone();
        let over =
            |place: &&Place| matches!(place.state, State::Leased { expires, .. } if expires + margin <= self.now);
        let over: BTreeSet<JobId> = before.places().filter(over).map(|place| place.job.id.clone()).collect();
        let back: BTreeSet<JobId> = self.queue.expire(self.now).into_iter().collect();
        prop_assert_eq!(&back, &over);
        for place in before.places().filter(|place| !back.contains(&place.job.id)) {
            prop_assert_eq!(self.queue.place(&place.job.id), Some(place));
            if let (true, Some(fence)) = (place.suspect(self.now), place.fence()) {
                let mut later = self.queue.clone();
                prop_assert!(later.renew(&place.job.id, fence, self.now), "a suspect comes back with its fence");
            }
        }
        Ok(())
    }

    /// A request that was answered is answered the same.
    fn ask_again(&mut self, nth: usize) -> Result<(), TestCaseError> {
        let held = leases(&self.queue);
        let Some((id, fence)) = held.get(nth % held.len().max(1)) else { return Ok(()) };
        let request = fence.as_str().rsplit('.').next().unwrap();
        let before = self.queue.clone();
        let given = self.queue.claim(&ask(request), self.now);
        prop_assert_eq!(given.as_ref(), before.place(id));
        prop_assert_eq!(&self.queue, &before);
        Ok(())
    }

    fn claim(&mut self, only: Option<u8>, tenant: Option<u8>, offer: Offer) -> Result<(), TestCaseError> {
        self.claims += 1;
        let ask = Ask {
            only: only.map(|n| SessionId::new(format!("t0-s{n}"))),
            tenant: tenant.map(|n| Tenant::new(format!("t{n}"))),
            offer,
            ..ask(&format!("r{}", self.claims))
        };
        let eligible: Vec<(Room, bool)> = self.queue.places().filter_map(|place| room_of(self, place, &ask)).collect();
        let fits = eligible.iter().any(|(room, _)| ask.offer.free.holds(*room));
        let held = eligible.iter().any(|(room, long)| *long && !ask.offer.free.holds(*room));
        let before = self.queue.clone();
        let claimed = self.queue.claim(&ask, self.now);
        prop_assert!(claimed.is_some() == fits || (fits && held), "work-conserving, but for what waited long for room");
        let Some(claimed) = claimed else { return Ok(()) };
        prop_assert!(
            ask.tenant.as_ref().is_none_or(|mine| mine == &claimed.job.tenant),
            "nobody gets another tenant's job"
        );
        let given = before.place(&claimed.job.id).and_then(|place| room_of(self, place, &ask));
        prop_assert!(given.is_some_and(|(room, _)| ask.offer.free.holds(room)), "nobody gets what does not fit");
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
            let Some(place) = world.queue.claim(&ask(&format!("d{turn}")), world.now) else {
                world.queue.expire(world.now);
                if world.queue.places().all(|place| !place.state.is_live()) { break; }
                continue;
            };
            world.queue.settle(&place.job.id, place.fence().unwrap(), world.now);
        }
        prop_assert!(world.queue.places().all(|place| !place.state.is_live()));
        prop_assert_eq!(limits::Running::count(world.queue.places()).fleet(), 0);
    }
}

/// How often the job can be claimed and left like this before it is dead; at most 20 times.
fn lives(leave: impl Fn(&mut Queue, &JobId, &Fence, Millis)) -> u32 {
    let mut queue = Queue::new(limits());
    let job = job(0, 0, 0, 1);
    let id = job.id.clone();
    queue.enqueue(job, 0, 0);
    for turn in 0..20 {
        let now = Millis::from(turn) * 1_000_000;
        let Some(place) = queue.claim(&ask(&format!("r{turn}")), now) else {
            assert!(matches!(queue.place(&id).unwrap().state, State::Dead { .. }));
            return turn;
        };
        leave(&mut queue, &id, place.fence().unwrap(), now);
    }
    20
}

#[test]
fn a_job_that_ends_its_worker_each_time_is_given_up_and_one_that_is_stopped_is_not() {
    let session = SessionId::new("t0-s0");
    assert_eq!(lives(|queue, _, _, now| drop(queue.expire(now + 62_000))), MAX_ATTEMPTS);
    assert_eq!(
        lives(|queue, id, fence, now| assert_eq!(queue.give_back(id, fence, now, now), Settled::Accepted)),
        MAX_ATTEMPTS
    );
    assert_eq!(lives(|queue, _, _, now| drop(queue.bury(&[WorkerId::new("w")], now))), MAX_DEATHS);
    assert_eq!(lives(|queue, _, _, now| drop(queue.abandon(&session, Left::Dead, now))), MAX_DEATHS);
    assert_eq!(lives(|queue, _, _, now| drop(queue.abandon(&session, Left::Politely, now))), 20);
}

#[test]
fn a_dead_job_says_why_and_is_run_again_when_it_is_requeued() {
    let mut queue = Queue::new(limits());
    let job = job(0, 0, 0, 1);
    let id = job.id.clone();
    queue.enqueue(job, 0, 0);
    let mut last = Fence::new("none");
    for turn in 0..MAX_ATTEMPTS {
        last = queue.claim(&ask(&format!("r{turn}")), 0).unwrap().fence().unwrap().clone();
        queue.give_back(&id, &last, 0, 0);
    }
    let reason = "3 attempts came to nothing; the last worker was not heard of again".to_owned();
    assert_eq!(queue.why(&id, 0), Why::Dead { reason });
    assert_eq!(queue.settle(&id, &Fence::new("old"), 0), Settled::Stale);
    let mut reported = queue.clone();
    assert_eq!(reported.settle(&id, &last, 0), Settled::Accepted, "nobody ran it since its last lease");
    assert!(queue.revive(&id, 0));
    assert_eq!(queue.claim(&ask("again"), 0).unwrap().attempt, MAX_ATTEMPTS + 1);
    assert_eq!(queue.settle(&id, &last, 0), Settled::Stale);
}

#[test]
fn a_clock_that_jumps_takes_only_so_many_leases_at_a_time() {
    let mut queue = Queue::new(Limits { fleet: 1_000, ..Limits::default() });
    for number in 0..250u8 {
        queue.enqueue(Job { session_limit: 1_000, home: None, ..job(0, 0, number, 3) }, 0, 0);
        queue.claim(&ask(&format!("r{number}")), Millis::from(number)).unwrap();
    }
    let taken: Vec<usize> = (0..4).map(|_| queue.expire(1_000_000).len()).collect();
    assert_eq!(taken, [MOST_EXPIRED, MOST_EXPIRED, 50, 0]);
}

#[test]
fn a_waiting_job_says_what_it_waits_for() {
    let mut queue = Queue::new(limits());
    for number in 0..4 {
        queue.enqueue(job(0, 0, number, 1), 0, 0);
    }
    assert_eq!(queue.why(&job(0, 0, 3, 1).id, 1), Why::Ready { ahead: 3 });
    for turn in 0..2 {
        queue.claim(&ask(&format!("f{turn}")), 1).unwrap();
    }
    let waiting = job(0, 0, 2, 1).id;
    assert_eq!(queue.why(&waiting, 1), Why::Limit { dimension: "session", name: "t0-s0".into(), running: 2, limit: 2 });
    let first = job(0, 0, 0, 1).id;
    assert_eq!(queue.why(&first, 1), Why::Runs { worker: WorkerId::new("w") });
    assert_eq!(queue.why(&first, 50_001), Why::Suspect { worker: WorkerId::new("w"), until: 62_001 });
    assert_eq!(queue.why(&JobId::new("nothing"), 1), Why::Unknown);
}
