//! A report is whole whatever the session was, and names what to do next.

use super::*;
use crate::outcome::{Change, Evaluated, Exit, Flag, FlagKind, Implemented, Outcome};
use crate::session::story::world::*;

const STARTED: &str = "2024-05-01T00:00:00Z";

fn report(world: &World) -> Report {
    compose(&world.session, STARTED).unwrap()
}

fn bundle<'a>(report: &'a Report, name: &str) -> &'a Submission {
    report.bundles.iter().find(|one| one.competitor.as_str() == name).unwrap()
}

fn play(world: &mut World, name: &str, path: &str, ratio: f64) {
    let changes = vec![Change { added_lines: 4, removed_lines: 1, ..change(path) }];
    world.settle(&format!("{name}/1/implement"), Outcome::Implemented(Implemented { changes, ..left(name) }));
    world.settle(&format!("{name}/1/evaluate"), figures(ratio));
}

#[test]
fn there_is_no_report_until_the_session_has_ended() {
    let mut world = World::begun(with_rounds(&["a"], 1));
    assert_eq!(compose(&world.session, STARTED), None);
    world.round("a", 1, 0.8);
    let report = report(&world);
    assert_eq!((report.started.as_str(), report.duration_s), (STARTED, 3.0));
    assert_eq!(report.base_gates, [("tests".to_owned(), true)]);
    assert!(report.exclusive_cores);
    assert_eq!(report.standing, *world.standing());
}

#[test]
fn a_silent_engine_has_a_whole_bundle_all_the_same() {
    let mut world = World::begun(with_holdout(&["a"]));
    world.round("a", 1, 0.8);
    world.settle("a/1/holdout", held(0.8));
    let report = report(&world);
    let bundle = bundle(&report, "a");
    let summary = [
        "steps: 10 steps on the base, 8 steps now (0.800 of the base, interval 0.800 to 0.800, better)",
        "1 file changed, +5 -3 lines: src/sum.rs",
        "the gate passes",
        "1 round: round 1 is the best; rounds used up",
    ];
    assert_eq!(bundle.summary, summary);
    assert_eq!(bundle.scenarios, ["small", "large", "odd", "(1 holdout)"]);
    assert_eq!(bundle.commands, ["make check", "bench small", "bench large", "bench odd"]);
    assert_eq!(bundle.risks, Vec::<String>::new());
    let next = ["read it: arena diff 5e55 a", "its last round is its best: try more than budget.rounds = 1"];
    assert_eq!(bundle.next, next);
}

#[test]
fn the_words_of_an_engine_come_first_and_are_marked_as_its_own() {
    let mut world = World::begun(with_rounds(&["a"], 1));
    let said = ["let x = 1;", "one two three", "I use a table now.", "Sums take one pass.", "{\"done\":true}"];
    let said = said.map(str::to_owned).to_vec();
    world.settle("a/1/implement", Outcome::Implemented(Implemented { said, ..left("a1") }));
    world.settle("a/1/evaluate", figures(0.8));
    let report = report(&world);
    let summary = &bundle(&report, "a").summary;
    assert_eq!(summary[..3], ["“one two three”", "“I use a table now.”", "“Sums take one pass.”"]);
    assert!(summary[3].starts_with("steps: 10 steps on the base"), "{summary:?}");
    assert_eq!(summary.len(), 5);
}

#[test]
fn risks_are_at_most_five_and_what_disqualifies_is_first() {
    let mut world = World::submitted(with_rounds(&["a"], 1));
    let red = Evaluated { gates: vec![gate(Exit::Code(1))], ..measured([1.0; 3]) };
    world.settle("base/0/evaluate", Outcome::Evaluated(red));
    let flag = |kind, detail: &str| Flag { kind, path: Some("x".into()), detail: detail.into() };
    let flags = vec![
        flag(FlagKind::Survivor, "one process"),
        flag(FlagKind::TestDeleted, "gone"),
        flag(FlagKind::ScopeViolation, "told with its path"),
    ];
    let left = Implemented { flags, reverted: vec!["Makefile".into()], ..left("a1") };
    world.settle("a/1/implement", Outcome::Implemented(left));
    let shared = Evaluated { exclusive_cores: false, ..measured([0.8; 3]) };
    world.settle("a/1/evaluate", Outcome::Evaluated(shared));
    let report = report(&world);
    let risks = [
        "test_deleted x: gone",
        "survivor x: one process",
        "changed outside the scope and was put back: Makefile",
        "the base itself fails tests (exit 1)",
        "measured on shared cores: other load may have moved the figures",
    ];
    assert_eq!(bundle(&report, "a").risks, risks);
    assert!(!report.exclusive_cores);
    assert_eq!(report.base_gates, [("tests".to_owned(), false)]);
}

