//! The holdout at the end, and a cancellation at every moment.

use super::world::*;
use crate::job::Work;
use crate::measure::Verdict;
use crate::outcome::{FlagKind, Outcome};
use crate::session::{Event, IllegalTransition, NoticeKind};
use crate::standing::Status;

#[test]
fn the_holdout_is_run_once_at_the_end_for_those_who_may_win() {
    let mut world = World::begun(with_holdout(&["a", "b", "none"]));
    world.round("a", 1, 0.8);
    world.settle("none/1/implement", nothing());
    assert!(world.jobs.values().all(|job| !matches!(job.work, Work::Evaluate { holdout: true, .. })));
    world.round("b", 1, 0.7);
    assert_eq!(world.waiting(), ["a/1/holdout", "b/1/holdout"]);
    assert!(world.told().contains(&(NoticeKind::Holdout, "the best of each on scenarios nobody has seen")));
    world.settle("b/1/holdout", held(0.72));
    assert!(world.is_running());
    world.settle("a/1/holdout", held(0.8));
    assert_eq!(world.end(), (Status::Winner, Some("b")));
    assert_eq!(world.entry("b").kpis[0].holdout_ratio.map(|ratio| (ratio * 100.0).round()), Some(72.0));
}

#[test]
fn a_gain_that_is_gone_on_the_holdout_takes_the_win_away() {
    let mut world = World::begun(with_holdout(&["cram", "learn"]));
    world.round("cram", 1, 0.5);
    world.round("learn", 1, 0.9);
    world.settle("cram/1/holdout", held(1.0));
    world.settle("learn/1/holdout", held(0.9));
    assert_eq!(world.end(), (Status::Winner, Some("learn")));
    assert!(world.entry("cram").flags.iter().any(|flag| flag.kind == FlagKind::HoldoutGap));
}

#[test]
fn when_no_gain_holds_the_reason_says_so() {
    let mut world = World::begun(with_holdout(&["cram"]));
    world.round("cram", 1, 0.5);
    world.settle("cram/1/holdout", held(1.1));
    assert_eq!(world.end(), (Status::NoWinner, None));
    assert_eq!(world.entry("cram").kpis[0].verdict, Verdict::Better);
    assert_eq!(
        world.standing().reason,
        "no gain holds on scenarios nobody has seen; \
         cram: steps: gain +50.0 % on the shown scenarios, -10.0 % on the holdout"
    );
}

#[test]
fn a_holdout_that_cannot_be_measured_takes_the_win_away_from_nobody_else() {
    for outcome in [infrastructure(), tree("a1"), Outcome::Failed(crate::outcome::Failure::Cancelled)] {
        let mut world = World::begun(with_holdout(&["a", "b"]));
        world.round("a", 1, 0.5);
        world.round("b", 1, 0.9);
        world.settle("a/1/holdout", outcome);
        world.settle("b/1/holdout", held(0.9));
        assert_eq!(world.end(), (Status::Winner, Some("b")));
        assert!(world.entry("a").disqualified_for[0].starts_with("scenario_missing: the holdout was not measured"));
    }
}

/// Steps of one session through every phase, the holdout included.
fn steps() -> Vec<fn(&mut World)> {
    vec![
        |world| world.happens(Event::Submitted { at: world.now, yes: true, base_first: true }),
        |world| world.settle("base/0/evaluate", base()),
        |world| world.settle("a/1/implement", tree("a1")),
        |world| world.settle("a/1/evaluate", figures(0.8)),
        |world| world.settle("b/1/implement", tree("b1")),
        |world| world.settle("b/1/evaluate", figures(0.9)),
        |world| world.settle("a/1/holdout", held(0.8)),
    ]
}

#[test]
fn a_session_can_be_cancelled_at_every_moment() {
    for moment in 0..=steps().len() {
        let mut world = World::new(with_holdout(&["a", "b"]));
        steps().into_iter().take(moment).for_each(|step| step(&mut world));
        world.cancel();
        assert_eq!(world.end(), (Status::Cancelled, None), "after {moment} steps");
        assert_eq!(world.standing().entries.len(), 2);
        assert!(world.session.latest - world.session.started < 60_000, "a duration is one of this session");
        let again = world.try_event(Event::Cancelled { at: world.now });
        assert_eq!(again, Err(IllegalTransition::Ended(world.session.id.clone())));
    }
}

#[test]
fn a_cancelled_session_keeps_what_was_paid_for() {
    let mut world = World::begun(packet(&["a"]));
    world.round("a", 1, 0.8);
    world.cancel();
    assert_eq!(world.end(), (Status::Cancelled, None));
    assert_eq!(world.entry("a").commit.as_ref().unwrap().as_str(), "a1");
    assert_eq!(world.entry("a").stopped, "stopped in round 2");
    assert!(world.entry("a").judged && world.entry("a").qualified());
}

#[test]
fn what_a_cancellation_cut_short_is_not_judged_rather_than_disqualified() {
    let mut world = World::begun(packet(&["a", "b"]));
    world.settle("a/1/implement", tree("a1"));
    world.cancel();
    assert_eq!(world.end(), (Status::Cancelled, None));
    for name in ["a", "b"] {
        let entry = world.entry(name);
        assert!(!entry.judged && !entry.qualified(), "{entry:?}");
        assert!(entry.disqualified_for[0].starts_with("not judged: stopped in "), "{entry:?}");
    }
}
