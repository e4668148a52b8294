//! Guards: a regression on one scenario that no noise explains.

use super::sample::{Pairs, by_scenario, robust_mean};
use super::{FEWEST_CLOCKED, ROUNDING, Scale, gain, interval};
use crate::outcome::Series;
use crate::packet::{Better, Kpi};

/// A scenario that is beyond the KPI's guard.
#[derive(Debug, Clone, PartialEq)]
pub struct Breach {
    pub scenario: String,
    /// Candidate over base.
    pub ratio: f64,
    /// `false`: the samples of this scenario are too few for an interval, so nobody can tell.
    pub certain: bool,
}

/// The worst breach of a KPI's guard; one that is certain before one that is not.
///
/// A scenario is certainly beyond its guard when the whole interval of its ratio is. One interval in twenty misses at
/// 95 %, and a guard asks every scenario of every KPI, so the chance of missing is shared between the `asked` intervals:
/// O. J. Dunn, "Multiple comparisons among means", Journal of the American Statistical Association 56 (1961). A number
/// without any spread on either side is no estimate and decides as it is.
pub fn guard_breach(series: &[&Series], kpi: &Kpi, confidence: f64, asked: usize) -> Option<Breach> {
    let guard = kpi.guard?;
    let pairs: Vec<Pairs<'_>> = by_scenario(series).into_iter().filter(|pairs| pairs.len() > 0).collect();
    let scale = Scale::of(&pairs);
    let shared = 1.0 - (1.0 - confidence) / asked.max(1) as f64;
    let beyond = |ratio: f64| -gain(ratio, kpi.better) > guard + ROUNDING;
    let breach = |one: &Pairs<'_>| {
        let mean = robust_mean(&scale.changes(one))?;
        let ratio = scale.ratio(mean.mean);
        let certain = match extent(one, kpi, || interval(mean, scale, shared)) {
            Extent::Point => true,
            Extent::Unknown => false,
            Extent::Between(low, high) => {
                let nearest = match kpi.better {
                    Better::Lower => low,
                    Better::Higher => high,
                };
                if !beyond(nearest) {
                    return None;
                }
                true
            }
        };
        beyond(ratio).then(|| Breach { scenario: one.scenario.into(), ratio, certain })
    };
    let loss = |one: &Breach| -gain(one.ratio, kpi.better);
    pairs.iter().filter_map(breach).max_by(|a, b| a.certain.cmp(&b.certain).then(loss(a).total_cmp(&loss(b))))
}

/// How well the ratio of one scenario is known.
enum Extent {
    Point,
    Between(f64, f64),
    Unknown,
}

fn extent(pairs: &Pairs<'_>, kpi: &Kpi, interval: impl Fn() -> Option<(f64, f64)>) -> Extent {
    let fewest = if kpi.source.is_clocked() { FEWEST_CLOCKED } else { 2 };
    if pairs.is_constant() && !pairs.spoiled && !kpi.source.is_clocked() {
        return Extent::Point;
    }
    if pairs.spoiled || pairs.len() < fewest {
        return Extent::Unknown;
    }
    interval().map_or(Extent::Unknown, |(low, high)| Extent::Between(low, high))
}