#[test]
fn the_winner_alone_is_adopted_when_the_others_touch_the_same_files() {
    let mut world = World::begun(with_rounds(&["a", "b"], 1));
    play(&mut world, "a", "src/sum.rs", 0.7);
    play(&mut world, "b", "src/sum.rs", 0.8);
    let Recommendation { adopt, rationale, next_steps } = report(&world).recommendation;
    assert_eq!(adopt, [CompetitorName::new("a")]);
    assert_eq!(rationale, world.standing().reason);
    assert_eq!(next_steps, ["arena diff 5e55 a", "arena adopt 5e55", "arena archive 5e55 arena-5e55"]);
}

#[test]
fn gains_in_other_files_may_be_combined() {
    let mut world = World::begun(with_rounds(&["a", "b", "c", "worse"], 1));
    play(&mut world, "a", "src/sum.rs", 0.7);
    play(&mut world, "b", "src/read.rs", 0.8);
    play(&mut world, "c", "src/read.rs", 0.9);
    play(&mut world, "worse", "src/write.rs", 1.2);
    let Recommendation { adopt, rationale, next_steps } = report(&world).recommendation;
    assert_eq!(adopt, ["a", "b"].map(CompetitorName::new));
    assert!(rationale.contains("; b gains in other files (steps: 10 steps on the base, 8 steps now"), "{rationale}");
    assert!(rationale.ends_with("; what they do together has to be measured"), "{rationale}");
    let expected = [
        "arena diff 5e55 a",
        "arena diff 5e55 b",
        "arena adopt 5e55",
        "arena adopt 5e55 a b",
        "arena archive 5e55 arena-5e55",
    ];
    assert_eq!(next_steps, expected);
}

#[test]
fn the_continuation_names_the_commit_and_how_to_reproduce_it() {
    let mut world = World::begun(with_holdout(&["a", "b"]));
    world.round("a", 1, 0.8);
    world.settle("b/1/implement", engine_failed(Exit::Code(3)));
    world.settle("a/1/holdout", held(0.99));
    let report = report(&world);
    assert_eq!(world.end().1, None, "the gain is gone on the holdout");
    let Continuation { best, reproduce, follow_ups, open_risks } = report.continuation.clone();
    assert_eq!(best, Some((CompetitorName::new("a"), Commit::new("a1"))));
    let archive = "arena archive 5e55 arena-5e55 && arena-5e55/reproduce.sh";
    assert_eq!(reproduce, [archive, "make check", "bench small", "bench large", "bench odd"]);
    assert!(
        follow_ups.contains(&"b: mend what disqualifies it: the engine failed: exit 3".to_owned()),
        "{follow_ups:?}"
    );
    assert_eq!(open_risks, ["holdout_gap: steps: gain +20.0 % on the shown scenarios, +1.0 % on the holdout"]);
    let words = format!("{:?} {:?} {:?}", report.bundles[0].scenarios, report.continuation, report.recommendation);
    assert!(!words.contains(HELD), "a brief for whoever goes on shows no holdout scenario");
}

#[test]
fn a_holdout_that_was_not_measured_is_named_to_the_user_and_not_to_the_next_engine() {
    let mut world = World::begun(with_holdout(&["a"]));
    world.round("a", 1, 0.8);
    let detail = format!("scenario '{HELD}' was not measured");
    let flags = vec![Flag { kind: FlagKind::ScenarioMissing, path: None, detail }];
    let incomplete = Some(format!("scenario '{HELD}': exit 1"));
    world.settle("a/1/holdout", Outcome::Evaluated(Evaluated { incomplete, flags, ..Evaluated::default() }));
    let report = report(&world);
    assert!(report.recommendation.rationale.contains(HELD));
    let why = "mend: scenario_missing: the holdout was not measured: scenario (a holdout one): exit 1";
    assert_eq!(report.continuation.follow_ups[0], why);
    assert!(!format!("{:?}", report.continuation).contains(HELD));
}

#[test]
fn a_session_without_a_winner_says_what_to_mend() {
    let mut world = World::begun(with_rounds(&["a"], 1));
    world.settle("a/1/implement", engine_failed(Exit::OutOfMemory));
    let report = report(&world);
    let recommendation = Recommendation {
        adopt: Vec::new(),
        rationale: "no competitor qualified; a: the engine failed: out of memory".into(),
        next_steps: ["mend: the engine failed: out of memory", "arena archive 5e55 arena-5e55"]
            .map(str::to_owned)
            .into(),
    };
    assert_eq!(report.recommendation, recommendation);
    assert_eq!(report.continuation.best, None);
    assert!(
        bundle(&report, "a").next.contains(&"mend what disqualifies it: the engine failed: out of memory".to_owned())
    );
}

#[test]
fn a_session_that_was_cancelled_at_once_has_a_report_too() {
    let mut world = World::submitted(packet(&["a", "b"]));
    world.cancel();
    let report = report(&world);
    assert_eq!(report.bundles.len(), 2);
    let summary = &bundle(&report, "a").summary;
    assert_eq!(summary[..], ["nothing was changed", "0 rounds: none is kept; stopped before the first round"]);
    assert!(!report.exclusive_cores, "nothing was measured");
    assert_eq!(report.recommendation.next_steps, ["arena archive 5e55 arena-5e55"]);
}
