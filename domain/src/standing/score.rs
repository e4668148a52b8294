//! The five criteria as a score of 0 to 5, each from what was measured.

use super::Entry;
use crate::packet::{Better, Criteria, GateKind};

/// Weighted mean of the criteria, 0 to 5.
pub(super) fn score(weights: &Criteria, entry: &Entry) -> f64 {
    let Criteria { correctness, quality, performance, safety, simplicity } = *weights;
    let parts = [
        (correctness, share(entry, |kind| matches!(kind, GateKind::Build | GateKind::Test | GateKind::Custom))),
        (
            quality,
            share(entry, |kind| matches!(kind, GateKind::Lint | GateKind::Static | GateKind::Review))
                - 0.2 * entry.reverted.len().min(5) as f64,
        ),
        (performance, performance_part(entry)),
        (safety, 1.0 - 0.25 * entry.flags.len().min(4) as f64),
        // 400 changed lines and more are not simple.
        (simplicity, 1.0 - (lines(entry) as f64 / 400.0).min(1.0)),
    ];
    let weight: f64 = parts.iter().map(|(weight, _)| weight).sum();
    if weight <= 0.0 {
        return 0.0;
    }
    let sum: f64 = parts.iter().map(|(weight, part)| weight * part.clamp(0.0, 1.0)).sum();
    (sum / weight * 50.0).round() / 10.0
}

pub(super) fn lines(entry: &Entry) -> u64 {
    entry.changes.iter().map(|change| u64::from(change.added_lines) + u64::from(change.removed_lines)).sum()
}

/// Share of the gates of these kinds that pass; without any, nothing speaks against it.
fn share(entry: &Entry, which: impl Fn(GateKind) -> bool) -> f64 {
    let gates: Vec<bool> = entry.gates.iter().filter(|gate| which(gate.kind)).map(|gate| gate.passed()).collect();
    if gates.is_empty() {
        return 1.0;
    }
    gates.iter().filter(|passed| **passed).count() as f64 / gates.len() as f64
}

/// Half for standing still, all for twice as good.
fn performance_part(entry: &Entry) -> f64 {
    let Some(kpi) = entry.kpis.first() else { return 0.5 };
    let log = kpi.ratio.max(f64::MIN_POSITIVE).log2();
    0.5 + if kpi.better == Better::Lower { -log } else { log } / 2.0
}
