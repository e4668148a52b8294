//! Sessions made by hand, and what every rendering must say of them.

use super::words::Word;
use super::{html, json, markdown, terminal};
use arena_domain::id::{Commit, CompetitorName, SessionId};
use arena_domain::measure::Verdict;
use arena_domain::outcome::{Change, ChangeKind, Exit, Flag, FlagKind, GateResult, Usage};
use arena_domain::packet::{
    Better, BriefSection, Budget, GateKind, Kpi, KpiSource, Language, Mode, OnViolation, Packet, Paradigm, Sandbox,
    Scope, Scoring,
};
use arena_domain::report::{Continuation, Recommendation, Report, Submission};
use arena_domain::standing::{Entry, KpiResult, Round, Runs, Standing, Status};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

const HOSTILE: &str = "\x1b[31m<script>alert(1)</script>|`x`\u{202e}\x07\n# heading";

fn commit(digit: char) -> Commit {
    Commit::new(digit.to_string().repeat(40))
}

fn packet() -> Packet {
    let kpi = Kpi {
        name: "wall".into(),
        source: KpiSource::WallTime,
        unit: "s".into(),
        better: Better::Lower,
        weight: 1.0,
        guard: Some(0.02),
        target: None,
        known_baseline: None,
    };
    Packet {
        title: "Faster tokenizer".into(),
        goal: "Lower the wall time".into(),
        repository: ".".into(),
        base: None,
        paradigm: Paradigm::Compete,
        mode: Mode::Team,
        parallel: 3,
        priority: 0,
        weight: 1,
        kind: "optimize".into(),
        brief: BriefSection { acceptance: vec!["Output stays identical".into()], ..BriefSection::default() },
        scope: Scope {
            allowed: vec!["src/**".into()],
            forbidden: Vec::new(),
            protected: Vec::new(),
            on_violation: OnViolation::Revert,
        },
        competitors: Vec::new(),
        engines: BTreeMap::new(),
        egress: BTreeMap::new(),
        gates: Vec::new(),
        harness: None,
        kpis: vec![kpi],
        scoring: Scoring::default(),
        budget: Budget::default(),
        sandbox: Sandbox::default(),
        labels: std::collections::BTreeSet::new(),
        language: Language::English,
        unknown: vec!["kpi.target".into()],
        found: arena_domain::packet::Found::default(),
    }
}

fn gate(exit: Exit) -> GateResult {
    GateResult {
        name: "tests".into(),
        kind: GateKind::Test,
        required: true,
        exit,
        duration: Duration::from_millis(1200),
        command: "python3 -m pytest -q".into(),
        tail: String::new(),
        log: String::new(),
        tests: Some(12),
    }
}

fn kpi(ratio: f64, verdict: Verdict) -> KpiResult {
    KpiResult {
        name: "wall".into(),
        unit: "s".into(),
        better: Better::Lower,
        baseline: 1.0,
        best: ratio,
        ratio,
        ci: Some((ratio - 0.02, ratio + 0.03)),
        verdict,
        holdout_ratio: Some(ratio + 0.01),
        scenarios: vec![("1".into(), ratio), ("2".into(), ratio + 0.01)],
    }
}

pub(super) fn round(number: u32, ratio: Option<f64>, kept: bool) -> Round {
    Round {
        number,
        commit: Some(commit('c')),
        kept,
        reason: if kept { "kept: faster" } else { "reverted: slower" }.into(),
        ratio,
        gates_passed: true,
        engine_seconds: 30.0 * f64::from(number),
    }
}

