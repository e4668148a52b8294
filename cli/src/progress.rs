//! What a running session shows: one line per competitor on a terminal, plain lines without one, JSON on request.

use crate::output;
use arena_domain::text::{sanitise, sanitise_line};
use arena_proto::v1::FeedItem;
use arena_runtime::clock;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

pub(crate) enum Progress {
    Json,
    Plain,
    Live(Live),
}

pub(crate) struct Live {
    bars: MultiProgress,
    rows: BTreeMap<String, Row>,
    width: usize,
}

struct Row {
    bar: ProgressBar,
    best: Option<f64>,
    round: u32,
}

impl Progress {
    /// `names` are the competitors, in the order of the packet.
    pub(crate) fn start(json: bool, names: &[String]) -> Self {
        if json {
            return Self::Json;
        }
        if !std::io::stderr().is_terminal() {
            return Self::Plain;
        }
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).clamp(4, 32);
        let mut live = Live { bars, rows: BTreeMap::new(), width };
        for name in ["base"].into_iter().chain(names.iter().map(String::as_str)) {
            live.add(name);
        }
        Self::Live(live)
    }

    pub(crate) fn show(&mut self, item: &FeedItem) {
        if is_printed(item) && !matches!(self, Self::Json) {
            for line in item.text.lines() {
                self.say(&format!("{} | {}", sanitise_line(&item.competitor, 32), sanitise_line(line, 300)));
            }
            return;
        }
        match self {
            Self::Json => output::json_line(&event(item)),
            Self::Plain => {
                if let Some(line) = plain(item) {
                    output::note(&line);
                }
            }
            Self::Live(live) => live.show(item),
        }
    }

    /// A word beside the rows.
    pub(crate) fn say(&self, text: &str) {
        match self {
            Self::Json | Self::Plain => output::note(text),
            Self::Live(live) => live.above(text),
        }
    }

    pub(crate) fn finish(&mut self) {
        if let Self::Live(live) = self {
            for row in live.rows.values() {
                row.bar.finish();
            }
        }
    }
}

impl Live {
    fn add(&mut self, name: &str) {
        let bar = self.bars.add(ProgressBar::new_spinner());
        let template = "{spinner} {prefix} {elapsed:>4} {wide_msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ "));
        }
        let shown = sanitise_line(name, self.width);
        bar.set_prefix(format!("{shown:<width$}", width = self.width));
        bar.set_message("waits for a slot");
        bar.enable_steady_tick(Duration::from_millis(200));
        self.rows.insert(name.to_owned(), Row { bar, best: None, round: 0 });
    }

    fn show(&mut self, item: &FeedItem) {
        if item.competitor.is_empty() {
            if item.kind == "base"
                && let Some(row) = self.rows.get("base")
            {
                row.bar.finish_with_message(sanitise_line(&item.text, 90));
            } else {
                self.above(&sanitise_line(&item.text, 200));
            }
            return;
        }
        let Some(row) = self.rows.get_mut(&item.competitor) else { return };
        row.round = row.round.max(item.round);
        if item.kind == "round" {
            let better = |ratio: f64| row.best.is_none_or(|best| (ratio - 1.0).abs() > (best - 1.0).abs());
            if item.text.starts_with("kept") && item.ratio.is_some_and(better) {
                row.best = item.ratio;
            }
            row.bar.set_message(format!("{}waits for a slot", best(row.best)));
            let text = format!("{} round {}: {}", item.competitor, item.round, item.text);
            return self.above(&sanitise_line(&text, 200));
        }
        let text = sanitise_line(&item.text, 60);
        if item.kind == "stopped" {
            row.bar.finish_with_message(format!("{}ended: {text}", best(row.best)));
            return;
        }
        let phase = item.kind.strip_prefix("phase:").unwrap_or(&item.kind);
        row.bar.set_message(format!("{}round {} · {phase} {text}", best(row.best), row.round));
    }

    fn above(&self, text: &str) {
        let _ = self.bars.println(text);
    }
}

/// A piece of what an engine prints.
fn is_printed(item: &FeedItem) -> bool {
    item.kind.starts_with("log:")
}

fn best(ratio: Option<f64>) -> String {
    ratio.map(|ratio| format!("best ×{ratio:.3} · ")).unwrap_or_default()
}

/// Plain lines leave the small steps out.
fn plain(item: &FeedItem) -> Option<String> {
    let who = if item.competitor.is_empty() { "session" } else { &item.competitor };
    let text = match item.kind.as_str() {
        "phase:engine" => format!("round {}: engine", item.round),
        "phase:setup" => "setup".to_owned(),
        kind if kind.starts_with("phase:") => return None,
        "round" => format!("round {}: {}", item.round, item.text),
        "stopped" => format!("ended: {}", item.text),
        _ => item.text.clone(),
    };
    let time = clock::rfc3339(item.at);
    Some(format!("{} {who}: {}", &time[11.min(time.len())..time.len().saturating_sub(1)], sanitise_line(&text, 300)))
}

/// One JSON event of a line.
pub(crate) fn event(item: &FeedItem) -> serde_json::Value {
    let (kind, phase) = match item.kind.split_once(':') {
        Some((kind, phase)) => (kind, Some(phase)),
        None => (item.kind.as_str(), None),
    };
    let mut event = serde_json::json!({ "event": kind, "seq": item.seq, "at": clock::rfc3339_millis(item.at) });
    if let Some(map) = event.as_object_mut() {
        if let Some(phase) = phase {
            map.insert(if is_printed(item) { "stream" } else { "phase" }.into(), phase.into());
        }
        if !item.competitor.is_empty() {
            map.insert("competitor".into(), item.competitor.clone().into());
            map.insert("round".into(), item.round.into());
        }
        if !item.text.is_empty() {
            let text = if is_printed(item) { sanitise(item.text.as_bytes()) } else { sanitise_line(&item.text, 2000) };
            map.insert("text".into(), text.into());
        }
        if let Some(ratio) = item.ratio {
            map.insert("ratio".into(), ratio.into());
        }
    }
    event
}
