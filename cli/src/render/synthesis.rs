//! The synthesis report as a document: verdict, scoreboard, validity checks, recommendation. No code of a submission.

use super::document::{Block, Column, Plot, Span, Table, Tone, listed, plain};
use super::figures;
use super::highlights;
use super::sentences::{sentence, sentences};
use super::words::Word;
use arena_domain::measure::Verdict;
use arena_domain::outcome::Flag;
use arena_domain::packet::{Better, Language};
use arena_domain::report::Report;
use arena_domain::standing::{Entry, Status};

/// The whole report: the synthesis, then every submission bundle.
pub(crate) fn document(report: &Report) -> Vec<Block> {
    let language = report.packet.language;
    let mut blocks = head(report, language);
    blocks.extend(scoreboard(report, language));
    blocks.extend(validity(report, language));
    blocks.extend(highlights::engines(report, language));
    blocks.extend(highlights::competitors(report, language));
    blocks.extend(highlights::rounds(report, language));
    blocks.extend(recommendation(report, language));
    if !report.bundles.is_empty() {
        blocks.push(heading(2, Word::Bundles, language));
        blocks.extend(report.bundles.iter().flat_map(|bundle| super::bundle::blocks(bundle, language)));
    }
    blocks
}

/// Best first, whatever order the entries came in.
pub(crate) fn ranked(report: &Report) -> Vec<&Entry> {
    let mut entries: Vec<&Entry> = report.standing.entries.iter().collect();
    entries.sort_by_key(|entry| entry.rank);
    entries
}

pub(crate) fn primary_name(report: &Report) -> Option<&str> {
    report.packet.primary_kpi().map(|kpi| kpi.name.as_str())
}

pub(crate) fn heading(level: u8, word: Word, language: Language) -> Block {
    Block::Heading(level, Span::plain(word.to(language)))
}

/// Verdict of the primary KPI, or why there is none.
pub(crate) fn verdict(entry: &Entry, primary: Option<&str>) -> (Tone, Word) {
    if !entry.qualified() {
        return if entry.judged { (Tone::Bad, Word::Disqualified) } else { (Tone::Doubtful, Word::NotJudged) };
    }
    match figures::primary(entry, primary).map(|kpi| kpi.verdict) {
        Some(Verdict::Better) => (Tone::Good, Word::Better),
        Some(Verdict::Worse) => (Tone::Bad, Word::Worse),
        Some(Verdict::Same) => (Tone::Doubtful, Word::Same),
        Some(Verdict::Inconclusive) => (Tone::Doubtful, Word::Inconclusive),
        None => (Tone::Doubtful, Word::NotMeasured),
    }
}

/// The kind, what it means, where, and the detail.
pub(crate) fn flag_text(flag: &Flag, language: Language) -> String {
    let mut text = Word::flag(flag.kind).to(language).to_owned();
    if let Some(path) = &flag.path {
        text.push_str(": ");
        text.push_str(path);
    }
    if !flag.detail.is_empty() {
        text.push_str(&format!(" ({})", sentence(&flag.detail, language)));
    }
    text
}

pub(crate) fn status_tone(status: Status) -> Tone {
    match status {
        Status::Winner => Tone::Good,
        Status::NoWinner | Status::Inconclusive | Status::Cancelled => Tone::Doubtful,
        Status::Failed => Tone::Bad,
    }
}

