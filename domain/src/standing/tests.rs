//! Who stands where: order, ties, verdicts and figures.

use super::*;
use crate::outcome::{Evaluated, Exit, Implemented, Outcome};
use crate::packet::{KpiSource, Select};
use crate::session::story::world::*;

fn order(world: &World) -> Vec<&str> {
    world.standing().entries.iter().map(|one| one.competitor.as_str()).collect()
}

/// One round of each, with the ratio of each.
fn contest(ratios: &[(&str, f64)]) -> World {
    let names: Vec<&str> = ratios.iter().map(|(name, _)| *name).collect();
    let mut world = World::begun(with_rounds(&names, 1));
    for (name, ratio) in ratios {
        world.round(name, 1, *ratio);
    }
    world
}

#[test]
fn the_best_figure_is_first_and_the_reason_names_the_next() {
    let world = contest(&[("a", 0.9), ("b", 0.7), ("c", 0.8)]);
    assert_eq!(order(&world), ["b", "c", "a"]);
    assert_eq!(
        world.standing().reason,
        "b: steps at 0.700 of the base, interval 0.700 to 0.700; \
         next is c (steps at 0.800 of the base, interval 0.800 to 0.800)"
    );
}

#[test]
fn among_equals_the_smaller_change_is_first_and_then_the_name() {
    let mut world = World::begun(with_rounds(&["a", "b", "c"], 1));
    for (name, lines) in [("a", 9), ("b", 9), ("c", 2)] {
        let changes = vec![crate::outcome::Change { added_lines: lines, ..change("src/sum.rs") }];
        let left = Implemented { changes, ..left(name) };
        world.settle(&format!("{name}/1/implement"), Outcome::Implemented(left));
        world.settle(&format!("{name}/1/evaluate"), figures(0.8));
    }
    assert_eq!(order(&world), ["c", "a", "b"]);
    assert!(world.standing().reason.contains("the interval of a overlaps it"), "{}", world.standing().reason);
}

#[test]
fn nobody_better_than_the_base_is_no_winner() {
    let world = contest(&[("a", 1.0), ("b", 1.2)]);
    assert_eq!(world.end(), (Status::NoWinner, None));
    assert_eq!(world.standing().reason, "nobody is better than the base by what counts as a gain");
    assert_eq!(world.entry("a").kpis[0].verdict, Verdict::Same);
}

#[test]
fn a_clock_that_cannot_tell_is_inconclusive() {
    let mut packet = with_rounds(&["a"], 1);
    packet.kpis[0].source = KpiSource::WallTime;
    let mut world = World::begun(packet);
    let mut noisy = measured([0.9; 3]);
    for (at, one) in noisy.series.iter_mut().enumerate() {
        let swing = [2.0, 0.5, 1.1][at];
        one.candidate = vec![BASE * swing, BASE / swing, BASE * 0.9];
    }
    world.settle("a/1/implement", tree("a1"));
    world.settle("a/1/evaluate", Outcome::Evaluated(noisy));
    assert_eq!(world.end(), (Status::Inconclusive, None));
    assert!(world.standing().reason.starts_with("the measurement cannot tell a from the base"));
}

/// A clock whose figures say little, however good they look.
fn noisy() -> Evaluated {
    let mut noisy = measured([0.9; 3]);
    for one in &mut noisy.series {
        one.candidate = vec![BASE * 0.05, BASE * 2.0, BASE * 0.3];
    }
    noisy
}

#[test]
fn a_gain_stands_before_a_better_figure_that_nobody_can_tell_from_the_base() {
    for select in [Select::Kpi, Select::Criteria, Select::Pareto] {
        let mut packet = with_rounds(&["a", "b", "c"], 1);
        packet.kpis[0].source = KpiSource::WallTime;
        packet.scoring.select = select;
        let mut world = World::begun(packet);
        world.settle("a/1/implement", tree("a1"));
        world.settle("a/1/evaluate", Outcome::Evaluated(noisy()));
        world.round("b", 1, 0.8);
        world.settle("c/1/implement", tree("c1"));
        let red = Evaluated { gates: vec![gate(Exit::Code(1))], ..measured([0.1; 3]) };
        world.settle("c/1/evaluate", Outcome::Evaluated(red));
        assert_eq!(world.end(), (Status::Winner, Some("b")), "{select:?}");
        assert_eq!(order(&world), ["b", "a", "c"], "{select:?}");
        assert_eq!(world.entry("b").rank, 1);
        assert!(world.entry("a").kpis[0].ratio < world.entry("b").kpis[0].ratio, "{select:?}");
    }
}

