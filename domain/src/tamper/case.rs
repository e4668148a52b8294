//! Where test functions start, what they are called and how far they reach.

use super::layout::Language;
use super::lexer::Kind;
use super::source::Source;

/// More attributes than this on one function are not looked past.
const MOST_ATTRIBUTES: usize = 50;

/// One test function, block or table row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) name: String,
    /// The first token after it.
    pub(super) end: usize,
}

/// The test that starts at this token.
pub(super) fn case_at(source: &Source<'_>, at: usize) -> Option<Case> {
    match source.language {
        Language::Python => python(source, at),
        Language::JavaScript => called(source, at, &["it", "test", "specify", "fit", "xit", "xtest"]),
        Language::Go => go(source, at),
        Language::Rust => rust(source, at),
        Language::Java => java(source, at).or_else(|| called(source, at, &["test", "it", "should", "scenario"])),
        Language::CSharp => csharp(source, at),
        Language::Ruby => ruby(source, at),
        Language::Php => php(source, at).or_else(|| called(source, at, &["test", "it"])),
        Language::Cpp => cpp(source, at),
    }
}

/// A definition whose body is what is indented deeper.
fn indented(source: &Source<'_>, at: usize, name: String) -> Option<Case> {
    let own = source.tokens[at].indent;
    let beyond =
        |&next: &usize| source.starts_line(next) && source.tokens[next].indent <= own && !source.same_line(at, next);
    let end = (at + 1..source.tokens.len()).find(beyond).unwrap_or(source.tokens.len());
    Some(Case { name, end })
}

/// A definition whose body is the next pair of braces.
fn braced(source: &Source<'_>, at: usize, name: String) -> Case {
    let open = source.find(at, |place| source.is(place, '{'));
    Case { name, end: open.map_or(at + 1, |open| source.closes(open)) }
}

fn spelled(source: &Source<'_>, at: usize) -> String {
    match source.tokens.get(at).map(|token| token.kind) {
        Some(Kind::Word(word)) => word.to_owned(),
        Some(Kind::Text(hash)) => format!("{hash:x}"),
        Some(Kind::Mark(c)) => c.to_string(),
        None => String::new(),
    }
}

fn python(source: &Source<'_>, at: usize) -> Option<Case> {
    let name = source.word(at + 1);
    let starts = source.starts_line(at) || (source.word_before(at, 1) == "async" && source.starts_line(at - 1));
    if source.word(at) != "def" || !name.starts_with("test") || !starts {
        return None;
    }
    indented(source, at, name.to_owned())
}

/// `it('name', …)`, `test.each(…)('name', …)`, `Deno.test(…)`, with a block behind it in Kotlin.
fn called(source: &Source<'_>, at: usize, words: &[&str]) -> Option<Case> {
    let word = source.word(at);
    let owned = source.receiver(at).is_some_and(|owner| !matches!(owner, "Deno" | "QUnit" | "Bun" | "t" | "suite"));
    if !words.contains(&word) || owned || matches!(source.word_before(at, 1), "function" | "fun" | "fn" | "def") {
        return None;
    }
    let open = source.find(at + 1, |place| !source.is(place, '.') && source.word(place).is_empty())?;
    if !source.is(open, '(') && !source.is_text(open) {
        return None;
    }
    let mut group = if source.is(open, '(') { open } else { open + 1 };
    let mut end = source.closes(group);
    if source.is(end + 1, '(') && !source.word(at + 2).is_empty() {
        group = end + 1;
        end = source.closes(group);
    }
    if source.language == Language::Java && source.is(end + 1, '{') {
        end = source.closes(end + 1);
    }
    if !source.is(group, '(') || !source.same_line(at, at + 1) || end == group + 1 {
        return None;
    }
    // A call of something else that bears the name has no title in front.
    let named =
        source.language == Language::JavaScript && (source.is(group + 1, '{') || !source.word(group + 1).is_empty());
    let titled = source.is_text(group + 1) || named;
    titled.then(|| Case { name: spelled(source, group + 1), end })
}

fn go(source: &Source<'_>, at: usize) -> Option<Case> {
    let name = source.word(at + 1);
    if source.word(at) == "func" && ["Test", "Fuzz", "Example"].iter().any(|prefix| name.starts_with(prefix)) {
        return Some(braced(source, at, name.to_owned()));
    }
    let nested = source.word(at) == "Run" && matches!(source.receiver(at), Some("t" | "tt" | "s" | "suite"));
    (nested && source.is(at + 1, '(')).then(|| Case { name: spelled(source, at + 2), end: source.closes(at + 1) })
}

