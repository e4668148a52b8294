//! Leases, fences and failover, in every order of events: the reference scheduler on a primary whose replica is behind, two
//! workers, one job. A step of time is fifteen seconds, a worker's heartbeat.

use super::*;
use arena_domain::job::State;
use arena_domain::schedule::Queue;
use stateright::{Checker, Model, Property};
use std::hash::{Hash, Hasher};

const STEP: Millis = 15_000;
const END: Millis = 7;
const WORKERS: usize = 2;

/// Claims that each worker is given.
const TRIES: u8 = 1;

struct Cell {
    /// Whether a promoted replica makes every lease whole, as the store does.
    recovers: bool,
    /// Whether an answer waits for the replica, as the store's does.
    waits: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Small {
    step: Millis,
    primary: Queue,
    /// As far as it has what the primary has.
    replica: Queue,
    failed_over: bool,
    workers: [Worker; WORKERS],
    /// The fences whose results were answered as accepted.
    accepted: Vec<Fence>,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Worker {
    tries: u8,
    /// A claim that is not answered yet.
    asked: Option<(Fence, Millis)>,
    /// What it runs, and until when by its own clock.
    runs: Option<(Fence, Millis)>,
    /// A result that nobody has answered yet: it is reported until somebody does.
    owes: Option<Fence>,
    came_too_late: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Event {
    Ask(usize),
    Answer(usize),
    NoAnswer(usize),
    Renew(usize),
    Finish(usize),
    Report(usize),
    Expire,
    Replicate,
    Failover,
    Time,
}

/// What tells one state from another; of the queues all but the accounts of fair share, which one job has no use for.
impl Hash for Small {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { step, primary, replica, failed_over, workers, accepted } = self;
        let of = |queue: &Queue| {
            let place = queue.place(&Self::only()).map(|place| (place.state.clone(), place.attempt, place.failed));
            format!("{place:?} {:?}", queue.counters())
        };
        format!("{step} {} {} {failed_over} {workers:?} {accepted:?}", of(primary), of(replica)).hash(state);
    }
}

impl Small {
    fn now(&self) -> Millis {
        self.step * STEP
    }

    fn only() -> JobId {
        job(0, 0, 1, 1).id
    }

    /// Whether the server that an answer waits for has this.
    fn durable(&self, cell: &Cell, holds: impl Fn(&State) -> bool) -> bool {
        let of = |queue: &Queue| queue.place(&Self::only()).is_some_and(|place| holds(&place.state));
        of(&self.primary) && (!cell.waits || of(&self.replica))
    }

    fn ask(&mut self, one: usize) {
        let worker = &mut self.workers[one];
        let ask = Ask::any(WorkerId::new(format!("w{one}")), Request::new(format!("{one}-{}", worker.tries)));
        let Some(place) = self.primary.claim(&ask, self.step * STEP) else { return };
        worker.tries += 1;
        let State::Leased { fence, expires, .. } = place.state else { panic!("{place:?}") };
        worker.asked = Some((fence, expires));
    }

    fn renew(&mut self, one: usize) {
        let now = self.now();
        let Some((fence, until)) = &mut self.workers[one].runs else { return };
        if self.primary.renew(&Self::only(), fence, now) {
            *until = now + Terms::default().lease_millis();
        } else {
            self.workers[one].runs = None;
        }
    }

    /// A result that is accepted is answered when it is durable; until then it is reported again.
    fn report(&mut self, one: usize, cell: &Cell) {
        let Some(fence) = self.workers[one].owes.clone() else { return };
        match self.primary.settle(&Self::only(), &fence, self.now()) {
            Settled::Stale => {
                self.workers[one].came_too_late = true;
                self.workers[one].owes = None;
            }
            Settled::Accepted | Settled::Repeated => {
                if self.durable(cell, |state| *state == State::Done { fence: fence.clone() }) {
                    self.accepted.push(fence);
                    self.workers[one].owes = None;
                }
            }
        }
    }

    fn fail_over(&mut self, cell: &Cell) {
        self.failed_over = true;
        if cell.recovers {
            self.replica.recover(self.step * STEP);
        }
        self.primary = self.replica.clone();
    }

    /// A worker ends its container on its own clock when its lease ends.
    fn pass(&mut self) {
        self.step += 1;
        let now = self.now();
        for worker in &mut self.workers {
            worker.runs = worker.runs.take().filter(|(_, until)| *until > now);
        }
    }
}

impl Model for Cell {
    type State = Small;
    type Action = Event;

    fn init_states(&self) -> Vec<Small> {
        let mut queue = Queue::new(Limits::default());
        queue.enqueue(job(0, 0, 1, 1), 0, 0);
        let workers = Default::default();
        let (primary, replica) = (queue.clone(), queue);
        vec![Small { step: 0, primary, replica, failed_over: false, workers, accepted: Vec::new() }]
    }

    fn actions(&self, small: &Small, events: &mut Vec<Event>) {
        for (one, worker) in small.workers.iter().enumerate() {
            match (&worker.asked, &worker.runs, &worker.owes) {
                (Some(_), _, _) => events.extend([Event::Answer(one), Event::NoAnswer(one)]),
                (None, Some(_), _) => events.extend([Event::Renew(one), Event::Finish(one)]),
                (None, None, Some(_)) => events.push(Event::Report(one)),
                (None, None, None) if worker.tries < TRIES => events.push(Event::Ask(one)),
                (None, None, None) => {}
            }
        }
        events.extend([Event::Expire, Event::Replicate]);
        if !small.failed_over {
            events.push(Event::Failover);
        }
        if small.step < END {
            events.push(Event::Time);
        }
    }

    fn next_state(&self, small: &Small, event: Event) -> Option<Small> {
        let mut next = small.clone();
        match event {
            Event::Ask(one) => next.ask(one),
            Event::Answer(one) => {
                let (fence, until) = next.workers[one].asked.take()?;
                let held =
                    next.durable(self, |state| matches!(state, State::Leased { fence: held, .. } if *held == fence));
                (held && until > next.now()).then(|| next.workers[one].runs = Some((fence, until)))?;
            }
            Event::NoAnswer(one) => next.workers[one].asked = None,
            Event::Renew(one) => next.renew(one),
            Event::Finish(one) => next.workers[one].owes = next.workers[one].runs.take().map(|(fence, _)| fence),
            Event::Report(one) => next.report(one, self),
            Event::Expire => drop(next.primary.expire(next.now())),
            Event::Replicate => next.replica = next.primary.clone(),
            Event::Failover => next.fail_over(self),
            Event::Time => next.pass(),
        }
        (next != *small).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("one worker runs the job", |_, small: &Small| {
                small.workers.iter().filter(|worker| worker.runs.is_some()).count() < 2
            }),
            Property::always("one result is accepted", |_, small: &Small| {
                small.accepted.iter().all(|fence| *fence == small.accepted[0])
            }),
            Property::always("what was answered is not lost", |_, small: &Small| {
                let state = small.primary.place(&Small::only()).map(|place| place.state.clone());
                small.accepted.iter().all(|fence| state == Some(State::Done { fence: fence.clone() }))
            }),
            Property::sometimes("a job ends after a failover", |_, small: &Small| {
                small.failed_over && small.accepted.iter().any(|fence| fence.as_str().starts_with("2."))
            }),
            Property::sometimes("a result comes too late", |_, small: &Small| {
                small.workers.iter().any(|worker| worker.came_too_late) && !small.accepted.is_empty()
            }),
        ]
    }
}

fn violated(cell: Cell) -> Vec<&'static str> {
    let checker = cell.checker().threads(2).spawn_bfs().join();
    let always = checker.model().properties();
    let broken = |property: &Property<Cell>| {
        let found = checker.discovery(property.name).is_some();
        match property.expectation {
            stateright::Expectation::Always => found,
            stateright::Expectation::Sometimes | stateright::Expectation::Eventually => !found,
        }
    };
    always.iter().filter(|property| broken(property)).map(|property| property.name).collect()
}

#[test]
fn in_no_order_of_events_does_a_job_run_twice_or_a_result_get_lost() {
    assert_eq!(violated(Cell { recovers: true, waits: true }), Vec::<&str>::new());
}

/// The controls: without either, the model finds what goes wrong.
#[test]
fn without_whole_leases_after_a_failover_a_job_would_run_twice() {
    assert!(violated(Cell { recovers: false, waits: true }).contains(&"one worker runs the job"));
}

#[test]
fn without_waiting_for_the_replica_what_was_answered_would_be_lost() {
    let violated = violated(Cell { recovers: true, waits: false });
    assert!(violated.contains(&"what was answered is not lost"), "{violated:?}");
    assert!(violated.contains(&"one worker runs the job"), "{violated:?}");
}
