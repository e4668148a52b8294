//! The store against the reference scheduler: the same random commands and the same clock give the same answers.

use super::*;
use arena_domain::job::State;
use arena_domain::schedule::{Left, Queue};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Command {
    Enqueue {
        tenant: u8,
        session: u8,
        which: u8,
        engine: u8,
    },
    Claim {
        only: Option<u8>,
        tenant: Option<u8>,
        engine: Option<u8>,
        dice: u16,
    },
    Again {
        nth: usize,
    },
    Revive {
        nth: usize,
    },
    Renew {
        nth: usize,
        stale: bool,
    },
    Settle {
        nth: usize,
        fence: bool,
        version: bool,
    },
    GiveBack {
        nth: usize,
        stale: bool,
        wait: u16,
    },
    Expire,
    Abandon {
        session: u8,
        left: Left,
    },
    Bury {
        alive: bool,
    },
    Cancel {
        tenant: u8,
        session: u8,
        engines_only: bool,
    },
    Pass {
        millis: u64,
    },
    Reopen,
    /// It is opened again by somebody whose configuration says other limits.
    Relimit {
        which: u8,
    },
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        6 => (0..3u8, 0..2u8, 0..9u8, 0..2u8)
            .prop_map(|(tenant, session, which, engine)| Command::Enqueue { tenant, session, which, engine }),
        6 => (
            proptest::option::weighted(0.3, 0..2u8),
            proptest::option::weighted(0.2, 0..3u8),
            proptest::option::weighted(0.2, 0..2u8),
            prop_oneof![Just(0), any::<u16>()],
        )
            .prop_map(|(only, tenant, engine, dice)| Command::Claim { only, tenant, engine, dice }),
        1 => any::<usize>().prop_map(|nth| Command::Again { nth }),
        1 => any::<usize>().prop_map(|nth| Command::Revive { nth }),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(nth, stale)| Command::Renew { nth, stale }),
        4 => (any::<usize>(), prop::bool::weighted(0.8), prop::bool::weighted(0.8))
            .prop_map(|(nth, fence, version)| Command::Settle { nth, fence, version }),
        2 => (any::<usize>(), any::<bool>(), any::<u16>())
            .prop_map(|(nth, stale, wait)| Command::GiveBack { nth, stale, wait }),
        1 => Just(Command::Expire),
        1 => (0..2u8, prop_oneof![Just(Left::Politely), Just(Left::Dead)])
            .prop_map(|(session, left)| Command::Abandon { session, left }),
        1 => any::<bool>().prop_map(|alive| Command::Bury { alive }),
        1 => (0..3u8, 0..2u8, any::<bool>())
            .prop_map(|(tenant, session, engines_only)| Command::Cancel { tenant, session, engines_only }),
        2 => (0..40_000u64).prop_map(|millis| Command::Pass { millis }),
        1 => Just(Command::Reopen),
        1 => (0..3u8).prop_map(|which| Command::Relimit { which }),
    ]
}

fn other_limits(which: u8) -> Limits {
    let engines = BTreeSet::from([format!("e{which}")]);
    match which {
        0 => limits(),
        1 => Limits { fleet: 2, tenant: 1, provider: BTreeMap::new(), ..limits() },
        _ => Limits {
            fleet: 6,
            tenants: BTreeMap::from([("t0".to_owned(), TenantLimits { running: 5, weight: 3 })]),
            engine: BTreeMap::from([("e1".to_owned(), 1)]),
            provider: BTreeMap::from([("q".to_owned(), Provider { running: 2, engines })]),
            ..limits()
        },
    }
}

struct Pair {
    home: Home,
    store: Store,
    queue: Queue,
    limits: Limits,
    versions: BTreeMap<SessionId, u64>,
    /// Every lease that was ever given: reports under old ones come too.
    leases: Vec<(JobId, Fence)>,
    now: Millis,
}

impl Pair {
    async fn new(home: Home) -> Self {
        let store = home.open().await;
        let mut versions = BTreeMap::new();
        for (tenant, number) in (0..3).flat_map(|tenant| (0..2).map(move |number| (tenant, number))) {
            let id = session(tenant, number);
            create(&store, id.as_str()).await.unwrap();
            versions.insert(id, 0);
        }
        Self { home, store, queue: Queue::new(limits()), limits: limits(), versions, leases: Vec::new(), now: NOW }
    }

    fn lease(&self, nth: usize) -> Option<(JobId, Fence)> {
        (!self.leases.is_empty()).then(|| self.leases[nth % self.leases.len()].clone())
    }

    fn transition(&self, id: &SessionId) -> Transition {
        Transition { now: self.now, ..transition(id, self.versions[id]) }
    }

    async fn commit(&mut self, transition: Transition) -> Committed {
        let id = transition.session.clone();
        let committed = self.store.commit(transition).await.unwrap();
        if matches!(committed, Committed::Done { .. }) {
            *self.versions.get_mut(&id).unwrap() += 1;
        }
        committed
    }

