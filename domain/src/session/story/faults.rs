//! What fails: gates, tests that were weakened, engines, infrastructure, the base. One's failure never blocks another.

use super::world::*;
use crate::outcome::{Evaluated, Exit, Failure, Flag, FlagKind, Implemented, Outcome};
use crate::packet::OnViolation;
use crate::session::{Effect, Play};
use crate::standing::Status;

#[test]
fn a_failing_gate_disqualifies_whatever_the_figures() {
    let mut world = World::begun(with_rounds(&["fast", "right"], 1));
    let failed = Evaluated { gates: vec![gate(Exit::Code(2))], ..measured([0.1; 3]) };
    world.settle("fast/1/implement", tree("f1"));
    world.settle("fast/1/evaluate", Outcome::Evaluated(failed));
    world.round("right", 1, 0.9);
    assert_eq!(world.end(), (Status::Winner, Some("right")));
    assert_eq!(world.entry("fast").disqualified_for, ["gate tests failed: exit 2"]);
    let ranks: Vec<(u32, &str)> =
        world.standing().entries.iter().map(|one| (one.rank, one.competitor.as_str())).collect();
    assert_eq!(ranks, [(1, "right"), (2, "fast")]);
}

#[test]
fn a_gate_that_is_only_reported_costs_nothing() {
    let mut world = World::begun(with_rounds(&["a"], 1));
    let mut evaluated = measured([0.8; 3]);
    evaluated.gates[0].required = false;
    evaluated.gates[0].exit = Exit::Code(1);
    world.settle("a/1/implement", tree("a1"));
    world.settle("a/1/evaluate", Outcome::Evaluated(evaluated));
    assert_eq!(world.end(), (Status::Winner, Some("a")));
}

#[test]
fn weakened_tests_disqualify() {
    let mut world = World::begun(with_rounds(&["a"], 1));
    let path = Some("tests/sum.rs".to_owned());
    let flag = Flag { kind: FlagKind::TestWeakened, path, detail: "2 assertions fewer".into() };
    world.settle("a/1/implement", Outcome::Implemented(Implemented { flags: vec![flag.clone()], ..left("a1") }));
    world.settle("a/1/evaluate", figures(0.5));
    assert_eq!(world.end(), (Status::NoWinner, None));
    assert_eq!(world.entry("a").disqualified_for, ["test_weakened tests/sum.rs: 2 assertions fewer"]);
    assert_eq!(world.entry("a").flags, [flag]);
}

#[test]
fn fewer_tests_than_on_the_base_disqualify() {
    let mut world = World::begun(with_rounds(&["a"], 1));
    let mut evaluated = measured([0.5; 3]);
    evaluated.gates[0].tests = Some(3);
    world.settle("a/1/implement", tree("a1"));
    world.settle("a/1/evaluate", Outcome::Evaluated(evaluated));
    assert_eq!(world.end(), (Status::NoWinner, None));
    assert!(world.entry("a").disqualified_for[0].starts_with("tests_not_run: tests: "));
}

#[test]
fn a_scenario_that_the_worker_left_out_is_no_gain() {
    let mut world = World::begun(with_rounds(&["a"], 1));
    let mut evaluated = measured([0.5; 3]);
    evaluated.series.remove(1);
    world.settle("a/1/implement", tree("a1"));
    world.settle("a/1/evaluate", Outcome::Evaluated(evaluated));
    assert_eq!(world.end(), (Status::NoWinner, None));
    let why = "scenario_missing: steps was not measured on scenario 'large'";
    assert_eq!(world.entry("a").disqualified_for, [why]);
}

#[test]
fn a_scope_violation_is_reverted_or_disqualifies_as_the_packet_says() {
    for (rule, end) in
        [(OnViolation::Revert, (Status::Winner, Some("a"))), (OnViolation::Disqualify, (Status::NoWinner, None))]
    {
        let mut packet = with_rounds(&["a"], 1);
        packet.scope.on_violation = rule;
        let mut world = World::begun(packet);
        let reverted = vec!["Cargo.toml".to_owned()];
        world.settle("a/1/implement", Outcome::Implemented(Implemented { reverted, ..left("a1") }));
        world.settle("a/1/evaluate", figures(0.8));
        assert_eq!(world.end(), end);
        assert_eq!(world.entry("a").reverted, ["Cargo.toml"]);
    }
}

#[test]
fn an_engine_that_fails_never_blocks_another() {
    for exit in [Exit::Code(1), Exit::OutOfMemory, Exit::Killed] {
        let mut world = World::begun(with_rounds(&["bad", "good"], 2));
        world.settle("bad/1/implement", engine_failed(exit));
        assert_eq!(world.waiting(), ["bad/2/implement", "good/1/implement"]);
        world.settle("bad/2/implement", engine_failed(exit));
        assert_eq!(world.contestant("bad").play, Play::Resting("rounds used up".into()));
        world.round("good", 1, 0.8);
        world.round("good", 2, 0.7);
        assert_eq!(world.end(), (Status::Winner, Some("good")));
        assert_eq!(world.entry("bad").disqualified_for, [format!("the engine failed: {}", exit.describe())]);
    }
}

