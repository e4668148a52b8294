//! Documents as Markdown: the report, one submission bundle, the continuation brief.
//!
//! Everything that is not ours is escaped, so that a name is never a heading, a link, a table cell or HTML.

use super::bundle::{self, commands_block};
use super::document::{Block, Command, Span, Style, Table, plain};
use super::figures;
use super::sentences::sentence;
use super::synthesis;
use super::words::Word;
use arena_domain::packet::Language;
use arena_domain::report::{Report, Submission};

/// The synthesis and all submission bundles.
pub(crate) fn report(report: &Report) -> String {
    written(&synthesis::document(report))
}

/// One submission bundle by itself.
pub(crate) fn submission(report: &Report, submission: &Submission) -> String {
    written(&promoted(bundle::blocks(submission, report.packet.language)))
}

/// What to paste for whoever goes on: the best commit, how to reproduce it, what is next, what is open.
pub(crate) fn continuation(report: &Report) -> String {
    let language = report.packet.language;
    let left = &report.continuation;
    let title = format!("{}: {}", Word::Continuation.to(language), report.packet.title);
    let mut blocks = vec![
        Block::Heading(1, Span::plain(&title)),
        Block::Paragraph(plain(Word::ContinuationIntro.to(language))),
        Block::Facts(continuation_facts(report, language)),
    ];
    blocks.extend(bundle::bullets(Word::Acceptance, &report.packet.brief.acceptance, language));
    blocks.push(synthesis::heading(4, Word::Reproduce, language));
    blocks.push(commands_block(&left.reproduce, language));
    blocks.extend(bundle::told(Word::FollowUps, &left.follow_ups, language));
    blocks.extend(bundle::told(Word::OpenRisks, &left.open_risks, language));
    written(&promoted(blocks))
}

/// A bundle's headings are two levels deep in a report; by itself it starts at the top.
fn promoted(mut blocks: Vec<Block>) -> Vec<Block> {
    for block in &mut blocks {
        if let Block::Heading(level, _) = block {
            *level = level.saturating_sub(2).max(1);
        }
    }
    blocks
}

fn continuation_facts(report: &Report, language: Language) -> Vec<(&'static str, Vec<Span>)> {
    let mut facts = vec![(Word::Goal.to(language), plain(&report.packet.goal))];
    match &report.continuation.best {
        Some((name, commit)) => {
            let entry = report.standing.entries.iter().find(|entry| &entry.competitor == name);
            facts.push((Word::Competitor.to(language), vec![Span::strong(name.as_str())]));
            facts.push((Word::StartFrom.to(language), vec![Span::code(commit.as_str())]));
            if let Some(entry) = entry {
                facts.push((Word::Branch.to(language), vec![Span::code(&entry.branch)]));
            }
            let kpi = entry.and_then(|entry| figures::primary(entry, synthesis::primary_name(report)));
            if let Some(kpi) = kpi {
                let (before, after) = (figures::number(kpi.baseline), figures::with_unit(kpi.best, &kpi.unit));
                let text = format!("{} {before} → {after}, {}", kpi.name, figures::ratio(kpi.ratio));
                facts.push((Word::BestResult.to(language), plain(&text)));
            }
        }
        None => facts.push((Word::StartFrom.to(language), plain(Word::NoBest.to(language)))),
    }
    facts.push((Word::Base.to(language), vec![Span::code(report.base.as_str())]));
    facts.push((Word::Session.to(language), vec![Span::code(report.session.as_str())]));
    facts.push((Word::Reason.to(language), plain(&sentence(&report.standing.reason, language))));
    facts
}

