//! One pattern of a scope: checked, with its alternatives written out.

use super::BadPattern;
use globset::{Glob, GlobBuilder};

/// Most patterns that the alternatives of one may stand for.
const MOST_ALTERNATIVES: usize = 1_000;

/// A pattern without alternatives: names between `/`, among them `**`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    names: Vec<String>,
    /// It ended in `/`: what it names is a directory.
    directory: bool,
    /// Its text had neither wildcard nor alternatives.
    plain: bool,
    source: String,
}

impl Pattern {
    pub(super) fn parse_all(sources: &[String]) -> Result<Vec<Self>, BadPattern> {
        let mut all = Vec::new();
        for source in sources {
            let bad = |reason: &str| BadPattern { pattern: source.clone(), reason: reason.to_owned() };
            for text in alternatives(source).map_err(bad)? {
                all.push(Self::parse(source, &text).map_err(bad)?);
            }
        }
        Ok(all)
    }

    fn parse(source: &str, text: &str) -> Result<Self, &'static str> {
        if text.trim().is_empty() {
            return Err("it is empty");
        }
        if text.starts_with('/') || (text.as_bytes().get(1) == Some(&b':') && text.as_bytes()[0].is_ascii_alphabetic())
        {
            return Err("it is absolute; patterns are relative to the repository");
        }
        if text.contains('\\') {
            return Err("it has a backslash; names are separated by `/`, and nothing is escaped");
        }
        if text.contains('\0') {
            return Err("it has a NUL character");
        }
        let (text, directory) = text.strip_suffix('/').map_or((text, false), |rest| (rest, true));
        let mut names = Vec::new();
        for name in text.split('/') {
            match name {
                "" => return Err("it has an empty name between two `/`"),
                ".." => return Err("it has `..`"),
                "." => {}
                name if name != "**" && name.contains("**") => {
                    return Err("`**` stands only for whole directories, as in `a/**/b`");
                }
                name => names.push(name.to_owned()),
            }
        }
        if names.is_empty() {
            names.push("**".to_owned());
        }
        Ok(Self { names, directory, plain: !source.contains(is_special), source: source.to_owned() })
    }

    pub(super) fn globs(&self) -> Result<Vec<Glob>, BadPattern> {
        let itself = self.names.join("/");
        let beneath = format!("{itself}/**");
        let ends_in_a_name = self.names.last().is_some_and(|name| !name.contains(is_special));
        let ends_open = self.names.last().is_some_and(|name| name == "**");
        let texts = match (self.directory && !ends_open, ends_in_a_name) {
            (true, true | false) => vec![beneath],
            (false, true) => vec![itself, beneath],
            (false, false) => vec![itself],
        };
        texts.iter().map(|text| self.glob(text)).collect()
    }

    fn glob(&self, text: &str) -> Result<Glob, BadPattern> {
        // A class of one character is how a bracket stands for itself.
        let literal = text.replace('[', "\u{0}").replace(']', "[]]").replace('\u{0}', "[[]");
        GlobBuilder::new(&literal)
            .literal_separator(true)
            .backslash_escape(false)
            .build()
            .map_err(|error| BadPattern { pattern: self.source.clone(), reason: error.kind().to_string() })
    }

    /// The directories that lead to what it names, up to its first wildcard.
    pub(super) fn parents(&self) -> Vec<String> {
        let fixed = self.names.iter().take_while(|name| !name.contains(is_special)).count();
        let longest = if fixed < self.names.len() || self.directory { fixed } else { fixed.saturating_sub(1) };
        (1..=longest).map(|count| self.names[..count].join("/")).collect()
    }

    /// The path it names, if it names one and not a set of them.
    pub(super) fn into_name(self) -> Option<String> {
        (self.plain && !self.directory && self.names != ["**"]).then(|| self.names.join("/"))
    }
}

fn is_special(c: char) -> bool {
    matches!(c, '*' | '?' | '{' | '}')
}

/// Writes out `{a,b}`, also nested, from left to right.
fn alternatives(source: &str) -> Result<Vec<String>, &'static str> {
    let mut done = Vec::new();
    let mut open = vec![source.to_owned()];
    while let Some(text) = open.pop() {
        let Some(start) = text.find('{') else {
            if text.contains('}') {
                return Err("it has a `}` without `{`");
            }
            done.push(text);
            continue;
        };
        let (choices, end) = choices(&text, start)?;
        if done.len() + open.len() + choices.len() > MOST_ALTERNATIVES {
            return Err("it has too many alternatives");
        }
        for choice in choices.into_iter().rev() {
            open.push(format!("{}{choice}{}", &text[..start], &text[end..]));
        }
    }
    Ok(done)
}

/// The choices of the brace at `start`, and where the text goes on after it.
fn choices(text: &str, start: usize) -> Result<(Vec<&str>, usize), &'static str> {
    let mut depth = 0usize;
    let mut from = start + 1;
    let mut found = Vec::new();
    for (at, c) in text.char_indices().skip_while(|(at, _)| *at < start) {
        match c {
            '{' => depth += 1,
            ',' if depth == 1 => {
                found.push(&text[from..at]);
                from = at + 1;
            }
            '}' => {
                depth -= 1;
                if depth == 0 {
                    found.push(&text[from..at]);
                    return Ok((found, at + 1));
                }
            }
            _ => {}
        }
    }
    Err("it has a `{` without `}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternatives_are_written_out_in_order() {
        let rows: [(&str, Result<&[&str], &str>); 8] = [
            ("a", Ok(&["a"])),
            ("{a,b}/c", Ok(&["a/c", "b/c"])),
            ("{a,b}.{x,y}", Ok(&["a.x", "a.y", "b.x", "b.y"])),
            ("{a,{b,c}d}", Ok(&["a", "bd", "cd"])),
            ("x{,y}", Ok(&["x", "xy"])),
            ("{a", Err("it has a `{` without `}`")),
            ("a}", Err("it has a `}` without `{`")),
            ("{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}", Err("it has too many alternatives")),
        ];
        for (source, expected) in rows {
            let expected = expected.map(|all| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>());
            assert_eq!(alternatives(source), expected, "{source}");
        }
    }
}
