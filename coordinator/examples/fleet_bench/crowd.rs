//! The simulated workers, and when each job came to one of them.

use crate::Fallible;
use crate::processes::identity;
use arena_domain::ending::Ending;
use arena_domain::id::{Commit, SessionId};
use arena_domain::outcome::{Change, ChangeKind, Evaluated, Exit, Implemented, Outcome, Usage};
use arena_proto::convert::Wire;
use arena_proto::dial::{Dialer, endpoint};
use arena_proto::v1::workers_client::WorkersClient;
use arena_proto::v1::{self, down, up};
use arena_proto::{OLDEST_PROTOCOL, PROTOCOL};
use arena_runtime::clock::Stopwatch;
use arena_runtime::tasks::{self, Tasks};
use arena_runtime::token;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;

/// As real workers have it.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a job runs.
const RUNS: Duration = Duration::from_millis(1_500);
/// Jobs of a session: the base, the engine, its submission.
const JOBS: u32 = 3;
const PATIENCE: Duration = Duration::from_secs(120);

/// Of one session: when its next job was known to wait, and when a worker had it. Whichever comes first waits for the other.
#[derive(Default)]
struct Turn {
    enqueued: Option<Stopwatch>,
    came: Option<Stopwatch>,
    left: u32,
}

#[derive(Default)]
struct Book {
    turns: BTreeMap<String, Turn>,
    waits: Vec<f64>,
}

impl Book {
    fn note(&mut self, session: &str, note: impl FnOnce(&mut Turn)) {
        let Some(turn) = self.turns.get_mut(session) else { return };
        note(turn);
        if let (Some(enqueued), Some(came)) = (turn.enqueued, turn.came) {
            // At the worker before whoever enqueued it had heard that it was: it did not wait.
            let wait = enqueued.elapsed().saturating_sub(came.elapsed());
            self.waits.push(wait.as_secs_f64() * 1000.0);
            (turn.enqueued, turn.came) = (None, None);
            turn.left -= 1;
            if turn.left == 0 {
                self.turns.remove(session);
            }
        }
    }
}

pub(crate) struct Crowd {
    workers: Tasks,
    book: Arc<Mutex<Book>>,
    stop: CancellationToken,
}

impl Crowd {
    /// So many at the coordinators in turn; all have been welcomed.
    pub(crate) async fn attach(urls: &[String], folder: &Path, many: usize) -> Fallible<Self> {
        let who = identity(folder, "worker")?;
        let dialer = Dialer { ca: &who.ca, identity: Some((&who.certificate, &who.key)) };
        let endpoints = urls.iter().map(|url| endpoint(url, &dialer)).collect::<Result<Vec<_>, _>>()?;
        let mut crowd = Self { workers: Tasks::default(), book: Arc::default(), stop: CancellationToken::new() };
        let (turns, (ready, mut welcomed)) = (Arc::new(Semaphore::new(64)), mpsc::channel(64));
        for number in 0..many {
            let (endpoint, book, stop) =
                (endpoints[number % endpoints.len()].clone(), crowd.book.clone(), crowd.stop.clone());
            let (ready, turns) = (ready.clone(), turns.clone());
            crowd.workers.spawn(async move {
                let turn = turns.acquire_owned().await;
                let worker = async {
                    let attached = attach(endpoint, number, many).await;
                    drop(turn);
                    let told = attached.as_ref().map(drop).map_err(ToString::to_string);
                    let _ = ready.send(told).await;
                    attached?.work(&book).await
                };
                tokio::select! {
                    ended = worker => if let Err(error) = ended { eprintln!("worker {number}: {error}") },
                    () = stop.cancelled() => {},
                }
            });
        }
        for _ in 0..many {
            welcomed.recv().await.ok_or("no worker is left")??;
        }
        Ok(crowd)
    }

    pub(crate) async fn leave(mut self) {
        self.stop.cancel();
        self.workers.join().await;
    }

    pub(crate) fn expects(&self, session: &SessionId) {
        self.book().turns.insert(session.to_string(), Turn { left: JOBS, ..Turn::default() });
    }

    pub(crate) fn enqueued(&self, session: &str) {
        self.book().note(session, |turn| turn.enqueued = Some(Stopwatch::start()));
    }

