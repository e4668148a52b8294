//! Laws of a session under any outcomes in any order.

use super::world::*;
use crate::id::JobId;
use crate::job::Work;
use crate::outcome::{Evaluated, Exit, Failure, Flag, FlagKind, Implemented, Outcome, Usage};
use crate::packet::{Budget, Packet};
use crate::session::{Event, IllegalTransition, Phase};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

const NAMES: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];

#[derive(Debug, Clone)]
enum Step {
    Settle {
        nth: usize,
        how: u8,
        ratio: f64,
    },
    Wall,
    Cancel,
    /// Killed, and taken up again this much later.
    Resume {
        idle: u64,
    },
    /// Events that may be illegal now; those change nothing.
    Stray(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        40 => (any::<usize>(), 0..20u8, 0.5..1.5f64).prop_map(|(nth, how, ratio)| Step::Settle { nth, how, ratio }),
        1 => Just(Step::Wall),
        1 => Just(Step::Cancel),
        3 => (0..9_000_000u64).prop_map(|idle| Step::Resume { idle }),
        4 => (0..6u8).prop_map(Step::Stray),
    ]
}

fn any_packet() -> impl Strategy<Value = Packet> {
    (1..=NAMES.len(), 1..4u32, 1..3u32, any::<[bool; 5]>()).prop_map(|(many, rounds, stale_rounds, flags)| {
        let [holdout, kpis, wall, cost, gates] = flags;
        let mut packet = if kpis { packet(&NAMES[..many]) } else { without_kpis(&NAMES[..many]) };
        if !gates {
            packet.gates.clear();
        }
        if let Some(harness) = packet.harness.as_mut().filter(|_| holdout) {
            harness.holdout = vec![HELD.into()];
        }
        let (wall, cost_usd) = (wall.then(|| Duration::from_secs(60)), cost.then_some(1.0));
        Packet { budget: Budget { rounds, wall, cost_usd, stale_rounds, ..Budget::default() }, ..packet }
    })
}

/// Mostly what the job asks for, at times anything else.
fn outcome(job: &str, nth: usize, how: u8, ratio: f64) -> Outcome {
    let weakened = Flag { kind: FlagKind::TestWeakened, path: None, detail: "fewer".into() };
    let usage = Usage { cost_usd: Some(0.3), ..Usage::default() };
    match how {
        0 => infrastructure(),
        1 => Outcome::Failed(Failure::Cancelled),
        2 => Outcome::Failed(Failure::Setup { reason: "no image".into(), mend: "pull it".into() }),
        3 => tree("stray"),
        4 => figures(ratio),
        5 if job.ends_with("implement") => nothing(),
        6 if job.ends_with("implement") => engine_failed(Exit::Code(1)),
        7 if job.ends_with("implement") => Outcome::Implemented(Implemented { flags: vec![weakened], ..left("w") }),
        5 => gates_only(Exit::Code(1)),
        6 => Outcome::Evaluated(Evaluated { incomplete: Some("no figure".into()), ..measured([ratio; 3]) }),
        7 => Outcome::Evaluated(measured([ratio, 1.0, 1.0])),
        _ if job.ends_with("implement") => Outcome::Implemented(Implemented { usage, ..left(&format!("c{nth}")) }),
        _ if job.ends_with("holdout") => held(ratio),
        _ if job.starts_with("base") => base(),
        _ => figures(ratio),
    }
}

fn stray(world: &World, kind: u8) -> Event {
    let at = world.now;
    match kind {
        0 => Event::Submitted { at, yes: true, base_first: true },
        1 => Event::Decided { at, answer: "perhaps".into() },
        2 => Event::Settled { at, job: JobId::new("5e55/nobody/1/implement"), outcome: tree("x") },
        3 => Event::Settled { at, job: JobId::new("5e55/base/0/evaluate-not"), outcome: base() },
        4 => Event::Resumed { at, since: at },
        _ => Event::Decided { at, answer: "all".into() },
    }
}

/// The wall moves by exactly the time in which nobody moved the session, and nothing else changes.
fn resume(world: &mut World, idle: u64) {
    if world.session.phase != Phase::Running {
        return;
    }
    let (wall, lasted, jobs) = (world.session.wall_ends(), world.session.lasted(), world.jobs.clone());
    world.resumes_after(idle);
    assert_eq!(world.session.wall_ends(), wall.map(|ends| ends + idle));
    assert_eq!((world.session.lasted(), world.effects.len(), &world.jobs), (lasted, 0, &jobs));
}