    async fn step(&mut self, command: Command) -> Result<(), TestCaseError> {
        match command {
            Command::Enqueue { tenant, session, which, engine } => {
                let job = job(tenant, session, which, engine);
                self.queue.enqueue(job.clone(), self.now, self.now);
                let enqueue = Transition { enqueue: vec![job.clone(), job.clone()], ..self.transition(&job.session) };
                prop_assert_eq!(self.commit(enqueue).await, Committed::Done { stop: Vec::new() });
            }
            Command::Claim { only, tenant, engine, dice } => self.claim(only, tenant, offer(dice, engine)).await?,
            Command::Again { nth } => self.ask_again(nth).await?,
            Command::Revive { nth } => {
                let Some((id, _)) = self.lease(nth) else { return Ok(()) };
                let revived = self.queue.revive(&id, self.now);
                prop_assert_eq!(self.store.revive(&id, self.now).await.unwrap(), revived);
            }
            Command::Renew { nth, stale } => self.renew(nth, stale).await?,
            Command::Settle { nth, fence, version } => self.settle(nth, fence, version).await?,
            Command::GiveBack { nth, stale, wait } => {
                let Some((id, held)) = self.lease(nth) else { return Ok(()) };
                let (fence, due) = (if stale { Fence::new("old") } else { held }, self.now + Millis::from(wait));
                let given = self.queue.give_back(&id, &fence, due, self.now);
                prop_assert_eq!(self.store.give_back(id, fence, due, self.now).await.unwrap(), given);
            }
            Command::Expire => {
                prop_assert_eq!(self.store.expire(self.now).await.unwrap(), self.queue.expire(self.now));
            }
            Command::Abandon { session: number, left } => {
                let id = session(1, number);
                let back = self.queue.abandon(&id, left, self.now);
                prop_assert_eq!(self.store.abandon(id, left, self.now).await.unwrap(), back);
            }
            Command::Bury { alive } => {
                let worker = vec![WorkerId::new(if alive { "another" } else { "w" })];
                let back = self.queue.bury(&worker, self.now);
                prop_assert_eq!(self.store.bury(worker, self.now).await.unwrap(), back);
            }
            Command::Cancel { tenant, session: number, engines_only } => {
                let id = session(tenant, number);
                let engine = |job: &Job| !engines_only || matches!(job.work, Work::Implement { .. });
                let stop = self.queue.cancel(&id, engine, self.now);
                let cancel = Transition { cancel: Some(Cancel { engines_only }), ..self.transition(&id) };
                prop_assert_eq!(self.commit(cancel).await, Committed::Done { stop });
            }
            Command::Pass { millis } => self.now += millis,
            Command::Reopen => {
                if let Home::Server(server) = &self.home {
                    // What the functions remember is gone with them, so that they read what they wrote.
                    server.says(&["FUNCTION", "FLUSH"]);
                }
                self.store = self.home.open_with(self.limits.clone()).await;
            }
            Command::Relimit { which } => {
                self.limits = other_limits(which);
                self.queue.relimit(self.limits.clone());
                self.store = self.home.open_with(self.limits.clone()).await;
            }
        }
        self.agree().await
    }

    async fn claim(&mut self, only: Option<u8>, tenant: Option<u8>, offer: Offer) -> Result<(), TestCaseError> {
        let ask = Ask {
            only: only.map(|number| session(0, number)),
            tenant: tenant.map(|number| Tenant::new(format!("t{number}"))),
            offer,
            ..ask(&format!("r{}", self.leases.len()))
        };
        let claimed = self.store.claim(ask.clone(), self.now).await.unwrap();
        prop_assert_eq!(&claimed, &self.queue.claim(&ask, self.now));
        self.leases.extend(claimed.map(|place| (place.job.id.clone(), place.fence().unwrap().clone())));
        Ok(())
    }

    /// Answered the same while it is leased.
    async fn ask_again(&mut self, nth: usize) -> Result<(), TestCaseError> {
        let Some((id, fence)) = self.lease(nth) else { return Ok(()) };
        let request = fence.as_str().rsplit('.').next().unwrap();
        if self.queue.place(&id).is_some_and(|place| place.held_by(&fence)) {
            let claimed = self.store.claim(ask(request), self.now).await.unwrap();
            prop_assert_eq!(&claimed, &self.queue.claim(&ask(request), self.now));
        }
        Ok(())
    }

    async fn renew(&mut self, nth: usize, stale: bool) -> Result<(), TestCaseError> {
        let Some((id, held)) = self.lease(nth) else { return Ok(()) };
        let fence = if stale { Fence::new("old") } else { held };
        let failures = self.queue.place(&id).filter(|place| place.held_by(&fence)).map(|place| place.failed);
        prop_assert_eq!(self.store.failures(&id, &fence).await.unwrap(), failures);
        let renewed = self.queue.renew(&id, &fence, self.now);
        let lost = self.store.renew(vec![(id.clone(), fence.clone())], self.now).await.unwrap();
        prop_assert_eq!(lost.is_empty(), renewed);
        prop_assert_eq!(self.store.not_held(vec![(id, fence)]).await.unwrap().is_empty(), renewed);
        Ok(())
    }

