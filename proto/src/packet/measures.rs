//! What measures and what counts: `[[gate]]`, `[harness]`, `[[kpi]]` and `[scoring]`.

use std::collections::HashSet;

use arena_domain::packet::{Better, Criteria, Gate, GateKind, Harness, Kpi, KpiSource, Scoring, Select};

use super::problem::{Sink, Spot};
use super::section::Section;

/// Of a compiled expression: room for any real one, and a bound on what a hostile one costs.
const REGEX_BYTES: usize = 1 << 20;
const REGEX_CHARS: usize = 1000;

pub(super) fn gates(root: &Section<'_>, sink: &mut Sink) -> Vec<Gate> {
    let kinds = GateKind::ALL.map(|kind| (kind.as_str(), kind));
    let sections = root.tables("gate");
    names_differ(sections.iter().filter_map(|one| Some((one.text("name")?, one.spot("name")))), "gate", sink);
    let gate = |section: &Section<'_>| Gate {
        name: section.owned("name").unwrap_or_default(),
        kind: section.choice("kind", &kinds).unwrap_or(GateKind::Custom),
        run: section.owned("run").unwrap_or_default(),
        timeout: section.duration("timeout").unwrap_or(Gate::DEFAULT_TIMEOUT),
        required: section.switch("required").unwrap_or(true),
    };
    sections.iter().map(gate).collect()
}

pub(super) fn harness(root: &Section<'_>, sink: &mut Sink) -> Option<Harness> {
    let section = root.table("harness");
    if !section.is_present() {
        if let Some(kpi) = root.tables("kpi").first() {
            let mend = "add [harness] with `run = \"…\"`, or take the KPIs away";
            sink.problem(kpi.own_spot(), "there is no harness to measure a KPI by", mend);
        }
        return None;
    }
    if root.tables("kpi").is_empty() {
        let mend = "add [[kpi]] with `name` and `source`, such as source = \"wall_time\"";
        sink.problem(section.own_spot(), "measures nothing: there is no KPI", mend);
    }
    scenarios(&section, sink);
    Some(Harness {
        run: section.owned("run").unwrap_or_default(),
        timeout: section.duration("timeout").unwrap_or(Harness::DEFAULT_TIMEOUT),
        scenarios: section.strings("scenarios"),
        holdout: section.strings("holdout"),
        repeats: section.whole("repeats").unwrap_or(Harness::DEFAULT_REPEATS),
        token: section.switch("token").unwrap_or(false),
    })
}

fn scenarios(section: &Section<'_>, sink: &mut Sink) {
    let (shown, held) = (section.texts("scenarios"), section.texts("holdout"));
    names_differ(shown.iter().map(|one| (one.text, one.spot.clone())), "scenario", sink);
    names_differ(held.iter().map(|one| (one.text, one.spot.clone())), "scenario", sink);
    let known: HashSet<&str> = shown.iter().map(|one| one.text).collect();
    for entry in held.iter().filter(|entry| known.contains(entry.text)) {
        let reason = format!("\"{}\" is among the scenarios that engines see", entry.text);
        sink.problem(&entry.spot, reason, "hold out scenarios that are nowhere else");
    }
    let Some(run) = section.text("run") else { return };
    let varies = !shown.is_empty() || !held.is_empty();
    if varies && !run.contains("{scenario}") {
        let mend = "write {scenario} where the command takes it";
        sink.warn(&section.spot("run"), "ignores the scenarios: each of them measures the same", mend);
    } else if !varies && run.contains("{scenario}") {
        let mend = "add `scenarios = [\"1\", \"2\"]`";
        sink.warn(&section.spot("run"), "names {scenario}, and there is none: it is replaced by an empty text", mend);
    }
}

pub(super) fn kpis(root: &Section<'_>, sink: &mut Sink) -> Vec<Kpi> {
    let sections = root.tables("kpi");
    names_differ(sections.iter().filter_map(|one| Some((one.text("name")?, one.spot("name")))), "KPI", sink);
    let kpis: Vec<Kpi> = sections.iter().map(|section| kpi(section, sink)).collect();
    if !kpis.is_empty() && kpis.iter().all(|kpi| kpi.weight == 0.0) {
        let mend = "give at least one of them a weight above 0";
        sink.problem(&root.spot("kpi"), "every KPI weighs nothing", mend);
    }
    kpis
}

