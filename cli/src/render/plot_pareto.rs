//! The primary KPI against what it cost: engine seconds, or lines changed where no engine time is known.

use super::axis::{Axis, drawable};
use super::document::Span;
use super::figures;
use super::svg::{BOTTOM, Frame, LEFT, Label, Look, Mark, RIGHT, TOP, marker, picture, px};
use super::synthesis::{primary_name, ranked};
use super::words::Word;
use arena_domain::packet::Language;
use arena_domain::report::Report;
use arena_domain::standing::Entry;
use maud::{Markup, html};

struct Point {
    look: Look,
    name: String,
    cost: f64,
    ratio: f64,
    mark: Mark,
}

/// What is plotted and the picture; `None` when no competitor has a ratio.
pub(crate) fn plot(report: &Report) -> Option<(Word, Markup)> {
    let language = report.packet.language;
    let entries = ranked(report);
    let timed = entries.iter().any(|entry| figures::engine_seconds(entry) > 0.0);
    let points: Vec<Point> =
        entries.iter().enumerate().filter_map(|(at, entry)| point(at, entry, primary_name(report), timed)).collect();
    if points.is_empty() {
        return None;
    }
    let costs: Vec<f64> = points.iter().map(|point| point.cost).chain([0.0]).collect();
    let ratios: Vec<f64> = points.iter().map(|point| point.ratio).chain([1.0]).collect();
    let (title, x_label) =
        if timed { (Word::PlotPareto, Word::AxisEngineSeconds) } else { (Word::PlotParetoLines, Word::AxisLines) };
    let frame = Frame {
        id: "plot-pareto",
        title: title.to(language),
        description: description(&points),
        x: Axis::over(&costs, 6, 0.0, (LEFT + 10.0, RIGHT - 25.0)),
        y: Axis::over(&ratios, 6, 0.0, (BOTTOM, TOP)),
        x_label: x_label.to(language),
        y_label: Word::AxisRatio.to(language),
        x_zero: None,
    };
    Some((title, picture(&frame, &draw(&points, &frame), &labels(&points, language))))
}

fn point(at: usize, entry: &Entry, primary: Option<&str>, timed: bool) -> Option<Point> {
    let ratio = figures::primary(entry, primary)?.ratio;
    let (added, removed) = figures::lines(entry);
    let cost = if timed { figures::engine_seconds(entry) } else { (added + removed) as f64 };
    let mark = match (entry.qualified(), entry.on_front) {
        (false, _) => Mark::Crossed,
        (true, true) => Mark::Filled,
        (true, false) => Mark::Hollow,
    };
    let name = Span::plain(entry.competitor.as_str()).text().to_owned();
    (drawable(ratio) && drawable(cost)).then_some(Point { look: Look(at), name, cost, ratio, mark })
}

fn description(points: &[Point]) -> String {
    points.iter().map(says).collect::<Vec<_>>().join("; ")
}

fn says(point: &Point) -> String {
    format!("{}: {}, {}", point.name, figures::ratio(point.ratio), figures::number(point.cost))
}

fn draw(points: &[Point], frame: &Frame<'_>) -> Markup {
    let mut front: Vec<&Point> = points.iter().filter(|point| point.mark == Mark::Filled).collect();
    front.sort_by(|one, other| one.cost.total_cmp(&other.cost).then(one.ratio.total_cmp(&other.ratio)));
    let at = |point: &Point| (frame.x.at(point.cost), frame.y.at(point.ratio));
    let path: Vec<String> = front.iter().map(|point| at(point)).map(|(x, y)| format!("{},{}", px(x), px(y))).collect();
    html! {
        line class="base" x1=(px(LEFT)) x2=(px(RIGHT)) y1=(px(frame.y.at(1.0))) y2=(px(frame.y.at(1.0))) {}
        @if path.len() > 1 { polyline class="front" points=(path.join(" ")) {} }
        @for point in points { (marker(Some(point.look), point.mark, at(point), &says(point))) }
    }
}

fn labels(points: &[Point], language: Language) -> Vec<Label> {
    let names = points.iter().map(|point| Label { look: Some(point.look), mark: point.mark, text: point.name.clone() });
    let marks =
        [(Mark::Filled, Word::LegendFront), (Mark::Hollow, Word::LegendDominated), (Mark::Crossed, Word::Disqualified)];
    let marks = marks.map(|(mark, word)| Label { look: None, mark, text: word.to(language).into() });
    names.chain(marks).collect()
}