fn head(report: &Report, language: Language) -> Vec<Block> {
    let Report { session, packet, base, standing, started, duration_s, base_gates, exclusive_cores, .. } = report;
    let status = Span::toned(status_tone(standing.status), Word::status(standing.status).to(language));
    let winner = standing.winner.as_ref().map(|name| Span::strong(name.as_str())).into_iter().collect();
    let cores = if *exclusive_cores { Word::CoresOwn } else { Word::CoresShared };
    let mut facts = vec![
        (Word::Status.to(language), vec![status]),
        (Word::Winner.to(language), listed(winner, Word::None.to(language))),
        (Word::Reason.to(language), plain(&sentence(&standing.reason, language))),
        (Word::Goal.to(language), plain(&packet.goal)),
        (Word::Session.to(language), vec![Span::code(session.as_str())]),
        (Word::Base.to(language), vec![Span::code(base.as_str())]),
        (Word::Started.to(language), plain(started)),
        (Word::Duration.to(language), plain(&figures::seconds(*duration_s))),
        (
            Word::Paradigm.to(language),
            plain(&chosen(packet.paradigm_played().as_str(), packet.why_paradigm(), language)),
        ),
        (Word::Mode.to(language), plain(&chosen(packet.mode_played().as_str(), packet.why_mode(), language))),
        (Word::Cores.to(language), plain(cores.to(language))),
        (Word::BaseGates.to(language), base_gate_spans(base_gates, language)),
    ];
    if !packet.unknown.is_empty() {
        let fields = packet.unknown.iter().map(|field| Span::code(field)).collect();
        facts.push((Word::UnknownFields.to(language), listed(fields, "")));
    }
    let title = format!("{}: {}", Word::Report.to(language), packet.title);
    vec![Block::Heading(1, Span::plain(&title)), Block::Facts(facts)]
}

/// What is played, and why where the packet left it open.
fn chosen(played: &str, why: Option<&str>, language: Language) -> String {
    why.map_or_else(|| played.to_owned(), |why| format!("{played} ({})", sentence(why, language)))
}

fn base_gate_spans(gates: &[(String, bool)], language: Language) -> Vec<Span> {
    let spans = gates.iter().map(|(name, passed)| {
        let (tone, word) = if *passed { (Tone::Good, Word::Passed) } else { (Tone::Bad, Word::Failed) };
        Span::toned(tone, &format!("{name} {}", word.to(language)))
    });
    listed(spans.collect(), Word::None.to(language))
}

fn scoreboard(report: &Report, language: Language) -> Vec<Block> {
    let mut blocks = vec![heading(2, Word::Scoreboard, language)];
    let entries = ranked(report);
    if entries.is_empty() {
        blocks.push(Block::Paragraph(plain(Word::NoEntries.to(language))));
        return blocks;
    }
    if let Some(kpi) = report.packet.primary_kpi() {
        let direction = match kpi.better {
            Better::Lower => Word::LowerIsBetter,
            Better::Higher => Word::HigherIsBetter,
        };
        let text = format!("{} ({}{})", kpi.name, unit(&kpi.unit), direction.to(language));
        blocks.push(Block::Paragraph(vec![Span::strong(&text)]));
    }
    let primary = primary_name(report);
    let head = [
        Column::number(Word::Rank.to(language)),
        Column::text(Word::Competitor.to(language)),
        Column::text(Word::Engine.to(language)),
        Column::text(Word::Verdict.to(language)),
        Column::number(Word::BaseToBest.to(language)),
        Column::number(Word::Ratio.to(language)),
        Column::number(Word::Interval.to(language)),
        Column::number(Word::Score.to(language)),
        Column::text(Word::Gates.to(language)),
        Column::text(Word::Flags.to(language)),
        Column::text(Word::DisqualifiedFor.to(language)),
    ];
    let rows = entries.iter().map(|entry| score_row(entry, primary, language)).collect();
    blocks.push(Block::Table(Table { head: head.to_vec(), rows }));
    blocks.extend([Block::Plot(Plot::Rounds), Block::Plot(Plot::Pareto)]);
    blocks
}

fn unit(unit: &str) -> String {
    if unit.is_empty() { String::new() } else { format!("{unit}, ") }
}

