//! Source text as words, marks and string literals, without comments. Simple on purpose: both sides of a comparison are
//! read alike, so what it misreads mostly cancels out.

use super::layout::Language;
use super::literal::{block, character, disabled, heredoc, quoted, raw_cpp, raw_rust, regex, template, until};
use std::hash::{DefaultHasher, Hash, Hasher};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// An identifier, keyword or number.
    Word(&'a str),
    /// A string, by the hash of its text.
    Text(u64),
    Mark(char),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    /// Lines that Python joins count as one.
    pub(super) line: usize,
    /// Blanks in front of its line.
    pub(super) indent: usize,
}

pub(super) fn lex(language: Language, text: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer { language, text, at: 0, line: 0, indent: blanks(text), depth: 0, tokens: Vec::new() };
    while lexer.at < text.len() {
        lexer.step();
    }
    lexer.tokens
}

fn blanks(text: &str) -> usize {
    text.bytes().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

struct Lexer<'a> {
    language: Language,
    text: &'a str,
    at: usize,
    line: usize,
    indent: usize,
    depth: usize,
    tokens: Vec<Token<'a>>,
}

impl<'a> Lexer<'a> {
    fn step(&mut self) {
        let rest = &self.text[self.at..];
        if let Some(length) = self.comment(rest) {
            self.skip(length);
        } else if let Some(length) = self.string(rest) {
            self.push(Kind::Text(hash(&rest[..length])));
            self.skip(length);
        } else if rest.starts_with('\n') {
            self.skip(1);
        } else {
            self.plain(rest);
        }
    }

    fn plain(&mut self, rest: &'a str) {
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if word > 0 {
            self.push(Kind::Word(&rest[..word]));
            self.at += word;
            return;
        }
        let Some(c) = rest.chars().next() else { return };
        self.at += c.len_utf8();
        match c {
            '(' | '[' | '{' => self.depth += 1,
            ')' | ']' | '}' => self.depth = self.depth.saturating_sub(1),
            '\\' if self.language == Language::Python && rest.starts_with("\\\n") => self.at += 1,
            _ => {}
        }
        if !c.is_whitespace() {
            self.push(Kind::Mark(c));
        }
    }

    fn push(&mut self, kind: Kind<'a>) {
        self.tokens.push(Token { kind, line: self.line, indent: self.indent });
    }

    /// Moves on, counting lines.
    fn skip(&mut self, length: usize) {
        let passed = &self.text[self.at..self.at + length];
        self.at += length;
        let lines = passed.matches('\n').count();
        if lines > 0 && !(self.language == Language::Python && self.depth > 0) {
            self.line += lines;
            if passed.ends_with('\n') {
                self.indent = blanks(&self.text[self.at..]);
            }
        }
    }

    /// The length of the comment that starts here.
    fn comment(&mut self, rest: &'a str) -> Option<usize> {
        let line = || rest.find('\n').unwrap_or(rest.len());
        let hashes = match self.language {
            Language::Python | Language::Ruby => rest.starts_with('#'),
            Language::Php => rest.starts_with('#') && !rest.starts_with("#["),
            Language::Cpp if ["#if 0", "#if false"].iter().any(|start| rest.starts_with(start)) => {
                return Some(disabled(rest));
            }
            Language::JavaScript
            | Language::Go
            | Language::Rust
            | Language::Java
            | Language::CSharp
            | Language::Cpp => false,
        };
        if hashes {
            return Some(line());
        }
        match self.language {
            Language::Python => None,
            Language::Ruby => {
                let begins = rest.starts_with("=begin") && (self.at == 0 || self.text[..self.at].ends_with('\n'));
                begins.then(|| rest.find("\n=end").map_or(rest.len(), |at| at + 5))
            }
            Language::Go if rest.starts_with("//go:build") || rest.starts_with("// +build") => {
                // A build constraint is a comment that decides whether the file is compiled.
                self.push(Kind::Word("go:build"));
                Some(line())
            }
            Language::JavaScript
            | Language::Go
            | Language::Rust
            | Language::Java
            | Language::CSharp
            | Language::Php
            | Language::Cpp => {
                if rest.starts_with("//") {
                    Some(line())
                } else if rest.starts_with("/*") {
                    Some(block(rest, self.language == Language::Rust))
                } else {
                    None
                }
            }
        }
    }

