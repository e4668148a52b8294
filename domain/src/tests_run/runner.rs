//! The summary lines of the runners that are known.

use super::line::{counted, is_word, items, labelled, leading};

/// In the order in which a line is offered to them: the most distinct first, plain counts last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Runner {
    Cargo,
    Nextest,
    Go,
    SurefireClass,
    Surefire,
    Dotnet,
    GoogleTest,
    Catch,
    Ctest,
    JunitConsole,
    Phpunit,
    Jest,
    Node,
    Mocha,
    Examples,
    Plain,
    Unittest,
    Tap,
}

impl Runner {
    pub(super) const ALL: [Runner; 18] = [
        Self::Cargo,
        Self::Nextest,
        Self::Go,
        Self::SurefireClass,
        Self::Surefire,
        Self::Dotnet,
        Self::GoogleTest,
        Self::Catch,
        Self::Ctest,
        Self::JunitConsole,
        Self::Phpunit,
        Self::Jest,
        Self::Node,
        Self::Mocha,
        Self::Examples,
        Self::Plain,
        Self::Unittest,
        Self::Tap,
    ];

    /// Whether it gives one summary per crate, package, module or binary.
    pub(super) fn adds_up(self) -> bool {
        match self {
            Self::Cargo | Self::Go | Self::SurefireClass | Self::Surefire | Self::Dotnet | Self::GoogleTest => true,
            Self::Nextest
            | Self::Catch
            | Self::Ctest
            | Self::JunitConsole
            | Self::Phpunit
            | Self::Jest
            | Self::Node
            | Self::Mocha
            | Self::Examples
            | Self::Plain
            | Self::Unittest
            | Self::Tap => false,
        }
    }

    /// The tests that passed, if the line is a summary of this runner.
    pub(super) fn read(self, text: &str) -> Option<u64> {
        let bare = text.trim();
        match self {
            Self::Cargo => counted(bare.strip_prefix("test result: ")?.split_once(". ")?.1, "passed"),
            Self::Nextest => nextest(bare),
            Self::Go => go(bare),
            Self::SurefireClass => surefire(bare, true),
            Self::Surefire => surefire(bare, false),
            Self::Dotnet => dotnet(bare),
            Self::GoogleTest => {
                leading(bare.strip_prefix("[  PASSED  ]")?).filter(|(_, rest)| is_test(rest)).map(first)
            }
            Self::Catch => catch(bare),
            Self::Ctest => ctest(bare),
            Self::JunitConsole => {
                let inner = bare.strip_prefix('[')?.strip_suffix(']')?;
                leading(inner).filter(|(_, rest)| rest.trim_end() == "tests successful").map(first)
            }
            Self::Phpunit => phpunit(bare),
            Self::Jest => jest(bare),
            Self::Node => leading(bare.strip_prefix(['#', 'ℹ'])?.trim_start().strip_prefix("pass")?).and_then(alone),
            Self::Mocha => leading(bare).filter(|(_, rest)| is_word(rest, "passing")).map(first),
            Self::Examples => examples(bare),
            Self::Plain => plain(bare),
            // These two need more than one line.
            Self::Unittest | Self::Tap => None,
        }
    }
}

fn first((count, _): (u64, &str)) -> u64 {
    count
}

fn alone((count, rest): (u64, &str)) -> Option<u64> {
    rest.is_empty().then_some(count)
}

fn is_test(rest: &str) -> bool {
    is_word(rest, "test") || is_word(rest, "tests")
}

/// `Summary [   0.012s] 5 tests run: 4 passed (1 slow), 1 failed, 0 skipped`
fn nextest(bare: &str) -> Option<u64> {
    let (_, rest) = bare.strip_prefix("Summary [")?.split_once(']')?;
    let (run, counts) = rest.split_once(" run:")?;
    run.contains("test").then(|| counted(counts, "passed").unwrap_or(0))
}

