//! What is wrong with a packet, where, and how to mend it.

use std::fmt;
use std::ops::Range;

use arena_domain::text::sanitise_line;

/// One thing wrong; its texts are safe for a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Counted from one.
    pub line: usize,
    /// As in `kpi[0].source`; empty when it is about the file.
    pub path: String,
    pub reason: String,
    /// What to do about it.
    pub mend: String,
}

impl Problem {
    pub(super) fn new(spot: &Spot, reason: impl AsRef<str>, mend: impl AsRef<str>) -> Self {
        Self {
            line: spot.line,
            path: sanitise_line(&spot.path, 120),
            reason: sanitise_line(reason.as_ref(), 300),
            mend: sanitise_line(mend.as_ref(), 400),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "packet" } else { &self.path };
        write!(f, "line {}: {path}: {}; {}", self.line, self.reason, self.mend)
    }
}

/// A place in the packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) line: usize,
    pub(super) path: String,
}

impl Spot {
    /// The file as a whole.
    pub(super) fn file() -> Self {
        Self { line: 1, path: String::new() }
    }

    /// A child of this place, on a line of its own when that is known.
    pub(super) fn at(&self, line: Option<usize>, name: &str) -> Self {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Self { line: line.unwrap_or(self.line), path }
    }

    pub(super) fn element(&self, line: Option<usize>, index: usize) -> Self {
        Self { line: line.unwrap_or(self.line), path: format!("{}[{index}]", self.path) }
    }
}

/// From byte offsets to line numbers.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        let after_breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { starts: std::iter::once(0).chain(after_breaks).collect() }
    }

    pub(super) fn line(&self, span: Option<Range<usize>>) -> Option<usize> {
        span.map(|span| self.starts.partition_point(|start| *start <= span.start))
    }
}

/// Collects everything there is to say, so that no problem hides another.
#[derive(Debug, Default)]
pub(super) struct Sink {
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
    /// Problems of a new packet alone: one that was accepted once is read all the same.
    pub(super) limits: Vec<Problem>,
    /// What `arena init` began and nobody has written: legal to look at, and nothing to run.
    pub(super) unwritten: Vec<Problem>,
    /// Paths whose value is the string `unknown`.
    pub(super) unknown: Vec<String>,
    /// Engines that a packet may name without defining them; `None`: any.
    pub(super) engines: Option<Vec<String>>,
}

impl Sink {
    pub(super) fn problem(&mut self, spot: &Spot, reason: impl AsRef<str>, mend: impl AsRef<str>) {
        self.problems.push(Problem::new(spot, reason, mend));
    }

    pub(super) fn limit(&mut self, spot: &Spot, reason: impl AsRef<str>, mend: impl AsRef<str>) {
        self.limits.push(Problem::new(spot, reason, mend));
    }

    pub(super) fn warn(&mut self, spot: &Spot, reason: impl AsRef<str>, mend: impl AsRef<str>) {
        self.warnings.push(Problem::new(spot, reason, mend));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_on_the_line_that_holds_it() {
        let lines = Lines::of("ab\ncd\n\ne");
        for (offset, line) in [(0, 1), (2, 1), (3, 2), (6, 3), (7, 4), (99, 4)] {
            assert_eq!(lines.line(Some(offset..offset)), Some(line), "offset {offset}");
        }
        assert_eq!(lines.line(None), None);
    }

    #[test]
    fn a_problem_never_carries_an_escape_sequence() {
        let spot = Spot { line: 3, path: "kpi[0].\u{1b}[31mname".into() };
        let problem = Problem::new(&spot, "bad\nvalue", "mend it");
        assert_eq!(problem.to_string(), "line 3: kpi[0].name: bad value; mend it");
    }
}
