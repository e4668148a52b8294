//! Tests that were deleted or weakened, found by comparing a test file before and after.

use crate::outcome::Flag;

/// Whether a path looks like a test of any of the common layouts.
pub fn is_test(path: &str) -> bool {
    let _ = path;
    false
}

/// `None`: not a test, or at least as strong as before.
pub fn compare(path: &str, before: Option<&[u8]>, after: Option<&[u8]>) -> Option<Flag> {
    let _ = (path, before, after);
    None
}
