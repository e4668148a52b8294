//! The reference scheduler under loads that are hard on fairness. Time is made up, chance has a seed: the same every time.

use arena_domain::id::{JobId, Request, SessionId, Tenant, WorkerId};
use arena_domain::job::{Job, Mark, Millis, Work};
use arena_domain::placement::Needs;
use arena_domain::schedule::{Ask, Limits, Provider, Queue, TenantLimits};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const MINUTE: Millis = 60_000;
/// So that no mark lies at the beginning of time.
const BEGIN: Millis = 1_000 * MINUTE;

/// Jobs of one kind: whose they are, when they arrive, how long they take.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) series: &'static str,
    pub(crate) tenant: &'static str,
    /// Each job is a session of its own when it is empty.
    pub(crate) session: &'static str,
    pub(crate) engine: Option<&'static str>,
    pub(crate) priority: u32,
    pub(crate) jobs: u32,
    pub(crate) from: Millis,
    /// Between two of them.
    pub(crate) every: Millis,
    pub(crate) shortest: Millis,
    pub(crate) longest: Millis,
}

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) says: &'static str,
    pub(crate) limits: Limits,
    pub(crate) loads: Vec<Load>,
    pub(crate) ends: Millis,
}

/// What became of one job.
pub(crate) struct Served {
    pub(crate) series: &'static str,
    pub(crate) arrived: Millis,
    pub(crate) began: Millis,
    pub(crate) ended: Millis,
}

/// A small generator with the constants of Knuth's MMIX; only the upper bits are used.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    fn between(&mut self, least: Millis, most: Millis) -> Millis {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        least + (self.0 >> 33) % (most - least + 1)
    }
}

impl Load {
    pub(crate) fn new(series: &'static str, jobs: u32, minutes: (Millis, Millis)) -> Self {
        let (shortest, longest) = (minutes.0 * MINUTE, minutes.1 * MINUTE);
        Self {
            series,
            tenant: series,
            session: series,
            engine: None,
            priority: 0,
            jobs,
            from: 0,
            every: 0,
            shortest,
            longest,
        }
    }

    fn job(&self, number: u32) -> Job {
        let own = format!("{}-{number}", self.series);
        let session = SessionId::new(if self.session.is_empty() { &own } else { self.session });
        Job {
            id: JobId::new(format!("{session}/{own}/1/implement")),
            session,
            tenant: Tenant::new(self.tenant),
            competitor: None,
            round: 1,
            work: Work::Implement { brief: String::new(), parent: None },
            session_limit: u32::MAX,
            session_weight: 1,
            priority: self.priority,
            engine: self.engine.map(str::to_owned),
            needs: Needs::default(),
            home: None,
            trace: Mark::default(),
        }
    }
}

/// Until the end, or until nothing is left to do; every job that was begun, in the order of beginning.
pub(crate) fn run(scenario: &Scenario, seed: u64) -> Vec<Served> {
    let mut chance = Chance(seed);
    let mut arrivals: BTreeMap<(Millis, usize, u32), Millis> = BTreeMap::new();
    for (which, load) in scenario.loads.iter().enumerate() {
        for number in 0..load.jobs {
            let takes = chance.between(load.shortest, load.longest);
            arrivals.insert((load.from + load.every * Millis::from(number), which, number), takes);
        }
    }
    let mut queue = Queue::new(scenario.limits.clone());
    let mut known: BTreeMap<JobId, (usize, Millis, Millis)> = BTreeMap::new();
    let mut ends: BTreeMap<(Millis, JobId), arena_domain::id::Fence> = BTreeMap::new();
    let mut served = Vec::new();
    loop {
        let next = arrivals.keys().next().map(|(at, _, _)| *at).into_iter().chain(ends.keys().next().map(|key| key.0));
        let Some(now) = next.min().filter(|now| *now <= scenario.ends) else { return served };
        while let Some(((_, id), fence)) = ends.first_key_value().filter(|(key, _)| key.0 <= now) {
            queue.settle(id, fence, BEGIN + now);
            ends.pop_first();
        }
        while let Some(((at, which, number), takes)) = arrivals.first_key_value().filter(|(key, _)| key.0 <= now) {
            let job = scenario.loads[*which].job(*number);
            known.insert(job.id.clone(), (*which, *at, *takes));
            queue.enqueue(job, BEGIN + now, BEGIN + now);
            arrivals.pop_first();
        }
        let ask = |queue: &Queue| Ask::any(WorkerId::new("w"), Request::new(queue.counters().claims.to_string()));
        while let Some(place) = queue.claim(&ask(&queue), BEGIN + now) {
            let (which, arrived, takes) = known[&place.job.id];
            let series = scenario.loads[which].series;
            served.push(Served { series, arrived, began: now, ended: now + takes });
            if let Some(fence) = place.fence() {
                ends.insert((now + takes, place.job.id.clone()), fence.clone());
            }
        }
    }
}

