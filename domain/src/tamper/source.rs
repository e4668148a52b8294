//! Tokens with their brackets matched, to be looked at from any place.

use super::layout::Language;
use super::lexer::{Kind, Token, lex};

/// How far a look ahead goes; what is longer is not judged. It keeps hostile input linear.
pub(super) const FAR: usize = 200;

pub(super) struct Source<'a> {
    pub(super) language: Language,
    pub(super) tokens: Vec<Token<'a>>,
    /// For an opening bracket where it closes; the end of the source if it never does.
    close: Vec<usize>,
}

impl<'a> Source<'a> {
    pub(super) fn new(language: Language, text: &'a str) -> Self {
        let tokens = lex(language, text);
        let mut close = vec![tokens.len(); tokens.len()];
        let mut open = Vec::new();
        for (at, token) in tokens.iter().enumerate() {
            match token.kind {
                Kind::Mark('(' | '[' | '{') => open.push(at),
                Kind::Mark(')' | ']' | '}') => {
                    if let Some(start) = open.pop() {
                        close[start] = at;
                    }
                }
                Kind::Mark(_) | Kind::Word(_) | Kind::Text(_) => {}
            }
        }
        Self { language, tokens, close }
    }

    pub(super) fn word(&self, at: usize) -> &'a str {
        match self.tokens.get(at).map(|token| token.kind) {
            Some(Kind::Word(word)) => word,
            Some(Kind::Text(_) | Kind::Mark(_)) | None => "",
        }
    }

    /// The word `back` tokens before.
    pub(super) fn word_before(&self, at: usize, back: usize) -> &'a str {
        at.checked_sub(back).map_or("", |at| self.word(at))
    }

    pub(super) fn is(&self, at: usize, mark: char) -> bool {
        self.tokens.get(at).is_some_and(|token| token.kind == Kind::Mark(mark))
    }

    pub(super) fn is_before(&self, at: usize, back: usize, mark: char) -> bool {
        at.checked_sub(back).is_some_and(|at| self.is(at, mark))
    }

    pub(super) fn is_text(&self, at: usize) -> bool {
        matches!(self.tokens.get(at).map(|token| token.kind), Some(Kind::Text(_)))
    }

    /// Where the bracket that opens at `at` closes.
    pub(super) fn closes(&self, at: usize) -> usize {
        self.close.get(at).copied().unwrap_or(self.tokens.len())
    }

    /// The first of its line.
    pub(super) fn starts_line(&self, at: usize) -> bool {
        at.checked_sub(1).is_none_or(|before| self.tokens[before].line != self.tokens[at].line)
    }

    pub(super) fn same_line(&self, one: usize, other: usize) -> bool {
        match (self.tokens.get(one), self.tokens.get(other)) {
            (Some(one), Some(other)) => one.line == other.line,
            (_, _) => false,
        }
    }

    /// The first place from `at` on, not farther than `FAR`, that satisfies `test`.
    pub(super) fn find(&self, at: usize, test: impl Fn(usize) -> bool) -> Option<usize> {
        (at..self.tokens.len().min(at.saturating_add(FAR))).find(|&place| test(place))
    }

    /// What stands before the dot (or `->`, or `::`) in front of `at`; `None` without one.
    pub(super) fn receiver(&self, at: usize) -> Option<&'a str> {
        if self.is_before(at, 1, '.') {
            return Some(self.word_before(at, 2));
        }
        let arrow = self.is_before(at, 1, '>') && self.is_before(at, 2, '-');
        let path = self.is_before(at, 1, ':') && self.is_before(at, 2, ':');
        (arrow || path).then(|| self.word_before(at, 3))
    }
}
