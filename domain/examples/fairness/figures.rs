//! What a simulation says, as rows and as a picture.

use super::simulation::{MINUTE, Scenario, Served, run, running, scenarios};
use arena_domain::job::Millis;
use std::fmt::Write;

pub(crate) const SEED: u64 = 4;
/// Points of a curve.
const POINTS: Millis = 60;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 150.0;
const LEFT: f64 = 40.0;
const TOP: f64 = 34.0;
/// From one panel to the next.
const PANEL: f64 = HEIGHT + 70.0;
const COLOURS: [&str; 3] = ["#1f6feb", "#d1242f", "#8250df"];

pub(crate) struct Curve {
    pub(crate) scenario: &'static str,
    pub(crate) series: &'static str,
    /// What the numbers are: slots, or minutes that jobs waited.
    pub(crate) of: &'static str,
    /// Minute, value.
    pub(crate) points: Vec<(f64, f64)>,
}

pub(crate) fn curves() -> Vec<(Scenario, Vec<Curve>)> {
    scenarios()
        .into_iter()
        .map(|scenario| (of(&scenario), scenario))
        .map(|(curves, scenario)| (scenario, curves))
        .collect()
}

fn of(scenario: &Scenario) -> Vec<Curve> {
    let served = run(scenario, SEED);
    let curve = |series: &'static str| match scenario.name {
        "priority" => Curve { scenario: scenario.name, series, of: "minutes waited", points: waits(&served, series) },
        _ => Curve { scenario: scenario.name, series, of: "slots", points: slots(&served, series, scenario.ends) },
    };
    scenario.loads.iter().map(|load| curve(load.series)).collect()
}

fn slots(served: &[Served], series: &str, ends: Millis) -> Vec<(f64, f64)> {
    let point = |n: Millis| {
        let at = n * ends / POINTS;
        (at as f64 / MINUTE as f64, f64::from(running(served, series, at)))
    };
    (0..POINTS).map(point).collect()
}

fn waits(served: &[Served], series: &str) -> Vec<(f64, f64)> {
    let minutes = |millis: Millis| millis as f64 / MINUTE as f64;
    let mut points: Vec<(f64, f64)> = served
        .iter()
        .filter(|one| one.series == series)
        .map(|one| (minutes(one.arrived), minutes(one.began - one.arrived)))
        .collect();
    points.sort_by(|one, other| one.0.total_cmp(&other.0));
    points
}

pub(crate) fn csv() -> String {
    let mut text = "scenario,series,of,minute,value\n".to_owned();
    for curve in curves().iter().flat_map(|(_, curves)| curves) {
        for (minute, value) in &curve.points {
            let Curve { scenario, series, of, points: _ } = curve;
            let _ = writeln!(text, "{scenario},{series},{of},{minute:.2},{value:.2}");
        }
    }
    text
}

pub(crate) fn svg() -> String {
    let all = curves();
    let height = PANEL * all.len() as f64 + 10.0;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.0} {height:.0}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
        WIDTH + LEFT + 130.0
    );
    for (number, (scenario, curves)) in all.iter().enumerate() {
        panel(&mut text, number as f64 * PANEL + TOP, scenario, curves);
    }
    text.push_str("</svg>\n");
    text
}

fn panel(text: &mut String, top: f64, scenario: &Scenario, curves: &[Curve]) {
    let values = curves.iter().flat_map(|curve| &curve.points);
    let most = values.fold(1.0_f64, |most, (_, value)| most.max(*value)) * 1.1;
    let ends = scenario.ends as f64 / MINUTE as f64;
    let (x, y) = (|minute: f64| LEFT + minute / ends * WIDTH, |value: f64| top + HEIGHT - value / most * HEIGHT);
    let bottom = top + HEIGHT;
    let _ = writeln!(text, "<text x=\"{LEFT}\" y=\"{:.0}\">{}</text>", top - 10.0, scenario.says);
    let frame = format!("M{LEFT} {top:.0}V{bottom:.0}H{:.0}", LEFT + WIDTH);
    let _ = writeln!(text, "<path d=\"{frame}\" fill=\"none\" stroke=\"#57606a\"/>");
    for part in 0..=4 {
        let minute = ends * f64::from(part) / 4.0;
        let (at, below) = (x(minute), bottom + 16.0);
        let _ = writeln!(text, "<text x=\"{at:.0}\" y=\"{below:.0}\" text-anchor=\"middle\">{minute:.0} min</text>");
    }
    for value in [0.0, (most / 2.2).round(), (most / 1.1).round()] {
        let (left, at) = (LEFT - 6.0, y(value) + 4.0);
        let _ = writeln!(text, "<text x=\"{left:.0}\" y=\"{at:.0}\" text-anchor=\"end\">{value:.0}</text>");
    }
    for (number, curve) in curves.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let steps = curve.of == "slots";
        let mut line = String::new();
        for (n, (minute, value)) in curve.points.iter().enumerate() {
            let (x, y) = (x(*minute), y(*value));
            let _ = match (n, steps) {
                (0, _) => write!(line, "M{x:.1} {y:.1}"),
                (_, true) => write!(line, "H{x:.1}V{y:.1}"),
                (_, false) => write!(line, "L{x:.1} {y:.1}"),
            };
        }
        let _ = writeln!(text, "<path d=\"{line}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>");
        let (left, at) = (LEFT + WIDTH + 10.0, top + 14.0 + 18.0 * number as f64);
        let _ = writeln!(text, "<text x=\"{left:.0}\" y=\"{at:.0}\" fill=\"{colour}\">{}</text>", curve.series);
    }
    let (left, at) = (LEFT + WIDTH + 10.0, top + HEIGHT);
    let of = curves.first().map_or("", |curve| curve.of);
    let _ = writeln!(text, "<text x=\"{left:.0}\" y=\"{at:.0}\" fill=\"#57606a\">{of}</text>");
}
