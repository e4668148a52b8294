//! Axes with ticks at round numbers, and the mapping from values to pixels. Finite for any input.

/// Values beyond this are not drawn: they are no measurements, and their differences overflow.
const LARGEST: f64 = 1e12;

/// Round numbers that cover the values, and the pixels they are drawn between.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Axis {
    pub(crate) ticks: Vec<f64>,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

pub(crate) fn drawable(value: f64) -> bool {
    value.is_finite() && value.abs() <= LARGEST
}

impl Axis {
    /// Covers the drawable values with about `most` ticks. Steps are 1, 2 or 5 times a power of ten, and not below
    /// `smallest_step`.
    pub(crate) fn over(values: &[f64], most: usize, smallest_step: f64, (from, to): (f64, f64)) -> Self {
        let kept: Vec<f64> = values.iter().copied().filter(|value| drawable(*value)).collect();
        let mut low = kept.iter().copied().reduce(f64::min).unwrap_or(0.0);
        let mut high = kept.iter().copied().reduce(f64::max).unwrap_or(1.0);
        // A single value gets room around it, in proportion to its size.
        let least = (low.abs().max(high.abs()) * 1e-3).max(smallest_step).max(1e-9);
        if high - low < least {
            low -= least;
            high += least;
        }
        let step = nice_step((high - low) / most.max(2) as f64).max(smallest_step);
        let (first, last) = ((low / step).floor(), (high / step).ceil());
        let count = (last - first).clamp(1.0, 100.0) as usize;
        let ticks = (0..=count).map(|index| (first + index as f64) * step).collect();
        Self { ticks, low: first * step, high: (first + count as f64) * step, from, to }
    }

    /// The pixel of a value; values outside stay at the edge.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low);
        let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
        self.from + share * (self.to - self.from)
    }
}

/// The smallest of 1, 2, 5 times a power of ten that is at least `rough`.
fn nice_step(rough: f64) -> f64 {
    if !rough.is_finite() || rough <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= rough * 0.999).unwrap_or(power)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rounded(axis: &Axis) -> Vec<f64> {
        axis.ticks.iter().map(|tick| (tick * 1e6).round() / 1e6).collect()
    }

    #[test]
    fn ticks_are_round_numbers_around_the_values() {
        let axis = Axis::over(&[0.62, 1.0], 5, 0.0, (0.0, 100.0));
        assert_eq!(rounded(&axis), [0.6, 0.7, 0.8, 0.9, 1.0]);
        let rounds = Axis::over(&[0.0, 1.0], 8, 1.0, (0.0, 100.0));
        assert_eq!(rounded(&rounds), [0.0, 1.0]);
    }

    #[test]
    fn one_value_and_no_value_have_an_axis() {
        assert!(Axis::over(&[1.0], 5, 0.0, (0.0, 1.0)).ticks.len() >= 2);
        assert!(Axis::over(&[], 5, 0.0, (0.0, 1.0)).ticks.len() >= 2);
        assert!(Axis::over(&[f64::NAN, f64::INFINITY], 5, 0.0, (0.0, 1.0)).ticks.len() >= 2);
    }

    proptest! {
        #[test]
        fn every_value_has_a_place_on_the_axis(values in proptest::collection::vec(any::<f64>(), 0..8), at in any::<f64>()) {
            let axis = Axis::over(&values, 6, 0.0, (10.0, 200.0));
            prop_assert!(axis.ticks.iter().all(|tick| tick.is_finite()));
            prop_assert!((2..=101).contains(&axis.ticks.len()));
            for value in values.iter().chain([&at]) {
                prop_assert!((10.0..=200.0).contains(&axis.at(*value)));
            }
            for pair in axis.ticks.windows(2) {
                prop_assert!(axis.at(pair[0]) < axis.at(pair[1]));
            }
        }
    }
}
