//! How much a test file tests.

use super::assertion::{Assertion, assertion_at};
use super::case::{Case, case_at};
use super::evasion::{escapes_at, returns_at, skips_at};
use super::layout::Language;
use super::source::Source;
use std::collections::{HashMap, VecDeque};

/// Counts over a whole file, and per test function.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Strength {
    /// Test functions, and the rows of those that are run for several.
    pub(super) tests: usize,
    pub(super) assertions: usize,
    pub(super) tautologies: usize,
    pub(super) skips: usize,
    pub(super) escapes: usize,
    pub(super) cases: Vec<CaseStrength>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CaseStrength {
    pub(super) name: String,
    pub(super) assertions: usize,
    pub(super) tautologies: usize,
    /// Returns with an assertion after them.
    pub(super) early_returns: usize,
}

impl Strength {
    /// One pass; what a test holds counts for the innermost test around it.
    pub(super) fn of(language: Language, text: &str) -> Self {
        let source = Source::new(language, text);
        let mut strength = Self::default();
        // Open tests: index, end, returns since the last assertion.
        let mut open: Vec<(usize, usize, usize)> = Vec::new();
        for at in 0..source.tokens.len() {
            while open.pop_if(|(_, end, _)| *end <= at).is_some() {}
            if let Some(Case { name, end }) = case_at(&source, at) {
                strength.tests += 1;
                let row =
                    open.last().is_some_and(|(index, until, _)| *until == end && strength.cases[*index].name == name);
                if !row {
                    open.push((strength.cases.len(), end, 0));
                    strength.cases.push(CaseStrength { name, assertions: 0, tautologies: 0, early_returns: 0 });
                }
            }
            strength.skips += usize::from(skips_at(&source, at));
            strength.escapes += usize::from(escapes_at(&source, at));
            if let Some((_, _, returns)) = open.last_mut() {
                *returns += usize::from(returns_at(&source, at));
            }
            if let Some(assertion) = assertion_at(&source, at) {
                strength.note(assertion, open.last_mut());
            }
        }
        strength
    }

    fn note(&mut self, assertion: Assertion, inside: Option<&mut (usize, usize, usize)>) {
        let real = usize::from(assertion == Assertion::Real);
        self.assertions += real;
        self.tautologies += 1 - real;
        if let Some((index, _, returns)) = inside {
            let case = &mut self.cases[*index];
            case.assertions += real;
            case.tautologies += 1 - real;
            case.early_returns += std::mem::take(returns);
        }
    }

    pub(super) fn tests_anything(&self) -> bool {
        self.tests + self.assertions + self.tautologies > 0
    }

    /// Every way in which `after` is weaker, in words.
    pub(super) fn lost(&self, after: &Self) -> Vec<String> {
        let mut lost = Vec::new();
        let mut fewer = |what: &str, before: usize, after: usize| {
            if after < before {
                lost.push(format!("{after} {what} instead of {before}"));
            }
        };
        fewer("tests", self.tests, after.tests);
        fewer("assertions", self.assertions, after.assertions);
        let mut more = |what: &str, before: usize, after: usize| {
            if after > before {
                lost.push(format!("{} more {what}", after - before));
            }
        };
        if after.assertions < self.assertions {
            more("that cannot fail", self.tautologies, after.tautologies);
        }
        more("skipped or set aside", self.skips, after.skips);
        more("exits, dead branches or swallowed failures", self.escapes, after.escapes);
        lost.extend(self.weaker_cases(after));
        lost
    }

    /// Tests that kept their name and lost what they test. A test whose name is gone was renamed or counts as lost.
    fn weaker_cases(&self, after: &Self) -> Vec<String> {
        let mut kept: HashMap<&str, VecDeque<&CaseStrength>> = HashMap::new();
        for case in &after.cases {
            kept.entry(&case.name).or_default().push_back(case);
        }
        let mut weaker = Vec::new();
        for before in &self.cases {
            let Some(now) = kept.get_mut(before.name.as_str()).and_then(VecDeque::pop_front) else { continue };
            if before.assertions > 0 && now.assertions == 0 {
                weaker.push("a test asserts nothing any more".to_owned());
            } else if now.assertions < before.assertions && now.tautologies > before.tautologies {
                weaker.push("an assertion cannot fail any more".to_owned());
            }
            if now.early_returns > before.early_returns {
                weaker.push("a test returns before its assertions".to_owned());
            }
        }
        weaker.dedup();
        weaker
    }
}
