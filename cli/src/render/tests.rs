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
use arena_domain::standing::{Entry, KpiResult, Round, Standing, Status};
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
        gates: Vec::new(),
        harness: None,
        kpis: vec![kpi],
        scoring: Scoring::default(),
        budget: Budget::default(),
        sandbox: Sandbox::default(),
        language: Language::English,
        unknown: vec!["kpi.target".into()],
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

fn round(number: u32, ratio: Option<f64>, kept: bool) -> Round {
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
        commit: Some(commit('a')),
        bundle: "sha256:beef".into(),
        changes: vec![change(&format!("src/{name}.rs"))],
        reverted: Vec::new(),
        gates: vec![gate(Exit::Code(0))],
        kpis: vec![kpi(ratio, verdict)],
        flags: Vec::new(),
        rounds: vec![round(1, Some(1.05), false), round(2, Some(ratio), true)],
        best_round: Some(2),
        usage: Usage { input_tokens: Some(2000), output_tokens: Some(100), cost_usd: None },
        score: Some(4.2),
        on_front: true,
        said: vec!["I made the loop tighter.".into()],
        stopped: "rounds used up".into(),
    }
}

fn disqualified(rank: u32, name: &str) -> Entry {
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
        json::result(report.session.as_str(), report, "out/report.html").to_string(),
        terminal::scoreboard(report, false, 120),
    ];
    texts.extend(report.bundles.iter().map(|bundle| markdown::submission(report, bundle)));
    texts
}

#[track_caller]
fn has_lines(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|one| one == *line), "no line {line:?} in:\n{text}");
    }
}

#[test]
fn the_markdown_report_says_who_won_and_why() {
    has_lines(
        &markdown::report(&won()),
        &[
            "# Arena report: Faster tokenizer",
            "- **Status**: winner",
            "- **Winner**: **codex-minimal**",
            "- **Duration**: 4 min 05 s",
            "- **Gates on the base**: tests passed",
            "- **Measured on**: shared cores: small differences may be noise",
            "- **Fields of the packet that are unknown**: `kpi.target`",
            "**wall (s, lower is better)**",
            "| 1 | **codex-minimal** | codex | better | 1 → 0.8 s | 0.8 (−20 %) | 0.780–0.830 | 4.2 | 1/1 | – | – |",
            "| 3 | **gemini-robust** | gemini | disqualified | 1 → 0.5 s | 0.5 (−50 %) | 0.480–0.530 | 4.2 | 0/1 | `test_weakened` | a test was weakened |",
            "| **codex-minimal** | yes | 1/1 | 12 | 0.81 (−19 %) | no |",
            "| **gemini-robust** | no (1 put back) | 0/1 | 12 | 0.51 (−49 %) | weakened a test: tests/test_a.py (3 assertions fewer) |",
            "| **codex** | 1 | 1 | 0.8 (−20 %) | 1/2 | 1 min 30 s | 2000 | 100 | unknown |",
            "| **gemini** | 1 | 0 | – | 1/2 | 1 min 30 s | 2000 | 100 | unknown |",
            "- **Better**: wall 1 → 0.8 s, 0.8 (−20 %)",
            "- **Mergeable**: yes, files: 1, lines: +10 −4, touches no file of claude-robust",
            "| 2 (best) | `cccccccccccc` | 0.8 (−20 %) | passed | yes | 1 min 00 s | kept: faster |",
            "| 1 | `cccccccccccc` | 1.05 (+5 %) | passed | no | 30.0 s | reverted: slower |",
            "- **Adopt**: **codex-minimal**",
            "- **Rationale**: It is 20 % faster and keeps every gate.",
        ],
    );
}

#[test]
fn entries_come_by_rank_whatever_their_order() {
    let text = markdown::report(&won());
    let at = |name: &str| text.find(&format!("**{name}**")).unwrap();
    assert!(at("codex-minimal") < at("claude-robust") && at("claude-robust") < at("gemini-robust"));
}

#[test]
fn a_bundle_is_complete() {
    let report = won();
    has_lines(
        &markdown::submission(&report, &report.bundles[0]),
        &[
            "# gemini-robust",
            "## Summary",
            "- The inner loop no longer allocates",
            "## Files changed",
            "| `src/gemini-robust.rs` | modified | 10 | 4 |",
            "- **Branch**: `arena/0123456789ab/variant-gemini-robust`",
            "- **Commit**: `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa`",
            "- **Scenarios run**: `1`, `2`",
            "- **Usage**: Input tokens 2000, Output tokens 100, Cost unknown, Engine time 1 min 30 s",
            "| **wall** | lower | 1 s | 0.5 s | −0.5 s | 0.5 (−50 %) | 0.480–0.530 | better | 0.51 (−49 %) | 1: 0.5, 2: 0.51 |",
            "| **tests** | test | failed (timed out) | 12 | 1.2 s | `python3 -m pytest -q` |",
            "```sh",
            "python3 bench/run.py --seed 1",
            "## Risks",
            "- Uses more memory",
            "## What next",
            "- Try a table",
            "- **Put back, because out of scope**: `Cargo.toml`",
        ],
    );
}

