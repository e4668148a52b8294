//! Assertions, and those among them that can never fail.

use super::layout::Language;
use super::lexer::{Kind, Token};
use super::source::Source;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Assertion {
    Real,
    /// It holds whatever the code does.
    Tautology,
}

/// Longer operands than this are not looked into; they are taken for real.
const LONGEST: usize = 64;

/// The assertion that starts at this token.
pub(super) fn assertion_at(source: &Source<'_>, at: usize) -> Option<Assertion> {
    let word = source.word(at);
    if word.is_empty() || is_definition(source, at) || !is_assertion(source, at, word) {
        return None;
    }
    Some(if is_tautology(source, at, word).unwrap_or(false) { Assertion::Tautology } else { Assertion::Real })
}

fn is_definition(source: &Source<'_>, at: usize) -> bool {
    let before = source.word_before(at, 1);
    matches!(
        before,
        "def" | "fn" | "func" | "function" | "fun" | "void" | "class" | "import" | "define" | "namespace" | "as"
    )
}

fn is_assertion(source: &Source<'_>, at: usize, word: &str) -> bool {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| word.starts_with(prefix));
    let called = source.is(at + 1, '(');
    let macroed = source.is(at + 1, '!') && !source.is(at + 2, '=');
    let owner = source.receiver(at);
    let module = |words: &[&str]| words.contains(&word) && source.is(at + 1, '.') && owner.is_none();
    // What a module asserts was counted at the module's name.
    let counted = |modules: &[&str]| owner.is_some_and(|owner| modules.contains(&owner));
    match source.language {
        Language::Python => {
            (word == "assert" && owner.is_none())
                || (called
                    && (starts(&["assert"])
                        || (owner.is_some() && matches!(word, "raises" | "warns" | "fail" | "failUnless"))))
        }
        Language::JavaScript => {
            module(&["assert", "should"])
                || (called && starts(&["expect", "assert", "should"]) && !counted(&["assert", "expect"]))
                || (owner == Some("t")
                    && called
                    && !matches!(word, "test" | "plan" | "end" | "skip" | "run" | "log" | "teardown" | "context"))
        }
        Language::Go => {
            module(&["assert", "require", "is", "qt"])
                || (called && starts(&["assert", "require"]))
                || (matches!(owner, Some("t" | "tt" | "b" | "f" | "tb" | "c"))
                    && matches!(word, "Error" | "Errorf" | "Fatal" | "Fatalf" | "Fail" | "FailNow"))
        }
        Language::Rust => {
            (macroed && (starts(&["assert", "prop_assert", "debug_assert"]) || matches!(word, "panic" | "unreachable")))
                || (called && (starts(&["assert"]) || (owner.is_some() && matches!(word, "unwrap_err" | "expect_err"))))
                || word == "should_panic"
        }
        Language::Java => {
            (called && (starts(&["assert", "expect", "verify", "andExpect"]) || word == "fail"))
                || (starts(&["should"]) && (owner.is_none() || called))
        }
        Language::CSharp => {
            module(&["Assert", "StringAssert", "CollectionAssert", "FileAssert"])
                || (called
                    && !counted(&["Assert", "StringAssert", "CollectionAssert", "FileAssert"])
                    && starts(&["Assert", "Should", "Verify"]))
        }
        Language::Ruby => {
            starts(&["assert", "refute", "must_", "wont_"])
                || matches!(word, "is_expected" | "flunk" | "should_not")
                || (word == "expect" && (called || source.is(at + 1, '{') || source.word(at + 1) == "do"))
                || (word == "should" && owner.is_some())
        }
        Language::Php => called && (starts(&["assert", "expect", "should"]) || (word == "fail" && owner.is_some())),
        Language::Cpp => called && is_cpp(word),
    }
}

fn is_cpp(word: &str) -> bool {
    let prefixes = [
        "EXPECT_",
        "ASSERT_",
        "CHECK",
        "REQUIRE",
        "BOOST_CHECK",
        "BOOST_REQUIRE",
        "BOOST_TEST",
        "STATIC_REQUIRE",
        "ADD_FAILURE",
        "TEST_ASSERT",
        "QVERIFY",
        "QCOMPARE",
        "cr_assert",
        "cr_expect",
        "ck_assert",
        "assert",
    ];
    prefixes.iter().any(|prefix| word.starts_with(prefix)) || matches!(word, "FAIL" | "ASSERT" | "EXPECT")
}

