//! The jobs that run, their leases on this machine's own clock, and their results until a coordinator has them.

mod earlier;
mod kept;

use super::line::Line;
use super::size;
use crate::figures;
use crate::lease::Lease;
use crate::offer;
use crate::run::{self, Context, Task, Word};
use crate::trace::Attempt;
use arena_domain::id::{Commit, Fence, JobId};
use arena_domain::job::Job;
use arena_domain::schedule::Terms;
use arena_proto::convert::Wire;
use arena_proto::packet;
use arena_proto::v1::{self, down, up};
use arena_runtime::clock::Stopwatch;
use arena_runtime::tasks::Tasks;
use kept::{is_final, keep, unfinished};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// Heartbeats whose answers may still come.
const BEATS: usize = 8;
/// Messages that must fit on the way up before more is taken from the jobs.
const ROOM: usize = 8;

/// What a job's task says.
pub(super) enum Said {
    Word(v1::Lease, Word),
    /// No outcome: nothing can be said of the job, and somebody else runs it.
    Done(v1::Lease, Option<Box<v1::Result>>),
}

struct Running {
    fence: Fence,
    lease: Lease,
    /// Its task has ended.
    done: bool,
}

pub(super) struct Jobs {
    context: Arc<Context>,
    words: mpsc::Sender<Said>,
    /// The way up, while there is one.
    up: Option<mpsc::Sender<v1::Up>>,
    tasks: Tasks,
    running: BTreeMap<JobId, Running>,
    /// Those that no coordinator has acknowledged, also of earlier boots.
    results: BTreeMap<JobId, v1::Result>,
    beats: VecDeque<(u64, Stopwatch)>,
    number: u64,
    /// Of the coordinator that it is attached to, or was last.
    lease: Duration,
    /// Boots of this worker that are dead.
    dead: Vec<String>,
    draining: bool,
    /// Since it was looked for what nobody asks for any more.
    cleared: Stopwatch,
    /// This worker stops, and its jobs with it.
    ending: CancellationToken,
}

impl Jobs {
    pub(super) fn new(context: Arc<Context>, words: mpsc::Sender<Said>) -> Self {
        Self {
            results: BTreeMap::new(),
            context,
            words,
            up: None,
            tasks: Tasks::default(),
            running: BTreeMap::new(),
            beats: VecDeque::new(),
            number: 0,
            lease: Terms::default().lease,
            dead: Vec::new(),
            draining: false,
            cleared: Stopwatch::start(),
            ending: CancellationToken::new(),
        }
    }

    pub(super) fn leases(&self) -> Vec<v1::Lease> {
        let lease = |(job, one): (&JobId, &Running)| v1::Lease { job: job.to_string(), fence: one.fence.to_string() };
        self.running.iter().map(lease).collect()
    }

