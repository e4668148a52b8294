//! Quantiles of Student's t distribution, for any degrees of freedom above zero.
//!
//! Formulas: Abramowitz and Stegun, *Handbook of Mathematical Functions*, 6.1.41 (logarithm of gamma), 26.5.8 (continued
//! fraction of the incomplete beta function) and 26.7.1 (its relation to Student's t).

/// The `t` with `P(|T| <= t) = confidence`: the half width of a two-sided interval, in standard errors.
/// Found by bisection of the distribution, so that its accuracy is that of `outside`.
pub(super) fn two_sided(confidence: f64, degrees: f64) -> f64 {
    let tail = 1.0 - confidence;
    let mut high = 1.0;
    while outside(high, degrees) > tail && high < 1e12 {
        high *= 2.0;
    }
    let mut low = 0.0;
    for _ in 0..80 {
        let middle = 0.5 * (low + high);
        if outside(middle, degrees) > tail { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// `P(|T| > t)`.
fn outside(t: f64, degrees: f64) -> f64 {
    incomplete_beta(degrees / (degrees + t * t), 0.5 * degrees, 0.5)
}

/// The regularised incomplete beta function `I_x(a, b)`.
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (1.0 - x).ln()).exp();
    // The fraction converges fast below the mean of the distribution; above it the mirrored one does.
    if x < (a + 1.0) / (a + b + 2.0) {
        front * beta_fraction(x, a, b) / a
    } else {
        1.0 - front * beta_fraction(1.0 - x, b, a) / b
    }
}

/// The continued fraction of the incomplete beta function, evaluated from the front by the modified Lentz method.
fn beta_fraction(x: f64, a: f64, b: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let nonzero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut above = 1.0;
    let mut below = 1.0 / nonzero(1.0 - (a + b) * x / (a + 1.0));
    let mut value = below;
    for step in 1..500 {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for coefficient in [even, odd] {
            below = 1.0 / nonzero(1.0 + coefficient * below);
            above = nonzero(1.0 + coefficient / above);
            change = above * below;
            value *= change;
        }
        if (change - 1.0).abs() < 1e-15 {
            break;
        }
    }
    value
}

/// Stirling's series, after moving the argument up to where four terms give full precision.
fn ln_gamma(x: f64) -> f64 {
    let mut shifted = x;
    let mut factor = 0.0;
    while shifted < 15.0 {
        factor += shifted.ln();
        shifted += 1.0;
    }
    let inverse = 1.0 / shifted;
    let square = inverse * inverse;
    let series = inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square / 1680.0)));
    (shifted - 0.5) * shifted.ln() - shifted + 0.5 * std::f64::consts::TAU.ln() + series - factor
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Two-sided critical values as printed in every table of Student's t.
    #[test]
    fn quantiles_agree_with_the_printed_tables() {
        let rows = [
            (0.95, 1.0, 12.706),
            (0.95, 2.0, 4.303),
            (0.95, 3.0, 3.182),
            (0.95, 5.0, 2.571),
            (0.95, 10.0, 2.228),
            (0.95, 30.0, 2.042),
            (0.95, 100.0, 1.984),
            (0.90, 1.0, 6.314),
            (0.90, 4.0, 2.132),
            (0.90, 20.0, 1.725),
            (0.99, 1.0, 63.657),
            (0.99, 5.0, 4.032),
            (0.99, 60.0, 2.660),
            (0.999, 2.0, 31.599),
            (0.50, 1.0, 1.000),
            (0.80, 7.0, 1.415),
            (0.95, 1e6, 1.960),
        ];
        for (confidence, degrees, expected) in rows {
            let found = two_sided(confidence, degrees);
            assert!((found - expected).abs() < 6e-4, "{confidence} {degrees}: {found} is not {expected}");
        }
    }

    #[test]
    fn one_and_two_degrees_agree_with_their_closed_forms() {
        for confidence in [0.5, 0.8, 0.9, 0.95, 0.99, 0.999] {
            let cauchy = (std::f64::consts::FRAC_PI_2 * confidence).tan();
            assert!((two_sided(confidence, 1.0) / cauchy - 1.0).abs() < 1e-9);
            let two = confidence * (2.0 / (1.0 - confidence * confidence)).sqrt();
            assert!((two_sided(confidence, 2.0) / two - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn gamma_agrees_with_factorials_and_the_root_of_pi() {
        let rows = [(1.0, 1.0f64), (2.0, 1.0), (5.0, 24.0), (11.0, 3_628_800.0), (0.5, std::f64::consts::PI.sqrt())];
        for (x, gamma) in rows {
            assert!((ln_gamma(x) - gamma.ln()).abs() < 1e-12, "{x}");
        }
    }

    proptest! {
        #[test]
        fn a_quantile_grows_with_confidence_and_shrinks_with_degrees(
            confidence in 0.5f64..0.998, degrees in 1.0f64..200.0
        ) {
            let t = two_sided(confidence, degrees);
            prop_assert!(two_sided(confidence + 0.001, degrees) > t);
            prop_assert!(two_sided(confidence, degrees + 1.0) < t);
            prop_assert!((outside(t, degrees) - (1.0 - confidence)).abs() < 1e-9);
        }
    }
}
