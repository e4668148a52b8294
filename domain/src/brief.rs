//! Packet + competitor + what was measured -> the text an engine gets. Complete, from data, and without holdout scenarios.

mod style;
#[cfg(test)]
mod tests;
mod whole;

pub use whole::Incomplete;

use style::{Heading, Part};

use crate::measure::baseline;
use crate::outcome::{Evaluated, GateResult};
use crate::packet::{Competitor, DEFAULT_FORBIDDEN, Kpi, Packet, Verbosity};
use crate::session::{Contestant, RoundRecord};
use std::fmt::Write;

/// The brief of one round; from the second on with the figures of the rounds before. One that lacks a part is none, so that
/// nobody is paid for it.
pub fn compose(
    packet: &Packet,
    contestant: &Contestant,
    round: u32,
    base: Option<&Evaluated>,
) -> Result<String, Incomplete> {
    let text = text(packet, contestant, round, base);
    whole::check(packet, contestant, &text).map(|()| text)
}

fn text(packet: &Packet, contestant: &Contestant, round: u32, base: Option<&Evaluated>) -> String {
    let competitor = &contestant.competitor;
    let mut text = format!("# {}\n\n{}\n", packet.title, packet.goal);
    for Heading { part, title, lead } in style::headings(packet.brief_style(&competitor.engine)) {
        let (lines, listed) = content(*part, packet, contestant, base);
        if lines.is_empty() {
            continue;
        }
        let title = title.replace("{round}", &round.to_string()).replace("{rounds}", &packet.budget.rounds.to_string());
        let _ = write!(text, "\n## {title}\n\n");
        if !lead.is_empty() {
            let _ = writeln!(text, "{lead}\n");
        }
        for line in lines {
            let _ = writeln!(text, "{}{line}", if listed { "- " } else { "" });
        }
    }
    text
}

/// The lines of one part, and whether they are a list.
fn content(part: Part, packet: &Packet, contestant: &Contestant, base: Option<&Evaluated>) -> (Vec<String>, bool) {
    let (brief, competitor) = (&packet.brief, &contestant.competitor);
    match part {
        Part::Task => (vec![brief.specification.clone()], false),
        Part::Acceptance => (brief.acceptance.clone(), true),
        Part::Constraints => (brief.constraints.clone(), true),
        Part::OptimizeFor => (brief.optimize_for.clone(), true),
        Part::Targets => (brief.targets.clone(), true),
        Part::Context => (brief.context.clone(), true),
        Part::Codebase => (packet.found.codebase.clone(), true),
        Part::Scope => (scope(packet, competitor), true),
        Part::Gates => (gates(packet), true),
        Part::Kpis => (kpis(packet), true),
        Part::Approach => (competitor.directive().map(str::to_owned).into_iter().collect(), false),
        Part::Report => (vec![report(competitor).to_owned()], false),
        Part::SoFar => (history(packet, contestant, base), false),
        Part::Rule => (vec![style::RULE.to_owned()], false),
    }
}

fn report(competitor: &Competitor) -> &'static str {
    match competitor.verbosity {
        Verbosity::Concise => style::REPORT,
        Verbosity::Detailed => style::REPORT_DETAILED,
    }
}

fn scope(packet: &Packet, competitor: &Competitor) -> Vec<String> {
    let mut lines = vec![format!("you may change: {}", packet.scope.allowed.join(", "))];
    if !packet.scope.forbidden.is_empty() {
        lines.push(format!("you must not change: {}", packet.scope.forbidden.join(", ")));
    }
    if competitor.verbosity == Verbosity::Detailed {
        lines.push(format!("nor, unless named above: {}", DEFAULT_FORBIDDEN.join(", ")));
    } else {
        lines.push("nor manifests, lock files, secrets, CI, containers and build configuration".into());
    }
    if !packet.scope.protected.is_empty() {
        lines.push(format!("restored from the base before anything is judged: {}", packet.scope.protected.join(", ")));
    }
    lines
}

fn gates(packet: &Packet) -> Vec<String> {
    let word = |required| if required { "must pass" } else { "reported only" };
    packet.gates.iter().map(|gate| format!("{} ({}): `{}`", gate.name, word(gate.required), gate.run)).collect()
}