/// An attribute whose last name is that of a test, or of one row of a table.
fn rust(source: &Source<'_>, at: usize) -> Option<Case> {
    if !source.is(at, '#') || !source.is(at + 1, '[') {
        return None;
    }
    let after = source.find(at + 2, |place| !source.is(place, ':') && source.word(place).is_empty())?;
    if !matches!(
        source.word_before(after, 1),
        "test" | "rstest" | "case" | "test_case" | "quickcheck" | "wasm_bindgen_test"
    ) {
        return None;
    }
    let function = source.find(source.closes(at + 1), |place| source.word(place) == "fn")?;
    Some(braced(source, function, source.word(function + 1).to_owned()))
}

fn java(source: &Source<'_>, at: usize) -> Option<Case> {
    let annotations =
        ["Test", "ParameterizedTest", "RepeatedTest", "TestFactory", "TestTemplate", "Property", "Theory"];
    if source.is(at, '@') && annotations.contains(&source.word(at + 1)) {
        let function = source.find(at + 2, |place| matches!(source.word(place), "void" | "fun"));
        let name = function.map(|function| spelled(source, function + 1)).unwrap_or_default();
        return Some(braced(source, function.unwrap_or(at), name));
    }
    // JUnit 3 goes by the name; a newer one has said so already, on the lines before.
    let name = source.word(at + 1);
    let old = source.word(at) == "void" && name.starts_with("test") && source.is(at + 2, '(');
    let annotated =
        (at.saturating_sub(12)..at).any(|place| source.is(place, '@') && annotations.contains(&source.word(place + 1)));
    (old && !annotated).then(|| braced(source, at, name.to_owned()))
}

fn csharp(source: &Source<'_>, at: usize) -> Option<Case> {
    let attributes = ["Fact", "Theory", "Test", "TestCase", "TestMethod", "DataTestMethod", "InlineData", "DataRow"];
    let opens = source.is(at, '[') && (source.starts_line(at) || source.is_before(at, 1, ']'));
    if !opens || !attributes.contains(&source.word(at + 1)) {
        return None;
    }
    let mut next = source.closes(at) + 1;
    for _ in 0..MOST_ATTRIBUTES {
        if source.is(next, '[') {
            next = source.closes(next) + 1;
        }
    }
    let arguments = source.find(next, |place| source.is(place, '('))?;
    Some(braced(source, arguments, source.word_before(arguments, 1).to_owned()))
}

fn ruby(source: &Source<'_>, at: usize) -> Option<Case> {
    if !source.starts_line(at) {
        return None;
    }
    let name = source.word(at + 1);
    if source.word(at) == "def" && name.starts_with("test_") {
        return indented(source, at, name.to_owned());
    }
    let word = matches!(source.word(at), "it" | "specify" | "test" | "scenario" | "example" | "should" | "xit" | "fit");
    let title = if source.is(at + 1, '(') { at + 2 } else { at + 1 };
    let titled = source.is_text(title) || source.is(title, '{') || source.word(title) == "do";
    if word && titled { indented(source, at, spelled(source, title)) } else { None }
}

fn php(source: &Source<'_>, at: usize) -> Option<Case> {
    let name = source.word(at + 1);
    if source.word(at) == "function" && name.starts_with("test") {
        return Some(braced(source, at, name.to_owned()));
    }
    if !(source.is(at, '#') && source.is(at + 1, '[') && source.word(at + 2) == "Test") {
        return None;
    }
    let function = source.find(at, |place| source.word(place) == "function")?;
    let name = source.word(function + 1);
    (!name.starts_with("test")).then(|| braced(source, function, name.to_owned()))
}

fn cpp(source: &Source<'_>, at: usize) -> Option<Case> {
    let word = source.word(at);
    if !source.is(at + 1, '(') {
        return None;
    }
    let close = source.closes(at + 1);
    let plain = (word.starts_with("test_") || word.starts_with("Test"))
        && matches!(source.word_before(at, 1), "void" | "int" | "bool");
    if plain && source.is(close + 1, '{') {
        return Some(braced(source, close, word.to_owned()));
    }
    let known = ["TEST", "TEST_F", "TEST_P", "TYPED_TEST", "TYPED_TEST_P", "SCENARIO", "SECTION", "SUBCASE", "Test"];
    let cased = word.ends_with("TEST_CASE") || word.ends_with("TEST_CASE_METHOD");
    if !(known.contains(&word) || cased) || source.word_before(at, 1) == "define" || !source.is(close + 1, '{') {
        return None;
    }
    let name: Vec<String> = (at + 2..close.min(at + 12)).map(|place| spelled(source, place)).collect();
    Some(braced(source, close, name.join(" ")))
}
