//! The store against the reference scheduler: the same random commands and the same clock give the same answers.

use super::*;
use arena_domain::job::State;
use arena_domain::schedule::{Left, Queue};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Command {
    Enqueue { tenant: u8, session: u8, which: u8, engine: u8 },
    Claim { only: Option<u8> },
    Renew { nth: usize, stale: bool },
    Settle { nth: usize, fence: bool, version: bool },
    GiveBack { nth: usize, stale: bool, wait: u16 },
    Expire,
    Abandon { session: u8, left: Left },
    Bury { alive: bool },
    Cancel { tenant: u8, session: u8, engines_only: bool },
    Pass { millis: u64 },
    Reopen,
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        6 => (0..3u8, 0..2u8, 0..9u8, 0..2u8)
            .prop_map(|(tenant, session, which, engine)| Command::Enqueue { tenant, session, which, engine }),
        6 => proptest::option::of(0..2u8).prop_map(|only| Command::Claim { only }),
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
    ]
}

struct Pair {
    folder: TempDir,
    store: Store,
    queue: Queue,
    versions: BTreeMap<SessionId, u64>,
    /// Every lease that was ever given: reports under old ones come too.
    leases: Vec<(JobId, Fence)>,
    now: Millis,
}

impl Pair {
    async fn new() -> Self {
        let (folder, store) = fresh();
        let mut versions = BTreeMap::new();
        for (tenant, number) in (0..3).flat_map(|tenant| (0..2).map(move |number| (tenant, number))) {
            let id = session(tenant, number);
            create(&store, id.as_str()).await.unwrap();
            versions.insert(id, 0);
        }
        Self { folder, store, queue: Queue::new(limits()), versions, leases: Vec::new(), now: NOW }
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
                self.queue.enqueue(job.clone(), self.now);
                let enqueue = Transition { enqueue: vec![job.clone(), job.clone()], ..self.transition(&job.session) };
                prop_assert_eq!(self.commit(enqueue).await, Committed::Done { stop: Vec::new() });
            }
            Command::Claim { only } => {
                let fence = Fence::new(format!("f{}", self.leases.len()));
                let only = only.map(|number| session(0, number));
                let ask = Ask { worker: WorkerId::new("w"), fence: fence.clone(), only, tenant: None };
                let claimed = self.store.claim(ask.clone(), self.now).await.unwrap();
                prop_assert_eq!(&claimed, &self.queue.claim(&ask, self.now));
                self.leases.extend(claimed.map(|place| (place.job.id, fence)));
            }
            Command::Renew { nth, stale } => {
                let Some((id, held)) = self.lease(nth) else { return Ok(()) };
                let fence = if stale { Fence::new("old") } else { held };
                let failures = self.queue.place(&id).filter(|place| place.held_by(&fence)).map(|place| place.failed);
                prop_assert_eq!(self.store.failures(&id, &fence).await.unwrap(), failures);
                let renewed = self.queue.renew(&id, &fence, self.now);
                let lost = self.store.renew(vec![(id.clone(), fence.clone())], self.now).await.unwrap();
                prop_assert_eq!(lost.is_empty(), renewed);
                prop_assert_eq!(self.store.not_held(vec![(id, fence)]).await.unwrap().is_empty(), renewed);
            }
            Command::Settle { nth, fence, version } => self.settle(nth, fence, version).await?,
            Command::GiveBack { nth, stale, wait } => {
                let Some((id, held)) = self.lease(nth) else { return Ok(()) };
                let (fence, due) = (if stale { Fence::new("old") } else { held }, self.now + Millis::from(wait));
                let given = self.queue.give_back(&id, &fence, due);
                prop_assert_eq!(self.store.give_back(id, fence, due).await.unwrap(), given);
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
                let stop = self.queue.cancel(&id, engine);
                let cancel = Transition { cancel: Some(Cancel { engines_only }), ..self.transition(&id) };
                prop_assert_eq!(self.commit(cancel).await, Committed::Done { stop });
            }
            Command::Pass { millis } => self.now += millis,
            Command::Reopen => self.store = Store::open(self.folder.path(), limits()).unwrap(),
        }
        self.agree().await
    }

    async fn settle(&mut self, nth: usize, fence: bool, version: bool) -> Result<(), TestCaseError> {
        let Some((id, held)) = self.lease(nth) else { return Ok(()) };
        let fence = if fence { held } else { Fence::new("old") };
        let session = SessionId::new(id.as_str().split('/').next().unwrap());
        let mut transition = Transition { settle: Some((id.clone(), fence.clone())), ..self.transition(&session) };
        transition.version += u64::from(!version);
        let mut after = self.queue.clone();
        let expected = match (after.settle(&id, &fence), version) {
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
            };
            (place.job.id.to_string(), (state.to_owned(), worker.to_owned(), place.attempt))
        });
        prop_assert_eq!(stored, known.collect::<BTreeMap<_, _>>());
        if let Some(place) = self.queue.places().nth(self.leases.len() % self.queue.places().count().max(1)) {
            let id = &place.job.id;
            prop_assert_eq!(
                self.store.why(id.clone(), Vec::new(), self.now).await.unwrap(),
                self.queue.why(id, self.now)
            );
        }
        Ok(())
    }
}

proptest! {
    // A case is some fifty transactions that reach the disk.
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_store_answers_as_the_reference_does(commands in proptest::collection::vec(command(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut pair = Pair::new().await;
            for command in commands {
                pair.step(command).await?;
            }
            Ok::<(), TestCaseError>(())
        })?;
    }
}
