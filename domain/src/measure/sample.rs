//! The pairs of one scenario, and their mean with its uncertainty.

use crate::outcome::Series;

/// From this many pairs on a fifth of them is trimmed at each end.
const TRIM_FROM: usize = 5;

/// All finite pairs of one scenario.
pub(super) struct Pairs<'a> {
    pub(super) scenario: &'a str,
    pub(super) base: Vec<f64>,
    pub(super) candidate: Vec<f64>,
    /// A pair was left out because one of its values is not a number.
    pub(super) spoiled: bool,
}

/// Joins the series by scenario, in the order in which scenarios appear. What has no partner is left out.
pub(super) fn by_scenario<'a>(series: &[&'a Series]) -> Vec<Pairs<'a>> {
    let mut all: Vec<Pairs<'a>> = Vec::new();
    for one in series {
        let at = all.iter().position(|pairs| pairs.scenario == one.scenario).unwrap_or_else(|| {
            all.push(Pairs { scenario: &one.scenario, base: Vec::new(), candidate: Vec::new(), spoiled: false });
            all.len() - 1
        });
        let pairs = &mut all[at];
        for (&base, &candidate) in one.base.iter().zip(&one.candidate) {
            if base.is_finite() && candidate.is_finite() {
                pairs.base.push(base);
                pairs.candidate.push(candidate);
            } else {
                pairs.spoiled = true;
            }
        }
    }
    all.retain(|pairs| pairs.spoiled || !pairs.base.is_empty());
    all
}

impl Pairs<'_> {
    pub(super) fn len(&self) -> usize {
        self.base.len()
    }

    pub(super) fn is_positive(&self) -> bool {
        self.base.iter().chain(&self.candidate).all(|&value| value > 0.0)
    }

    /// Both sides always gave the same value: a count, not a measurement with noise.
    pub(super) fn is_constant(&self) -> bool {
        let same = |values: &[f64]| values.windows(2).all(|pair| pair[0] == pair[1]);
        same(&self.base) && same(&self.candidate)
    }

    pub(super) fn differences(&self, change: impl Fn(f64, f64) -> f64) -> Vec<f64> {
        self.base.iter().zip(&self.candidate).map(|(&base, &candidate)| change(base, candidate)).collect()
    }
}

/// A mean, the variance of that mean, and the degrees of freedom behind the variance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Mean {
    pub(super) mean: f64,
    pub(super) variance: f64,
    pub(super) degrees: f64,
}

/// The mean of paired changes; `None` without any. One change has a mean whose variance is not known: infinite.
///
/// Five or more changes are averaged without the lowest and the highest fifth, and the variance is that of the
/// winsorised values, so that a run which met a busy neighbour does not decide: K. K. Yuen, "The two-sample trimmed t
/// for unequal population variances", Biometrika 61 (1974); the one-sample form is in Tukey and McLaughlin, "Less
/// vulnerable confidence and significance procedures for location", Sankhya A 25 (1963).
pub(super) fn robust_mean(changes: &[f64]) -> Option<Mean> {
    let mut sorted = changes.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let (first, last) = (*sorted.first()?, *sorted.last()?);
    if first == last {
        let (variance, degrees) = if n == 1 { (f64::INFINITY, 0.0) } else { (0.0, (n - 1) as f64) };
        return Some(Mean { mean: first, variance, degrees });
    }
    let cut = if n >= TRIM_FROM { n / 5 } else { 0 };
    let kept = &sorted[cut..n - cut];
    let h = kept.len() as f64;
    let (low, high) = (sorted[cut], sorted[n - cut - 1]);
    let winsorised: Vec<f64> = sorted.iter().map(|change| change.clamp(low, high)).collect();
    let variance = squares(&winsorised) / (h * (h - 1.0));
    Some(Mean { mean: average(kept), variance, degrees: h - 1.0 })
}

/// Sum of the squared distances from the mean.
fn squares(values: &[f64]) -> f64 {
    let mean = average(values);
    values.iter().map(|value| (value - mean).powi(2)).sum()
}

/// The mean over independent strata of equal weight: variance of the sum over the square of the count, degrees of
/// freedom by F. E. Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics
/// Bulletin 2 (1946), and B. L. Welch, Biometrika 34 (1947).
pub(super) fn stratified(means: &[Mean]) -> Mean {
    let count = means.len() as f64;
    let total: f64 = means.iter().map(|one| one.variance).sum();
    let spread: f64 = means.iter().filter(|one| one.variance > 0.0).map(|one| one.variance.powi(2) / one.degrees).sum();
    Mean {
        mean: means.iter().map(|one| one.mean).sum::<f64>() / count,
        variance: total / (count * count),
        degrees: if spread > 0.0 { total * total / spread } else { f64::INFINITY },
    }
}

pub(super) fn average(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The middle value, or the mean of the two middle ones; not a number without any.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle.wrapping_sub(1)), sorted.get(middle)) {
        (Some(&low), Some(&high)) if sorted.len().is_multiple_of(2) => 0.5 * (low + high),
        (_, Some(&high)) => high,
        (_, None) => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_an_even_count_is_halfway() {
        let rows: [(&[f64], f64); 4] =
            [(&[3.0], 3.0), (&[5.0, 1.0], 3.0), (&[9.0, 1.0, 2.0], 2.0), (&[4.0, 1.0, 3.0, 2.0], 2.5)];
        for (values, expected) in rows {
            assert_eq!(median(values), expected, "{values:?}");
        }
        assert!(median(&[]).is_nan());
    }

    /// Two lowest and two highest of ten are trimmed; the winsorised sum of squares is 4 * 2.5^2 + ... by hand.
    #[test]
    fn a_trimmed_mean_ignores_how_far_the_extremes_are() {
        let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 1000.0];
        let winsorised = 2.0 * (3.0 * 2.5f64.powi(2) + 1.5f64.powi(2) + 0.5f64.powi(2));
        let found = robust_mean(&values);
        assert_eq!(found, Some(Mean { mean: 5.5, variance: winsorised / 30.0, degrees: 5.0 }));
    }

    #[test]
    fn few_changes_have_the_plain_mean_and_its_variance() {
        assert_eq!(robust_mean(&[]), None);
        assert_eq!(robust_mean(&[2.0]), Some(Mean { mean: 2.0, variance: f64::INFINITY, degrees: 0.0 }));
        assert_eq!(robust_mean(&[1.0, 3.0]), Some(Mean { mean: 2.0, variance: 1.0, degrees: 1.0 }));
        assert_eq!(robust_mean(&[1.0, 2.0, 3.0]), Some(Mean { mean: 2.0, variance: 1.0 / 3.0, degrees: 2.0 }));
    }

    #[test]
    fn equal_strata_add_up_their_degrees() {
        let one = Mean { mean: 1.0, variance: 4.0, degrees: 2.0 };
        let joined = stratified(&[one, Mean { mean: 3.0, ..one }]);
        assert_eq!(joined, Mean { mean: 2.0, variance: 2.0, degrees: 4.0 });
    }
}
