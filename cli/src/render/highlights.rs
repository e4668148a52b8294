//! What the engines did beside each other, what is better, risky and mergeable in each result, and every round.

use super::document::{Block, Column, Span, Table, Tone, listed, plain};
use super::figures;
use super::sentences::sentence;
use super::synthesis::{flag_text, heading, primary_name, ranked};
use super::words::Word;
use arena_domain::measure::Verdict;
use arena_domain::packet::{Better, Language};
use arena_domain::report::Report;
use arena_domain::standing::{Entry, KpiResult, Round};
use std::collections::BTreeSet;

/// One row per engine, best first: its best competitor speaks for it.
pub(crate) fn engines(report: &Report, language: Language) -> Vec<Block> {
    let entries = ranked(report);
    if entries.is_empty() {
        return Vec::new();
    }
    let mut names: Vec<&str> = Vec::new();
    for entry in &entries {
        if !names.contains(&entry.engine.as_str()) {
            names.push(&entry.engine);
        }
    }
    let rows = names.iter().map(|name| {
        let own: Vec<&Entry> = entries.iter().copied().filter(|entry| entry.engine == *name).collect();
        engine_row(name, &own, report, language)
    });
    let head = [
        Column::text(Word::Engine.to(language)),
        Column::number(Word::Competitors.to(language)),
        Column::number(Word::Qualified.to(language)),
        Column::number(Word::BestRatio.to(language)),
        Column::number(Word::RoundsKept.to(language)),
        Column::number(Word::EngineTime.to(language)),
        Column::number(Word::InputTokens.to(language)),
        Column::number(Word::OutputTokens.to(language)),
        Column::number(Word::Cost.to(language)),
    ];
    let table = Table { head: head.to_vec(), rows: rows.collect() };
    vec![heading(2, Word::Engines, language), Block::Table(table)]
}

fn engine_row(name: &str, own: &[&Entry], report: &Report, language: Language) -> Vec<Vec<Span>> {
    let qualified: Vec<&Entry> = own.iter().copied().filter(|entry| entry.qualified()).collect();
    let better = report.packet.primary_kpi().map_or(Better::Lower, |kpi| kpi.better);
    let ratios =
        qualified.iter().filter_map(|entry| figures::primary(entry, primary_name(report))).map(|kpi| kpi.ratio);
    let best = ratios.filter(|ratio| ratio.is_finite()).reduce(|one, other| match better {
        Better::Lower => one.min(other),
        Better::Higher => one.max(other),
    });
    let rounds: Vec<&Round> = own.iter().flat_map(|entry| &entry.rounds).collect();
    let kept = rounds.iter().filter(|round| round.kept).count();
    let seconds: f64 = own.iter().map(|entry| figures::engine_seconds(entry)).sum();
    let tokens = |of: fn(&Entry) -> Option<u64>| {
        let counts: Vec<Option<f64>> = own.iter().map(|entry| of(entry).map(|count| count as f64)).collect();
        figures::known_sum(&counts, language, |sum| format!("{sum:.0}"))
    };
    let costs: Vec<Option<f64>> = own.iter().map(|entry| entry.usage.cost_usd).collect();
    vec![
        vec![Span::strong(name)],
        plain(&own.len().to_string()),
        plain(&qualified.len().to_string()),
        plain(&best.map_or_else(|| "–".into(), figures::ratio)),
        plain(&format!("{kept}/{}", rounds.len())),
        plain(&figures::seconds(seconds)),
        plain(&tokens(|entry| entry.usage.input_tokens)),
        plain(&tokens(|entry| entry.usage.output_tokens)),
        plain(&figures::known_sum(&costs, language, figures::dollars)),
    ]
}

/// Better, risky, mergeable: one short list per competitor.
pub(crate) fn competitors(report: &Report, language: Language) -> Vec<Block> {
    let entries = ranked(report);
    if entries.is_empty() {
        return Vec::new();
    }
    let mut blocks = vec![heading(2, Word::Highlights, language)];
    for entry in &entries {
        blocks.push(Block::Heading(3, Span::plain(entry.competitor.as_str())));
        blocks.push(Block::Facts(vec![
            (Word::WhatIsBetter.to(language), with_verdict(entry, Verdict::Better, language)),
            (Word::WhatIsRisky.to(language), risky(entry, language)),
            (Word::WhatIsMergeable.to(language), mergeable(entry, &entries, language)),
        ]));
    }
    blocks
}

fn with_verdict(entry: &Entry, verdict: Verdict, language: Language) -> Vec<Span> {
    let tone = if verdict == Verdict::Better { Tone::Good } else { Tone::Bad };
    let spans = entry.kpis.iter().filter(|kpi| kpi.verdict == verdict).map(|kpi| Span::toned(tone, &moved(kpi)));
    listed(spans.collect(), Word::None.to(language))
}

/// `wall 1 → 0.8 s, 0.8 (−20 %)`.
fn moved(kpi: &KpiResult) -> String {
    let best = figures::with_unit(kpi.best, &kpi.unit);
    format!("{} {} → {best}, {}", kpi.name, figures::number(kpi.baseline), figures::ratio(kpi.ratio))
}

