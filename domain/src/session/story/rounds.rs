//! The closed loop: the base first, rounds with feedback, the best kept, the worse reverted, and when it stops.

use super::world::*;
use crate::job::Tree;
use crate::outcome::{Evaluated, Exit, Implemented, Outcome, Usage};
use crate::packet::{Budget, Packet};
use crate::session::{Effect, Event, IllegalTransition, NoticeKind, Play};
use crate::standing::Status;
use std::time::Duration;

#[test]
fn the_base_is_measured_once_and_no_engine_begins_before() {
    let mut world = World::submitted(packet(&["a", "b"]));
    assert_eq!(world.waiting(), ["base/0/evaluate"]);
    assert_eq!(world.contestant("a").play, Play::Waiting);

    world.settle("base/0/evaluate", base());
    assert_eq!(world.told(), [(NoticeKind::BaseMeasured, "the base passes every gate")]);
    assert_eq!(world.waiting(), ["a/1/implement", "b/1/implement"]);
    world.settle("a/1/implement", tree("a1"));
    assert_eq!(world.waiting(), ["a/1/evaluate", "b/1/implement"]);
    let stored = Tree { commit: crate::id::Commit::new("a1"), bundle: "bundle-of-a1".into() };
    assert_eq!(world.evaluated_tree("a/1/evaluate"), Some(&stored));

    world.settle("b/1/implement", tree("b1"));
    assert_eq!(world.waiting(), ["a/1/evaluate", "b/1/evaluate"], "the base is not measured again");
}

#[test]
fn with_nothing_to_run_on_the_base_engines_begin_at_once() {
    let mut world = World::submitted(Packet { gates: Vec::new(), ..without_kpis(&["a", "b"]) });
    assert_eq!(world.waiting(), ["a/1/implement", "b/1/implement", "base/0/evaluate"]);
    world.settle("a/1/implement", tree("a1"));
    assert_eq!(world.contestant("a").play, Play::AwaitingBase(1));
    world.settle("base/0/evaluate", Outcome::Evaluated(Evaluated::default()));
    assert_eq!(world.waiting(), ["a/1/evaluate", "b/1/implement"]);
}

#[test]
fn a_record_that_began_with_its_engines_goes_on_as_it_began() {
    let mut world = World::submitted_as(packet(&["a", "b"]), false);
    assert_eq!(world.waiting(), ["a/1/implement", "b/1/implement", "base/0/evaluate"]);
    world.settle("a/1/implement", tree("a1"));
    assert_eq!(world.contestant("a").play, Play::AwaitingBase(1));
    assert_eq!(world.waiting(), ["b/1/implement", "base/0/evaluate"]);
    world.settle("base/0/evaluate", base());
    assert_eq!(world.waiting(), ["a/1/evaluate", "b/1/implement"]);
}

#[test]
fn a_job_says_whose_it_is_and_what_limits_it() {
    let mut world = World::submitted(Packet { parallel: 2, ..packet(&["a"]) });
    let base_job = world.jobs["base/0/evaluate"].clone();
    world.settle("base/0/evaluate", base());
    let (engine, base) = (&world.jobs["a/1/implement"], &base_job);
    assert_eq!((engine.id.as_str(), engine.round, engine.session_limit), ("5e55/a/1/implement", 1, 2));
    assert_eq!(engine.engine.as_deref(), Some("engine-a"));
    assert_eq!((&base.competitor, &base.engine, base.round), (&None, &None, 0), "an evaluation costs no engine slot");
}

#[test]
fn a_gain_is_kept_and_the_next_round_starts_from_its_tree_with_its_figures() {
    let mut world = World::begun(packet(&["a"]));
    assert_eq!(world.parent("a/1/implement"), None);
    world.round("a", 1, 0.8);
    assert_eq!(world.told(), [(NoticeKind::RoundEnded, "kept: 0.800 of the base (0.800 to 0.800), better")]);
    assert_eq!(world.parent("a/2/implement"), Some("a1"));
    let brief = world.brief("a/2/implement");
    assert!(brief.contains("10.0000 steps on the base, 8.0000 steps now (better)"), "{brief}");
    assert!(brief.contains("The working directory holds the tree of round 1, the best so far."), "{brief}");
}

