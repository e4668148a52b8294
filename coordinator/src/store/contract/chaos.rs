//! Random faults while workers work: every job ends once, no limit is passed, nothing that was answered is lost.

use super::*;
use arena_domain::job::State;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

const SESSIONS: u8 = 4;
const JOBS: u8 = 40;
const WORKERS: usize = 6;

/// Faults that the work has to outlast, at least.
const FAULTS: u64 = 8;

/// The time runs this much faster here, so that leases run out within the test.
const PACE: Millis = 40;

#[derive(Default)]
struct Book {
    /// What workers believe they run.
    running: BTreeMap<JobId, Job>,
    /// Under which fence the result of each job was accepted.
    accepted: BTreeMap<JobId, Fence>,
    wrong: Vec<String>,
}

impl Book {
    fn begins(&mut self, job: &Job) {
        if self.running.insert(job.id.clone(), job.clone()).is_some() {
            self.wrong.push(format!("{} runs twice", job.id));
        }
        let limits = limits();
        let count = |which: &dyn Fn(&Job) -> bool| self.running.values().filter(|one| which(one)).count() as u32;
        let provided = |one: &Job| one.engine.as_ref().is_some_and(|name| provider().engines.contains(name));
        let tenant = limits.of_tenant(job.tenant.as_str()).running;
        let good = count(&|_| true) <= limits.fleet
            && count(&|one| one.tenant == job.tenant) <= tenant
            && count(&|one| one.session == job.session) <= job.session_limit
            && count(&|one| one.engine.as_deref() == Some("e0")) <= limits.engine["e0"]
            && count(&provided) <= provider().running;
        if !good {
            self.wrong.push(format!("a limit is passed: {:?}", self.running.keys()));
        }
    }

    fn ends(&mut self, id: &JobId, fence: &Fence) {
        if let Some(before) = self.accepted.insert(id.clone(), fence.clone())
            && before != *fence
        {
            self.wrong.push(format!("{id} ended under {before} and under {fence}"));
        }
    }
}

struct World {
    server: Mutex<Server>,
    book: Mutex<Book>,
    started: arena_runtime::clock::Stopwatch,
    requests: AtomicU64,
    over: AtomicBool,
}

impl World {
    fn now(&self) -> Millis {
        NOW + self.started.elapsed().as_millis() as Millis * PACE
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    fn over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Claims, works for a moment, reports; what is not answered is asked again, with the same request.
    async fn work(&self, store: Store) {
        while !self.over() {
            let number = self.requests.fetch_add(1, Ordering::Relaxed);
            let request = format!("r{number}");
            let Ok(Some(place)) = store.claim(ask(&request), self.now()).await else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let State::Leased { fence, expires, .. } = place.state else { panic!("{place:?}") };
            // An answer that took so long is not begun with: by the worker's own clock, its lease may end too soon.
            if self.now() + 20_000 > expires {
                continue;
            }
            self.book().begins(&place.job);
            tokio::time::sleep(Duration::from_millis(25)).await;
            self.book().running.remove(&place.job.id);
            // Some die, some come back too late, most report.
            match number % 16 {
                3 => continue,
                7 => tokio::time::sleep(Duration::from_millis(100_000 / PACE)).await,
                _ => {}
            }
            while !self.reported(&store, &place.job, &fence).await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Whether there is an answer.
    async fn reported(&self, store: &Store, job: &Job, fence: &Fence) -> bool {
        let Ok(record) = store.record(&job.session).await else { return false };
        let settle = Transition {
            settle: Some((job.id.clone(), fence.clone())),
            now: self.now(),
            ..transition(&job.session, record.version)
        };
        match store.commit(settle).await {
            Ok(Committed::Done { .. } | Committed::Repeated) => {
                self.book().ends(&job.id, fence);
                true
            }
            Ok(Committed::Stale) => true,
            Ok(Committed::Conflict) => false,
            Err(error) if error.is_transient() => false,
            Err(error) => {
                self.book().wrong.push(format!("{}: {error}", job.id));
                true
            }
        }
    }

    /// What each coordinator does beside.
    async fn tend(&self, store: Store) {
        while !self.over() {
            let _ = store.expire(self.now()).await;
            for letter in store.dead(None, 100).await.unwrap_or_default() {
                let _ = store.revive(&letter.job, self.now()).await;
            }
            let mended = store.sweep().await.unwrap_or_default();
            self.book().wrong.extend(mended);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// As long as there is work; how many faults it made.
    async fn harm(&self, all: usize) -> u64 {
        let mut faults = 0;
        while self.book().accepted.len() < all {
            tokio::time::sleep(Duration::from_millis(100 + 67 * (faults % 5))).await;
            let mut server = self.server.lock().unwrap();
            match faults % 4 {
                0 => {
                    server.kill();
                    server.start_again();
                }
                1 => drop(server.says(&["FUNCTION", "FLUSH"])),
                2 => drop(server.says(&["CLIENT", "KILL", "TYPE", "normal"])),
                _ => {
                    server.pause();
                    std::thread::sleep(Duration::from_millis(200));
                    server.go_on();
                }
            }
            faults += 1;
        }
        faults
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_befalls_redis_every_job_ends_once_and_no_limit_is_passed() {
    let Some(server) = Server::with("chaos", &["--appendfsync", "always"]) else { return };
    let mut stores = Vec::new();
    for _ in 0..3 {
        stores.push(server.store(server.settings(), limits()).await.unwrap());
    }
    let mut all = Vec::new();
    for number in 0..SESSIONS {
        let jobs: Vec<Job> = (0..JOBS).map(|which| job(number % 3, number / 3, which, which % 2)).collect();
        all.extend(jobs.iter().map(|job| job.id.clone()));
        with_jobs(&stores[0], jobs).await;
    }
    let world = World {
        server: Mutex::new(server),
        book: Mutex::default(),
        started: arena_runtime::clock::Stopwatch::start(),
        requests: AtomicU64::new(0),
        over: AtomicBool::new(false),
    };
    let workers = (0..WORKERS).map(|number| world.work(stores[number % 3].clone()));
    let tending = stores.iter().take(2).map(|store| world.tend(store.clone()));
    let ending = async {
        let faults = tokio::time::timeout(Duration::from_secs(120), world.harm(all.len())).await;
        world.over.store(true, Ordering::Relaxed);
        faults.expect("every job ends")
    };
    let (_, _, faults) =
        tokio::join!(futures_util::future::join_all(workers), futures_util::future::join_all(tending), ending);
    assert!(faults >= FAULTS, "only {faults} faults befell it");
    let book = std::mem::take(&mut *world.book());
    assert_eq!(book.wrong, Vec::<String>::new());
    for (id, fence) in &book.accepted {
        assert!(stores[1].accepted(id, fence).await.unwrap(), "{id} was answered");
    }
    assert!(book.accepted.keys().eq(all.iter().collect::<BTreeSet<_>>()), "every job ended");
    assert_eq!(world.server.lock().unwrap().says(&["ZCARD", "arena:{c0}:lease"]), "0");
}
