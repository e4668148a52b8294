//! What a submission changes, to look at or to apply.

use super::{RepoError, UserRepo};
use arena_domain::id::Commit;
use arena_domain::text::sanitise;

/// Neither a program of the configuration nor one that an attribute names runs on what a submission holds.
const SAFE: [&str; 6] =
    ["--no-ext-diff", "--no-textconv", "--no-color", "--submodule=short", "--src-prefix=a/", "--dst-prefix=b/"];

impl UserRepo {
    /// A patch, or with `stat` one line for each file.
    ///
    /// Without `colour` these are the very bytes, fit for `git apply` and not for a terminal; with it they are
    /// sanitised first and coloured here, so that nothing in a submission can speak to the terminal.
    pub(crate) fn diff(&self, base: &Commit, commit: &Commit, colour: bool, stat: bool) -> Result<Vec<u8>, RepoError> {
        let form: &[&str] = if stat { &["--stat=100", "--summary"] } else { &["--patch", "--binary"] };
        let ends = [base.as_str(), commit.as_str(), "--"];
        let args: Vec<&str> = ["diff"].iter().chain(&SAFE).chain(form).chain(&ends).copied().collect();
        let plain = self.git.out(&args)?;
        Ok(if colour { paint(&sanitise(&plain), stat) } else { plain })
    }
}

fn paint(text: &str, stat: bool) -> Vec<u8> {
    let mut painted = String::with_capacity(text.len() + text.len() / 8);
    let mut in_hunk = false;
    for line in text.split_inclusive('\n') {
        let (words, end) = line.strip_suffix('\n').map_or((line, ""), |words| (words, "\n"));
        in_hunk = (in_hunk || words.starts_with("@@")) && !words.starts_with("diff --git ");
        let colour = if stat { None } else { colour(words, in_hunk) };
        match colour {
            Some(code) => painted.push_str(&format!("\u{1b}[{code}m{words}\u{1b}[m{end}")),
            None => painted.push_str(line),
        }
    }
    painted.into_bytes()
}

fn colour(line: &str, in_hunk: bool) -> Option<&'static str> {
    match line.as_bytes().first() {
        Some(b'@') if in_hunk => Some("36"),
        Some(b'+') if in_hunk => Some("32"),
        Some(b'-') if in_hunk => Some("31"),
        Some(_) if !in_hunk => Some("1"),
        Some(_) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_coloured_by_what_they_do() {
        let patch = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n same\n";
        let painted = String::from_utf8(paint(patch, false)).unwrap();
        let rows = ["\x1b[1m--- a/x\x1b[m\n", "\x1b[31m-old\x1b[m\n", "\x1b[32m+new\x1b[m\n", "\n same\n"];
        for row in rows {
            assert!(painted.contains(row), "{row:?} is not in {painted:?}");
        }
    }
}
