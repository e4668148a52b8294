//! The scoreboard on a terminal: one line per competitor, the evidence below it, never wider than asked.

use super::document::{Span, Tone};
use super::figures;
use super::sentences::sentence;
use super::synthesis::{flag_text, primary_name, ranked, status_tone, verdict};
use super::width::{columns, fit};
use super::words::Word;
use arena_domain::packet::Language;
use arena_domain::report::Report;
use arena_domain::standing::Entry;

/// Narrower terminals get this width all the same: nothing readable fits into less.
const NARROWEST: usize = 30;
const LONGEST_NAME: usize = 32;
const GAP: usize = 2;
const CELLS: usize = 8;
/// Columns that go first when the terminal is narrow: interval, base → best, flags, gates, verdict.
const EXPENDABLE: [usize; 5] = [5, 3, 7, 6, 2];
const RIGHT_ALIGNED: [usize; 4] = [0, 3, 4, 5];
const NAME: usize = 1;
const VERDICT: usize = 2;

struct Row {
    cells: [String; CELLS],
    tone: Tone,
    notes: Vec<(Tone, String)>,
}

/// Ends in a newline. `colour` adds terminal colours; no other control character is ever in it.
pub(crate) fn scoreboard(report: &Report, colour: bool, width: usize) -> String {
    let language = report.packet.language;
    let width = width.max(NARROWEST);
    let primary = primary_name(report);
    let rows: Vec<Row> = ranked(report).into_iter().map(|entry| row(entry, primary, language)).collect();
    let mut lines = Vec::new();
    if rows.is_empty() {
        lines.extend(wrapped(Word::NoEntries.to(language), width));
    } else {
        lines.extend(table(&header(primary, language), &rows, colour, width));
    }
    lines.push(String::new());
    lines.extend(closing(report, colour, width));
    lines.push(String::new());
    lines.join("\n")
}

fn header(primary: Option<&str>, language: Language) -> [String; CELLS] {
    let kpi = primary.map(clean).unwrap_or_default();
    let kpi = format!("{} {}", fit(&kpi, 20), Word::BaseToBest.to(language));
    let word = |word: Word| word.to(language).to_owned();
    [
        "#".into(),
        word(Word::Competitor),
        word(Word::Verdict),
        kpi.trim().into(),
        word(Word::Ratio),
        word(Word::Interval),
        word(Word::Gates),
        word(Word::Flags),
    ]
}

fn row(entry: &Entry, primary: Option<&str>, language: Language) -> Row {
    let (tone, word) = verdict(entry, primary);
    let kpi = figures::primary(entry, primary);
    let none = || "–".to_owned();
    let (passed, gates) = figures::required_gates(entry);
    let cells = [
        entry.rank.to_string(),
        fit(&clean(entry.competitor.as_str()), LONGEST_NAME),
        word.to(language).to_owned(),
        kpi.map_or_else(none, |kpi| {
            let best = figures::with_unit(kpi.best, &fit(&clean(&kpi.unit), 8));
            format!("{} → {best}", figures::number(kpi.baseline))
        }),
        kpi.map_or_else(none, |kpi| figures::ratio(kpi.ratio)),
        kpi.map_or_else(none, |kpi| figures::interval(kpi.ci, language)),
        if gates == 0 { none() } else { format!("{passed}/{gates}") },
        if entry.flags.is_empty() { none() } else { entry.flags.len().to_string() },
    ];
    let mut notes: Vec<(Tone, String)> =
        entry.disqualified_for.iter().map(|why| (Tone::Bad, clean(&sentence(why, language)))).collect();
    for flag in &entry.flags {
        let tone = if flag.kind.disqualifies() { Tone::Bad } else { Tone::Doubtful };
        notes.push((tone, clean(&format!("{}: {}", flag.kind.as_str(), flag_text(flag, language)))));
    }
    Row { cells, tone, notes }
}

fn table(header: &[String; CELLS], rows: &[Row], colour: bool, width: usize) -> Vec<String> {
    let all = || std::iter::once(header).chain(rows.iter().map(|row| &row.cells));
    let mut widths: [usize; CELLS] =
        std::array::from_fn(|at| all().map(|cells| columns(&cells[at])).max().unwrap_or(0));
    let mut shown = [true; CELLS];
    for at in EXPENDABLE {
        if total(&widths, &shown) > width {
            shown[at] = false;
        }
    }
    let over = total(&widths, &shown).saturating_sub(width);
    widths[NAME] = widths[NAME].saturating_sub(over).max(1);
    let layout = Layout { widths, shown, colour };
    let mut lines = vec![layout.line(header, None)];
    for row in rows {
        lines.push(layout.line(&row.cells, Some(row.tone)));
        let indent = widths[0] + GAP;
        for (tone, note) in &row.notes {
            for (at, part) in wrapped(note, width.saturating_sub(indent + 2)).iter().enumerate() {
                let lead = if at == 0 { "! " } else { "  " };
                lines.push(format!("{}{}", " ".repeat(indent), painted(&format!("{lead}{part}"), *tone, colour)));
            }
        }
    }
    lines
}

