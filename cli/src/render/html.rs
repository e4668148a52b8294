//! The report as one HTML page: no script, no external resource, light and dark.

use super::document::{Block, Column, Command, Plot, Span, Style, Table, Tone};
use super::words::{Word, tag};
use super::{plot_pareto, plot_rounds, style, synthesis};
use arena_domain::report::Report;
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// Nothing is loaded and nothing runs, even if a text should get past the escaping.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The synthesis and all submission bundles, with the two plots.
pub(crate) fn report(report: &Report) -> String {
    let language = report.packet.language;
    let blocks = synthesis::document(report);
    let title = Span::plain(&report.packet.title);
    let page = html! {
        (DOCTYPE)
        html lang=(tag(language)) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (title.text()) " – " (Word::Report.to(language)) }
                style { (PreEscaped(style::SHEET)) }
            }
            body { main { @for block in &blocks { (drawn(block, report)) } } }
        }
    };
    page.into_string()
}

fn drawn(block: &Block, report: &Report) -> Markup {
    match block {
        Block::Heading(level, text) => heading(*level, text),
        Block::Paragraph(spans) => html! { p { (line(spans)) } },
        Block::Facts(facts) => html! {
            dl { @for (label, value) in facts { div { dt { (label) } dd { (line(value)) } } } }
        },
        Block::Bullets(bullets) => html! { ul { @for bullet in bullets { li { (line(bullet)) } } } },
        Block::Table(contents) => table(contents),
        Block::Commands(commands) => html! { pre { code { (joined(commands)) } } },
        Block::Plot(plot) => figure(*plot, report),
    }
}

fn heading(level: u8, text: &Span) -> Markup {
    match level {
        1 => html! { h1 { (span(text)) } },
        2 => html! { h2 { (span(text)) } },
        3 => html! { h3 { (span(text)) } },
        _ => html! { h4 { (span(text)) } },
    }
}

fn joined(commands: &[Command]) -> String {
    commands.iter().map(Command::text).collect::<Vec<_>>().join("\n")
}

/// A wide table scrolls by itself, and by keyboard; the page does not.
fn table(table: &Table) -> Markup {
    html! {
        div.scroll tabindex="0" {
            table {
                thead { tr { @for column in &table.head { th scope="col" class=[class(column)] { (column.label) } } } }
                tbody {
                    @for row in &table.rows {
                        tr { @for (cell, column) in row.iter().zip(&table.head) { td class=[class(column)] { (line(cell)) } } }
                    }
                }
            }
        }
    }
}

fn class(column: &Column) -> Option<&'static str> {
    column.number.then_some("number")
}

fn line(spans: &[Span]) -> Markup {
    html! { @for one in spans { (span(one)) } }
}

fn span(span: &Span) -> Markup {
    let text = span.text();
    match span.style() {
        Style::Plain => html! { (text) },
        Style::Strong => html! { strong { (text) } },
        Style::Code => html! { code { (text) } },
        Style::Toned(Tone::Good) => html! { span.good { (text) } },
        Style::Toned(Tone::Bad) => html! { span.bad { (text) } },
        Style::Toned(Tone::Doubtful) => html! { span.doubtful { (text) } },
    }
}

fn figure(plot: Plot, report: &Report) -> Markup {
    let language = report.packet.language;
    let drawn = match plot {
        Plot::Rounds => plot_rounds::plot(report).map(|picture| (Word::PlotRounds, picture)),
        Plot::Pareto => plot_pareto::plot(report),
    };
    html! {
        figure {
            @match drawn {
                Some((word, picture)) => { figcaption { (word.to(language)) } (picture) },
                None => p { (Word::NothingToPlot.to(language)) },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::tests::{entry, report as session, won};
    use arena_domain::measure::Verdict;
    use arena_domain::standing::{Entry, Status};

    #[test]
    fn the_page_stands_alone() {
        let page = report(&won());
        assert!(page.starts_with("<!DOCTYPE html><html lang=\"en\">"));
        for outside in ["<script", "src=", "href=", "url(", "@import"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(page.contains("prefers-color-scheme: dark") && page.contains("max-width: 84rem"));
        assert_eq!(page.matches("role=\"img\"").count(), 2);
        assert_eq!(page.matches("<title id=").count(), 2);
    }

    #[test]
    fn ten_competitors_and_one_round_are_drawn() {
        let one_round = |mut entry: Entry| {
            entry.rounds.truncate(1);
            entry
        };
        let entries = (1..=10).map(|rank| one_round(entry(rank, &format!("codex-{rank}"), 0.7, Verdict::Better)));
        let page = report(&session(Status::Winner, entries.collect()));
        assert_eq!(page.matches("class=\"series\"").count(), 10);
        assert_eq!(page.matches("class=\"base\"").count(), 2);
    }
}
