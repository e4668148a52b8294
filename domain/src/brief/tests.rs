//! What an engine is told, and what it is never told.

use super::*;
use crate::outcome::{Outcome, Series};
use crate::packet::{Gate, GateKind};
use crate::session::story::world::*;

fn told(packet: &Packet) -> String {
    compose(packet, &World::new(packet.clone()).session.contestants[0], 1, None).unwrap()
}

#[test]
fn the_first_brief_is_whole() {
    let mut packet = packet(&["a"]);
    packet.brief.constraints = vec!["no new dependency".into()];
    packet.kpis[0].target = Some(5.0);
    packet.kpis[0].guard = Some(0.02);
    packet.competitors[0].approach = Some("minimal".into());
    let expected = "# Faster sums\n\nMake sums faster.\n\
        \n## What to build\n\nSums take fewer steps.\n\
        \n## Accepted when\n\n- sums are right\n\
        \n## Constraints\n\n- no new dependency\n\
        \n## Scope\n\n- you may change: src/**\n\
        - nor manifests, lock files, secrets, CI, containers and build configuration\n\
        - restored from the base before anything is judged: tests/**\n\
        \n## What is checked\n\n- tests (must pass): `make check`\n\
        \n## What is measured\n\n\
        - steps in steps, lower is better, target 5 steps, no scenario may lose more than 2 %\n\
        - with `bench {scenario}` on scenarios small, large, odd\n\
        \n## Your approach\n\n\
        Make the smallest change that meets the goal; add no abstraction and no dependency.\n\
        \n## Round 1 of 3\n\nThis is the first round: the working directory holds the base.\n\
        \n## How this round is judged\n\n\
        Make one coherent change in the working directory and stop. It is judged in a fresh sandbox on the \
        base's own tests and harness; what lies outside the scope is put back.\n\
        \n## How to report\n\nEnd with at most five short lines: what you changed, and what is risky.\n";
    assert_eq!(told(&packet), expected);
}

#[test]
fn no_brief_of_any_round_holds_a_holdout_scenario() {
    let mut packet = with_holdout(&["a"]);
    packet.budget.rounds = 3;
    packet.competitors[0].verbosity = Verbosity::Detailed;
    let mut world = World::begun(packet);
    for number in 1..=2 {
        assert!(!world.brief(&format!("a/{number}/implement")).contains(HELD));
        world.round("a", number, 1.0 - 0.1 * f64::from(number));
    }
    assert!(!world.brief("a/3/implement").contains(HELD));
}

/// What is said of the base in the first brief when these series were measured.
fn said_of(packet: &Packet, series: Vec<Series>) -> Option<String> {
    let mut world = World::submitted(packet.clone());
    world.settle("base/0/evaluate", Outcome::Evaluated(Evaluated { series, ..measured([1.0; 3]) }));
    let line = world.brief("a/1/implement").lines().find(|line| line.starts_with("On the base"));
    line.map(str::to_owned)
}

#[test]
fn the_first_brief_says_what_the_base_measured_and_no_holdout() {
    let one = |scenario: &str, holdout, base: &[f64]| Series {
        kpi: "steps".into(),
        scenario: scenario.into(),
        holdout,
        base: base.to_vec(),
        candidate: Vec::new(),
    };
    let packet = packet(&["a"]);
    let rows = [
        (vec![one("small", false, &[0.84])], "On the base: steps 0.8400 steps."),
        (
            vec![one("small", false, &[1.0]), one("large", false, &[3.0]), one(HELD, true, &[9.0])],
            "On the base: steps 2.0000 steps (small: 1.0000, large: 3.0000).",
        ),
        (vec![one("small", false, &[f64::INFINITY]), one(HELD, true, &[9.0])], "On the base: steps unknown."),
        (Vec::new(), "On the base: steps unknown."),
    ];
    for (series, expected) in rows {
        assert_eq!(said_of(&packet, series).as_deref(), Some(expected));
    }
    assert_eq!(said_of(&without_kpis(&["a"]), Vec::new()), None);
}

#[test]
fn figures_of_a_round_take_the_place_of_the_base_alone() {
    let mut world = World::begun(packet(&["a"]));
    world.settle("a/1/implement", nothing());
    assert!(world.brief("a/2/implement").contains("On the base: steps 10.0000 steps"));
    world.round("a", 2, 0.8);
    assert!(!world.brief("a/3/implement").contains("On the base:"));
}

#[test]
fn every_competitor_is_told_the_same_but_for_its_approach() {
    let mut packet = packet(&["a", "b"]);
    packet.competitors[1].approach = Some("write it in two passes".into());
    let world = World::begun(packet);
    let (a, b) = (world.brief("a/1/implement"), world.brief("b/1/implement"));
    assert_eq!(b.replace("\n## Your approach\n\nwrite it in two passes\n", ""), a);
}