    pub(crate) async fn all_done(&self) -> Fallible<()> {
        let begun = Stopwatch::start();
        while !self.book().turns.is_empty() {
            if begun.elapsed() > PATIENCE {
                return Err(format!("{} sessions did not end", self.book().turns.len()).into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Since the last time, in milliseconds, from the shortest on.
    pub(crate) fn waits(&self) -> Vec<f64> {
        let mut waits = std::mem::take(&mut self.book().waits);
        waits.sort_by(f64::total_cmp);
        waits
    }

    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One worker with its stream.
struct Attached {
    up: mpsc::Sender<v1::Up>,
    down: tonic::Streaming<v1::Down>,
    /// When its first heartbeat comes: they are spread over the time between two.
    first: Duration,
}

async fn attach(endpoint: Endpoint, number: usize, many: usize) -> Fallible<Attached> {
    let channel = endpoint.connect().await?;
    let (up, outgoing) = mpsc::channel(4);
    let hello = v1::Hello {
        worker: token::hex(12),
        slots: 1,
        protocol: PROTOCOL,
        oldest: OLDEST_PROTOCOL,
        version: "bench".into(),
        ..v1::Hello::default()
    };
    up.send(v1::Up { up: Some(up::Up::Hello(hello)) }).await?;
    let mut down = WorkersClient::new(channel).attach(ReceiverStream::new(outgoing)).await?.into_inner();
    match down.next().await {
        Some(Ok(v1::Down { down: Some(down::Down::Welcome(_)) })) => {
            Ok(Attached { up, down, first: HEARTBEAT.mul_f64((number + 1) as f64 / many as f64) })
        }
        other => Err(format!("not welcomed: {other:?}").into()),
    }
}

impl Attached {
    async fn work(mut self, book: &Arc<Mutex<Book>>) -> Fallible<()> {
        let mut leases = Vec::new();
        let mut beats = tokio::time::interval(HEARTBEAT);
        beats.reset_after(self.first);
        for number in 1.. {
            loop {
                tokio::select! {
                    _ = beats.tick() => break,
                    message = self.down.next() => match message.ok_or("the stream ended")??.down {
                        Some(down::Down::Run(run)) => self.run(*run, book, &mut leases),
                        Some(down::Down::Acknowledged(answer)) => {
                            leases.retain(|lease: &v1::Lease| lease.job != answer.job);
                            if !answer.accepted {
                                return Err(format!("the result of {} was not accepted", answer.job).into());
                            }
                            note(book, &answer.job, |turn| turn.enqueued = Some(Stopwatch::start()));
                        }
                        // A heartbeat that crossed its own result names a lease that has ended.
                        Some(
                            down::Down::Stop(_) | down::Down::Renewed(_) | down::Down::Welcome(_) | down::Down::Drain(_),
                        )
                        | None => {}
                    },
                }
            }
            let beat = v1::Heartbeat { leases: leases.clone(), number, ..v1::Heartbeat::default() };
            self.up.send(v1::Up { up: Some(up::Up::Heartbeat(beat)) }).await?;
        }
        Ok(())
    }

    /// The result comes after a while.
    fn run(&self, run: v1::Run, book: &Arc<Mutex<Book>>, leases: &mut Vec<v1::Lease>) {
        let Some(job) = run.job else { return };
        note(book, &job.id, |turn| turn.came = Some(Stopwatch::start()));
        let lease = v1::Lease { job: job.id.clone(), fence: run.fence };
        leases.push(lease.clone());
        let outcome = if job.id.ends_with("implement") { changed() } else { Outcome::Evaluated(Evaluated::default()) };
        let up = self.up.clone();
        drop(tasks::spawn(async move {
            tokio::time::sleep(RUNS).await;
            let result = v1::Result { lease: Some(lease), outcome: Some(outcome.to_wire()), trace: None };
            // A worker that has gone says nothing.
            let _ = up.send(v1::Up { up: Some(up::Up::Result(Box::new(result))) }).await;
        }));
    }
}

fn note(book: &Arc<Mutex<Book>>, job: &str, note: impl FnOnce(&mut Turn)) {
    let session = job.split('/').next().unwrap_or_default();
    book.lock().unwrap_or_else(PoisonError::into_inner).note(session, note);
}

fn changed() -> Outcome {
    let change = Change {
        path: "src/sum.rs".into(),
        kind: ChangeKind::Modified,
        added_lines: 1,
        removed_lines: 1,
        binary: false,
    };
    Outcome::Implemented(Implemented {
        commit: Commit::new("c1"),
        bundle: "b1".into(),
        changes: vec![change],
        reverted: Vec::new(),
        flags: Vec::new(),
        exit: Exit::Code(0),
        ending: Ending::Done,
        ending_detail: String::new(),
        duration: Duration::from_secs(1),
        said: Vec::new(),
        usage: Usage::default(),
        own_usage: Usage::default(),
        engine_version: String::new(),
        logs: Vec::new(),
    })
}
