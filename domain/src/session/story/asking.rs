//! Many competitors are asked for, and what each answer does.

use super::world::*;
use crate::packet::{Budget, Packet};
use crate::session::{Event, IllegalTransition, NoticeKind, Phase, Question};
use crate::standing::Status;
use std::time::Duration;

const NINE: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];

fn decide(world: &mut World, answer: &str) -> Result<(), IllegalTransition> {
    world.now += 5_000;
    world.try_event(Event::Decided { at: world.now, answer: answer.into() })
}

#[test]
fn more_than_eight_competitors_ask_before_anything_is_paid_for() {
    let world = World::submitted(packet(&NINE));
    let text = "9 competitors of 3 rounds each: run them all?";
    let options = ["all", "first-8", "cancel"].map(str::to_owned).to_vec();
    let question = Question { text: text.into(), options, recommended: "all".into() };
    assert_eq!(world.session.phase, Phase::Asking(question));
    assert_eq!(world.told(), [(NoticeKind::Asked, text)]);
    assert_eq!(world.waiting(), Vec::<&str>::new());
    assert_eq!(world.session.status(), "waiting");
}

#[test]
fn eight_competitors_ask_nothing_and_neither_does_yes() {
    assert_eq!(World::begun(packet(&NINE[..8])).waiting().len(), 8);
    let mut world = World::new(packet(&NINE));
    world.happens(Event::Submitted { at: 1, yes: true, base_first: true });
    world.settle("base/0/evaluate", base());
    assert_eq!(world.waiting().len(), 9);
}

#[test]
fn each_answer_does_what_it_says() {
    let mut all = World::submitted(packet(&NINE));
    decide(&mut all, "all").unwrap();
    all.settle("base/0/evaluate", base());
    assert_eq!(all.waiting().len(), 9);

    let mut first = World::submitted(packet(&NINE));
    decide(&mut first, "first-8").unwrap();
    first.settle("base/0/evaluate", base());
    assert_eq!(first.waiting().len(), 8);
    assert!(!first.waiting().contains(&"i/1/implement"));

    let mut cancel = World::submitted(packet(&NINE));
    decide(&mut cancel, "cancel").unwrap();
    assert_eq!(cancel.end(), (Status::Cancelled, None));
    assert_eq!(cancel.standing().reason, "cancelled by the answer to its question");
}

#[test]
fn what_is_no_answer_changes_nothing_and_is_told_the_answers() {
    let mut world = World::submitted(packet(&NINE));
    let before = world.session.clone();
    let refused = decide(&mut world, "yes").unwrap_err();
    assert_eq!(refused.to_string(), "'yes' is not an answer; answers: all, first-8, cancel");
    assert_eq!(world.session, before);
    decide(&mut world, "all").unwrap();
    assert!(matches!(decide(&mut world, "all"), Err(IllegalTransition::NothingAsked(_))));
}

#[test]
fn the_wall_time_does_not_pass_while_a_person_thinks() {
    let budget = Budget { wall: Some(Duration::from_secs(60)), ..Budget::default() };
    let mut world = World::submitted(Packet { budget, ..packet(&NINE) });
    assert_eq!(world.session.wall_ends(), None);
    world.now += 3_600_000;
    decide(&mut world, "all").unwrap();
    assert_eq!(world.session.wall_ends(), Some(world.now + 60_000));
}