    /// The length of the string, character or regular expression that starts here.
    fn string(&self, rest: &str) -> Option<usize> {
        let first = rest.chars().next()?;
        match (self.language, first) {
            (Language::Python | Language::Java | Language::CSharp, '"') if rest.starts_with("\"\"\"") => {
                Some(until(rest, "\"\"\""))
            }
            (Language::Python, '\'') if rest.starts_with("'''") => Some(until(rest, "'''")),
            (Language::Rust, 'r' | 'b') if self.at_word() => raw_rust(rest),
            (Language::Cpp, 'R') if self.at_word() && rest.starts_with("R\"") => raw_cpp(rest),
            (Language::CSharp, '@') if rest.starts_with("@\"") => Some(1 + quoted(&rest[1..], '"', true, false)),
            (Language::Ruby | Language::Php, '<') => heredoc(rest),
            (Language::Rust, '\'') => character(rest),
            (Language::Cpp, '\'') if !self.at_word() => None,
            (Language::Rust | Language::Ruby | Language::Php, '"') => Some(quoted(rest, '"', true, true)),
            (Language::Ruby | Language::Php, '\'') => Some(quoted(rest, '\'', true, true)),
            (Language::Go, '`') => Some(quoted(rest, '`', true, false)),
            (Language::JavaScript, '`') => Some(template(rest)),
            (Language::Java, '`') => Some(quoted(rest, '`', false, false)),
            (Language::JavaScript | Language::Ruby, '/') if self.expects_value() => regex(rest),
            (_, '"' | '\'') => Some(quoted(rest, first, false, true)),
            (_, _) => None,
        }
    }

    /// Not in the middle of a word.
    fn at_word(&self) -> bool {
        !self.text[..self.at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
    }

    /// Whether a slash here cannot be a division.
    fn expects_value(&self) -> bool {
        match self.tokens.last() {
            None => true,
            Some(token) if token.line != self.line => true,
            Some(token) => match token.kind {
                Kind::Mark(c) => "(,=:[!&|?{};~".contains(c),
                Kind::Word(word) => matches!(word, "return" | "match" | "when" | "if" | "to" | "and" | "or" | "not"),
                Kind::Text(_) => false,
            },
        }
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Words and marks as they are, strings as `~`.
    fn shown(language: Language, text: &str) -> String {
        let show = |token: &Token<'_>| match token.kind {
            Kind::Word(word) => word.to_owned(),
            Kind::Text(_) => "~".to_owned(),
            Kind::Mark(c) => c.to_string(),
        };
        lex(language, text).iter().map(show).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_go_and_strings_stay_as_one() {
        use Language::*;
        let rows = [
            (Python, "a = 'it''s' # assert x\n\"\"\"assert\ny\"\"\"\nb", "a = ~ ~ ~ b"),
            (Python, "f('#', \"\\\"#\") # x", "f ( ~ , ~ )"),
            (JavaScript, "a // b\n/* c */ d `x ${ y(`z`) } w` e", "a d ~ e"),
            (JavaScript, "x = /'[/]\\//.test(y); z = a / b / c", "x = ~ . test ( y ) ; z = a / b / c"),
            (Go, "a := `x\\` + 'c' // y", "a : = ~ + ~"),
            (Go, "//go:build never\npackage a", "go:build package a"),
            (
                Rust,
                "fn a<'x>(c: &'x str) { 'y'; '\\''; r#\"a\"b\"#; \"//\" } /* a /* b */ c */ d",
                "fn a < ' x > ( c : & ' x str ) { ~ ; ~ ; ~ ; ~ } d",
            ),
            (Java, "a(\"\"\"\n \"b\" \n\"\"\") // c", "a ( ~ )"),
            (CSharp, "a(@\"c:\\\", 'x') /* b */", "a ( ~ , ~ )"),
            (Ruby, "a <<~EOS\n assert x\nEOS\nb # c\n=begin\nassert\n=end\nd", "a ~ b d"),
            (Php, "#[Test]\n# c\n// d\n$a = <<<EOT\n assert\nEOT;\nb", "# [ Test ] $ a = ~ ; b"),
            (Cpp, "a 1'000 R\"x(\")\")x\" \n#if 0\nCHECK(a)\n#if B\n#endif\n#endif\nb", "a 1 ' 000 ~ # endif b"),
            (Cpp, "a /* \" */ b '\"' c", "a b ~ c"),
        ];
        for (language, text, expected) in rows {
            assert_eq!(shown(language, text), expected, "{language:?}: {text}");
        }
    }

    #[test]
    fn lines_that_python_joins_are_one() {
        let tokens = lex(Language::Python, "a(\n1,\n2)\n  b \\\n c\nd");
        let places: Vec<(usize, usize)> = tokens.iter().map(|token| (token.line, token.indent)).collect();
        assert_eq!(places, [(0, 0), (0, 0), (0, 0), (0, 0), (0, 0), (0, 0), (1, 2), (1, 2), (1, 2), (2, 0)]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_to_its_end(text in "[\\PC\n]{0,60}", quotes in "[\"'`/#$\\\\{}(<~é\n*a]{0,30}") {
            use Language::*;
            for language in [Python, JavaScript, Go, Rust, Java, CSharp, Ruby, Php, Cpp] {
                lex(language, &text);
                lex(language, &quotes);
            }
        }
    }
}