#[test]
fn a_worse_round_is_reverted_and_the_next_starts_from_the_best() {
    let mut world = World::begun(packet(&["a"]));
    world.round("a", 1, 0.8);
    world.round("a", 2, 0.9);
    assert_eq!(world.contestant("a").best, Some(1));
    assert_eq!(world.parent("a/3/implement"), Some("a1"));
    world.round("a", 3, 0.7);
    assert_eq!(world.end(), (Status::Winner, Some("a")));
    let kept: Vec<(u32, bool, Option<f64>)> =
        world.entry("a").rounds.iter().map(|one| (one.number, one.kept, one.ratio.map(round3))).collect();
    assert_eq!(kept, [(1, true, Some(0.8)), (2, false, Some(0.9)), (3, true, Some(0.7))]);
    assert_eq!(world.entry("a").commit.as_ref().unwrap().as_str(), "a3");
}

fn round3(ratio: f64) -> f64 {
    (ratio * 1000.0).round() / 1000.0
}

#[test]
fn a_round_that_loses_is_followed_by_one_from_the_base() {
    let mut world = World::begun(packet(&["a"]));
    world.round("a", 1, 1.3);
    assert_eq!(world.parent("a/2/implement"), None);
    assert!(world.brief("a/2/implement").contains("holds the base again: nothing so far was kept"));
}

#[test]
fn a_gain_too_small_to_count_over_the_best_is_kept_and_built_upon() {
    let mut world = World::begun(packet(&["a"]));
    world.round("a", 1, 0.8);
    world.round("a", 2, 0.799);
    let contestant = world.contestant("a");
    assert_eq!((contestant.best, contestant.stale), (Some(2), 1), "better, and stale by what counts as a gain");
    assert_eq!(world.parent("a/3/implement"), Some("a2"));
    let brief = world.brief("a/3/implement");
    assert!(brief.contains("Round 2: kept, hardly better than the best so far"), "{brief}");
    assert!(brief.contains("holds the tree of round 2"), "{brief}");
}

#[test]
fn without_kpis_the_next_round_mends_what_was_left_and_passing_gates_end_it() {
    let mut world = World::submitted(without_kpis(&["a"]));
    world.settle("base/0/evaluate", gates_only(Exit::Code(0)));
    world.settle("a/1/implement", tree("a1"));
    world.settle("a/1/evaluate", gates_only(Exit::Code(1)));
    assert_eq!(world.parent("a/2/implement"), Some("a1"));
    let brief = world.brief("a/2/implement");
    assert!(brief.contains("gate `tests` failed (exit 1):\n    sum of nothing is not 0"), "{brief}");
    assert!(brief.contains("The working directory holds what you left."), "{brief}");

    world.settle("a/2/implement", tree("a2"));
    world.settle("a/2/evaluate", gates_only(Exit::Code(0)));
    assert_eq!(world.end(), (Status::Winner, Some("a")));
    assert_eq!(world.entry("a").stopped, "every gate passes");
}

#[test]
fn a_target_that_is_reached_stops_its_competitor_only() {
    let mut packet = packet(&["a", "b"]);
    packet.kpis[0].target = Some(5.0);
    let mut world = World::begun(packet);
    world.round("a", 1, 0.5);
    assert_eq!(world.contestant("a").play, Play::Resting("target reached".into()));
    assert_eq!(world.waiting(), ["b/1/implement"]);
    world.round("b", 1, 0.51);
    assert_eq!(world.waiting(), ["b/2/implement"]);
}

#[test]
fn rounds_without_gain_stop_a_competitor() {
    let mut world = World::begun(with_rounds(&["a"], 9));
    world.round("a", 1, 0.8);
    world.round("a", 2, 0.85);
    world.round("a", 3, 0.795);
    assert_eq!(world.end(), (Status::Winner, Some("a")));
    assert_eq!(world.entry("a").stopped, "no gain in 2 rounds");
}

#[test]
fn rounds_are_used_up() {
    let mut world = World::begun(with_rounds(&["a"], 2));
    world.round("a", 1, 0.9);
    world.round("a", 2, 0.8);
    assert_eq!(world.end(), (Status::Winner, Some("a")));
    assert_eq!(world.entry("a").stopped, "rounds used up");
    assert_eq!(world.entry("a").best_round, Some(2));
}