/// One line per test, nested ones too, or per event with `-json`.
fn go(bare: &str) -> Option<u64> {
    if bare.starts_with("--- PASS: ") {
        Some(1)
    } else if bare.starts_with("--- FAIL: ") || bare.starts_with("--- SKIP: ") {
        Some(0)
    } else {
        let event = bare.starts_with('{') && bare.contains("\"Action\":\"pass\"") && bare.contains("\"Test\":");
        event.then_some(1)
    }
}

/// `[INFO] Tests run: 5, Failures: 0, Errors: 0, Skipped: 1`, with the time elapsed when it is of one class.
fn surefire(bare: &str, of_class: bool) -> Option<u64> {
    let counts = &bare[bare.find("Tests run:")?..];
    if counts.contains("Time elapsed") != of_class {
        return None;
    }
    let lost = ["Failures", "Errors", "Skipped"].iter().filter_map(|label| labelled(counts, label)).sum();
    labelled(counts, "Tests run").map(|run| run.saturating_sub(lost))
}

/// `Passed!  - Failed:     0, Passed:     5, Skipped:     0, Total:     5`, `Test summary: total: 5, … succeeded: 5`
fn dotnet(bare: &str) -> Option<u64> {
    if let Some(counts) = bare.strip_prefix("Test summary: ") {
        return labelled(counts, "succeeded");
    }
    let (verdict, counts) = bare.split_once("- ")?;
    let known = matches!(verdict.trim(), "Passed!" | "Failed!" | "Skipped!");
    if known { labelled(counts, "Passed") } else { None }
}

/// `All tests passed (9 assertions in 5 test cases)`, `test cases: 6 | 5 passed | 1 failed`
fn catch(bare: &str) -> Option<u64> {
    if let Some(counts) = bare.strip_prefix("All tests passed (") {
        let (_, cases) = counts.split_once(" in ")?;
        return leading(cases).filter(|(_, rest)| rest.starts_with("test case")).map(first);
    }
    let counts = bare.strip_prefix("test cases:")?;
    Some(counted(counts, "passed").unwrap_or(0))
}

/// `80% tests passed, 1 tests failed out of 5`
fn ctest(bare: &str) -> Option<u64> {
    let (share, rest) = bare.split_once("% tests passed")?;
    share.trim().parse::<u64>().ok()?;
    let (failed, total) = rest.split_once(" out of ")?;
    let failed = leading(failed.trim_start_matches(',')).map_or(0, first);
    leading(total).map(|(total, _)| total.saturating_sub(failed))
}

/// `OK (5 tests, 9 assertions)`, `Tests: 5, Assertions: 9, Failures: 1, Skipped: 1.`
fn phpunit(bare: &str) -> Option<u64> {
    if bare == "No tests executed!" {
        return Some(0);
    }
    if let Some(counts) = bare.strip_prefix("OK (") {
        return leading(counts).filter(|(_, rest)| is_test(rest)).map(first);
    }
    labelled(bare, "Assertions")?;
    let lost =
        ["Errors", "Failures", "Skipped", "Incomplete", "Risky"].iter().filter_map(|label| labelled(bare, label)).sum();
    labelled(bare, "Tests").map(|run| run.saturating_sub(lost))
}

/// `Tests:       1 failed, 5 passed, 6 total`, `Tests  1 failed | 5 passed (6)`
fn jest(bare: &str) -> Option<u64> {
    let counts = bare.strip_prefix("Tests:").or_else(|| bare.strip_prefix("Tests "))?;
    let words = ["passed", "failed", "skipped", "todo", "pending", "total"];
    let known = items(counts).all(|item| {
        leading(item).is_some_and(|(_, rest)| words.iter().any(|word| is_word(rest, word)) || rest.is_empty())
    });
    known.then(|| counted(counts, "passed").unwrap_or(0))
}

/// `5 examples, 1 failure, 1 pending` and its like: RSpec, Minitest, test-unit, ExUnit.
fn examples(bare: &str) -> Option<u64> {
    let one_of = |words: &[&str]| {
        words.iter().filter_map(|word| counted(bare, word)).fold(None, |sum, count| Some(sum.unwrap_or(0) + count))
    };
    let run = one_of(&["examples", "example", "runs", "tests", "test", "doctests", "doctest"])?;
    one_of(&["failures", "failure"])?;
    leading(bare)?;
    let lost = one_of(&[
        "failures",
        "failure",
        "errors",
        "error",
        "pending",
        "pendings",
        "skips",
        "skipped",
        "omissions",
        "excluded",
    ]);
    Some(run.saturating_sub(lost.unwrap_or(0)))
}

