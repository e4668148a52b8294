//! How many tests a runner says have passed, read from its summary.

/// `None` when no known runner's summary is in the output.
pub fn passed(output: &str) -> Option<u64> {
    let _ = output;
    None
}