fn total(widths: &[usize; CELLS], shown: &[bool; CELLS]) -> usize {
    let kept: Vec<usize> = widths.iter().zip(shown).filter(|(_, shown)| **shown).map(|(width, _)| *width).collect();
    kept.iter().sum::<usize>() + kept.len().saturating_sub(1) * GAP
}

struct Layout {
    widths: [usize; CELLS],
    shown: [bool; CELLS],
    colour: bool,
}

impl Layout {
    fn line(&self, cells: &[String; CELLS], tone: Option<Tone>) -> String {
        let shown = (0..CELLS).filter(|at| self.shown[*at]);
        let padded = shown.map(|at| {
            let text = fit(&cells[at], self.widths[at]);
            let space = " ".repeat(self.widths[at].saturating_sub(columns(&text)));
            let text = match tone {
                Some(tone) if at == VERDICT => painted(&text, tone, self.colour),
                Some(_) | None => text,
            };
            if RIGHT_ALIGNED.contains(&at) { format!("{space}{text}") } else { format!("{text}{space}") }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    }
}

/// The verdict of the session and why.
fn closing(report: &Report, colour: bool, width: usize) -> Vec<String> {
    let language = report.packet.language;
    let standing = &report.standing;
    let said = match &standing.winner {
        Some(name) => format!("{}: {}", Word::Winner.to(language), clean(name.as_str())),
        None => format!("{}: {}", Word::Status.to(language), Word::status(standing.status).to(language)),
    };
    let mut lines = vec![painted(&fit(&said, width), status_tone(standing.status), colour)];
    lines.extend(wrapped(
        &format!("{}: {}", Word::Reason.to(language), clean(&sentence(&standing.reason, language))),
        width,
    ));
    lines
}

/// Lines of at most `width` columns, broken at spaces; a word that is longer is broken where it must be.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut rest = word;
        loop {
            let line = lines.last().map_or("", String::as_str);
            let used = columns(line) + usize::from(!line.is_empty());
            if used + columns(rest) <= width {
                append(&mut lines, rest);
                break;
            }
            if used == 0 {
                let cut = head_of(rest, width);
                append(&mut lines, &rest[..cut]);
                rest = &rest[cut..];
            }
            lines.push(String::new());
        }
    }
    lines
}

fn append(lines: &mut [String], word: &str) {
    if let Some(line) = lines.last_mut() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
}

/// How many bytes of the text fill one line; at least one character, so that breaking always ends.
fn head_of(text: &str, width: usize) -> usize {
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
    let fitting = ends.clone().take_while(|end| columns(&text[..*end]) <= width).last();
    fitting.or_else(|| ends.clone().next()).unwrap_or(text.len())
}

fn painted(text: &str, tone: Tone, colour: bool) -> String {
    if !colour {
        return text.to_owned();
    }
    let code = match tone {
        Tone::Good => 32,
        Tone::Bad => 31,
        Tone::Doubtful => 33,
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

fn clean(raw: &str) -> String {
    Span::plain(raw).text().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::tests::{has_lines, won};
    use proptest::prelude::*;

    #[test]
    fn a_long_reason_is_broken_at_spaces_and_never_lost() {
        assert_eq!(wrapped("aa bb cc", 5), ["aa bb", "cc"]);
        assert_eq!(wrapped("aaaaaaa b", 3), ["aaa", "aaa", "a b"]);
        assert_eq!(wrapped("", 5), [""]);
    }

    #[test]
    fn the_terminal_shows_rank_figures_and_evidence() {
        has_lines(
            &scoreboard(&won(), false, 120),
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
        assert!(!scoreboard(&won(), false, 80).contains('\x1b'));
        assert!(scoreboard(&won(), true, 80).contains("\x1b[32mbetter\x1b[0m"));
    }

    #[test]
    fn a_narrow_terminal_gets_narrow_lines() {
        for language in [Language::English, Language::Japanese] {
            let mut report = won();
            report.packet.language = language;
            for width in [30, 40, 60, 80, 200] {
                for line in scoreboard(&report, false, width).lines() {
                    assert!(columns(line) <= width, "{width}: {line}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn no_wrapped_line_is_too_wide(text in "\\PC{0,80}", width in 4usize..40) {
            for line in wrapped(&text, width) {
                prop_assert!(columns(&line) <= width, "{line}");
            }
        }
    }
}
