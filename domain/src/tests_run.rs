//! How many tests a runner says have passed, read from its summary.

/// `None` when no known runner's summary is in the output.
pub fn passed(output: &str) -> Option<u64> {
    let _ = output;
    None
}

pub fn fewer_than_base(base: Option<u64>, candidate: Option<u64>) -> Option<String> {
    let _ = (base, candidate);
    None
}
