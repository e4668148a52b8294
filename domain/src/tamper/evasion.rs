//! Ways not to run a test, or not to hear of its failure: skips, exits, branches never taken, failures swallowed.

use super::layout::Language;
use super::source::Source;

/// A test that is skipped, expected to fail, or that pushes the others aside.
pub(super) fn skips_at(source: &Source<'_>, at: usize) -> bool {
    let word = source.word(at);
    let owner = source.receiver(at);
    let called = source.is(at + 1, '(');
    let owned = |owners: &[&str]| owner.is_some_and(|owner| owners.contains(&owner));
    match source.language {
        Language::Python => python_skip(source, at, word, owner),
        Language::JavaScript => javascript_skip(source, at, word, owner),
        Language::Go => {
            (matches!(word, "Skip" | "Skipf" | "SkipNow") && owned(&["t", "tt", "b", "f", "tb", "s"]))
                || word == "go:build"
        }
        Language::Rust => rust_skip(source, at, word),
        Language::Java => {
            let annotated = source.is_before(at, 1, '@')
                && (matches!(word, "Ignore" | "Ignored")
                    || word.starts_with("Disabled")
                    || word.starts_with("EnabledIf"));
            annotated
                || (called && (word.starts_with("assume") || matches!(word, "xtest" | "xit" | "xdescribe")))
                || (word == "enabled" && source.is(at + 1, '=') && source.word(at + 2) == "false")
        }
        Language::CSharp => {
            (word == "Skip" && (source.is(at + 1, '=') || source.is(at + 1, '.')))
                || (matches!(word, "Ignore" | "Explicit")
                    && (source.is_before(at, 1, '[') || source.is_before(at, 1, ',')))
                || (matches!(word, "Ignore" | "Inconclusive") && owned(&["Assert"]))
        }
        Language::Ruby => ruby_skip(source, at, word),
        Language::Php => {
            matches!(word, "markTestSkipped" | "markTestIncomplete")
                || (matches!(word, "skip" | "todo" | "only") && owner.is_some() && called)
        }
        Language::Cpp => {
            matches!(word, "GTEST_SKIP" | "QSKIP" | "TEST_IGNORE" | "TEST_IGNORE_MESSAGE")
                || word.starts_with("DISABLED_")
                || (word == "SKIP" && called)
        }
    }
}

/// Marks of pytest and unittest.
fn python_skip(source: &Source<'_>, at: usize, word: &str, owner: Option<&str>) -> bool {
    let owned = |owners: &[&str]| owner.is_some_and(|owner| owners.contains(&owner));
    let marks = ["skip", "skipif", "xfail", "skipIf", "skipUnless", "skipTest", "expectedFailure", "importorskip"];
    (marks.contains(&word) && (owned(&["mark", "pytest", "unittest", "self"]) || source.is_before(at, 1, '@')))
        || (word == "SkipTest" && source.word_before(at, 1) != "import")
}

/// Modifiers, prefixes and options.
fn javascript_skip(source: &Source<'_>, at: usize, word: &str, owner: Option<&str>) -> bool {
    let owned = |owners: &[&str]| owner.is_some_and(|owner| owners.contains(&owner));
    let called = source.is(at + 1, '(');
    let owners = ["it", "test", "describe", "suite", "context", "specify", "t", "ctx", "this", "ignore"];
    (matches!(word, "skip" | "todo" | "only" | "failing" | "fails" | "skipIf" | "runIf" | "ignore")
        && (owned(&owners) || owner == Some("each")))
        || (called
            && owner.is_none()
            && matches!(
                word,
                "xit" | "xtest" | "xdescribe" | "xcontext" | "fit" | "fdescribe" | "fcontext" | "pending"
            ))
        || (matches!(word, "skip" | "todo" | "ignore") && source.is(at + 1, ':') && source.word(at + 2) != "false")
}

