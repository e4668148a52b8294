//! The loop of a worker: one stream at a time, and jobs that outlive it. Nothing in it waits for a coordinator, so that
//! leases are kept on this machine's own clock whatever the network does.

use super::jobs::Jobs;
use super::line::{self, Line};
use super::{LinkError, is_full};
use crate::reach::{Reach, Refusal};
use crate::run::{Context, Lost};
use arena_domain::job::backoff;
use arena_domain::schedule::Terms;
use arena_proto::v1;
use arena_runtime::{tasks, token};
use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

/// For the last results to be acknowledged.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// For a coordinator to welcome this worker; some take a connection and say nothing.
const GREETING: Duration = Duration::from_secs(30);

/// Between two tries, once every coordinator has refused this worker several times: a person must act, and may do so where no
/// start of this worker is needed.
const SLOW: Duration = Duration::from_secs(60);
/// Rounds of all coordinators until then.
const ROUNDS: usize = 4;

type Dialing = Pin<Box<dyn Future<Output = Result<Line, Unreached>> + Send>>;

/// Why there is no line, and what is wrong with a certificate where that is the reason.
struct Unreached {
    status: Status,
    refusal: Option<Refusal>,
}

impl Unreached {
    /// Whether it would be the same again.
    fn is_final(&self) -> bool {
        line::is_final(&self.status) || self.refusal.is_some()
    }

    /// Whether nothing but another certificate, and another start with it, changes it.
    fn is_own(&self) -> bool {
        self.status.code() == Code::Unauthenticated || self.refusal.as_ref().is_some_and(|one| one.fault.is_own())
    }

    fn told(&self) -> String {
        match &self.refusal {
            Some(refusal) => format!("{refusal}; {}", refusal.mend),
            None => self.status.message().to_owned(),
        }
    }
}

impl From<Unreached> for LinkError {
    fn from(unreached: Unreached) -> Self {
        let Unreached { status, refusal } = unreached;
        refusal.map_or_else(|| status.into(), Into::into)
    }
}

/// What the worker was told by whoever started it.
pub(super) type Ends = (CancellationToken, CancellationToken);

/// Since a coordinator welcomed this worker last.
#[derive(Default)]
struct Tries {
    failed: u32,
    /// In a row, by those that would refuse it again.
    refused: usize,
    /// The same, and not in a row: some do not answer at all.
    refusals: usize,
    /// Why, of those that were said: each is said once.
    told: BTreeSet<String>,
}

impl Tries {
    /// How long to wait for the next try; nothing: there is no sense in one.
    fn failed(&mut self, unreached: &Unreached, reach: &Reach, jobs: &Jobs) -> Option<Duration> {
        self.failed += 1;
        self.refused = if unreached.is_final() { self.refused + 1 } else { 0 };
        self.refusals += usize::from(unreached.is_final());
        let theirs = unreached.refusal.as_ref().is_some_and(|one| !one.fault.is_own());
        let is_idle = if unreached.is_own() { jobs.is_at_rest() } else { jobs.is_told() && !theirs };
        // Of several coordinators one may be older than the others for a while, as when they are updated.
        if !reach.is_lasting() || (is_idle && self.refused >= reach.many()) {
            return None;
        }
        if !unreached.is_final() {
            tracing::warn!(status = %unreached.status, tries = self.failed, "no coordinator");
        } else if self.told.insert(unreached.told()) {
            tracing::error!(why = unreached.told(), "this worker is refused");
        }
        // One that is refused for its own certificate ends as soon as nothing runs, which its leases see to.
        let slow = self.refusals > ROUNDS * reach.many() && !unreached.is_own();
        Some(if slow { SLOW } else { backoff(self.failed.min(4), token::chance()) })
    }
}