/// `===== 1 failed, 5 passed in 0.12s =====`, `5 passed; 1 failed`, `passed: 5, failed: 1`, `5 tests passed`.
fn plain(bare: &str) -> Option<u64> {
    let bare = bare.trim_matches(['=', '-', ' ']);
    if bare.starts_with("no tests ran in ") {
        return Some(0);
    }
    if let Some(count) = labelled(bare, "passed").filter(|_| labelled(bare, "failed").is_some()) {
        return Some(count);
    }
    // Deno puts its verdict before the counts.
    let verdict = |word| bare.strip_prefix(word)?.trim_start().strip_prefix('|');
    let counts = verdict("ok").or(verdict("FAILED")).unwrap_or(bare);
    // A lone count of errors is pytest's only with a time: compilers count errors too.
    let words = ["passed", "failed", "error in", "errors in", "skipped", "deselected", "xfailed", "xpassed", "pass"];
    let (_, word) = items(counts).next().and_then(outcome)?;
    if !words.iter().any(|known| is_word(word, known)) || !items(counts).all(|item| outcome(item).is_some()) {
        return None;
    }
    let of = |word| items(counts).filter_map(outcome).find(|(_, rest)| is_word(rest, word)).map(first);
    Some(of("passed").or(of("pass")).unwrap_or(0))
}

/// `5 passed`, `5 tests passed`
fn outcome(item: &str) -> Option<(u64, &str)> {
    leading(item).map(|(count, rest)| (count, rest.strip_prefix("tests ").unwrap_or(rest)))
}

/// Python's unittest: the count first, the verdict two lines later.
#[derive(Default)]
pub(super) struct Unittest {
    run: Option<u64>,
}

impl Unittest {
    pub(super) fn read(&mut self, text: &str) -> Option<u64> {
        if let Some((count, rest)) = text.strip_prefix("Ran ").and_then(leading)
            && (rest.starts_with("tests in ") || rest.starts_with("test in "))
        {
            self.run = Some(count);
            return None;
        }
        let verdict = ["OK", "FAILED", "NO TESTS RAN"].iter().find_map(|word| text.strip_prefix(word))?;
        if !(verdict.is_empty() || verdict.starts_with(" (")) {
            return None;
        }
        let counts = verdict.trim_matches([' ', '(', ')']);
        let lost = items(counts).filter_map(|item| leading(item.split_once('=')?.1)).map(first).sum();
        self.run.take().map(|run| run.saturating_sub(lost))
    }
}

/// The Test Anything Protocol: a plan, and a line per test at the left margin.
#[derive(Default)]
pub(super) struct Tap {
    planned: bool,
    pub(super) passed: u64,
}

impl Tap {
    /// Whether the line belongs to a document whose plan, or version, has been seen.
    pub(super) fn read(&mut self, text: &str) -> bool {
        if text.starts_with("TAP version ") {
            *self = Self { planned: true, passed: 0 };
            return true;
        }
        if let Some((_, rest)) = text.strip_prefix("1..").and_then(leading) {
            self.planned = true;
            return rest.is_empty() || rest.starts_with('#');
        }
        let point = |text: &str| text.is_empty() || leading(text).is_some() || text.trim_start().starts_with('-');
        if text.strip_prefix("not ok").is_some_and(point) {
            return self.planned;
        }
        let Some(rest) = text.strip_prefix("ok").filter(|rest| point(rest)) else { return false };
        let directive = rest.rsplit_once("# ").map(|(_, directive)| directive.to_ascii_lowercase());
        if !directive.is_some_and(|word| word.starts_with("skip") || word.starts_with("todo")) {
            self.passed += 1;
        }
        self.planned
    }
}
