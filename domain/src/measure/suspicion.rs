//! Gains that look learnt by heart: on one scenario only, or gone on the scenarios that no engine has seen.

use super::{Estimate, ROUNDING, Verdict, gain};
use crate::outcome::{Flag, FlagKind};
use crate::packet::{Kpi, Scoring};

/// With fewer scenarios than this, leaving one out says too little.
const FEWEST_SCENARIOS: usize = 3;
/// A gain that keeps less than this share of itself on the holdout is suspicious.
const HOLDOUT_SHARE: f64 = 1.0 / 3.0;

/// Flags of a gain; an estimate that is not `Better` claims nothing and has none.
pub fn suspicions(estimate: &Estimate, holdout: Option<&Estimate>, kpi: &Kpi, scoring: &Scoring) -> Vec<Flag> {
    if estimate.verdict != Verdict::Better {
        return Vec::new();
    }
    let single = single_scenario(estimate, kpi, scoring);
    let gap = holdout.and_then(|holdout| holdout_gap(estimate, holdout, kpi));
    single.into_iter().chain(gap).collect()
}

fn single_scenario(estimate: &Estimate, kpi: &Kpi, scoring: &Scoring) -> Option<Flag> {
    if estimate.scenarios.len() < FEWEST_SCENARIOS {
        return None;
    }
    let gains = || estimate.scenarios.iter().map(|(_, ratio)| gain(*ratio, kpi.better));
    let (best, _) = gains().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let others: Vec<f64> =
        estimate.scenarios.iter().enumerate().filter(|(at, _)| *at != best).map(|(_, (_, ratio))| *ratio).collect();
    let without = gain(joined(&others), kpi.better);
    if without + ROUNDING >= scoring.min_effect {
        return None;
    }
    let (scenario, ratio) = &estimate.scenarios[best];
    let detail = format!(
        "{}: {:+.1} % on scenario {scenario:?}, {:+.1} % on the other {}",
        kpi.name,
        100.0 * gain(*ratio, kpi.better),
        100.0 * without,
        others.len()
    );
    Some(Flag { kind: FlagKind::SingleScenarioGain, path: None, detail })
}

/// Joins ratios as the estimate did: by their geometric mean where there is one.
fn joined(ratios: &[f64]) -> f64 {
    let count = ratios.len() as f64;
    if ratios.iter().all(|ratio| *ratio > 0.0) {
        (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / count).exp()
    } else {
        ratios.iter().sum::<f64>() / count
    }
}

fn holdout_gap(estimate: &Estimate, holdout: &Estimate, kpi: &Kpi) -> Option<Flag> {
    let (shown, hidden) = (estimate.gain(kpi), holdout.gain(kpi));
    if hidden + ROUNDING >= shown * HOLDOUT_SHARE {
        return None;
    }
    let detail = format!(
        "{}: gain {:+.1} % on the shown scenarios, {:+.1} % on the holdout",
        kpi.name,
        100.0 * shown,
        100.0 * hidden
    );
    Some(Flag { kind: FlagKind::HoldoutGap, path: None, detail })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{Better, KpiSource};

    fn kpi(better: Better) -> Kpi {
        Kpi {
            name: "k".into(),
            source: KpiSource::WallTime,
            unit: String::new(),
            better,
            weight: 1.0,
            guard: None,
            target: None,
            known_baseline: None,
        }
    }

    fn gained(ratios: &[f64]) -> Estimate {
        let scenarios = ratios.iter().enumerate().map(|(at, ratio)| (at.to_string(), *ratio)).collect();
        Estimate { baseline: 1.0, value: 1.0, ratio: joined(ratios), ci: None, verdict: Verdict::Better, scenarios }
    }

    #[test]
    fn a_gain_on_one_scenario_only_is_flagged() {
        let rows: [(Better, &[f64], bool); 8] = [
            (Better::Lower, &[0.5, 1.0, 1.0], true),
            (Better::Lower, &[0.5, 0.995, 0.995], true),
            (Better::Lower, &[0.5, 0.9, 0.9], false),
            (Better::Lower, &[0.5, 0.98, 1.0], false),
            (Better::Lower, &[0.5, 1.0], false),
            (Better::Higher, &[2.0, 1.0, 1.0, 0.9], true),
            (Better::Higher, &[2.0, 1.1, 1.1], false),
            (Better::Lower, &[0.0, 1.0, 1.0], true),
        ];
        for (better, ratios, flagged) in rows {
            let flags = suspicions(&gained(ratios), None, &kpi(better), &Scoring::default());
            let kinds: Vec<FlagKind> = flags.iter().map(|flag| flag.kind).collect();
            assert_eq!(kinds, if flagged { vec![FlagKind::SingleScenarioGain] } else { vec![] }, "{ratios:?}");
        }
    }

    #[test]
    fn a_gain_that_is_gone_on_the_holdout_is_flagged() {
        let rows = [
            (Better::Lower, 0.7, 0.71, false),
            (Better::Lower, 0.7, 0.89, false),
            (Better::Lower, 0.7, 0.95, true),
            (Better::Lower, 0.7, 1.2, true),
            (Better::Higher, 1.3, 1.2, false),
            (Better::Higher, 1.3, 1.05, true),
            (Better::Higher, 1.3, 0.9, true),
        ];
        for (better, shown, hidden, flagged) in rows {
            let flags = suspicions(&gained(&[shown]), Some(&gained(&[hidden])), &kpi(better), &Scoring::default());
            assert_eq!(
                flags.iter().any(|flag| flag.kind == FlagKind::HoldoutGap),
                flagged,
                "{better:?} {shown} {hidden}"
            );
        }
    }

    #[test]
    fn what_claims_no_gain_is_not_suspected() {
        for verdict in [Verdict::Worse, Verdict::Same, Verdict::Inconclusive] {
            let estimate = Estimate { verdict, ..gained(&[0.5, 1.0, 1.0]) };
            let flags = suspicions(&estimate, Some(&gained(&[1.2])), &kpi(Better::Lower), &Scoring::default());
            assert_eq!(flags, vec![]);
        }
    }

    #[test]
    fn a_flag_says_the_figures() {
        let flags =
            suspicions(&gained(&[0.5, 1.0, 1.0]), Some(&gained(&[1.1])), &kpi(Better::Lower), &Scoring::default());
        let details: Vec<&str> = flags.iter().map(|flag| flag.detail.as_str()).collect();
        assert_eq!(
            details,
            [
                "k: +50.0 % on scenario \"0\", +0.0 % on the other 2",
                "k: gain +20.6 % on the shown scenarios, -10.0 % on the holdout",
            ]
        );
    }
}
