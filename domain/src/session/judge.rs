//! One round's tree against the base: may it win, did it gain, is it kept?

use crate::measure::{Breach, Estimate, Verdict, estimate, guard_breach, suspicions};
use crate::outcome::{Evaluated, Flag, FlagKind, Implemented, Series};
use crate::packet::{Better, OnViolation, Packet};
use crate::tests_run::fewer_than_base;

#[derive(Debug, Clone, PartialEq)]
pub struct Ruling {
    pub disqualified_for: Vec<String>,
    pub flags: Vec<Flag>,
    /// One for each KPI that was measured, in the order of the packet.
    pub estimates: Vec<(String, Estimate)>,
    /// Weighted mean of the log gains; positive is better than the base. `None` without KPIs.
    pub gain: Option<f64>,
    /// The best so far.
    pub kept: bool,
    /// Kept, and better than what stood before by what counts as a gain.
    pub gained: bool,
    /// Kept, and better than the base by what counts as a gain: the next round starts from it.
    pub beats_base: bool,
    pub target_reached: bool,
    /// Primary KPI, candidate over base.
    pub ratio: Option<f64>,
    pub reason: String,
}

/// `best` is the gain of the best round before this one.
pub fn judge(
    packet: &Packet,
    implemented: &Implemented,
    evaluated: &Evaluated,
    base: &Evaluated,
    best: Option<f64>,
) -> Ruling {
    let estimates = estimates(packet, evaluated, false);
    let mut flags: Vec<Flag> = implemented.flags.iter().chain(&evaluated.flags).cloned().collect();
    flags.extend(tests_not_run(evaluated, base));
    if let Some((primary, kpi)) = estimates.first().zip(packet.primary_kpi()) {
        flags.extend(suspicions(&primary.1, None, kpi, &packet.scoring));
    }
    flags.sort();
    flags.dedup();
    let breaches = breaches(packet, evaluated);
    let disqualified_for = disqualifications(packet, implemented, evaluated, &breaches, &flags);
    let gain = composite(packet, &estimates);
    let floor = best.unwrap_or(0.0);
    let enough = packet.scoring.min_effect.ln_1p();
    let qualified = disqualified_for.is_empty();
    let kept = qualified && gain.is_none_or(|gain| best.is_none() || gain > floor);
    let clearly = estimates.iter().any(|(_, one)| one.verdict == Verdict::Better);
    let beats = |floor: f64| kept && gain.is_none_or(|gain| gain >= floor + enough && clearly);
    let (gained, beats_base) = (beats(floor.max(0.0)), beats(0.0));
    let primary = estimates.first().map(|(_, one)| one);
    // A target is a figure of the machines that measured the base; a ratio is one of the candidate alone.
    let elsewhere = evaluated.is_elsewhere(base);
    let reached = primary.zip(packet.primary_kpi()).is_some_and(|(one, kpi)| kpi.reached(one.value));
    let target_reached = kept && reached && !elsewhere;
    let mut reason = reason((kept, gained, beats_base), &disqualified_for, primary) + &unsure_of(&breaches);
    if elsewhere && primary.is_some() {
        reason.push_str("; measured on another kind of machine than the base was: only the ratio counts");
    }
    let ratio = primary.map(|one| one.ratio);
    Ruling { disqualified_for, flags, estimates, gain, kept, gained, beats_base, target_reached, ratio, reason }
}

/// What is beyond a guard on the shown scenarios, by KPI.
fn breaches<'a>(packet: &'a Packet, evaluated: &Evaluated) -> Vec<(&'a str, Breach)> {
    let guarded = || {
        packet
            .kpis
            .iter()
            .filter(|kpi| kpi.guard.is_some())
            .map(|kpi| (kpi, shown_or_held(evaluated, &kpi.name, false)))
    };
    let asked = guarded().map(|(_, series)| series.len()).sum();
    let breach = |(kpi, series): (&'a crate::packet::Kpi, Vec<&Series>)| {
        guard_breach(&series, kpi, packet.scoring.confidence, asked).map(|breach| (kpi.name.as_str(), breach))
    };
    guarded().filter_map(breach).collect()
}

/// A guard that may be broken or not is told, and decides nothing.
fn unsure_of(breaches: &[(&str, Breach)]) -> String {
    let unsure = breaches.iter().find(|(_, breach)| !breach.certain);
    unsure.map_or_else(String::new, |(kpi, Breach { scenario, ratio, .. })| {
        format!("; too few samples for the guard of {kpi}: scenario '{scenario}' is at {ratio:.3} of the base")
    })
}

fn shown_or_held<'a>(evaluated: &'a Evaluated, kpi: &str, holdout: bool) -> Vec<&'a Series> {
    evaluated.series.iter().filter(|one| one.kpi == kpi && one.holdout == holdout).collect()
}

