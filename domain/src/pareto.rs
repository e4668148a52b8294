//! The Pareto front over several figures.

/// For points whose every coordinate is better when lower: whether each is on the front (no other point is at least as
/// good in every coordinate and better in one). Points that are equal are all on the front.
pub fn front(points: &[Vec<f64>]) -> Vec<bool> {
    let _ = points;
    Vec::new()
}