#[test]
fn what_an_engine_left_when_its_time_was_up_is_judged_like_any_tree() {
    let mut world = World::begun(with_rounds(&["a"], 1));
    world.settle("a/1/implement", engine_failed(Exit::DeadlinePassed));
    world.settle("a/1/evaluate", figures(0.8));
    assert_eq!(world.end(), (Status::Winner, Some("a")));
}

#[test]
fn an_empty_change_is_told_and_not_evaluated() {
    let mut world = World::begun(with_rounds(&["a"], 2));
    world.settle("a/1/implement", nothing());
    assert_eq!(world.waiting(), ["a/2/implement"]);
    assert!(world.brief("a/2/implement").contains("Round 1: nothing was changed."));
    let reverted = vec!["Cargo.toml".to_owned(), "ci.yml".to_owned()];
    let outside = Implemented { changes: Vec::new(), reverted, ..left("base") };
    world.settle("a/2/implement", Outcome::Implemented(outside));
    assert_eq!(world.end(), (Status::NoWinner, None));
    let why = "nothing is left: all 2 changed paths were outside the scope";
    assert_eq!(world.standing().reason, format!("no competitor qualified; a: {why}"));
}

#[test]
fn engines_that_all_end_before_the_base_leave_no_job_behind() {
    let mut world = World::submitted_as(with_rounds(&["a"], 1), false);
    world.settle("a/1/implement", nothing());
    assert!(world.effects.contains(&Effect::Cancel { engines_only: false }));
    assert_eq!(world.end(), (Status::NoWinner, None));
}

#[test]
fn infrastructure_that_fails_one_competitor_leaves_the_others_alone() {
    for broken in ["a/1/implement", "a/1/evaluate"] {
        let mut world = World::begun(with_rounds(&["a", "b"], 1));
        if broken == "a/1/evaluate" {
            world.settle("a/1/implement", tree("a1"));
        }
        world.settle(broken, infrastructure());
        let reason = "infrastructure: the worker's disk is full";
        assert_eq!(world.contestant("a").play, Play::Resting(reason.into()));
        world.round("b", 1, 0.8);
        assert_eq!(world.end(), (Status::Winner, Some("b")));
        assert_eq!(world.entry("a").disqualified_for, [reason]);
    }
}

#[test]
fn infrastructure_that_fails_later_does_not_take_back_what_was_won() {
    let mut world = World::begun(packet(&["a"]));
    world.round("a", 1, 0.8);
    world.settle("a/2/implement", infrastructure());
    assert_eq!(world.end(), (Status::Winner, Some("a")));
    assert_eq!(world.entry("a").best_round, Some(1));
}

#[test]
fn an_engine_that_cannot_be_set_up_says_the_mend() {
    let mut world = World::begun(packet(&["a"]));
    let setup = Failure::Setup { reason: "no image arena/base".into(), mend: "docker pull arena/base".into() };
    world.settle("a/1/implement", Outcome::Failed(setup));
    assert_eq!(world.end(), (Status::NoWinner, None));
    assert_eq!(world.entry("a").disqualified_for, ["no image arena/base; docker pull arena/base"]);
}

#[test]
fn a_harness_that_does_not_measure_the_base_ends_the_session_with_a_mend() {
    let mut world = World::submitted(packet(&["a", "b"]));
    assert_eq!(world.waiting(), ["base/0/evaluate"], "no engine is paid for before that is known");
    let incomplete = Some("scenario 'small': the harness ended with exit 127".to_owned());
    world.settle("base/0/evaluate", Outcome::Evaluated(Evaluated { incomplete, ..measured([1.0; 3]) }));
    assert_eq!(world.end(), (Status::Failed, None));
    assert_eq!(
        world.standing().reason,
        "the harness does not measure the base: scenario 'small': the harness ended with exit 127; \
         run the harness by hand on the base commit, mend it, and run again"
    );
}

#[test]
fn infrastructure_that_fails_the_base_ends_the_session() {
    let mut world = World::submitted(packet(&["a", "b"]));
    world.settle("base/0/evaluate", infrastructure());
    assert_eq!(world.end(), (Status::Failed, None));
    assert_eq!(world.standing().reason, "the base: infrastructure: the worker's disk is full");
}

#[test]
fn a_base_that_fails_a_gate_goes_on_and_every_brief_says_it() {
    let mut world = World::submitted(with_rounds(&["a"], 2));
    let red = Evaluated { gates: vec![gate(Exit::Code(1))], ..measured([1.0; 3]) };
    world.settle("base/0/evaluate", Outcome::Evaluated(red));
    assert_eq!(world.told()[0].1, "the base itself fails: tests");
    assert!(world.brief("a/1/implement").contains("The base itself fails `tests` (exit 1)."));
    world.settle("a/1/implement", nothing());
    assert!(world.brief("a/2/implement").contains("The base itself fails `tests` (exit 1)."));
}