/// Whether it is sure to hold; `None` where that cannot be seen.
fn is_tautology(source: &Source<'_>, at: usize, word: &str) -> Option<bool> {
    let neutral = [
        "",
        "self",
        "this",
        "cls",
        "static",
        "parent",
        "t",
        "std",
        "testing",
        "Assertions",
        "TestCase",
        "chai",
        "pytest",
    ];
    let module = matches!(word, "assert" | "Assert" | "require" | "is" | "qt") && source.is(at + 1, '.');
    if source.receiver(at).is_some_and(|owner| !neutral.contains(&owner) && owner != "assert" && owner != "Assert") {
        return None;
    }
    let name = if module { source.word(at + 2) } else { word }.to_ascii_lowercase();
    let fails =
        ["fail", "panic", "unreachable", "fatal", "error", "raise", "throw", "warn", "snapshot", "exception", "should"];
    if fails.iter().any(|part| name.contains(part)) {
        return None;
    }
    let open = at + if module { 3 } else { 1 } + usize::from(source.is(at + 1, '!'));
    let keyword =
        matches!(source.language, Language::Python | Language::Ruby) && (word == "assert" || !source.is(open, '('));
    if !keyword && !source.is(open, '(') {
        return None;
    }
    let operand = if keyword { statement(source, open) } else { open + 1..source.closes(open) };
    if operand.len() > LONGEST || operand.is_empty() {
        return None;
    }
    let whole = &source.tokens[operand.clone()];
    let mut sides = split(whole);
    if source.language == Language::Go {
        sides.retain(|side| !matches!(side, [Token { kind: Kind::Word("t" | "b" | "tt"), .. }]));
    }
    if keyword && is_tuple(whole) {
        return Some(true);
    }
    let first = *sides.first()?;
    if name.starts_with("expect") && source.language != Language::Cpp {
        return Some(expects_itself(source, first, operand.end + 1));
    }
    Some(holds(&name, &sides, first))
}

/// The rest of the line.
fn statement(source: &Source<'_>, from: usize) -> std::ops::Range<usize> {
    let end = (from..source.tokens.len().min(from + LONGEST + 1))
        .find(|&place| !source.same_line(from, place) || source.is(place, ';'));
    from..end.unwrap_or(source.tokens.len().min(from + LONGEST + 1))
}

/// `assert (x, "message")` is a tuple, which is true.
fn is_tuple(tokens: &[Token<'_>]) -> bool {
    let wrapped = tokens.first().is_some_and(|token| token.kind == Kind::Mark('('))
        && tokens.last().is_some_and(|token| token.kind == Kind::Mark(')'));
    wrapped && {
        let inner = &tokens[1..tokens.len() - 1];
        let mut depth = 0i32;
        let closed = inner.iter().all(|token| {
            depth += level(token);
            depth >= 0
        });
        closed && split(inner).len() > 1
    }
}

fn level(token: &Token<'_>) -> i32 {
    match token.kind {
        Kind::Mark('(' | '[' | '{') => 1,
        Kind::Mark(')' | ']' | '}') => -1,
        Kind::Mark(_) | Kind::Word(_) | Kind::Text(_) => 0,
    }
}

/// The parts between commas that are in no bracket.
fn split<'s, 'a>(tokens: &'s [Token<'a>]) -> Vec<&'s [Token<'a>]> {
    let mut depth = 0;
    let parts = tokens.split(|token| {
        depth += level(token);
        depth == 0 && token.kind == Kind::Mark(',')
    });
    parts.filter(|part| !part.is_empty()).collect()
}