fn risky(entry: &Entry, language: Language) -> Vec<Span> {
    let mut risks: Vec<Span> = Vec::new();
    let worse = entry.kpis.iter().filter(|kpi| kpi.verdict == Verdict::Worse);
    risks.extend(worse.map(|kpi| Span::toned(Tone::Bad, &moved(kpi))));
    risks.extend(entry.flags.iter().map(|flag| Span::toned(Tone::Bad, &flag_text(flag, language))));
    for gate in entry.gates.iter().filter(|gate| !gate.passed()) {
        risks.push(Span::toned(Tone::Bad, &Word::GateFailed.fill(language, &[&gate.name])));
    }
    if !entry.reverted.is_empty() {
        let count = entry.reverted.len().to_string();
        risks.push(Span::toned(Tone::Doubtful, &Word::Reverted.fill(language, &[&count])));
    }
    let binary = entry.changes.iter().filter(|change| change.binary).count();
    if binary > 0 {
        risks.push(Span::toned(Tone::Doubtful, &Word::BinaryFiles.fill(language, &[&binary.to_string()])));
    }
    listed(risks, Word::None.to(language))
}

fn mergeable(entry: &Entry, all: &[&Entry], language: Language) -> Vec<Span> {
    if entry.commit.is_none() || entry.changes.is_empty() {
        return plain(&format!("{} ({})", Word::No.to(language), Word::NothingChanged.to(language)));
    }
    let (passed, required) = figures::required_gates(entry);
    let ready = entry.qualified() && passed == required;
    let tone = if ready { Tone::Good } else { Tone::Bad };
    let (added, removed) = figures::lines(entry);
    let figures = [entry.changes.len().to_string(), added.to_string(), removed.to_string()];
    let size = Word::FilesAndLines.fill(language, &[&figures[0], &figures[1], &figures[2]]);
    let mut spans = vec![Span::toned(tone, Word::yes(ready).to(language)), Span::plain(&size)];
    let apart: Vec<&str> = if ready { disjoint(entry, all) } else { Vec::new() };
    if !apart.is_empty() {
        spans.push(Span::plain(&format!("{} {}", Word::SharesNoFile.to(language), apart.join(", "))));
    }
    listed(spans, "")
}

/// Qualified competitors whose changes touch none of the same files, so that both could be adopted.
fn disjoint<'a>(entry: &Entry, all: &[&'a Entry]) -> Vec<&'a str> {
    let own: BTreeSet<&str> = entry.files_changed().into_iter().collect();
    all.iter()
        .filter(|other| other.competitor != entry.competitor && other.qualified() && !other.changes.is_empty())
        .filter(|other| other.files_changed().iter().all(|path| !own.contains(path)))
        .map(|other| other.competitor.as_str())
        .collect()
}

/// The closed loop as it went, kept or not.
pub(crate) fn rounds(report: &Report, language: Language) -> Vec<Block> {
    let entries = ranked(report);
    if entries.is_empty() {
        return Vec::new();
    }
    let mut blocks = vec![heading(2, Word::Rounds, language)];
    for entry in entries {
        blocks.push(Block::Heading(3, Span::plain(entry.competitor.as_str())));
        if entry.rounds.is_empty() {
            blocks.push(Block::Paragraph(plain(Word::NoRounds.to(language))));
        } else {
            blocks.push(Block::Table(rounds_table(entry, language)));
        }
        if !entry.stopped.is_empty() {
            blocks.push(Block::Facts(vec![(Word::Stopped.to(language), plain(&sentence(&entry.stopped, language)))]));
        }
    }
    blocks
}

fn rounds_table(entry: &Entry, language: Language) -> Table {
    let rows = entry.rounds.iter().map(|round| {
        let best = entry.best_round == Some(round.number);
        let number = if best {
            format!("{} ({})", round.number, Word::BestRound.to(language))
        } else {
            round.number.to_string()
        };
        let (tone, gates) = if round.gates_passed { (Tone::Good, Word::Passed) } else { (Tone::Bad, Word::Failed) };
        let commit = round.commit.as_ref().map(|commit| Span::code(&figures::short(commit.as_str())));
        vec![
            plain(&number),
            listed(commit.into_iter().collect(), "–"),
            plain(&round.ratio.map_or_else(|| "–".into(), figures::ratio)),
            vec![Span::toned(tone, gates.to(language))],
            plain(Word::yes(round.kept).to(language)),
            plain(&figures::seconds(round.engine_seconds)),
            plain(&sentence(&round.reason, language)),
        ]
    });
    let head = vec![
        Column::number(Word::Round.to(language)),
        Column::text(Word::Commit.to(language)),
        Column::number(Word::Ratio.to(language)),
        Column::text(Word::Gates.to(language)),
        Column::text(Word::Kept.to(language)),
        Column::number(Word::EngineTime.to(language)),
        Column::text(Word::Why.to(language)),
    ];
    Table { head, rows: rows.collect() }
}