fn kpis(packet: &Packet) -> Vec<String> {
    let Some(harness) = &packet.harness else { return Vec::new() };
    let line = |kpi: &Kpi| {
        let target = kpi.target.map(|target| format!(", target {target} {}", kpi.unit)).unwrap_or_default();
        let guard = kpi.guard.map(|guard| format!(", no scenario may lose more than {} %", guard * 100.0));
        format!("{} in {}, {} is better{target}{}", kpi.name, kpi.unit, kpi.better.as_str(), guard.unwrap_or_default())
    };
    let on = if harness.scenarios.is_empty() { "" } else { " on scenarios " };
    let how = format!("with `{}`{on}{}", harness.run, harness.scenarios.join(", "));
    packet.kpis.iter().map(line).chain([how]).collect()
}

fn history(packet: &Packet, contestant: &Contestant, base: Option<&Evaluated>) -> Vec<String> {
    let mut lines = Vec::new();
    for gate in base.iter().flat_map(|base| &base.gates).filter(|gate| !gate.passed()) {
        lines.push(format!("The base itself fails `{}` ({}).", gate.name, gate.exit.describe()));
    }
    if contestant.rounds.iter().all(|round| round.ruling.is_none()) {
        lines.extend(base.and_then(|base| baselines(packet, base)));
    }
    for round in &contestant.rounds {
        lines.extend(one_round(packet, round));
    }
    let Some(last) = contestant.rounds.last() else {
        lines.push("This is the first round: the working directory holds the base.".into());
        return lines;
    };
    lines.push(match contestant.best {
        Some(best) if contestant.best_round().and_then(|one| one.ruling.as_ref()).is_some_and(|one| one.beats_base) => {
            format!("The working directory holds the tree of round {best}, the best so far.")
        }
        Some(_) | None if packet.kpis.is_empty() && last.tree().is_some() => {
            "The working directory holds what you left.".into()
        }
        Some(_) | None => "The working directory holds the base again: nothing so far was kept.".into(),
    });
    lines
}

/// What the base measured, while no round has figures of its own; the holdout is nobody's to know.
fn baselines(packet: &Packet, base: &Evaluated) -> Option<String> {
    let figure = |kpi: &Kpi| {
        let of_kpi = base.series.iter().filter(|one| one.kpi == kpi.name && !one.holdout);
        let known: Vec<(&str, f64)> =
            of_kpi.filter_map(|one| Some((one.scenario.as_str(), baseline(&one.base)?))).collect();
        let many = known.len() as f64;
        match known.as_slice() {
            [] => format!("{} unknown", kpi.name),
            [(_, value)] => format!("{} {value:.4} {}", kpi.name, kpi.unit),
            all => {
                let each: Vec<String> = all.iter().map(|(name, value)| format!("{name}: {value:.4}")).collect();
                let mean = all.iter().map(|(_, value)| value).sum::<f64>() / many;
                format!("{} {mean:.4} {} ({})", kpi.name, kpi.unit, each.join(", "))
            }
        }
    };
    let figures: Vec<String> = packet.kpis.iter().map(figure).collect();
    (!figures.is_empty()).then(|| format!("On the base: {}.", figures.join("; ")))
}

fn one_round(packet: &Packet, round: &RoundRecord) -> Vec<String> {
    let mut lines = Vec::new();
    let what = match (&round.ruling, &round.failure) {
        (Some(ruling), _) => ruling.reason.clone(),
        (None, Some(failure)) => failure.clone(),
        (None, None) => "not judged".into(),
    };
    lines.push(format!("Round {}: {what}.", round.number));
    for (name, estimate) in round.ruling.iter().flat_map(|ruling| &ruling.estimates) {
        let unit = packet.kpis.iter().find(|kpi| &kpi.name == name).map_or("", |kpi| kpi.unit.as_str());
        let scenarios: Vec<String> =
            estimate.scenarios.iter().map(|(name, ratio)| format!("{name}: {ratio:.3}")).collect();
        lines.push(format!(
            "  {name}: {:.4} {unit} on the base, {:.4} {unit} now ({}); by scenario {}",
            estimate.baseline,
            estimate.value,
            estimate.verdict.as_str(),
            scenarios.join(", ")
        ));
    }
    for gate in round.evaluated.iter().flat_map(|one| &one.gates).filter(|gate| !gate.passed()) {
        lines.push(failed_gate(gate));
    }
    if let Some(implemented) = round.implemented.as_ref().filter(|one| !one.reverted.is_empty()) {
        lines.push(format!("  put back, outside the scope: {}", implemented.reverted.join(", ")));
    }
    lines
}

fn failed_gate(gate: &GateResult) -> String {
    let tail: String = gate.tail.lines().fold(String::new(), |all, line| all + "\n    " + line);
    format!("  gate `{}` failed ({}):{tail}", gate.name, gate.exit.describe())
}
