//! The Pareto front over several figures.

/// For points whose every coordinate is better when lower: whether each is on the front (no other point is at least as
/// good in every coordinate and better in one). Points that are equal are all on the front.
///
/// A coordinate that is missing or not a number is unknown, and unknown is worse than any figure.
pub fn front(points: &[Vec<f64>]) -> Vec<bool> {
    let width = points.iter().map(Vec::len).max().unwrap_or(0);
    points.iter().map(|point| !points.iter().any(|other| dominates(other, point, width))).collect()
}

/// Whether `other` is at least as good everywhere and better somewhere. A point does not dominate itself.
fn dominates(other: &[f64], point: &[f64], width: usize) -> bool {
    let pairs = || (0..width).map(|axis| (coordinate(other, axis), coordinate(point, axis)));
    pairs().all(|(theirs, ours)| theirs <= ours) && pairs().any(|(theirs, ours)| theirs < ours)
}

fn coordinate(point: &[f64], axis: usize) -> f64 {
    point.get(axis).copied().filter(|figure| !figure.is_nan()).unwrap_or(f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_front_holds_what_nothing_else_dominates() {
        let rows: [(&[&[f64]], &[bool]); 8] = [
            (&[], &[]),
            (&[&[1.0, 1.0]], &[true]),
            (&[&[1.0, 2.0], &[2.0, 1.0]], &[true, true]),
            (&[&[1.0, 1.0], &[2.0, 2.0]], &[true, false]),
            (&[&[1.0, 1.0], &[1.0, 1.0]], &[true, true]),
            (&[&[1.0, 1.0], &[1.0, 2.0]], &[true, false]),
            (&[&[1.0, f64::NAN], &[1.0, 9.0]], &[false, true]),
            (&[&[], &[]], &[true, true]),
        ];
        for (points, expected) in rows {
            let points: Vec<Vec<f64>> = points.iter().map(|point| point.to_vec()).collect();
            assert_eq!(front(&points), expected, "{points:?}");
        }
    }

    fn points() -> impl Strategy<Value = Vec<Vec<f64>>> {
        (1usize..4).prop_flat_map(|width| {
            prop::collection::vec(prop::collection::vec((0i32..5).prop_map(f64::from), width), 0..12)
        })
    }

    proptest! {
        #[test]
        fn every_point_off_the_front_is_dominated_by_one_on_it(points in points()) {
            let on = front(&points);
            for (i, point) in points.iter().enumerate() {
                let better = |j: &usize| {
                    points[*j].iter().zip(point).all(|(a, b)| a <= b) && points[*j].iter().zip(point).any(|(a, b)| a < b)
                };
                prop_assert_eq!(on[i], !(0..points.len()).any(|j| better(&j)));
                prop_assert_eq!(on[i], !(0..points.len()).filter(|j| on[*j]).any(|j| better(&j)));
            }
            prop_assert!(points.is_empty() || on.contains(&true));
        }

        #[test]
        fn the_order_of_the_points_does_not_matter(points in points()) {
            let mut backwards = front(&points.iter().rev().cloned().collect::<Vec<_>>());
            backwards.reverse();
            prop_assert_eq!(front(&points), backwards);
        }
    }
}