fn score_row(entry: &Entry, primary: Option<&str>, language: Language) -> Vec<Vec<Span>> {
    let (tone, word) = verdict(entry, primary);
    let kpi = figures::primary(entry, primary);
    let none = || "–".to_owned();
    let before_after = kpi.map_or_else(none, |kpi| {
        format!("{} → {}", figures::number(kpi.baseline), figures::with_unit(kpi.best, &kpi.unit))
    });
    let ratio = kpi.map_or_else(none, |kpi| figures::ratio(kpi.ratio));
    let interval = kpi.map_or_else(none, |kpi| figures::interval(kpi.ci, language));
    let score = entry.score.map_or_else(none, figures::number);
    let flags = entry.flags.iter().map(|flag| Span::code(flag.kind.as_str())).collect();
    vec![
        plain(&entry.rank.to_string()),
        vec![Span::strong(entry.competitor.as_str())],
        plain(&entry.engine),
        vec![Span::toned(tone, word.to(language))],
        plain(&before_after),
        plain(&ratio),
        plain(&interval),
        plain(&score),
        gates_cell(entry),
        listed(flags, "–"),
        plain(&reasons(entry, language)),
    ]
}

fn reasons(entry: &Entry, language: Language) -> String {
    if entry.qualified() { "–".into() } else { sentences(&entry.disqualified_for, language) }
}

/// `2/2` of the required gates.
fn gates_cell(entry: &Entry) -> Vec<Span> {
    match figures::required_gates(entry) {
        (_, 0) => plain("–"),
        (passed, all) if passed == all => vec![Span::toned(Tone::Good, &format!("{passed}/{all}"))],
        (passed, all) => vec![Span::toned(Tone::Bad, &format!("{passed}/{all}"))],
    }
}

fn validity(report: &Report, language: Language) -> Vec<Block> {
    let entries = ranked(report);
    if entries.is_empty() {
        return Vec::new();
    }
    let primary = primary_name(report);
    let rows = entries.iter().map(|entry| {
        let holdout = figures::primary(entry, primary).and_then(|kpi| kpi.holdout_ratio);
        let tests: Vec<u64> = entry.gates.iter().filter_map(|gate| gate.tests).collect();
        let tests = if tests.is_empty() { None } else { Some(tests.iter().sum()) };
        let suspicious = entry.flags.iter().map(|flag| Span::toned(Tone::Bad, &flag_text(flag, language)));
        vec![
            vec![Span::strong(entry.competitor.as_str())],
            scope_cell(entry, language),
            gates_cell(entry),
            plain(&figures::optional(tests, language)),
            plain(&holdout.map_or_else(|| "–".into(), figures::ratio)),
            listed(suspicious.collect(), Word::No.to(language)),
        ]
    });
    let head = vec![
        Column::text(Word::Competitor.to(language)),
        Column::text(Word::ScopeKept.to(language)),
        Column::text(Word::GatesPassed.to(language)),
        Column::number(Word::TestsPassed.to(language)),
        Column::number(Word::HoldoutRatio.to(language)),
        Column::text(Word::Suspicious.to(language)),
    ];
    vec![heading(2, Word::Validity, language), Block::Table(Table { head, rows: rows.collect() })]
}

fn scope_cell(entry: &Entry, language: Language) -> Vec<Span> {
    if figures::scope_kept(entry) {
        return vec![Span::toned(Tone::Good, Word::Yes.to(language))];
    }
    let text = Word::Reverted.fill(language, &[&entry.reverted.len().to_string()]);
    vec![Span::toned(Tone::Bad, &format!("{} ({text})", Word::No.to(language)))]
}

fn recommendation(report: &Report, language: Language) -> Vec<Block> {
    let advice = &report.recommendation;
    let mut blocks = vec![heading(2, Word::Recommendation, language)];
    let names: Vec<Span> = advice.adopt.iter().map(|name| Span::strong(name.as_str())).collect();
    let label = if names.len() > 1 { Word::Combine } else { Word::Adopt };
    let mut facts = vec![(label.to(language), listed(names, Word::AdoptNothing.to(language)))];
    if !advice.rationale.is_empty() {
        facts.push((Word::Rationale.to(language), plain(&sentence(&advice.rationale, language))));
    }
    blocks.push(Block::Facts(facts));
    if !advice.next_steps.is_empty() {
        blocks.push(heading(3, Word::NextSteps, language));
        blocks.push(Block::Bullets(advice.next_steps.iter().map(|step| plain(&sentence(step, language))).collect()));
    }
    blocks
}
