//! Packet + competitor + what was measured -> the text an engine gets. Complete, from data, and without holdout scenarios.

#[cfg(test)]
mod tests;

use crate::measure::baseline;
use crate::outcome::{Evaluated, GateResult};
use crate::packet::{Competitor, DEFAULT_FORBIDDEN, Kpi, Packet, Verbosity};
use crate::session::{Contestant, RoundRecord};
use std::fmt::Write;
use std::slice;

/// The brief of one round; from the second on with the figures of the rounds before.
pub fn compose(packet: &Packet, contestant: &Contestant, round: u32, base: Option<&Evaluated>) -> String {
    let competitor = &contestant.competitor;
    let mut text = format!("# {}\n\n{}\n", packet.title, packet.goal);
    section(&mut text, "What to build", slice::from_ref(&packet.brief.specification), false);
    section(&mut text, "Accepted when", &packet.brief.acceptance, true);
    section(&mut text, "Constraints", &packet.brief.constraints, true);
    section(&mut text, "Optimise for, in this order", &packet.brief.optimize_for, true);
    section(&mut text, "Where to look first", &packet.brief.targets, true);
    section(&mut text, "Read, do not change", &packet.brief.context, true);
    scope(&mut text, packet, competitor);
    section(&mut text, "What is checked", &gates(packet), true);
    section(&mut text, "What is measured", &kpis(packet), true);
    if let Some(directive) = competitor.directive() {
        section(&mut text, "Your approach", &[directive.to_owned()], false);
    }
    if competitor.verbosity == Verbosity::Detailed {
        let ask = "Say what you found, what you changed and why, what you tried and dropped, and what remains.";
        section(&mut text, "How to report", &[ask.to_owned()], false);
    }
    let so_far = history(packet, contestant, base);
    section(&mut text, &format!("Round {round} of {}", packet.budget.rounds), &so_far, false);
    let rule = "Make one coherent change in the working directory and stop. It is judged in a fresh sandbox on the \
                base's own tests and harness; what lies outside the scope is put back.";
    section(&mut text, "How this round is judged", &[rule.to_owned()], false);
    text
}

fn section(text: &mut String, title: &str, lines: &[String], listed: bool) {
    if lines.is_empty() {
        return;
    }
    let _ = write!(text, "\n## {title}\n\n");
    for line in lines {
        let _ = writeln!(text, "{}{line}", if listed { "- " } else { "" });
    }
}

fn scope(text: &mut String, packet: &Packet, competitor: &Competitor) {
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
    section(text, "Scope", &lines, true);
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
