//! One submission bundle as a document: always complete, whatever the engine said.

use super::document::{Block, Column, Command, Span, Table, Tone, listed, plain};
use super::figures;
use super::sentences::{sentence, sentences};
use super::synthesis::{flag_text, heading};
use super::words::Word;
use arena_domain::ending::Ending;
use arena_domain::packet::{Better, Language};
use arena_domain::report::Submission;
use arena_domain::standing::Entry;

/// Most bullets of a summary, of risks, of what is next.
const MOST_BULLETS: usize = 5;

pub(crate) fn blocks(submission: &Submission, language: Language) -> Vec<Block> {
    let Submission { competitor, summary, entry, scenarios, commands, risks, next } = submission;
    let mut blocks = vec![Block::Heading(3, Span::plain(competitor.as_str())), facts(entry, scenarios, language)];
    blocks.extend(told(Word::Summary, summary, language));
    if !entry.said.is_empty() && &entry.said != summary {
        let last = entry.said.len().saturating_sub(MOST_BULLETS);
        blocks.extend(bullets(Word::Said, &entry.said[last..], language));
    }
    blocks.extend(files(entry, language));
    blocks.extend(kpis(entry, language));
    blocks.extend(gates(entry, language));
    if !entry.flags.is_empty() {
        blocks.push(heading(4, Word::Flags, language));
        let flags = entry.flags.iter().map(|flag| {
            // A span of blanks alone would be trimmed away.
            vec![Span::code(flag.kind.as_str()), Span::plain(&format!(": {}", flag_text(flag, language)))]
        });
        blocks.push(Block::Bullets(flags.collect()));
    }
    blocks.push(heading(4, Word::Commands, language));
    blocks.push(commands_block(commands, language));
    blocks.extend(told(Word::Risks, risks, language));
    blocks.extend(told(Word::Next, next, language));
    blocks
}

pub(crate) fn commands_block(commands: &[String], language: Language) -> Block {
    if commands.is_empty() {
        return Block::Paragraph(plain(Word::None.to(language)));
    }
    Block::Commands(commands.iter().map(|command| Command::new(command)).collect())
}

/// Sentences of ours under their heading.
pub(crate) fn told(word: Word, lines: &[String], language: Language) -> Vec<Block> {
    let lines: Vec<String> = lines.iter().map(|line| sentence(line, language)).collect();
    bullets(word, &lines, language)
}

/// A heading and its list; an empty list says "none", so that a bundle is seen to be complete.
pub(crate) fn bullets(word: Word, lines: &[String], language: Language) -> Vec<Block> {
    let lines: Vec<Vec<Span>> = lines.iter().take(MOST_BULLETS).map(|line| plain(line)).collect();
    let list = if lines.is_empty() { Block::Paragraph(plain(Word::None.to(language))) } else { Block::Bullets(lines) };
    vec![heading(4, word, language), list]
}

fn facts(entry: &Entry, scenarios: &[String], language: Language) -> Block {
    let none = Word::None.to(language);
    let commit = entry.commit.iter().map(|commit| Span::code(commit.as_str())).collect();
    let bundle = if entry.bundle.is_empty() { Vec::new() } else { vec![Span::code(&entry.bundle)] };
    let scenarios = scenarios.iter().filter(|name| !name.is_empty()).map(|name| Span::code(name)).collect();
    let usage = entry.usage;
    let cost = usage.cost_usd.map_or_else(|| Word::Unknown.to(language).into(), figures::dollars);
    let usage = [
        format!("{} {}", Word::InputTokens.to(language), figures::optional(usage.input_tokens, language)),
        format!("{} {}", Word::OutputTokens.to(language), figures::optional(usage.output_tokens, language)),
        format!("{} {cost}", Word::Cost.to(language)),
        format!("{} {}", Word::EngineTime.to(language), figures::seconds(figures::engine_seconds(entry))),
    ];
    let mut facts = vec![
        (Word::Rank.to(language), plain(&entry.rank.to_string())),
        (Word::Engine.to(language), plain(&entry.engine)),
        (Word::Branch.to(language), vec![Span::code(&entry.branch)]),
        (Word::Commit.to(language), listed(commit, none)),
        (Word::Bundle.to(language), listed(bundle, none)),
        (Word::Scenarios.to(language), listed(scenarios, none)),
        (Word::Usage.to(language), plain(&usage.join(", "))),
    ];
    if let Some(ending) = entry.runs.ending.filter(|ending| *ending != Ending::Done) {
        let detail = Some(&entry.runs.ending_detail).filter(|detail| !detail.is_empty());
        let text =
            detail.map_or_else(|| ending.describe().to_owned(), |detail| format!("{}: {detail}", ending.describe()));
        facts.push((Word::EngineEnded.to(language), plain(&text)));
    }
    if !entry.qualified() {
        let (tone, word) =
            if entry.judged { (Tone::Bad, Word::DisqualifiedFor) } else { (Tone::Doubtful, Word::Verdict) };
        let why = Span::toned(tone, &sentences(&entry.disqualified_for, language));
        facts.push((word.to(language), vec![why]));
    }
    Block::Facts(facts)
}