    /// What does not fit is lost: results are sent again, and progress is only seen.
    fn send(&self, message: up::Up) {
        if let Some(up) = &self.up {
            let _ = up.try_send(v1::Up { up: Some(message) });
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.up.as_ref().is_none_or(|up| up.is_closed() || up.capacity() > ROOM)
    }

    /// A coordinator is there: first it hears the results of whatever is over, then which boots are dead.
    pub(super) fn attach(&mut self, line: &Line) {
        self.up = Some(line.up.clone());
        self.lease = line.lease;
        self.beats = VecDeque::from([(0, line.greeted)]);
        self.repeat_results();
        self.tell_dead();
        if self.draining {
            self.beat();
        }
    }

    pub(super) fn detach(&mut self) {
        self.up = None;
        self.beats.clear();
    }

    pub(super) fn told(&mut self, message: v1::Down) {
        match message.down {
            Some(down::Down::Run(run)) => self.begin(*run),
            Some(down::Down::Stop(stop)) => {
                if let Some(one) = self.running.get(&JobId::new(stop.job)) {
                    one.lease.cancel().cancel();
                }
            }
            Some(down::Down::Acknowledged(acknowledged)) => self.acknowledged(&acknowledged),
            Some(down::Down::Renewed(renewed)) => self.renewed(renewed),
            Some(down::Down::Drain(_)) => self.drain(),
            Some(down::Down::Welcome(_)) | None => {}
        }
    }

    fn acknowledged(&mut self, acknowledged: &v1::Acknowledged) {
        let v1::Acknowledged { job, accepted, fence } = acknowledged;
        let job = JobId::new(job);
        let meant =
            |result: &v1::Result| fence.is_empty() || result.lease.as_ref().is_some_and(|lease| lease.fence == *fence);
        let is_told = self.results.get(&job).is_some_and(|one| meant(one) && *accepted && is_final(one));
        // What came too late, or was not told, is kept: whoever runs the job again need not pay for it again.
        match is_told {
            true => self.context.outbox.forget(&job),
            false => self.context.keep_earned(&job),
        }
        self.context.spool.forget(&job, fence);
        // A word on an earlier attempt says nothing of the one whose result is on its way.
        if self.results.get(&job).is_some_and(|result| !meant(result)) {
            return;
        }
        self.results.remove(&job);
        // Given anew meanwhile, it runs.
        if self.running.get(&job).is_some_and(|one| one.done) {
            self.running.remove(&job);
            self.tell_slots();
        }
    }

    fn tell_slots(&self) {
        figures::slots(self.running.len(), self.context.settings.slots);
    }

    fn renewed(&mut self, renewed: v1::Renewed) {
        while self.beats.front().is_some_and(|(number, _)| *number < renewed.number) {
            self.beats.pop_front();
        }
        let Some((_, sent)) = self.beats.front().copied().filter(|(number, _)| *number == renewed.number) else {
            return;
        };
        let mut unknown = Vec::new();
        for lease in renewed.leases {
            match self.running.get_mut(&JobId::new(&lease.job)) {
                Some(one) if one.fence.as_str() == lease.fence => one.lease.renew(sent, self.lease),
                Some(_) | None => unknown.push(lease),
            }
        }
        // Ended between the greeting and its answer.
        unknown.retain(|lease| !self.results.contains_key(&JobId::new(&lease.job)));
        if !unknown.is_empty() {
            self.send(up::Up::Released(v1::Released { leases: unknown }));
        }
    }

    fn begin(&mut self, run: v1::Run) {
        let (Some(job), Some(head)) = (run.job, run.head) else { return };
        let lease = v1::Lease { job: job.id.clone(), fence: run.fence.clone() };
        // Where it took so long to arrive that its lease may be over before the job could be ended, it is not begun.
        let Some(renewed) = self.given(run.after).filter(|_| !self.draining && !self.ending.is_cancelled()) else {
            return self.send(up::Up::Released(v1::Released { leases: vec![lease] }));
        };
        let held =
            if self.context.blobs.0.is_lasting() { Lease::new(renewed, self.lease) } else { Lease::without_end() };
        let one = Running { fence: Fence::new(&run.fence), lease: held.clone(), done: false };
        self.running.insert(JobId::new(&job.id), one);
        self.tell_slots();
        let (words, context, ending) = (self.words.clone(), self.context.clone(), self.ending.clone());
        self.tasks.spawn(async move {
            let (progress, told) = progress(&words, &lease);
            let mut trace = None;
            let outcome = match task(job, head, (&run.fence, run.attempt), held.clone(), progress) {
                Ok(task) => {
                    let outcome = run::run(&context, &task).instrument(task.trace.span()).await;
                    task.trace.ends(&task.job, &outcome);
                    trace = task.trace.context();
                    // The end of this worker, or of its lease, says nothing about the job: whoever gets it runs it again.
                    let given_up = ending.is_cancelled() || held.is_overdue() || context.is_given_up();
                    (!(unfinished(&outcome) && given_up) || context.ran_out(&outcome))
                        .then(|| size::bounded(outcome.to_wire()))
                }
                Err(reason) => Some(v1::Outcome {
                    outcome: Some(v1::outcome::Outcome::Failed(v1::Failure {
                        kind: "setup".into(),
                        reason,
                        mend: "update this worker".into(),
                    })),
                }),
            };
            // What it said last would come after its lease has ended, and be lost.
            told.await.ok();
            let result =
                outcome.map(|outcome| v1::Result { lease: Some(lease.clone()), outcome: Some(outcome), trace });
            if context.blobs.0.is_lasting() {
                keep(&context, result.clone()).await;
            }
            let _ = words.send(Said::Done(lease, result.map(Box::new))).await;
        });
    }

    /// From when a lease counts that was given after this heartbeat was heard; nothing: it may be over soon.
    fn given(&self, after: Option<u64>) -> Option<Stopwatch> {
        let Some(after) = after.filter(|_| self.context.blobs.0.is_lasting()) else { return Some(Stopwatch::start()) };
        let (_, sent) = self.beats.iter().find(|(number, _)| *number == after)?;
        (sent.elapsed() < Terms::patience(self.lease)).then_some(*sent)
    }

    pub(super) fn happened(&mut self, said: Said) {
        match said {
            Said::Word(lease, Word::Phase(phase, text)) => {
                let phase = phase.as_str().to_owned();
                self.send(up::Up::Progress(v1::Progress { lease: Some(lease), phase, text }));
            }
            Said::Word(lease, Word::Printed { stream, bytes }) => {
                let log = v1::Log { lease: Some(lease), stream: stream.to_owned(), data: bytes.into() };
                self.send(up::Up::Log(log));
            }
            Said::Done(lease, result) => self.done(&lease, result.map(|result| *result)),
        }
    }

    fn done(&mut self, lease: &v1::Lease, result: Option<v1::Result>) {
        let job = JobId::new(&lease.job);
        // Given anew meanwhile, it runs under another fence.
        let one = self.running.get_mut(&job).filter(|one| one.fence.as_str() == lease.fence);
        match (result, one) {
            (Some(result), one) => {
                if let Some(one) = one {
                    one.done = true;
                }
                self.results.insert(job, result.clone());
                self.send(up::Up::Result(Box::new(result)));
            }
            (None, Some(one)) => {
                one.done = true;
                self.release_done();
            }
            (None, None) => {}
        }
    }

    fn repeat_results(&self) {
        for result in self.results.values() {
            self.send(up::Up::Result(Box::new(result.clone())));
        }
    }

    pub(super) fn beat(&mut self) {
        if self.up.is_none() {
            return;
        }
        let leases = self.leases();
        let free_slots = self.context.settings.slots.saturating_sub(leases.len() as u32);
        self.tell_slots();
        self.number += 1;
        self.beats.push_back((self.number, Stopwatch::start()));
        if self.beats.len() > BEATS {
            self.beats.pop_front();
        }
        let (draining, number) = (self.draining, self.number);
        let disk_mib = offer::disk(&self.context);
        self.send(up::Up::Heartbeat(v1::Heartbeat { leases, free_slots, draining, number, disk_mib }));
        if self.context.blobs.0.is_lasting() {
            self.repeat_results();
            self.release_done();
        }
    }

    /// Ends what runs under a lease that this worker could not renew in time: somebody else may begin it soon.
    pub(super) fn end_overdue(&mut self) {
        for (job, one) in &self.running {
            if !one.done && !one.lease.cancel().is_cancelled() && !one.lease.holds() {
                tracing::warn!(%job, "its lease could not be renewed; its containers are ended");
            }
        }
    }

    /// Begins nothing more.
    pub(super) fn drain(&mut self) {
        self.draining = true;
        self.beat();
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining
    }

    pub(super) fn is_drained(&self) -> bool {
        self.draining && self.is_told()
    }

    /// Nothing runs. What no coordinator has yet is on the disk.
    pub(super) fn is_at_rest(&self) -> bool {
        self.running.values().all(|one| one.done)
    }

    /// Nothing runs, and a coordinator has every result.
    pub(super) fn is_told(&self) -> bool {
        self.running.is_empty() && self.results.is_empty()
    }

    /// Ends all that runs; the tasks are to be joined.
    pub(super) fn end(&mut self) -> Tasks {
        self.ending.cancel();
        for one in self.running.values() {
            one.lease.cancel().cancel();
        }
        std::mem::take(&mut self.tasks)
    }

    /// Gives back what ended without a result; its containers are gone.
    pub(super) fn release_done(&self) {
        let unsaid = |job: &JobId| !self.results.contains_key(job) && self.running.get(job).is_some_and(|one| one.done);
        let mut leases = self.leases();
        leases.retain(|lease| unsaid(&JobId::new(&lease.job)));
        if !leases.is_empty() && self.context.blobs.0.is_lasting() {
            self.send(up::Up::Released(v1::Released { leases }));
        }
    }
}

fn task(
    job: v1::Job,
    head: v1::SessionHead,
    (fence, attempt): (&str, u32),
    lease: Lease,
    progress: mpsc::Sender<Word>,
) -> Result<Task, String> {
    let job = Job::from_wire(job).map_err(|error| error.to_string())?;
    let packet =
        packet::submitted(&head).map_err(|problems| problems.first().map(ToString::to_string).unwrap_or_default())?;
    let base = Commit::new(&head.base);
    let trace = Attempt::of(&job, attempt);
    Ok(Task {
        job,
        fence: Fence::new(fence),
        packet,
        base,
        head,
        cancel: lease.cancel().clone(),
        lease,
        progress,
        trace,
    })
}

/// Passes on what the job says; ends with the task that holds the sender.
fn progress(up: &mpsc::Sender<Said>, lease: &v1::Lease) -> (mpsc::Sender<Word>, JoinHandle<()>) {
    let (sender, mut words) = mpsc::channel::<Word>(16);
    let (up, lease) = (up.clone(), lease.clone());
    let told = arena_runtime::tasks::spawn(async move {
        while let Some(word) = words.recv().await {
            if up.send(Said::Word(lease.clone(), word)).await.is_err() {
                return;
            }
        }
    });
    (sender, told)
}