pub(super) async fn serve(
    context: &Arc<Context>,
    mut lost: watch::Receiver<Option<Lost>>,
    dead: Vec<String>,
    (drain, stop): Ends,
) -> Result<Option<Lost>, LinkError> {
    let (words, mut heard) = mpsc::channel(64);
    let mut jobs = Jobs::new(context.clone(), words);
    let lasting = context.blobs.0.is_lasting();
    // It may take long, and whatever this boot is given does not wait for it.
    let (mut delivering, mut delivered) = (deliver_kept(context.clone()), !lasting);
    let mut line: Option<Line> = None;
    let mut tries = Tries::default();
    let mut dialing = dial(context, &jobs, Duration::ZERO, false);
    let mut beat = beats(Terms::default().lease);
    let mut second = tokio::time::interval(Duration::from_secs(1));
    let ended = loop {
        tokio::select! {
            dialed = &mut dialing, if line.is_none() => match dialed {
                Ok(opened) => {
                    tries = Tries::default();
                    jobs.attach(&opened);
                    beat = beats(opened.lease);
                    line = Some(opened);
                }
                Err(unreached) => match tries.failed(&unreached, &context.blobs.0, &jobs) {
                    None => break Err(unreached.into()),
                    Some(pause) => {
                        context.blobs.0.next();
                        dialing = dial(context, &jobs, pause, true);
                    }
                },
            },
            message = next(&mut line), if line.is_some() => match message {
                Some(Ok(message)) => jobs.told(message),
                broken if lasting => {
                    if let Some(Err(status)) = broken {
                        tracing::warn!(%status, "the stream broke");
                    }
                    line = None;
                    jobs.detach();
                    context.blobs.0.next();
                    dialing = dial(context, &jobs, backoff(0, token::chance()), false);
                }
                Some(Err(status)) => break Err(status.into()),
                None => break Ok(None),
            },
            _ = &mut delivering, if !delivered => {
                delivered = true;
                jobs.after_earlier(dead.clone());
            }
            Some(said) = heard.recv(), if jobs.has_room() => jobs.happened(said),
            _ = beat.tick() => jobs.beat(),
            _ = second.tick() => look_around(context, &mut jobs).await,
            _ = lost.changed() => break Ok(lost.borrow().clone()),
            () = drain.cancelled(), if !jobs.is_draining() => jobs.drain(),
            () = stop.cancelled() => break Ok(None),
        }
        if jobs.is_drained() {
            break Ok(None);
        }
    };
    delivering.abort();
    end(jobs, heard, line, lasting).await;
    ended
}

async fn look_around(context: &Context, jobs: &mut Jobs) {
    jobs.end_overdue();
    jobs.clear_old();
    if is_full(&context.settings.root).await {
        context.lose(Lost::Space);
    }
}

fn deliver_kept(context: Arc<Context>) -> JoinHandle<()> {
    tasks::spawn(async move {
        if context.blobs.0.is_lasting() {
            context.deliver_kept().await;
        }
    })
}

/// The tasks of jobs end first: what they still say goes up, and what they did not do is given back.
async fn end(mut jobs: Jobs, mut heard: mpsc::Receiver<super::jobs::Said>, mut line: Option<Line>, lasting: bool) {
    if lasting && !jobs.is_draining() {
        // What it gives back must not come straight back to it.
        jobs.drain();
    }
    let mut tasks = jobs.end();
    {
        let joined = tasks.join();
        tokio::pin!(joined);
        loop {
            tokio::select! {
                () = &mut joined => break,
                Some(said) = heard.recv() => jobs.happened(said),
                message = next(&mut line), if line.is_some() => match message {
                    Some(Ok(message)) => jobs.told(message),
                    Some(Err(_)) | None => {
                        line = None;
                        jobs.detach();
                    }
                },
            }
        }
    }
    while let Ok(said) = heard.try_recv() {
        jobs.happened(said);
    }
    if !lasting || line.is_none() {
        return;
    }
    jobs.release_done();
    let told = async {
        while !jobs.is_told()
            && let Some(Ok(message)) = next(&mut line).await
        {
            jobs.told(message);
        }
    };
    let _ = tokio::time::timeout(LAST_WORDS, told).await;
}

/// The greeting was the first one.
fn beats(lease: Duration) -> tokio::time::Interval {
    let mut beat = tokio::time::interval(Terms::beat(lease));
    beat.reset();
    beat
}

async fn next(line: &mut Option<Line>) -> Option<Result<v1::Down, Status>> {
    match line {
        Some(line) => line.down.next().await,
        None => std::future::pending().await,
    }
}

/// After a pause; what is leased then is named in the greeting. Whether a certificate is the reason of a failure is asked where
/// one failed before: the first time another coordinator is nearer.
fn dial(context: &Arc<Context>, jobs: &Jobs, pause: Duration, again: bool) -> Dialing {
    let (context, leases) = (context.clone(), jobs.leases());
    Box::pin(async move {
        tokio::time::sleep(pause).await;
        let opened = line::open(&context, leases);
        let silent = |_| Status::unavailable("it does not answer");
        match tokio::time::timeout(GREETING, opened).await.map_err(silent).flatten() {
            Ok(opened) => Ok(opened),
            // A coordinator that answers says what is wrong.
            Err(status) if line::is_final(&status) || !again => Err(Unreached { status, refusal: None }),
            Err(status) => Err(Unreached { status, refusal: context.blobs.0.fault().await }),
        }
    })
}