fn take(world: &mut World, step: Step) {
    match step {
        Step::Settle { nth, how, ratio } => {
            let jobs = world.waiting();
            if let Some(job) = (!jobs.is_empty()).then(|| jobs[nth % jobs.len()].to_owned()) {
                world.settle(&job, outcome(&job, nth, how, ratio));
            }
        }
        Step::Wall if world.session.wall_ends().is_some() => world.wall_passes(),
        Step::Cancel if world.session.standing().is_none() => world.cancel(),
        Step::Wall | Step::Cancel => {}
        Step::Resume { idle } => resume(world, idle),
        Step::Stray(kind) => {
            let (before, jobs) = (world.session.clone(), world.jobs.clone());
            let legal = world.try_event(stray(world, kind)).is_ok();
            assert!(legal || (world.session == before && world.jobs == jobs));
        }
    }
}

/// An engine is paid for only when the base is known to be measurable.
fn assert_base_first(world: &World) {
    let engines = world.jobs.values().any(|job| matches!(job.work, Work::Implement { .. }));
    let checked = world.session.packet.harness.is_some() || !world.session.packet.gates.is_empty();
    assert!(!engines || !checked || world.session.base_evaluated.is_some(), "{:?}", world.waiting());
}

proptest! {
    #[test]
    fn any_outcomes_in_any_order_end_in_a_standing_with_everybody_once(
        packet in any_packet(),
        base_first in any::<bool>(),
        answer in prop_oneof![Just("all"), Just("first-8")],
        steps in proptest::collection::vec(step(), 0..120),
        rest in proptest::collection::vec((any::<usize>(), 0.5..1.5f64), 100),
    ) {
        let mut world = World::submitted_as(packet, base_first);
        if matches!(world.session.phase, Phase::Asking(_)) {
            world.happens(Event::Decided { at: world.now, answer: answer.into() });
        }
        for step in steps {
            take(&mut world, step);
            if base_first {
                assert_base_first(&world);
            }
        }
        // Whatever was left open ends when its jobs do; nothing waits for what nobody runs.
        for (nth, ratio) in rest {
            prop_assert!(world.session.standing().is_some() || !world.jobs.is_empty(), "it waits for nothing");
            take(&mut world, Step::Settle { nth, how: 99, ratio });
        }
        prop_assert!(world.jobs.is_empty(), "{:?} outlive the session", world.waiting());
        let standing = world.standing();
        let names: BTreeSet<&str> = standing.entries.iter().map(|one| one.competitor.as_str()).collect();
        let expected: BTreeSet<&str> =
            world.session.contestants.iter().map(|one| one.competitor.name.as_str()).collect();
        prop_assert_eq!(names, expected);
        prop_assert_eq!(standing.entries.len(), world.session.contestants.len());
        let ranks: Vec<u32> = standing.entries.iter().map(|one| one.rank).collect();
        prop_assert_eq!(ranks, (1..=standing.entries.len() as u32).collect::<Vec<_>>());
        if let Some(winner) = &standing.winner {
            let entry = standing.entries.iter().find(|one| &one.competitor == winner).unwrap();
            prop_assert!(entry.qualified() && entry.commit.is_some());
        }
    }
}

#[test]
fn an_illegal_event_is_refused_by_its_reason() {
    let mut world = World::begun(packet(&["a"]));
    let id = world.session.id.clone();
    let at = world.now;
    let unknown = JobId::new("5e55/a/1/evaluate");
    let rows = [
        (Event::Submitted { at, yes: true, base_first: true }, IllegalTransition::SubmittedTwice(id.clone())),
        (Event::Decided { at, answer: "all".into() }, IllegalTransition::NothingAsked(id.clone())),
        (
            Event::Settled { at, job: unknown.clone(), outcome: figures(0.1) },
            IllegalTransition::UnknownJob(unknown.clone()),
        ),
    ];
    for (event, refusal) in rows {
        let before = world.session.clone();
        assert_eq!(world.try_event(event), Err(refusal));
        assert_eq!(world.session, before);
    }
    world.cancel();
    for event in
        [Event::Settled { at, job: unknown, outcome: figures(0.1) }, Event::WallPassed { at }, Event::Cancelled { at }]
    {
        assert_eq!(world.try_event(event), Err(IllegalTransition::Ended(id.clone())));
    }
}

#[test]
fn a_result_that_comes_twice_is_refused_and_changes_nothing() {
    let mut world = World::begun(packet(&["a"]));
    world.settle("a/1/implement", tree("a1"));
    let before = world.session.clone();
    let job = JobId::new("5e55/a/1/implement");
    let again = Event::Settled { at: world.now, job: job.clone(), outcome: tree("other") };
    assert_eq!(world.try_event(again), Err(IllegalTransition::UnknownJob(job)));
    assert_eq!(world.session, before);
}