fn kpi(section: &Section<'_>, sink: &mut Sink) -> Kpi {
    let source = source(section, sink);
    let better = section.choice("better", &[("lower", Better::Lower), ("higher", Better::Higher)]);
    let printed = source.as_ref().is_some_and(|source| !source.is_clocked());
    if better.is_none() && printed && (!section.has("better") || section.says_unknown("better")) {
        let reason = "is needed for a number that the harness prints";
        sink.problem(&section.spot("better"), reason, "add `better = \"lower\"` or `better = \"higher\"`");
    }
    let unit = match source {
        Some(KpiSource::WallTime | KpiSource::CpuTime) => "s",
        Some(KpiSource::PeakMemory) => "bytes",
        Some(KpiSource::Json(_) | KpiSource::Regex(_) | KpiSource::Stdout) | None => "",
    };
    Kpi {
        name: section.owned("name").unwrap_or_default(),
        source: source.unwrap_or(KpiSource::Stdout),
        unit: section.text("unit").unwrap_or(unit).to_owned(),
        better: better.unwrap_or(Better::Lower),
        weight: section.number("weight").unwrap_or(1.0),
        guard: section.share("guard"),
        target: section.number("target"),
        known_baseline: section.number("known_baseline"),
    }
}

/// Nothing when it is absent or has no known form, which the first pass has said.
fn source(section: &Section<'_>, sink: &mut Sink) -> Option<KpiSource> {
    let names = [
        ("wall_time", KpiSource::WallTime),
        ("cpu_time", KpiSource::CpuTime),
        ("peak_memory", KpiSource::PeakMemory),
        ("stdout", KpiSource::Stdout),
    ];
    if let Some(text) = section.text("source") {
        return names.into_iter().find(|(name, _)| *name == text).map(|(_, source)| source);
    }
    let table = section.table("source");
    for way in ["json", "regex"] {
        if table.has(way) && table.text(way).is_none() {
            sink.problem(&table.spot(way), "says nothing", "write where the number is");
        }
    }
    if let Some(pointer) = table.text("json") {
        if !pointer.starts_with('/') {
            let reason = format!("\"{pointer}\" is no JSON pointer");
            sink.problem(&table.spot("json"), reason, format!("begin it with a slash: \"/{pointer}\""));
        }
        return Some(KpiSource::Json(pointer.to_owned()));
    }
    let pattern = table.text("regex")?;
    expression(pattern, &table.spot("regex"), sink);
    Some(KpiSource::Regex(pattern.to_owned()))
}

fn expression(pattern: &str, spot: &Spot, sink: &mut Sink) {
    if pattern.len() > REGEX_CHARS {
        let reason = format!("is {} bytes long; the limit is {REGEX_CHARS}", pattern.len());
        return sink.problem(spot, reason, "shorten the expression");
    }
    match regex::RegexBuilder::new(pattern).size_limit(REGEX_BYTES).build() {
        Ok(regex) if regex.captures_len() > 1 => {}
        Ok(_) => sink.problem(spot, "has no group", "put the number in parentheses: \"rate: ([0-9.]+)\""),
        Err(error) => {
            // The parser draws the pattern over several lines; its last one says what is wrong.
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned();
            sink.problem(spot, format!("does not compile: {last}"), "mend the expression, such as \"rate: ([0-9.]+)\"");
        }
    }
}

pub(super) fn scoring(root: &Section<'_>, sink: &mut Sink) -> Scoring {
    let section = root.table("scoring");
    let usual = Scoring::default();
    let selects = [Select::Kpi, Select::Criteria, Select::Pareto].map(|select| (select.as_str(), select));
    let select = section.choice("select", &selects);
    let least = match select {
        Some(Select::Kpi) => 1,
        Some(Select::Pareto) => 2,
        Some(Select::Criteria) | None => 0,
    };
    if root.tables("kpi").len() < least {
        let reason = format!("chooses by KPIs, and there are fewer than {least}");
        sink.warn(&section.spot("select"), reason, "add [[kpi]], or write select = \"criteria\"");
    }
    Scoring {
        select: select.unwrap_or(usual.select),
        min_effect: section.share("min_effect").unwrap_or(usual.min_effect),
        confidence: section.share("confidence").unwrap_or(usual.confidence),
        criteria: criteria(&section.table("criteria"), usual.criteria, sink),
    }
}

fn criteria(section: &Section<'_>, usual: Criteria, sink: &mut Sink) -> Criteria {
    let weight = |name: &str, usual: f64| section.number(name).unwrap_or(usual);
    let Criteria { correctness, quality, performance, safety, simplicity } = usual;
    let weights = Criteria {
        correctness: weight("correctness", correctness),
        quality: weight("quality", quality),
        performance: weight("performance", performance),
        safety: weight("safety", safety),
        simplicity: weight("simplicity", simplicity),
    };
    let Criteria { correctness, quality, performance, safety, simplicity } = weights;
    if [correctness, quality, performance, safety, simplicity].iter().all(|weight| *weight == 0.0) {
        sink.problem(section.own_spot(), "every criterion weighs nothing", "give at least one a weight above 0");
    }
    weights
}

/// Refuses a name that stands twice.
fn names_differ<'a>(names: impl Iterator<Item = (&'a str, Spot)>, what: &str, sink: &mut Sink) {
    let mut taken = HashSet::new();
    for (name, spot) in names {
        if !taken.insert(name) {
            sink.problem(&spot, format!("\"{name}\" is taken"), format!("give every {what} its own name"));
        }
    }
}
