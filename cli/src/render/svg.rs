//! What both plots share: the frame, markers that differ in shape as well as colour, and a legend that never overlaps.

use super::axis::Axis;
use super::figures;
use super::width::{columns, fit};
use maud::{Markup, html};

pub(crate) const WIDTH: f64 = 760.0;
/// The plotting area, in pixels of the view box.
pub(crate) const LEFT: f64 = 70.0;
pub(crate) const RIGHT: f64 = 740.0;
pub(crate) const TOP: f64 = 20.0;
pub(crate) const BOTTOM: f64 = 300.0;
/// Colours the style sheet has, as `--series-0` and so on.
pub(crate) const COLOURS: usize = 7;
const SHAPES: usize = 4;
/// Pixels per terminal column at the legend's font size.
const COLUMN_PX: f64 = 7.2;
const LEGEND_ROW_PX: f64 = 22.0;
const LONGEST_LABEL: usize = 30;

/// How a marker is drawn: what it says beside its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Filled,
    Hollow,
    Crossed,
}

/// Colour and shape of one competitor, the same in both plots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look(pub(crate) usize);

/// One row of the legend.
pub(crate) struct Label {
    pub(crate) look: Option<Look>,
    pub(crate) mark: Mark,
    pub(crate) text: String,
}

pub(crate) struct Frame<'a> {
    /// Unique in the page.
    pub(crate) id: &'a str,
    pub(crate) title: &'a str,
    /// What a reader who does not see the picture is told.
    pub(crate) description: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) x_label: &'a str,
    pub(crate) y_label: &'a str,
    /// The tick at zero, when it has a name.
    pub(crate) x_zero: Option<&'a str>,
}

impl Look {
    pub(crate) fn colour(self) -> String {
        format!("var(--series-{})", self.0 % COLOURS)
    }

    /// Lines of a second series in the same colour are dashed.
    pub(crate) fn dash(self) -> &'static str {
        if self.0 < COLOURS { "none" } else { "7 3" }
    }
}

pub(crate) fn px(value: f64) -> String {
    format!("{value:.1}")
}

/// The picture: frame, axes, contents, legend.
pub(crate) fn picture(frame: &Frame<'_>, contents: &Markup, labels: &[Label]) -> Markup {
    let (legend, legend_height) = legend(labels);
    let height = BOTTOM + 60.0 + legend_height;
    let (title, description) = (format!("{}-title", frame.id), format!("{}-desc", frame.id));
    html! {
        svg id=(frame.id) viewBox=(format!("0 0 {WIDTH:.0} {height:.0}")) role="img"
            aria-labelledby=(format!("{title} {description}")) xmlns="http://www.w3.org/2000/svg" {
            title id=(title) { (frame.title) }
            desc id=(description) { (frame.description) }
            (axes(frame))
            (contents)
            (legend)
        }
    }
}

fn axes(frame: &Frame<'_>) -> Markup {
    let middle = px((TOP + BOTTOM) / 2.0);
    html! {
        g class="grid" {
            @for tick in &frame.y.ticks {
                line x1=(px(LEFT)) x2=(px(RIGHT)) y1=(px(frame.y.at(*tick))) y2=(px(frame.y.at(*tick))) {}
            }
        }
        g class="ticks" {
            @for tick in &frame.y.ticks {
                text x=(px(LEFT - 8.0)) y=(px(frame.y.at(*tick) + 4.0)) text-anchor="end" { (tick_text(*tick)) }
            }
            @for tick in &frame.x.ticks {
                line x1=(px(frame.x.at(*tick))) x2=(px(frame.x.at(*tick))) y1=(px(BOTTOM)) y2=(px(BOTTOM + 5.0)) {}
                text x=(px(frame.x.at(*tick))) y=(px(BOTTOM + 20.0)) text-anchor="middle" {
                    @match (frame.x_zero, *tick == 0.0) {
                        (Some(name), true) => (name),
                        (Some(_) | None, _) => (tick_text(*tick)),
                    }
                }
            }
            line x1=(px(LEFT)) x2=(px(RIGHT)) y1=(px(BOTTOM)) y2=(px(BOTTOM)) {}
            text x=(px((LEFT + RIGHT) / 2.0)) y=(px(BOTTOM + 42.0)) text-anchor="middle" { (frame.x_label) }
            text x="16" y=(middle) text-anchor="middle" transform=(format!("rotate(-90 16 {middle})")) { (frame.y_label) }
        }
    }
}