pub(super) fn entry(rank: u32, name: &str, ratio: f64, verdict: Verdict) -> Entry {
    let change = |path: &str| Change {
        path: path.into(),
        kind: ChangeKind::Modified,
        added_lines: 10,
        removed_lines: 4,
        binary: false,
    };
    Entry {
        rank,
        competitor: CompetitorName::new(name),
        engine: name.split('-').next().unwrap_or_default().into(),
        branch: format!("arena/0123456789ab/variant-{name}"),
        disqualified_for: Vec::new(),
        judged: true,
        commit: Some(commit('a')),
        bundle: "sha256:beef".into(),
        changes: vec![change(&format!("src/{name}.rs"))],
        reverted: Vec::new(),
        gates: vec![gate(Exit::Code(0))],
        kpis: vec![kpi(ratio, verdict)],
        flags: Vec::new(),
        rounds: vec![round(1, Some(1.05), false), round(2, Some(ratio), true)],
        best_round: Some(2),
        usage: Usage { input_tokens: Some(2000), output_tokens: Some(100), ..Usage::default() },
        runs: Runs::default(),
        score: Some(4.2),
        incomparable: false,
        on_front: true,
        said: vec!["I made the loop tighter.".into()],
        stopped: "rounds used up".into(),
    }
}

pub(super) fn disqualified(rank: u32, name: &str) -> Entry {
    let flag = Flag {
        kind: FlagKind::TestWeakened,
        path: Some("tests/test_a.py".into()),
        detail: "3 assertions fewer".into(),
    };
    Entry {
        disqualified_for: vec!["a test was weakened".into()],
        flags: vec![flag],
        reverted: vec!["Cargo.toml".into()],
        gates: vec![gate(Exit::DeadlinePassed)],
        incomparable: false,
        on_front: false,
        ..entry(rank, name, 0.5, Verdict::Better)
    }
}

fn submission(entry: &Entry) -> Submission {
    Submission {
        competitor: entry.competitor.clone(),
        summary: vec!["The inner loop no longer allocates".into()],
        entry: entry.clone(),
        scenarios: vec!["1".into(), "2".into()],
        commands: vec!["python3 bench/run.py --seed 1".into()],
        risks: vec!["Uses more memory".into()],
        next: vec!["Try a table".into()],
    }
}

pub(super) fn report(status: Status, entries: Vec<Entry>) -> Report {
    let best = entries.iter().find(|entry| status == Status::Winner && entry.qualified());
    let best = best.map(|entry| (entry.competitor.clone(), commit('a')));
    let winner = best.as_ref().map(|(name, _)| name.clone());
    Report {
        session: SessionId::new("0123456789ab"),
        packet: packet(),
        base: commit('b'),
        bundles: entries.iter().map(submission).collect(),
        recommendation: Recommendation {
            adopt: winner.iter().cloned().collect(),
            rationale: "It is 20 % faster and keeps every gate.".into(),
            next_steps: vec!["arena adopt 0123456789ab".into()],
        },
        continuation: Continuation {
            best,
            reproduce: vec!["arena archive 0123456789ab out && out/reproduce.sh".into()],
            follow_ups: vec!["Try a table".into()],
            open_risks: vec!["Uses more memory".into()],
        },
        standing: Standing { status, winner, reason: "codex-minimal is 20 % faster, 0.780 to 0.830".into(), entries },
        started: "2026-01-02T03:04:05Z".into(),
        duration_s: 245.0,
        base_gates: vec![("tests".into(), true)],
        exclusive_cores: false,
    }
}

/// Not in the order of their ranks, as they might come.
pub(super) fn won() -> Report {
    let entries = vec![
        disqualified(3, "gemini-robust"),
        entry(1, "codex-minimal", 0.8, Verdict::Better),
        entry(2, "claude-robust", 1.01, Verdict::Same),
    ];
    report(Status::Winner, entries)
}

fn every_rendering(report: &Report) -> Vec<String> {
    let mut texts = vec![
        markdown::report(report),
        markdown::continuation(report),
        html::report(report),
        crate::output::tame(&json::result(report.session.as_str(), report, "out/report.html").to_string()),
        terminal::scoreboard(report, false, 120),
    ];
    texts.extend(report.bundles.iter().map(|bundle| markdown::submission(report, bundle)));
    texts
}

#[track_caller]
pub(super) fn has_lines(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|one| one == *line), "no line {line:?} in:\n{text}");
    }
}