#[test]
fn a_contextual_brief_says_the_same_with_the_background_first() {
    let mut packet = packet(&["a"]);
    packet.found.codebase = vec!["src/: 3 files (3 .rs)".into()];
    packet.brief.context = vec!["docs/sums.md".into()];
    let lines = |text: &str| -> std::collections::BTreeSet<String> {
        text.lines().filter(|line| line.starts_with("- ")).map(str::to_owned).collect()
    };
    let directive = told(&packet);
    packet.found.contextual.insert(packet.competitors[0].engine.clone());
    let contextual = told(&packet);
    assert_eq!(lines(&contextual), lines(&directive), "no fact is in one alone");
    let at = |text: &str, word: &str| text.find(word).unwrap();
    assert!(at(&contextual, "docs/sums.md") < at(&contextual, "Sums take fewer steps."));
    assert!(at(&directive, "docs/sums.md") > at(&directive, "Sums take fewer steps."));
    assert!(
        contextual.contains(
            "\n## The repository you are in\n\nAt the commit that everybody begins from, it holds:\n\n- src/"
        )
    );
}

#[test]
fn a_harness_without_scenarios_names_none() {
    let mut packet = packet(&["a"]);
    packet.harness.as_mut().unwrap().scenarios.clear();
    assert!(told(&packet).contains("- with `bench {scenario}`\n"));
}

#[test]
fn a_gate_that_is_only_reported_says_so() {
    let mut packet = packet(&["a"]);
    packet.gates.push(Gate {
        name: "style".into(),
        kind: GateKind::Lint,
        run: "lint".into(),
        timeout: Gate::DEFAULT_TIMEOUT,
        required: false,
    });
    assert!(told(&packet).contains("- style (reported only): `lint`\n"));
}

#[test]
fn what_was_put_back_is_told_in_the_next_round() {
    let mut world = World::begun(packet(&["a"]));
    let reverted = vec!["Cargo.toml".to_owned()];
    let left = crate::outcome::Implemented { reverted, ..left("a1") };
    world.settle("a/1/implement", crate::outcome::Outcome::Implemented(left));
    world.settle("a/1/evaluate", figures(0.8));
    assert!(world.brief("a/2/implement").contains("  put back, outside the scope: Cargo.toml\n"));
}

/// All that a packet can say, in its second round.
fn second_round() -> (Packet, Contestant) {
    let mut packet = packet(&["a"]);
    packet.brief.constraints = vec!["no new dependency".into()];
    packet.brief.optimize_for = vec!["stability".into()];
    packet.brief.targets = vec!["src/sums.rs".into()];
    packet.brief.context = vec!["docs/sums.md".into()];
    packet.scope.forbidden = vec!["src/generated/**".into()];
    packet.found.codebase = vec!["src/: 3 files (3 .rs)".into()];
    packet.competitors[0].approach = Some("minimal".into());
    let mut world = World::begun(packet.clone());
    world.round("a", 1, 0.9);
    (packet, world.session.contestants[0].clone())
}

#[test]
fn a_brief_from_which_any_section_or_fact_is_gone_is_no_brief() {
    let (mut packet, contestant) = second_round();
    for contextual in [false, true] {
        if contextual {
            packet.found.contextual.insert(packet.competitors[0].engine.clone());
        }
        let whole = compose(&packet, &contestant, 2, None).unwrap();
        let sections: Vec<&str> = whole.split("\n## ").collect();
        assert_eq!(sections.len(), 15, "{whole}");
        for gone in 0..sections.len() {
            let rest: Vec<&str> =
                sections.iter().enumerate().filter(|(place, _)| *place != gone).map(|(_, text)| *text).collect();
            let text = rest.join("\n## ");
            assert!(whole::check(&packet, &contestant, &text).is_err(), "nobody misses: {}", sections[gone]);
        }
        let rows = [
            ("Faster sums", "session.title"),
            ("sums are right", "brief.acceptance"),
            ("src/**", "scope.allowed"),
            ("src/generated/**", "scope.forbidden"),
            ("make check", "gate"),
            ("odd", "harness"),
            ("Round 1: ", "what the rounds before came to"),
        ];
        for (fact, part) in rows {
            let lacking = whole::check(&packet, &contestant, &whole.replace(fact, "")).unwrap_err();
            assert!(lacking.parts.contains(&part), "{fact}: {lacking}");
        }
    }
}

#[test]
fn a_session_whose_brief_lacks_a_part_runs_nothing() {
    type Change = fn(&mut Packet);
    let rows: [(Change, &str); 5] = [
        (|packet| packet.brief.specification.clear(), "brief.specification"),
        (|packet| packet.brief.acceptance.clear(), "brief.acceptance"),
        (|packet| packet.brief.acceptance = vec![" ".into()], "brief.acceptance"),
        (|packet| packet.scope.allowed.clear(), "scope.allowed"),
        (|packet| packet.goal = "\n".into(), "session.goal"),
    ];
    for (change, part) in rows {
        let mut packet = packet(&["a", "b"]);
        change(&mut packet);
        let world = World::submitted(packet);
        assert!(world.jobs.is_empty(), "{part}: nothing is paid for, not even the base");
        let standing = world.standing();
        assert_eq!(standing.status, crate::standing::Status::Failed);
        assert_eq!(standing.reason, format!("the brief of a lacks {part}; nothing was run"));
    }
}
