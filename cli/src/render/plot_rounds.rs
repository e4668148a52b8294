//! The primary KPI over the rounds, as a ratio to the base: one line per competitor, reverted rounds hollow.

use super::axis::{Axis, drawable};
use super::document::Span;
use super::figures;
use super::svg::{BOTTOM, Frame, LEFT, Label, Look, Mark, RIGHT, TOP, marker, picture, px};
use super::synthesis::ranked;
use super::words::Word;
use arena_domain::packet::Language;
use arena_domain::report::Report;
use arena_domain::standing::{Entry, Round};
use maud::{Markup, html};

/// One competitor's drawable rounds.
struct Line {
    look: Look,
    name: String,
    rounds: Vec<(f64, f64, bool)>,
}

/// `None` when no round has a ratio.
pub(crate) fn plot(report: &Report) -> Option<Markup> {
    let language = report.packet.language;
    let entries = ranked(report);
    let lines: Vec<Line> = entries.iter().enumerate().map(|(at, entry)| line(at, entry)).collect();
    let lines: Vec<Line> = lines.into_iter().filter(|line| !line.rounds.is_empty()).collect();
    let last = lines.iter().flat_map(|line| &line.rounds).map(|round| round.0).reduce(f64::max)?;
    let mut ratios: Vec<f64> = lines.iter().flat_map(|line| &line.rounds).map(|round| round.1).collect();
    ratios.push(1.0);
    let frame = Frame {
        id: "plot-rounds",
        title: Word::PlotRounds.to(language),
        description: description(&lines),
        x: Axis::over(&[0.0, last], 10, 1.0, (LEFT + 10.0, RIGHT - 15.0)),
        y: Axis::over(&ratios, 6, 0.0, (BOTTOM, TOP)),
        x_label: Word::AxisRound.to(language),
        y_label: Word::AxisRatio.to(language),
        x_zero: Some(Word::LegendBase.to(language)),
    };
    let drawn = html! {
        line class="base" x1=(px(LEFT)) x2=(px(RIGHT)) y1=(px(frame.y.at(1.0))) y2=(px(frame.y.at(1.0))) {}
        @for line in &lines { (draw(line, &frame)) }
    };
    Some(picture(&frame, &drawn, &labels(&lines, language)))
}

fn line(at: usize, entry: &Entry) -> Line {
    let drawn = |round: &Round| {
        let ratio = round.ratio.filter(|ratio| drawable(*ratio))?;
        Some((f64::from(round.number), ratio, round.kept))
    };
    let mut rounds: Vec<(f64, f64, bool)> = entry.rounds.iter().filter_map(drawn).collect();
    rounds.sort_by(|one, other| one.0.total_cmp(&other.0));
    Line { look: Look(at), name: Span::plain(entry.competitor.as_str()).text().to_owned(), rounds }
}

fn description(lines: &[Line]) -> String {
    let told = lines.iter().map(|line| {
        let ratios: Vec<String> = line.rounds.iter().map(|round| figures::number(round.1)).collect();
        format!("{}: {}", line.name, ratios.join(", "))
    });
    told.collect::<Vec<_>>().join("; ")
}

/// Every line starts at the base, which is 1 by definition; so one round is a line, too.
fn draw(line: &Line, frame: &Frame<'_>) -> Markup {
    let at = |number: f64, ratio: f64| (frame.x.at(number), frame.y.at(ratio));
    let places = std::iter::once(at(0.0, 1.0)).chain(line.rounds.iter().map(|round| at(round.0, round.1)));
    let points: Vec<String> = places.map(|(x, y)| format!("{},{}", px(x), px(y))).collect();
    let style = format!("stroke:{};stroke-dasharray:{}", line.look.colour(), line.look.dash());
    html! {
        polyline class="series" points=(points.join(" ")) style=(style) {}
        @for (number, ratio, kept) in &line.rounds {
            @let mark = if *kept { Mark::Filled } else { Mark::Hollow };
            (marker(Some(line.look), mark, at(*number, *ratio), &format!("{} {number}: {}", line.name, figures::ratio(*ratio))))
        }
    }
}

fn labels(lines: &[Line], language: Language) -> Vec<Label> {
    let names = lines.iter().map(|line| Label { look: Some(line.look), mark: Mark::Filled, text: line.name.clone() });
    let marks = [(Mark::Filled, Word::LegendKept), (Mark::Hollow, Word::LegendReverted)];
    let marks = marks.map(|(mark, word)| Label { look: None, mark, text: word.to(language).into() });
    names.chain(marks).collect()
}