#[test]
fn the_continuation_brief_can_be_pasted() {
    has_lines(
        &markdown::continuation(&won()),
        &[
            "# Continuation brief: Faster tokenizer",
            "- **Start from**: `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa`",
            "- **Best result**: wall 1 → 0.8 s, 0.8 (−20 %)",
            "## Reproduce the best score",
            "arena archive 0123456789ab out && out/reproduce.sh",
            "## Top follow-ups",
            "## Open risks",
            "- Output stays identical",
        ],
    );
    let none = markdown::continuation(&report(Status::NoWinner, vec![disqualified(1, "gemini-robust")]));
    has_lines(&none, &["- **Start from**: No submission qualified; start from the base commit."]);
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
fn the_result_has_the_keys_of_the_contract_in_their_order() {
    let result = json::result("0123456789ab", &won(), "out/report.html");
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(keys(&result), "event session status winner base reason paradigm mode duration_s standing report");
    let first = &result["standing"][0];
    assert_eq!(
        keys(first),
        "rank competitor engine qualified disqualified_for commit branch files_changed scope gates kpis flags rounds usage score"
    );
    assert_eq!(keys(&first["gates"][0]), "name kind passed exit duration_s tests command");
    assert_eq!(keys(&first["kpis"][0]), "name unit better baseline best delta ratio ci verdict holdout_ratio");
    assert_eq!((&result["status"], &result["winner"]), (&"winner".into(), &"codex-minimal".into()));
    assert_eq!(first["usage"], serde_json::json!({"input_tokens": 2000, "output_tokens": 100, "cost_usd": null}));
    assert_eq!(first["kpis"][0]["ci"], serde_json::json!([0.78, 0.8300000000000001]));
    let last = &result["standing"][2];
    assert_eq!(last["scope"], serde_json::json!({"kept": false, "reverted": ["Cargo.toml"]}));
    assert_eq!(last["gates"][0]["exit"], serde_json::Value::Null);
    assert_eq!(
        last["flags"][0],
        serde_json::json!({"kind": "test_weakened", "path": "tests/test_a.py", "detail": "3 assertions fewer"})
    );
}

#[test]
fn the_terminal_shows_rank_figures_and_evidence() {
    has_lines(
        &terminal::scoreboard(&won(), false, 120),
        &[
            "#  Competitor     Verdict       wall base → best  Ratio to base     Interval  Gates  Flags",
            "1  codex-minimal  better               1 → 0.8 s    0.8 (−20 %)  0.780–0.830  1/1    –",
            "   ! a test was weakened",
            "   ! test_weakened: weakened a test: tests/test_a.py (3 assertions fewer)",
            "Winner: codex-minimal",
            "Reason: codex-minimal is 20 % faster, 0.780 to 0.830",
        ],
    );
}

#[test]
fn colour_is_only_there_when_asked_for() {
    assert!(!terminal::scoreboard(&won(), false, 80).contains('\x1b'));
    assert!(terminal::scoreboard(&won(), true, 80).contains("\x1b[32mbetter\x1b[0m"));
}

#[test]
fn a_narrow_terminal_gets_narrow_lines() {
    for language in [Language::English, Language::Japanese] {
        let mut report = won();
        report.packet.language = language;
        for width in [30, 40, 60, 80, 200] {
            for line in terminal::scoreboard(&report, false, width).lines() {
                assert!(super::width::columns(line) <= width, "{width}: {line}");
            }
        }
    }
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
fn the_page_stands_alone() {
    let page = html::report(&won());
    assert!(page.starts_with("<!DOCTYPE html><html lang=\"en\">"));
    for outside in ["<script", "src=", "href=", "url(", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("prefers-color-scheme: dark") && page.contains("max-width: 84rem"));
    assert_eq!(page.matches("role=\"img\"").count(), 2);
    assert_eq!(page.matches("<title id=").count(), 2);
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

#[test]
fn ten_competitors_and_one_round_are_drawn() {
    let one_round = |mut entry: Entry| {
        entry.rounds.truncate(1);
        entry
    };
    let entries = (1..=10).map(|rank| one_round(entry(rank, &format!("codex-{rank}"), 0.7, Verdict::Better)));
    let page = html::report(&report(Status::Winner, entries.collect()));
    assert_eq!(page.matches("class=\"series\"").count(), 10);
    assert_eq!(page.matches("class=\"base\"").count(), 2);
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