/// Statements, prefixes and metadata.
fn ruby_skip(source: &Source<'_>, at: usize, word: &str) -> bool {
    (source.starts_line(at)
        && matches!(
            word,
            "skip"
                | "pending"
                | "omit"
                | "xit"
                | "xdescribe"
                | "xcontext"
                | "xspecify"
                | "fit"
                | "fdescribe"
                | "fcontext"
        ))
        || (matches!(word, "skip" | "pending" | "focus")
            && ((source.is(at + 1, ':') && source.word(at + 2) != "false")
                || (source.is_before(at, 1, ':') && source.is_before(at, 2, ','))))
}

/// `#[ignore]`, also by `cfg_attr`, and conditions under which nothing is compiled.
fn rust_skip(source: &Source<'_>, at: usize, word: &str) -> bool {
    match word {
        "ignore" => source.is_before(at, 1, '[') || source.is_before(at, 1, ','),
        "cfg" => {
            let condition = source.word(at + 2);
            let never = condition == "any" && source.is(at + 3, '(') && source.is(at + 4, ')');
            source.is_before(at, 1, '[') && (never || matches!(condition, "FALSE" | "false" | "feature"))
        }
        _ => false,
    }
}

/// The process ends as if all were well.
fn exits_at(source: &Source<'_>, at: usize) -> bool {
    let word = source.word(at);
    let owner = source.receiver(at);
    let well =
        source.is(at + 1, '(') && (source.is(at + 2, ')') || (source.word(at + 2) == "0" && source.is(at + 3, ')')));
    match source.language {
        Language::Python => {
            (well
                && (matches!(word, "_exit" | "exit" | "quit")
                    && owner.is_none_or(|owner| matches!(owner, "sys" | "os"))))
                || (word == "SystemExit" && source.word_before(at, 1) == "raise" && (well || !source.is(at + 1, '(')))
        }
        Language::JavaScript => well && matches!((owner, word), (Some("process" | "Deno"), "exit")),
        Language::Go => well && matches!((owner, word), (Some("os"), "Exit")),
        Language::Rust => well && word == "exit" && owner == Some("process"),
        Language::Java => well && (word == "exitProcess" || matches!((owner, word), (Some("System"), "exit"))),
        Language::CSharp => well && matches!((owner, word), (Some("Environment"), "Exit")),
        Language::Ruby => {
            let bare = source.starts_line(at) && !source.is(at + 1, '(') && !source.is(at + 1, '=');
            matches!(word, "exit") && (well || bare) && owner.is_none_or(|owner| owner == "Process")
        }
        Language::Php => matches!(word, "exit" | "die") && (well || source.is(at + 1, ';')),
        Language::Cpp => well && matches!(word, "exit" | "_exit" | "_Exit" | "quick_exit"),
    }
}

/// A branch that is never taken.
fn never_at(source: &Source<'_>, at: usize) -> bool {
    let open = usize::from(source.is(at + 1, '('));
    let condition = source.word(at + 1 + open);
    let alone = if open == 1 {
        source.is(at + 3, ')')
    } else {
        source.is(at + 2, ':') || source.is(at + 2, '{') || !source.same_line(at, at + 2)
    };
    matches!(source.word(at), "if" | "while" | "elif") && matches!(condition, "false" | "False" | "0") && alone
}

/// A failure is caught and nothing is done: `except: pass`, `catch (e) {}`.
fn swallows_at(source: &Source<'_>, at: usize) -> bool {
    match source.word(at) {
        "except" => source
            .find(at, |place| source.is(place, ':'))
            .is_some_and(|colon| source.same_line(at, colon) && source.word(colon + 1) == "pass"),
        "catch" => {
            let block = if source.is(at + 1, '(') { source.closes(at + 1) + 1 } else { at + 1 };
            source.is(block, '{') && source.is(block + 1, '}')
        }
        _ => false,
    }
}

/// An exit, a branch never taken or a failure swallowed.
pub(super) fn escapes_at(source: &Source<'_>, at: usize) -> bool {
    exits_at(source, at) || never_at(source, at) || swallows_at(source, at)
}

/// A `return` of nothing.
pub(super) fn returns_at(source: &Source<'_>, at: usize) -> bool {
    source.word(at) == "return" && (source.is(at + 1, ';') || source.is(at + 1, '}') || !source.same_line(at, at + 1))
}
