//! Samples to ratio, interval and verdict.
//!
//! Base and candidate are run in turns, so sample `i` of one side belongs to sample `i` of the other: what is judged is
//! the change within pairs, which the slow drift of a machine does not touch.

mod guard;
mod said;
mod sample;
mod student;
mod suspicion;

pub use guard::{Breach, guard_breach};
pub use said::{Said, lacks};
pub use suspicion::suspicions;

use crate::outcome::Series;
use crate::packet::{Better, Kpi, KpiSource, Scoring};
use sample::{Mean, Pairs, average, by_scenario, median, robust_mean, stratified};

/// An interval whose ends differ by more than this factor says nothing and is not shown.
const WIDEST: f64 = 100.0;
/// Fewest pairs over all scenarios of which a clock's noise can be judged.
const FEWEST_CLOCKED: usize = 3;
/// Beyond this the quantile of the t distribution is lost in rounding.
const MOST_CONFIDENCE: f64 = 1.0 - 1e-9;
/// What rounding may add to a share.
const ROUNDING: f64 = 1e-9;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Better,
    Worse,
    Same,
    Inconclusive,
}

impl Verdict {
    pub const ALL: [Verdict; 4] = [Self::Better, Self::Worse, Self::Same, Self::Inconclusive];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Same => "same",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// One KPI over the whole scenario matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Mean over scenarios of the base's median.
    pub baseline: f64,
    /// Mean over scenarios of the candidate's median.
    pub value: f64,
    /// Geometric mean over scenarios of candidate / base.
    pub ratio: f64,
    /// `None` when a scenario has fewer than two pairs and they could differ by noise.
    pub ci: Option<(f64, f64)>,
    pub verdict: Verdict,
    pub scenarios: Vec<(String, f64)>,
}

impl Estimate {
    /// The share gained in the KPI's direction; negative for a loss.
    pub fn gain(&self, kpi: &Kpi) -> f64 {
        gain(self.ratio, kpi.better)
    }
}

/// What one side of a scenario measured; `None` without a number.
pub fn baseline(samples: &[f64]) -> Option<f64> {
    let finite: Vec<f64> = samples.iter().copied().filter(|value| value.is_finite()).collect();
    (!finite.is_empty()).then(|| median(&finite))
}