#[test]
fn when_the_wall_time_passes_engines_stop_and_evaluations_end() {
    let budget = Budget { rounds: 3, wall: Some(Duration::from_secs(600)), ..Budget::default() };
    let mut world = World::begun(Packet { budget, ..packet(&["a", "b"]) });
    assert_eq!(world.session.wall_ends(), Some(601_000));
    world.settle("a/1/implement", tree("a1"));
    world.wall_passes();
    assert_eq!(world.effects.first(), Some(&Effect::Cancel { engines_only: true }));
    assert_eq!(world.waiting(), ["a/1/evaluate"]);
    assert_eq!((world.is_running(), world.session.wall_ends()), (true, None));
    world.settle("a/1/evaluate", figures(0.8));
    assert_eq!(world.end(), (Status::Winner, Some("a")));
    assert_eq!(world.entry("a").stopped, "wall time used up");
    assert_eq!(world.entry("b").disqualified_for, ["not judged: wall time used up"]);
}

#[test]
fn the_wall_time_stands_still_while_nobody_moves_the_session() {
    let budget = Budget { rounds: 3, wall: Some(Duration::from_secs(600)), ..Budget::default() };
    let mut world = World::begun(Packet { budget, ..packet(&["a"]) });
    assert_eq!(world.session.wall_ends(), Some(601_000));
    world.now += 5_000;
    world.resumes_after(3_600_000);
    assert_eq!((world.session.wall_ends(), world.session.idle), (Some(4_201_000), 3_600_000));
    assert_eq!(world.session.lasted(), 6_000);
    world.settle("a/1/implement", tree("a1"));
    world.resumes_after(1_000);
    assert_eq!(world.session.wall_ends(), Some(4_202_000));
}

#[test]
fn what_the_record_saw_happen_was_no_idle_time() {
    let mut world = World::begun(packet(&["a"]));
    let (seen, later) = (world.now, world.now + 2_000);
    world.happens(Event::Resumed { at: later, since: 0 });
    assert_eq!(world.session.idle, later - seen);
    world.happens(Event::Resumed { at: seen, since: 0 });
    assert_eq!(
        (world.session.idle, world.session.latest),
        (later - seen, later),
        "a clock that was set back adds nothing"
    );
}

#[test]
fn only_what_runs_is_taken_up() {
    let mut world = World::begun(packet(&["a"]));
    world.cancel();
    let refused = world.try_event(Event::Resumed { at: world.now, since: 0 });
    assert_eq!(refused, Err(IllegalTransition::NotRunning(world.session.id.clone())));
}

#[test]
fn a_wall_that_passes_before_the_base_is_measured_ends_a_session_that_has_nothing_else() {
    let budget = Budget { wall: Some(Duration::from_secs(1)), ..Budget::default() };
    let mut world = World::submitted(Packet { budget, ..packet(&["a", "b"]) });
    world.wall_passes();
    assert_eq!(world.end(), (Status::NoWinner, None));
    assert_eq!(world.entry("a").stopped, "wall time used up");
}

#[test]
fn a_wall_that_passes_before_the_base_is_measured_lets_the_base_end_for_what_is_stored() {
    let budget = Budget { wall: Some(Duration::from_secs(1)), ..Budget::default() };
    let mut world = World::submitted_as(Packet { budget, ..packet(&["a", "b"]) }, false);
    world.settle("a/1/implement", tree("a1"));
    world.wall_passes();
    assert_eq!(world.waiting(), ["base/0/evaluate"]);
    world.settle("base/0/evaluate", base());
    world.settle("a/1/evaluate", figures(0.8));
    assert_eq!(world.end(), (Status::Winner, Some("a")));
}

#[test]
fn cost_that_is_used_up_stops_further_rounds_of_everybody() {
    let costs = |commit: &str, cost_usd| {
        let usage = Usage { cost_usd, ..Usage::default() };
        Outcome::Implemented(Implemented { usage, ..left(commit) })
    };
    let budget = Budget { rounds: 9, cost_usd: Some(1.0), ..Budget::default() };
    let mut world = World::begun(Packet { budget, ..packet(&["a", "b"]) });
    world.settle("a/1/implement", costs("a1", Some(0.6)));
    world.settle("a/1/evaluate", figures(0.8));
    assert!(world.waiting().contains(&"a/2/implement"), "0.6 of 1.0 is not all");
    world.settle("b/1/implement", costs("b1", Some(0.5)));
    world.settle("b/1/evaluate", figures(0.7));
    assert_eq!(world.contestant("b").play, Play::Resting("cost used up".into()));
    world.settle("a/2/implement", costs("a2", None));
    world.settle("a/2/evaluate", figures(0.75));
    assert_eq!(world.end(), (Status::Winner, Some("b")));
    assert_eq!(world.entry("a").usage.cost_usd, None, "a cost that one round does not know is unknown");
    assert_eq!(world.entry("b").usage.cost_usd, Some(0.5));
}