    async fn settle(&mut self, nth: usize, fence: bool, version: bool) -> Result<(), TestCaseError> {
        let Some((id, held)) = self.lease(nth) else { return Ok(()) };
        let fence = if fence { held } else { Fence::new("old") };
        let session = SessionId::new(id.as_str().split('/').next().unwrap());
        let mut transition = Transition { settle: Some((id.clone(), fence.clone())), ..self.transition(&session) };
        transition.version += u64::from(!version);
        let mut after = self.queue.clone();
        let expected = match (after.settle(&id, &fence, self.now), version) {
            (Settled::Accepted, true) => {
                self.queue = after;
                Committed::Done { stop: Vec::new() }
            }
            (Settled::Accepted, false) => Committed::Conflict,
            (Settled::Repeated, _) => Committed::Repeated,
            (Settled::Stale, _) => Committed::Stale,
        };
        prop_assert_eq!(self.commit(transition).await, expected);
        Ok(())
    }

    /// Both know the same jobs in the same states, and say the same of why each waits.
    async fn agree(&self) -> Result<(), TestCaseError> {
        let mut stored = BTreeMap::new();
        for id in self.versions.keys() {
            let jobs = self.store.jobs(id).await.unwrap();
            stored.extend(jobs.into_iter().map(|job| (job.id, (job.state, job.worker, job.attempt))));
        }
        let known = self.queue.places().map(|place| {
            let (state, worker) = match &place.state {
                State::Queued { .. } => ("queued", ""),
                State::Leased { worker, .. } => ("leased", worker.as_str()),
                State::Done { .. } => ("done", ""),
                State::Cancelled => ("cancelled", ""),
                State::Dead { .. } => ("dead", ""),
            };
            (place.job.id.to_string(), (state.to_owned(), worker.to_owned(), place.attempt))
        });
        prop_assert_eq!(stored, known.collect::<BTreeMap<_, _>>());
        let mut dead: Vec<(JobId, Millis)> =
            self.store.dead(None, 1_000).await.unwrap().into_iter().map(|letter| (letter.job, letter.at)).collect();
        dead.sort();
        let buried = self.queue.places().filter_map(|place| match &place.state {
            State::Dead { at, .. } => Some((place.job.id.clone(), *at)),
            State::Queued { .. } | State::Leased { .. } | State::Done { .. } | State::Cancelled => None,
        });
        prop_assert_eq!(dead, buried.collect::<Vec<_>>());
        if let Some(place) = self.queue.places().nth(self.leases.len() % self.queue.places().count().max(1)) {
            let id = &place.job.id;
            prop_assert_eq!(
                self.store.why(id.clone(), Vec::new(), self.now).await.unwrap(),
                self.queue.why(id, self.now)
            );
            prop_assert_eq!(self.store.line(id, Vec::new(), self.now).await.unwrap(), self.queue.line(id, self.now));
        }
        Ok(())
    }

    /// What has ended stands in no line.
    async fn drain(&mut self) -> Result<(), TestCaseError> {
        for id in self.versions.keys().cloned().collect::<Vec<_>>() {
            let all = Transition { cancel: Some(Cancel { engines_only: false }), ..self.transition(&id) };
            self.commit(all).await;
        }
        prop_assert_eq!(self.store.sweep().await.unwrap(), Vec::<String>::new());
        if let Home::Server(server) = &self.home {
            let left = "return table.concat(redis.call('KEYS', 'arena:{c0}:[rt][qs]:*'), ' ')";
            prop_assert_eq!(server.says(&["EVAL", left, "0"]), "");
        }
        Ok(())
    }
}

fn run(home: Home, commands: Vec<Command>) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut pair = Pair::new(home).await;
        for command in commands {
            pair.step(command).await?;
        }
        // Whole rounds of the sweeper find nothing: indexes, leases and states agree.
        prop_assert_eq!(pair.store.sweep().await.unwrap(), Vec::<String>::new());
        pair.drain().await
    })
}

proptest! {
    // A case is some fifty transactions that reach the disk.
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn files_answer_as_the_reference_does(commands in proptest::collection::vec(command(), 1..60)) {
        run(Home::folder(), commands)?;
    }
}

#[test]
fn redis_answers_as_the_reference_does() {
    if !Server::there("redis_answers_as_the_reference_does") {
        return;
    }
    let config = ProptestConfig { source_file: Some(file!()), ..ProptestConfig::with_cases(48) };
    proptest!(config, |(commands in proptest::collection::vec(command(), 1..120))| {
        let server = Server::start("redis_answers_as_the_reference_does");
        run(Home::Server(server.ok_or_else(|| TestCaseError::fail("it was there"))?), commands)?;
    });
}