fn files(entry: &Entry, language: Language) -> Vec<Block> {
    let mut blocks = vec![heading(4, Word::FilesChanged, language)];
    if entry.changes.is_empty() {
        blocks.push(Block::Paragraph(plain(Word::NothingChanged.to(language))));
    } else {
        let rows = entry.changes.iter().map(|change| {
            let lines = |count: u32| if change.binary { Word::Binary.to(language).into() } else { count.to_string() };
            vec![
                vec![Span::code(&change.path)],
                plain(Word::change(change.kind).to(language)),
                plain(&lines(change.added_lines)),
                plain(&lines(change.removed_lines)),
            ]
        });
        let head = vec![
            Column::text(Word::File.to(language)),
            Column::text(Word::Change.to(language)),
            Column::number(Word::Added.to(language)),
            Column::number(Word::Removed.to(language)),
        ];
        blocks.push(Block::Table(Table { head, rows: rows.collect() }));
    }
    if !entry.reverted.is_empty() {
        let paths = entry.reverted.iter().map(|path| Span::code(path)).collect();
        blocks.push(Block::Facts(vec![(Word::PutBack.to(language), listed(paths, ""))]));
    }
    blocks
}

fn kpis(entry: &Entry, language: Language) -> Vec<Block> {
    let mut blocks = vec![heading(4, Word::Kpis, language)];
    if entry.kpis.is_empty() {
        blocks.push(Block::Paragraph(plain(Word::NotMeasured.to(language))));
        return blocks;
    }
    let rows = entry.kpis.iter().map(|kpi| {
        let better = match kpi.better {
            Better::Lower => Word::Lower,
            Better::Higher => Word::Higher,
        };
        let scenarios: Vec<String> = kpi.scenarios.iter().map(|(name, ratio)| scenario(name, *ratio)).collect();
        vec![
            vec![Span::strong(&kpi.name)],
            plain(better.to(language)),
            plain(&figures::with_unit(kpi.baseline, &kpi.unit)),
            plain(&figures::with_unit(kpi.best, &kpi.unit)),
            plain(&figures::signed(kpi.best - kpi.baseline, &kpi.unit)),
            plain(&figures::ratio(kpi.ratio)),
            plain(&figures::interval(kpi.ci, language)),
            plain(Word::verdict(kpi.verdict).to(language)),
            plain(&kpi.holdout_ratio.map_or_else(|| "–".into(), figures::ratio)),
            plain(&if scenarios.is_empty() { "–".into() } else { scenarios.join(", ") }),
        ]
    });
    let head = vec![
        Column::text(Word::Kpi.to(language)),
        Column::text(Word::Direction.to(language)),
        Column::number(Word::Baseline.to(language)),
        Column::number(Word::Best.to(language)),
        Column::number(Word::Delta.to(language)),
        Column::number(Word::Ratio.to(language)),
        Column::number(Word::Interval.to(language)),
        Column::text(Word::Verdict.to(language)),
        Column::number(Word::HoldoutRatio.to(language)),
        Column::text(Word::RatioByScenario.to(language)),
    ];
    blocks.push(Block::Table(Table { head, rows: rows.collect() }));
    blocks
}

fn scenario(name: &str, ratio: f64) -> String {
    let ratio = figures::number(ratio);
    if name.is_empty() { ratio } else { format!("{name}: {ratio}") }
}

fn gates(entry: &Entry, language: Language) -> Vec<Block> {
    let mut blocks = vec![heading(4, Word::Gates, language)];
    if entry.gates.is_empty() {
        blocks.push(Block::Paragraph(plain(Word::None.to(language))));
        return blocks;
    }
    let rows = entry.gates.iter().map(|gate| {
        let (tone, word) = if gate.passed() { (Tone::Good, Word::Passed) } else { (Tone::Bad, Word::Failed) };
        let mut result = format!("{} ({})", word.to(language), Word::exit(gate.exit, language));
        if !gate.required {
            result.push_str(&format!(", {}", Word::Optional.to(language)));
        }
        vec![
            vec![Span::strong(&gate.name)],
            plain(Word::gate(gate.kind).to(language)),
            vec![Span::toned(tone, &result)],
            plain(&gate.tests.map_or_else(|| "–".into(), |count| count.to_string())),
            plain(&figures::seconds(gate.duration.as_secs_f64())),
            vec![Span::code(&gate.command)],
        ]
    });
    let head = vec![
        Column::text(Word::Gate.to(language)),
        Column::text(Word::Kind.to(language)),
        Column::text(Word::Result.to(language)),
        Column::number(Word::TestsPassed.to(language)),
        Column::number(Word::Duration.to(language)),
        Column::text(Word::Command.to(language)),
    ];
    blocks.push(Block::Table(Table { head, rows: rows.collect() }));
    blocks
}