fn holds(name: &str, sides: &[&[Token<'_>]], first: &[Token<'_>]) -> bool {
    let compares = name.contains("eq") || name.contains("same");
    if always_true(first) || (!compares && equals_itself(first)) {
        return true;
    }
    if let [_, second, ..] = sides
        && compares
        && !["not", "ne_", "neq"].iter().any(|part| name.contains(part))
    {
        return same(first, second) && (is_constant(first) || is_still(first));
    }
    // `assertTrue(False)` and `assert 0, "not reached"` are there to fail.
    let denies = ["false", "not", "null", "none", "nil", "refute"].iter().any(|part| name.contains(part));
    is_constant(first) && (denies || !is_false(first))
}

/// `expect(1).toBe(1)`, `expect(true).to.be.true`, `expect(x).toBe(x)`; not what is negated, and not
/// `expect(true).toBe(false)`, which marks a place that must not be reached.
fn expects_itself(source: &Source<'_>, value: &[Token<'_>], after: usize) -> bool {
    let mut matcher = None;
    let mut at = after;
    let end = source.tokens.len().min(after + LONGEST);
    while at < end
        && !source.is(at, ';')
        && (source.is(at, '.')
            || source.is(at, '>')
            || source.is(at, '-')
            || !source.word(at).is_empty()
            || source.is(at, '('))
    {
        if matches!(source.word(at), "not" | "not_to" | "to_not" | "never" | "toThrow" | "raise_error") {
            return false;
        }
        if source.is(at, '(') {
            let inner = at + 1..source.closes(at);
            matcher = source.tokens.get(inner).filter(|inner| !inner.is_empty());
            break;
        }
        if at > after && source.starts_line(at) && !source.is(at, '.') && !source.is_before(at, 1, '.') {
            break;
        }
        at += 1;
    }
    match matcher {
        Some(expected) => same(value, expected) && (is_constant(value) || is_still(value)),
        None => is_constant(value) && !is_false(value),
    }
}

fn same(one: &[Token<'_>], other: &[Token<'_>]) -> bool {
    one.iter().map(|token| token.kind).eq(other.iter().map(|token| token.kind))
}

/// Nothing in it is computed: literals only.
fn is_constant(tokens: &[Token<'_>]) -> bool {
    !tokens.is_empty()
        && tokens.iter().all(|token| match token.kind {
            Kind::Word(word) => is_literal(word),
            Kind::Text(_) | Kind::Mark(_) => true,
        })
        && tokens.iter().any(|token| !matches!(token.kind, Kind::Mark(_)))
}

fn is_literal(word: &str) -> bool {
    let name = [
        "true",
        "false",
        "True",
        "False",
        "None",
        "null",
        "nil",
        "nullptr",
        "undefined",
        "not",
        "and",
        "or",
        "is",
        "in",
        "TRUE",
        "FALSE",
    ];
    name.contains(&word) || word.starts_with(|c: char| c.is_ascii_digit())
}

/// Two mentions of it mean the same: no call.
fn is_still(tokens: &[Token<'_>]) -> bool {
    !tokens.iter().any(|token| token.kind == Kind::Mark('('))
}

fn is_false(tokens: &[Token<'_>]) -> bool {
    matches!(
        tokens,
        [Token {
            kind: Kind::Word("false" | "False" | "0" | "None" | "null" | "nil" | "undefined" | "FALSE" | "nullptr"),
            ..
        }]
    )
}

/// `x == x`, `a is a`, without a call.
fn equals_itself(tokens: &[Token<'_>]) -> bool {
    let Some(at) =
        tokens.windows(2).position(|pair| pair[0].kind == Kind::Mark('=') && pair[1].kind == Kind::Mark('='))
    else {
        return false;
    };
    let mut right = &tokens[at + 2..];
    if right.first().is_some_and(|token| token.kind == Kind::Mark('=')) {
        right = &right[1..];
    }
    same(&tokens[..at], right) && is_still(right)
}

/// `… or True`, `true || …`
fn always_true(tokens: &[Token<'_>]) -> bool {
    let truth = |token: Option<&Token<'_>>| matches!(token.map(|token| token.kind), Some(Kind::Word("true" | "True")));
    let or = |pair: &[Token<'_>]| pair[0].kind == Kind::Mark('|') && pair[1].kind == Kind::Mark('|');
    let worded = tokens.iter().position(|token| token.kind == Kind::Word("or"));
    let marked = tokens.windows(2).position(or);
    worded.is_some_and(|at| truth(tokens.get(at + 1)) || (at == 1 && truth(tokens.first())))
        || marked.is_some_and(|at| truth(tokens.get(at + 2)) || (at == 1 && truth(tokens.first())))
}