/// Ticks are sums of steps; rounding takes the error of the sum away.
fn tick_text(tick: f64) -> String {
    let text = figures::number(tick);
    if tick.abs() < 1e-10 { "0".into() } else { text }
}

/// A marker at a pixel, with its text for those who point at it.
pub(crate) fn marker(look: Option<Look>, mark: Mark, (x, y): (f64, f64), says: &str) -> Markup {
    let colour = look.map_or_else(|| "currentColor".into(), Look::colour);
    let fill = if mark == Mark::Filled { colour.as_str() } else { "var(--paper)" };
    html! {
        g {
            @if !says.is_empty() { title { (says) } }
            path d=(outline(look.map_or(0, |look| look.0 % SHAPES), x, y)) style=(format!("fill:{fill};stroke:{colour};stroke-width:2")) {}
            @if mark == Mark::Crossed {
                path d=(format!("M{} {}l14 14m0 -14l-14 14", px(x - 7.0), px(y - 7.0))) style=(format!("fill:none;stroke:{colour};stroke-width:2")) {}
            }
        }
    }
}

/// Circle, square, triangle, diamond, so that nobody has to tell colours apart.
fn outline(shape: usize, x: f64, y: f64) -> String {
    match shape {
        0 => format!("M{} {}a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z", px(x - 5.0), px(y)),
        1 => format!("M{} {}h9v9h-9z", px(x - 4.5), px(y - 4.5)),
        2 => format!("M{} {}l6 10h-12z", px(x), px(y - 6.0)),
        _ => format!("M{} {}l6 6l-6 6l-6 -6z", px(x), px(y - 6.0)),
    }
}

/// Labels in columns as wide as the widest, so that none can touch another.
fn legend(labels: &[Label]) -> (Markup, f64) {
    let texts: Vec<String> = labels.iter().map(|label| fit(&label.text, LONGEST_LABEL)).collect();
    let widest = texts.iter().map(|text| columns(text)).max().unwrap_or(0);
    let cell = widest as f64 * COLUMN_PX + 34.0;
    let per_row = (((RIGHT - LEFT) / cell).floor() as usize).max(1);
    // Competitors first; what the marks mean starts a row of its own.
    let named = labels.iter().filter(|label| label.look.is_some()).count();
    let named_rows = named.div_ceil(per_row);
    let place = |index: usize| {
        let (row, column) = match index.checked_sub(named) {
            Some(index) => (named_rows + index / per_row, index % per_row),
            None => (index / per_row, index % per_row),
        };
        (LEFT + column as f64 * cell + 8.0, BOTTOM + 68.0 + row as f64 * LEGEND_ROW_PX)
    };
    let rows = named_rows + (labels.len() - named).div_ceil(per_row);
    let drawn = html! {
        g class="legend" {
            @for (index, (label, text)) in labels.iter().zip(&texts).enumerate() {
                @let (x, y) = place(index);
                (marker(label.look, label.mark, (x, y), ""))
                text x=(px(x + 14.0)) y=(px(y + 4.0)) { (text) }
            }
        }
    };
    (drawn, rows as f64 * LEGEND_ROW_PX + 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn competitors_differ_in_colour_or_shape() {
        let mut looks: Vec<(String, usize)> = (0..20).map(|at| (Look(at).colour(), at % SHAPES)).collect();
        looks.sort();
        looks.dedup();
        assert_eq!(looks.len(), 20);
    }

    #[test]
    fn no_two_legend_labels_share_a_place() {
        let label = |index: usize| Label {
            look: Some(Look(index)),
            mark: Mark::Filled,
            text: format!("codex-{index}-長い名前"),
        };
        let labels: Vec<Label> = (0..10).map(label).collect();
        let drawn = legend(&labels).0.into_string();
        let mut places: Vec<&str> = drawn.split("<text ").skip(1).filter_map(|rest| rest.split('>').next()).collect();
        assert_eq!(places.len(), 10);
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), 10);
    }
}
