//! Code that reaches for what judges it: the inside of a test runner, an end before the runner can count.
//!
//! A list of words and no proof. Code that the harness imports runs in the harness's own process; what it does there with
//! words of its own is not seen.

use super::is_test;
use crate::outcome::{Flag, FlagKind};

/// Words that only code wants which is about to be judged.
const WORDS: [&str; 6] =
    ["_pytest", "PYTEST_CURRENT_TEST", "/proc/self/fd", "os._exit(", "process.reallyExit", "\"pytest\" in sys.modules"];

/// A word that came in with this change, outside of tests.
pub fn reaches(path: &str, before: Option<&[u8]>, after: Option<&[u8]>) -> Option<Flag> {
    if is_test(path) {
        return None;
    }
    let plain =
        |side: Option<&[u8]>| side.map(|bytes| String::from_utf8_lossy(bytes).replace('\'', "\"")).unwrap_or_default();
    let (before, after) = (plain(before), plain(after));
    let word = WORDS.iter().find(|word| after.contains(**word) && !before.contains(**word))?;
    let detail = format!("the change reaches for what judges it: `{word}`");
    Some(Flag { kind: FlagKind::OutputSpoofed, path: Some(path.to_owned()), detail })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_that_reaches_for_the_runner_is_flagged_where_it_is_new() {
        let flagged = |path, before: Option<&str>, after: &str| {
            reaches(path, before.map(str::as_bytes), Some(after.as_bytes())).is_some()
        };
        assert!(flagged("src/a.py", Some("x = 1"), "import os\nos._exit(0)"));
        assert!(flagged("src/a.py", None, "import _pytest.python"));
        assert!(flagged("src/a.py", None, "if 'pytest' in sys.modules: pass"));
        assert!(!flagged("src/a.py", Some("os._exit(1)"), "os._exit(0)"), "it was there before");
        assert!(!flagged("tests/test_a.py", None, "import _pytest"), "tests are compared elsewhere");
        assert!(!flagged("src/a.py", Some("x = 1"), "x = 2"));
        assert_eq!(reaches("src/a.py", Some(b"os._exit(1)"), None), None);
    }
}