/// Every KPI of the packet over the shown or the holdout scenarios.
pub(crate) fn estimates(packet: &Packet, evaluated: &Evaluated, holdout: bool) -> Vec<(String, Estimate)> {
    let one = |kpi: &crate::packet::Kpi| {
        estimate(&shown_or_held(evaluated, &kpi.name, holdout), kpi, &packet.scoring)
            .map(|estimate| (kpi.name.clone(), estimate))
    };
    packet.kpis.iter().filter_map(one).collect()
}

/// Weighted mean of log gains.
fn composite(packet: &Packet, estimates: &[(String, Estimate)]) -> Option<f64> {
    let weighted = |(name, estimate): &(String, Estimate)| {
        let kpi = packet.kpis.iter().find(|kpi| &kpi.name == name)?;
        let log = estimate.ratio.max(f64::MIN_POSITIVE).ln();
        Some((kpi.weight, if kpi.better == Better::Lower { -log } else { log }))
    };
    let parts: Vec<(f64, f64)> = estimates.iter().filter_map(weighted).collect();
    let weight: f64 = parts.iter().map(|(weight, _)| weight).sum();
    (weight > 0.0).then(|| parts.iter().map(|(weight, gain)| weight * gain).sum::<f64>() / weight)
}

/// A test gate that passes while fewer tests ran than on the base proves nothing.
fn tests_not_run(evaluated: &Evaluated, base: &Evaluated) -> Vec<Flag> {
    let check = |gate: &crate::outcome::GateResult| {
        let before = base.gates.iter().find(|one| one.name == gate.name)?;
        let why = fewer_than_base(before.tests, gate.tests)?;
        gate.passed().then(|| Flag { kind: FlagKind::TestsNotRun, path: None, detail: format!("{}: {why}", gate.name) })
    };
    evaluated.gates.iter().filter_map(check).collect()
}

fn disqualifications(
    packet: &Packet,
    implemented: &Implemented,
    evaluated: &Evaluated,
    breaches: &[(&str, Breach)],
    flags: &[Flag],
) -> Vec<String> {
    let mut reasons = Vec::new();
    for gate in evaluated.gates.iter().filter(|gate| gate.required && !gate.passed()) {
        reasons.push(format!("gate {} failed: {}", gate.name, gate.exit.describe()));
    }
    for flag in flags.iter().filter(|flag| flag.kind.disqualifies()) {
        let path = flag.path.as_deref().map(|path| format!(" {path}")).unwrap_or_default();
        reasons.push(format!("{}{path}: {}", flag.kind.as_str(), flag.detail));
    }
    if packet.scope.on_violation == OnViolation::Disqualify && !implemented.reverted.is_empty() {
        reasons.push(format!("scope_violation: {}", implemented.reverted.join(", ")));
    }
    if let Some(why) = &evaluated.incomplete {
        reasons.push(format!("not measured whole: {why}"));
    }
    if reasons.is_empty()
        && let Some(why) = unmeasured(packet, evaluated)
    {
        reasons.push(format!("scenario_missing: {why}"));
    }
    for (kpi, Breach { scenario, ratio, .. }) in breaches.iter().filter(|(_, breach)| breach.certain) {
        reasons.push(format!("guard of {kpi}: scenario '{scenario}' is at {ratio:.3} of the base"));
    }
    reasons
}

/// A figure that the packet asks for and the worker did not report: a mean over the rest would be a gift.
fn unmeasured(packet: &Packet, evaluated: &Evaluated) -> Option<String> {
    let matrix = packet.harness.as_ref()?.matrix();
    let asked = packet.kpis.iter().flat_map(|kpi| matrix.iter().map(move |scenario| (kpi, scenario)));
    let mut missing = asked.filter(|(kpi, scenario)| {
        !evaluated
            .series
            .iter()
            .any(|one| !one.holdout && one.kpi == kpi.name && &&one.scenario == scenario && !one.candidate.is_empty())
    });
    missing.next().map(|(kpi, scenario)| format!("{} was not measured on scenario '{scenario}'", kpi.name))
}

fn reason(
    (kept, gained, beats_base): (bool, bool, bool),
    disqualified: &[String],
    primary: Option<&Estimate>,
) -> String {
    let figure = primary.map(|one| {
        let interval = one.ci.map(|(low, high)| format!(" ({low:.3} to {high:.3})")).unwrap_or_default();
        format!("{:.3} of the base{interval}, {}", one.ratio, one.verdict.as_str())
    });
    match (kept, gained, disqualified.first(), figure) {
        (_, _, Some(first), _) => format!("reverted: {first}"),
        (true, true, None, Some(figure)) => format!("kept: {figure}"),
        (true, false, None, Some(figure)) if beats_base => {
            format!("kept, hardly better than the best so far: {figure}")
        }
        (true, false, None, Some(figure)) => format!("no gain: {figure}"),
        (false, _, None, Some(figure)) => format!("reverted, not better than the best so far: {figure}"),
        (_, _, None, None) => "kept: every required gate passes".to_owned(),
    }
}