fn written(blocks: &[Block]) -> String {
    let mut parts: Vec<String> = blocks.iter().map(block).filter(|part| !part.is_empty()).collect();
    parts.push(String::new());
    let mut text = parts.join("\n\n");
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn block(block: &Block) -> String {
    match block {
        Block::Heading(level, text) => format!("{} {}", "#".repeat(usize::from(*level)), span(text)),
        Block::Paragraph(spans) => line(spans),
        Block::Facts(facts) => {
            let facts = facts.iter().map(|(label, value)| format!("- **{label}**: {}", line(value)));
            facts.collect::<Vec<_>>().join("\n")
        }
        Block::Bullets(bullets) => {
            bullets.iter().map(|bullet| format!("- {}", line(bullet))).collect::<Vec<_>>().join("\n")
        }
        Block::Table(contents) => table(contents),
        Block::Commands(commands) => fenced(commands),
        Block::Plot(_) => String::new(),
    }
}

fn table(table: &Table) -> String {
    let labels = table.head.iter().map(|column| column.label).collect::<Vec<_>>().join(" | ");
    let rules = table.head.iter().map(|column| if column.number { "---:" } else { "---" });
    let mut lines = vec![format!("| {labels} |"), format!("| {} |", rules.collect::<Vec<_>>().join(" | "))];
    for row in &table.rows {
        let cells = row.iter().map(|cell| line(cell)).collect::<Vec<_>>().join(" | ");
        lines.push(format!("| {cells} |"));
    }
    lines.join("\n")
}

/// A fence longer than any run of backticks inside, so that nothing inside can end it.
fn fenced(commands: &[Command]) -> String {
    let body = commands.iter().map(Command::text).collect::<Vec<_>>().join("\n");
    let longest = body.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat((longest + 1).max(3));
    format!("{fence}sh\n{body}\n{fence}")
}

fn line(spans: &[Span]) -> String {
    spans.iter().map(span).collect()
}

fn span(span: &Span) -> String {
    let text = span.text();
    match span.style() {
        Style::Plain | Style::Toned(_) => escaped(text),
        Style::Strong if text.is_empty() => String::new(),
        Style::Strong => format!("**{}**", escaped(text)),
        Style::Code => code(text),
    }
}

/// A code span where nothing in the text can end it, and an escaped element where something could.
fn code(text: &str) -> String {
    let tricky = |c: char| "`|<>&\\".contains(c);
    if text.is_empty() {
        String::new()
    } else if text.contains(tricky) {
        format!("<code>{}</code>", entities(text))
    } else {
        format!("`{text}`")
    }
}

/// Every mark of Markdown and HTML as a numbered entity.
fn entities(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len() + 16), |mut safe, c| {
        if c.is_ascii_punctuation() && !"-./,:=".contains(c) {
            safe.push_str(&format!("&#{};", u32::from(c)));
        } else {
            safe.push(c);
        }
        safe
    })
}

/// Plain text that stays plain text: no markup in the line, none made by its beginning.
fn escaped(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut safe = String::with_capacity(text.len() + 16);
    for (index, &c) in chars.iter().enumerate() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '_' if within_word(&chars, index) => safe.push('_'),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' => safe.extend(['\\', c]),
            '-' | '+' | '=' if index == 0 => safe.extend(['\\', c]),
            '.' | ')' if index > 0 && chars[..index].iter().all(char::is_ascii_digit) && !followed(&chars, index) => {
                safe.extend(['\\', c]);
            }
            c => safe.push(c),
        }
    }
    safe
}

/// An underscore between two letters or digits never starts emphasis.
fn within_word(chars: &[char], index: usize) -> bool {
    let word = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(|c| c.is_alphanumeric());
    word(index.checked_sub(1)) && word(index.checked_add(1))
}

/// Whether a digit or letter follows: `0.8` is a number, `1. x` would be a list.
fn followed(chars: &[char], index: usize) -> bool {
    chars.get(index + 1).is_some_and(|c| !c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::tests::{disqualified, has_lines, report as session, won};
    use arena_domain::standing::Status;
    use proptest::prelude::*;

    #[test]
    fn markup_in_plain_text_stays_text() {
        let rows = [
            ("a|b", "a\\|b"),
            ("# title", "\\# title"),
            ("- item", "\\- item"),
            ("1. item", "1\\. item"),
            ("0.8 s", "0.8 s"),
            ("<b>", "&lt;b&gt;"),
            ("[x](y)", "\\[x\\](y)"),
            ("p95_ms", "p95_ms"),
            ("_x_", "\\_x\\_"),
            ("a&b", "a&amp;b"),
            ("`x`", "\\`x\\`"),
            ("~~~", "\\~\\~\\~"),
        ];
        for (raw, safe) in rows {
            assert_eq!(escaped(raw), safe);
        }
    }

    #[test]
    fn a_code_span_cannot_be_ended_from_inside() {
        assert_eq!(code("src/a_b.rs"), "`src/a_b.rs`");
        assert_eq!(code("a`b|c<d>"), "<code>a&#96;b&#124;c&#60;d&#62;</code>");
    }

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        let text = fenced(&[Command::new("echo '````'")]);
        assert!(text.starts_with("`````sh\n") && text.ends_with("\n`````"), "{text}");
    }

    #[test]
    fn the_markdown_report_says_who_won_and_why() {
        has_lines(
            &report(&won()),
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
        let text = report(&won());
        let at = |name: &str| text.find(&format!("**{name}**")).unwrap();
        assert!(at("codex-minimal") < at("claude-robust") && at("claude-robust") < at("gemini-robust"));
    }

    #[test]
    fn a_bundle_is_complete() {
        let report = won();
        has_lines(
            &submission(&report, &report.bundles[0]),
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
            &continuation(&won()),
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
        let none = continuation(&session(Status::NoWinner, vec![disqualified(1, "gemini-robust")]));
        has_lines(&none, &["- **Start from**: No submission qualified; start from the base commit."]);
    }

    proptest! {
        #[test]
        fn no_text_opens_an_element_or_a_cell(raw in "\\PC{0,60}") {
            let safe = escaped(&raw);
            prop_assert!(!safe.contains('<') && !safe.contains('>'));
            let bare = safe.replace("\\\\", "").replace("\\|", "");
            prop_assert!(!bare.contains('|'), "{safe}");
        }
    }
}
