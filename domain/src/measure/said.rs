//! Whether a harness came to its own end, by the shape of what it printed: what ends a harness early cuts its words off.
//!
//! It is a comparison with what the base's runs print, and no proof: who knows the shape can print it. The token of the
//! harness (`harness.token`) is the proof.

use std::collections::BTreeSet;

/// With fewer words that the base always says, saying none of them means little.
const FEWEST_WORDS: usize = 3;

/// Standard output without what varies: lines with a mark in the place of each word that has a digit in it, alike lines
/// that follow each other told once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    lines: Vec<String>,
}

impl Said {
    pub fn of(output: &str) -> Self {
        let mut lines: Vec<String> = output.lines().map(shape).filter(|line| !line.is_empty()).collect();
        lines.dedup();
        Self { lines }
    }

    fn words(&self) -> BTreeSet<&str> {
        self.lines.iter().flat_map(|line| line.split(' ')).filter(|word| word.len() > 2).collect()
    }

    fn is_cut_from(&self, whole: &Self) -> bool {
        self.lines.len() < whole.lines.len() && whole.lines.starts_with(&self.lines)
    }
}

/// What a run of the candidate lacks that all runs of the base have; nothing where these differ among themselves, or where
/// there are fewer than two.
pub fn lacks(base: &[Said], candidate: &Said) -> Option<&'static str> {
    let (first, others) = base.split_first()?;
    if others.is_empty() {
        return None;
    }
    if candidate.lines.is_empty() && base.iter().all(|said| !said.lines.is_empty()) {
        return Some("it printed nothing, where the base prints something");
    }
    if others.iter().any(|said| said != first) {
        return None;
    }
    if candidate.is_cut_from(first) {
        return Some("what it printed breaks off before the end of what the base prints");
    }
    let (known, said) = (first.words(), candidate.words());
    let says_none = known.len() >= FEWEST_WORDS && known.is_disjoint(&said);
    says_none.then_some("it printed no word of what the base prints")
}

/// Words of letters, lower case; everything with a digit in it is one mark.
fn shape(line: &str) -> String {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let tokens = line.split(|c: char| !(is_part(c) || c == '.' || c == ',' || c == '-' || c == '+'));
    let plain = tokens.flat_map(|token| {
        let marked = token.contains(|c: char| c.is_ascii_digit());
        let parts: Vec<&str> = if marked { vec!["#"] } else { token.split(|c: char| !is_part(c)).collect() };
        parts
    });
    let words: Vec<String> = plain.filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lacking(base: &[&str], candidate: &str) -> bool {
        let base: Vec<Said> = base.iter().map(|text| Said::of(text)).collect();
        lacks(&base, &Said::of(candidate)).is_some()
    }

    #[test]
    fn what_ends_early_lacks_what_the_base_prints() {
        assert!(lacking(&["total 5 in 0.3 s", "total 5 in 0.4 s"], ""));
        assert!(lacking(&["a", "b"], " \n"), "the base may vary in what it says, if it always says something");
        assert!(lacking(&["start\nn: 7\n", "start\nn: 8e-05\n"], "start\n"));
        assert!(lacking(&["the total sum is 5", "the total sum is 6"], "hello"));
        assert!(lacking(&["0.25", "3e-5"], ""));
    }

    #[test]
    fn what_varies_on_the_base_or_says_the_same_in_other_numbers_lacks_nothing() {
        let rows: [(&[&str], &str); 9] = [
            (&["total 5 in 0.3 s", "total 5 in 0.4 s"], "total 5 in 12 us"),
            (&["total: 5", "total: 6"], "Total = -1.5e-7"),
            (&["", ""], ""),
            (&["", "x"], ""),
            (&["x"], ""),
            (&["a\nb", "a\nb\nc"], "a"),
            (&["tick 1\ntick 2\ntick 3", "tick 1\ntick 2"], "tick 1"),
            (&["best path: ab cd", "best path: ab cd"], "best path: cd ab"),
            (&["yes", "yes"], "no"),
        ];
        for (base, candidate) in rows {
            assert!(!lacking(base, candidate), "{base:?} {candidate}");
        }
    }
}