/// Slots of a series at a time.
pub(crate) fn running(served: &[Served], series: &str, at: Millis) -> u32 {
    served.iter().filter(|one| one.series == series && one.began <= at && at < one.ended).count() as u32
}

fn limits(fleet: u32) -> Limits {
    Limits { fleet, ..Limits::default() }
}

fn flood() -> Scenario {
    let late = Load { from: 30 * MINUTE, ..Load::new("late", 40, (5, 15)) };
    Scenario {
        name: "flood",
        says: "10,000 jobs are there, then another tenant comes with 40: it gets the next slot, then half of them",
        limits: limits(8),
        loads: vec![Load::new("flood", 10_000, (5, 15)), late],
        ends: 120 * MINUTE,
    }
}

fn weights() -> Scenario {
    let of = |weight| TenantLimits { weight, ..TenantLimits::default() };
    let tenants = [("one", 1), ("two", 2), ("four", 4)].map(|(name, weight)| (name.to_owned(), of(weight)));
    Scenario {
        name: "weights",
        says: "Tenants of weight 1, 2 and 4 come one after another to 14 slots: at last they have 2, 4 and 8",
        limits: Limits { tenants: tenants.into(), ..limits(14) },
        loads: [("one", 0), ("two", 20), ("four", 50)]
            .map(|(name, from)| Load { from: from * MINUTE, ..Load::new(name, 300, (5, 15)) })
            .into(),
        ends: 120 * MINUTE,
    }
}

fn priority() -> Scenario {
    // A little more than two slots can do, so that a line builds up.
    let each = |series, priority, from, every| Load {
        tenant: "team",
        session: "",
        priority,
        from,
        every,
        ..Load::new(series, 120 * MINUTE as u32 / every as u32, (4, 4))
    };
    Scenario {
        name: "priority",
        says: "One tenant, two slots, a growing line: priority 5 is a head start of five minutes and no more",
        limits: limits(2),
        loads: vec![each("plain", 0, 0, 2 * MINUTE), each("urgent", 5, MINUTE, 10 * MINUTE)],
        ends: 120 * MINUTE,
    }
}

fn long() -> Scenario {
    Scenario {
        name: "long",
        says: "Jobs of an hour against jobs of five minutes: slots are shared, not claims",
        limits: limits(4),
        loads: vec![Load::new("long", 60, (50, 70)), Load { from: 45 * MINUTE, ..Load::new("short", 400, (4, 6)) }],
        ends: 360 * MINUTE,
    }
}

fn parked() -> Scenario {
    let engine = |series, engine, jobs| Load { engine: Some(engine), ..Load::new(series, jobs, (5, 15)) };
    let provider = Provider { running: 2, engines: BTreeSet::from(["a".to_owned()]) };
    Scenario {
        name: "parked",
        says: "A provider's limit of 2 holds back 1,000 jobs that came first: the other four slots are nobody's loss",
        limits: Limits { provider: BTreeMap::from([("provider".to_owned(), provider)]), ..limits(6) },
        loads: vec![engine("limited", "a", 1_000), engine("free", "b", 100)],
        ends: 120 * MINUTE,
    }
}

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![flood(), weights(), priority(), long(), parked()]
}