/// Judges the pairs of one KPI; `None` when there is no pair at all. All series must be of this KPI.
///
/// The change within a pair is the logarithm of candidate / base. Where any value of the KPI is zero or negative there
/// is no such ratio; then the change is the difference in units of the base's magnitude on that scenario, the ratio is
/// one plus its mean, and scenarios are joined by the arithmetic mean. The magnitude is the mean absolute value of the
/// base; if that is zero, of the base on all scenarios; if that is zero too, of the candidate. So 0 to 0 has ratio 1,
/// 4 to 0 has ratio 0, and anything that appears where there was nothing at all has ratio 2.
pub fn estimate(series: &[&Series], kpi: &Kpi, scoring: &Scoring) -> Option<Estimate> {
    let all = by_scenario(series);
    let spoiled = all.iter().any(|pairs| pairs.spoiled);
    let pairs: Vec<Pairs<'_>> = all.into_iter().filter(|pairs| pairs.len() > 0).collect();
    let scale = Scale::of(&pairs);
    let means: Vec<Mean> = pairs.iter().filter_map(|one| robust_mean(&scale.changes(one))).collect();
    if means.is_empty() {
        return None;
    }
    let exact = pairs.iter().all(Pairs::is_constant);
    let joined = stratified(&means);
    let ratio = scale.ratio(joined.mean);
    let ci = match (spoiled, exact && !kpi.source.is_clocked()) {
        (true, _) => None,
        (false, true) => Some((ratio, ratio)),
        (false, false) if has_too_few(&pairs, kpi) => None,
        (false, false) => interval(joined, scale, scoring.confidence),
    };
    let ci = ci.filter(|(low, high)| low.is_finite() && high.is_finite());
    let medians = |side: fn(&Pairs<'_>) -> f64| average(&pairs.iter().map(side).collect::<Vec<_>>());
    Some(Estimate {
        baseline: medians(|one| median(&one.base)),
        value: medians(|one| median(&one.candidate)),
        ratio,
        ci,
        verdict: ci.map_or(Verdict::Inconclusive, |ci| judge(ratio, ci, kpi.better, scoring.min_effect)),
        scenarios: pairs.iter().zip(&means).map(|(one, mean)| (one.scenario.into(), scale.ratio(mean.mean))).collect(),
    })
}

/// A spread needs two pairs on every scenario; a clock's needs three in all.
fn has_too_few(pairs: &[Pairs<'_>], kpi: &Kpi) -> bool {
    let total: usize = pairs.iter().map(Pairs::len).sum();
    pairs.iter().any(|one| one.len() < 2) || (kpi.source.is_clocked() && total < FEWEST_CLOCKED)
}

/// Fewest pairs per scenario with which a KPI of this source can ever be judged over so many scenarios; what
/// `has_too_few` asks afterwards. A number that the harness prints may be without noise, so one pair can do.
pub fn fewest_repeats(source: &KpiSource, scenarios: usize) -> u32 {
    if !source.is_clocked() {
        return 1;
    }
    FEWEST_CLOCKED.div_ceil(scenarios.max(1)).max(2) as u32
}

/// How changes are counted; one way for all scenarios of a KPI.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Scale {
    Logarithm,
    /// Differences; the magnitude stands in for a scenario whose base is all zero.
    Difference {
        elsewhere: f64,
    },
}

impl Scale {
    fn of(pairs: &[Pairs<'_>]) -> Self {
        if pairs.iter().all(Pairs::is_positive) {
            return Self::Logarithm;
        }
        let over_all = |side: fn(&Pairs<'_>) -> f64| average(&pairs.iter().map(side).collect::<Vec<_>>());
        let base = over_all(|one| magnitude(&one.base));
        Self::Difference { elsewhere: if base > 0.0 { base } else { over_all(|one| magnitude(&one.candidate)) } }
    }

    fn changes(self, pairs: &Pairs<'_>) -> Vec<f64> {
        match self {
            Self::Logarithm => pairs.differences(|base, candidate| candidate.ln() - base.ln()),
            Self::Difference { elsewhere } => {
                let own = magnitude(&pairs.base);
                let unit = if own > 0.0 { own } else { elsewhere };
                pairs.differences(|base, candidate| if base == candidate { 0.0 } else { (candidate - base) / unit })
            }
        }
    }

    fn ratio(self, change: f64) -> f64 {
        match self {
            Self::Logarithm => change.exp(),
            Self::Difference { .. } => 1.0 + change,
        }
    }

    /// Whether an interval of changes is too wide to be told to anybody.
    fn is_absurd(self, width: f64) -> bool {
        match self {
            Self::Logarithm => width.is_nan() || width > WIDEST.ln(),
            Self::Difference { .. } => width.is_nan() || width > WIDEST,
        }
    }
}

fn magnitude(values: &[f64]) -> f64 {
    average(&values.iter().map(|value| value.abs()).collect::<Vec<_>>())
}

/// The two-sided t interval around a mean of changes, as ratios.
fn interval(joined: Mean, scale: Scale, confidence: f64) -> Option<(f64, f64)> {
    let half = if joined.variance > 0.0 {
        student::two_sided(confidence.clamp(0.5, MOST_CONFIDENCE), joined.degrees) * joined.variance.sqrt()
    } else {
        0.0
    };
    (!scale.is_absurd(2.0 * half)).then(|| (scale.ratio(joined.mean - half), scale.ratio(joined.mean + half)))
}

fn judge(ratio: f64, (low, high): (f64, f64), better: Better, min_effect: f64) -> Verdict {
    let (good, bad) = match better {
        Better::Lower => (high < 1.0, low > 1.0),
        Better::Higher => (low > 1.0, high < 1.0),
    };
    let gain = gain(ratio, better);
    if good && gain + ROUNDING >= min_effect {
        Verdict::Better
    } else if bad && -gain + ROUNDING >= min_effect {
        Verdict::Worse
    } else if low + ROUNDING >= 1.0 - min_effect && high <= 1.0 + min_effect + ROUNDING {
        Verdict::Same
    } else {
        Verdict::Inconclusive
    }
}

fn gain(ratio: f64, better: Better) -> f64 {
    match better {
        Better::Lower => 1.0 - ratio,
        Better::Higher => ratio - 1.0,
    }
}

#[cfg(test)]
mod tests;