#[test]
fn a_guard_of_too_few_samples_is_told_and_decides_nothing() {
    let mut packet = with_rounds(&["a"], 1);
    packet.kpis[0].source = KpiSource::WallTime;
    packet.kpis[0].guard = Some(0.02);
    let mut world = World::begun(packet);
    let mut few = measured([0.5, 0.5, 1.1]);
    for one in &mut few.series {
        one.base.truncate(2);
        one.candidate.truncate(2);
    }
    world.settle("a/1/implement", tree("a1"));
    world.settle("a/1/evaluate", Outcome::Evaluated(few));
    let entry = world.entry("a");
    assert_eq!(entry.disqualified_for, Vec::<String>::new());
    let told = "; too few samples for the guard of steps: scenario 'odd' is at 1.100 of the base";
    assert!(entry.rounds[0].reason.ends_with(told), "{}", entry.rounds[0].reason);
}

#[test]
fn a_regression_on_one_scenario_breaks_its_guard() {
    let mut packet = with_rounds(&["a"], 1);
    packet.kpis[0].guard = Some(0.02);
    let mut world = World::begun(packet);
    world.settle("a/1/implement", tree("a1"));
    world.settle("a/1/evaluate", Outcome::Evaluated(measured([0.5, 0.5, 1.1])));
    assert_eq!(world.end(), (Status::NoWinner, None));
    assert_eq!(world.entry("a").disqualified_for, ["guard of steps: scenario 'odd' is at 1.100 of the base"]);
}

#[test]
fn an_entry_carries_its_whole_evidence() {
    let world = contest(&[("a", 0.8)]);
    let entry = world.entry("a");
    let kpi = &entry.kpis[0];
    assert_eq!((kpi.baseline, kpi.best, kpi.verdict), (10.0, 8.0, Verdict::Better));
    let scenarios: Vec<(&str, String)> =
        kpi.scenarios.iter().map(|(name, ratio)| (name.as_str(), format!("{ratio:.3}"))).collect();
    assert_eq!(scenarios, SHOWN.map(|name| (name, "0.800".to_owned())));
    assert_eq!(entry.branch, "arena/5e55/variant-a");
    assert_eq!((entry.bundle.as_str(), entry.files_changed()), ("bundle-of-a1", vec!["src/sum.rs"]));
    assert_eq!((entry.rounds[0].engine_seconds, entry.rounds[0].gates_passed), (60.0, true));
    assert!(entry.on_front);
    assert_eq!(entry.usage, crate::outcome::Usage::default(), "what no engine said is unknown, not zero");
}

#[test]
fn a_score_is_made_of_what_was_measured() {
    // All gates pass, no flag, 8 of 400 lines, and the ratio: twice as good is all of performance.
    for (ratio, score) in [(0.5, 5.0), (1.0, 4.6), (2.0, 4.2)] {
        let world = contest(&[("a", ratio)]);
        assert_eq!(world.entry("a").score, Some(score), "{ratio}");
    }
    let mut world = World::begun(with_rounds(&["a"], 1));
    world.settle("a/1/implement", tree("a1"));
    let red = Evaluated { gates: vec![gate(Exit::Code(1))], ..measured([1.0; 3]) };
    world.settle("a/1/evaluate", Outcome::Evaluated(red));
    assert_eq!(world.entry("a").score, Some(2.6), "the failing test gate costs all of correctness");
}

#[test]
fn the_front_is_before_the_rest_when_the_packet_asks_for_it() {
    let mut packet = with_rounds(&["slow", "big", "small"], 1);
    packet.scoring.select = Select::Pareto;
    let mut world = World::begun(packet);
    for (name, lines, ratio) in [("slow", 60, 0.95), ("big", 50, 0.7), ("small", 1, 0.9)] {
        let changes = vec![crate::outcome::Change { added_lines: lines, removed_lines: 0, ..change("src/sum.rs") }];
        let left = Implemented { changes, ..left(name) };
        world.settle(&format!("{name}/1/implement"), Outcome::Implemented(left));
        world.settle(&format!("{name}/1/evaluate"), figures(ratio));
    }
    assert_eq!(order(&world), ["big", "small", "slow"]);
    let front: Vec<bool> = world.standing().entries.iter().map(|one| one.on_front).collect();
    assert_eq!(front, [true, true, false]);
}

#[test]
fn a_status_has_a_name_and_a_name_its_status() {
    for status in [Status::Winner, Status::NoWinner, Status::Inconclusive, Status::Failed, Status::Cancelled] {
        assert_eq!(Status::from_name(status.as_str()), Some(status));
    }
    assert_eq!(Status::from_name("won"), None);
}