#[test]
fn no_winner_and_nothing_at_all_are_reports_too() {
    let undecided = report(Status::Inconclusive, vec![entry(1, "codex-minimal", 0.99, Verdict::Inconclusive)]);
    has_lines(
        &markdown::report(&undecided),
        &["- **Status**: inconclusive", "- **Winner**: none", "- **Adopt**: Adopt nothing."],
    );
    let empty = report(Status::Failed, Vec::new());
    has_lines(&markdown::report(&empty), &["No competitor left anything to compare."]);
    let mut unmeasured = entry(1, "codex-minimal", 1.0, Verdict::Same);
    (unmeasured.kpis, unmeasured.rounds) = (Vec::new(), Vec::new());
    let page = html::report(&report(Status::NoWinner, vec![unmeasured]));
    assert!(page.contains("Nothing was measured.") && page.contains("not measured") && !page.contains("<svg"));
    assert_eq!(json::result("s", &empty, "r")["standing"], serde_json::json!([]));
}

#[test]
fn hostile_text_never_comes_out_raw() {
    let mut bad = disqualified(1, "x");
    bad.competitor = CompetitorName::new(HOSTILE);
    for text in [&mut bad.engine, &mut bad.branch, &mut bad.bundle, &mut bad.stopped, &mut bad.changes[0].path] {
        *text = HOSTILE.into();
    }
    (bad.disqualified_for, bad.reverted, bad.said) = (vec![HOSTILE.into()], vec![HOSTILE.into()], vec![HOSTILE.into()]);
    bad.flags[0] = Flag { kind: FlagKind::OutputSpoofed, path: Some(HOSTILE.into()), detail: HOSTILE.into() };
    (bad.gates[0].name, bad.gates[0].command) = (HOSTILE.into(), HOSTILE.into());
    (bad.kpis[0].unit, bad.kpis[0].scenarios) = (HOSTILE.into(), vec![(HOSTILE.into(), 1.0)]);
    bad.rounds[0].reason = HOSTILE.into();
    let mut report = report(Status::NoWinner, vec![bad]);
    (report.standing.reason, report.recommendation.rationale) = (HOSTILE.into(), HOSTILE.into());
    report.continuation.follow_ups = vec![HOSTILE.into()];
    report.bundles[0].summary = vec![HOSTILE.into()];
    report.bundles[0].risks = vec![HOSTILE.into()];
    for text in every_rendering(&report) {
        assert!(!text.contains(['\x1b', '\x07', '\u{202e}']), "{text}");
        assert!(!text.lines().any(|line| line.starts_with("# heading")), "{text}");
    }
    for text in [markdown::report(&report), markdown::continuation(&report), html::report(&report)] {
        assert!(!text.contains("<script>"), "{text}");
    }
    let columns = |line: &str| line.replace("\\|", "").matches('|').count();
    let text = markdown::report(&report);
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
    for pair in lines.windows(2).filter(|pair| pair[1].starts_with("| ---")) {
        assert_eq!(columns(pair[0]), columns(pair[1]));
    }
    assert_eq!(columns(lines[0]), columns(lines[2]), "{}", lines[2]);
}

#[test]
fn both_renderings_say_the_same_in_both_languages() {
    for language in [Language::English, Language::Japanese] {
        let mut report = won();
        report.packet.language = language;
        let (page, text) = (html::report(&report), markdown::report(&report));
        for word in [Word::Scoreboard, Word::Validity, Word::Engines, Word::Highlights, Word::Rounds, Word::Bundles] {
            assert!(text.contains(word.to(language)) && page.contains(word.to(language)), "{word:?}");
        }
    }
}

proptest! {
    #[test]
    fn no_picture_has_a_number_that_is_none(bits in proptest::collection::vec((any::<u64>(), any::<u64>(), any::<u32>()), 0..6)) {
        let entries = bits.iter().enumerate().map(|(at, (ratio, seconds, number))| {
            let mut entry = entry(at as u32 + 1, &format!("codex-{at}"), f64::from_bits(*ratio), Verdict::Same);
            entry.rounds = vec![Round {
                engine_seconds: f64::from_bits(*seconds), ..round(*number, Some(f64::from_bits(*ratio)), true)
            }];
            entry.score = Some(f64::from_bits(*seconds));
            entry
        });
        let report = report(Status::Winner, entries.collect());
        for text in every_rendering(&report) {
            prop_assert!(!text.contains("NaN") && !text.contains("inf\"") && !text.contains("inf "), "{text}");
        }
    }
}
