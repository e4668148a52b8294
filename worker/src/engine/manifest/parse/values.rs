//! The values of a manifest by their types, and how a wrong one is told.

use super::super::{Problem, fill};
use super::Reader;
use toml_edit::{Array, Item, Table, TableLike};

/// Values by their type; every problem is noted and a stand-in given back, so that one hides no other.
impl Reader<'_> {
    pub(super) fn text_of(&mut self, table: &dyn TableLike, path: &str, key: &str) -> Option<String> {
        let item = table.get(key)?;
        let text = item.as_str().map(str::to_owned);
        if text.as_deref().is_none_or(|text| text.contains('\0')) {
            self.say(self.line_of(table, key), &joined(path, key), "is no text", "write it in quotes");
        }
        text
    }

    pub(super) fn needed(&mut self, table: &dyn TableLike, path: &str, key: &str) -> String {
        let text = self.text_of(table, path, key);
        if text.as_deref().is_none_or(str::is_empty) && table.get(key).is_none_or(Item::is_str) {
            self.say(self.line_of(table, key), &joined(path, key), "is missing", "write it in quotes");
        }
        text.unwrap_or_default()
    }

    pub(super) fn choice<T: Copy>(&mut self, table: &dyn TableLike, key: &str, rows: &[(&str, T)], usual: T) -> T {
        let Some(text) = self.text_of(table, "", key) else { return usual };
        if let Some((_, value)) = rows.iter().find(|(name, _)| *name == text) {
            return *value;
        }
        let known: Vec<&str> = rows.iter().map(|(name, _)| *name).collect();
        let reason = format!("\"{text}\" is none of {}", known.join(", "));
        self.say(self.line_of(table, key), key, reason, "write one of them");
        usual
    }

    pub(super) fn array<'t>(&mut self, table: &'t dyn TableLike, path: &str, key: &str) -> Option<&'t Array> {
        let item = table.get(key)?;
        if item.as_array().is_none() {
            self.say(self.line_of(table, key), &joined(path, key), "is no list", "write [\"…\", \"…\"]");
        }
        item.as_array()
    }

    pub(super) fn texts(&mut self, table: &dyn TableLike, path: &str, key: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for value in self.array(table, path, key).into_iter().flat_map(Array::iter) {
            match value.as_str() {
                Some(text) => texts.push(text.to_owned()),
                None => self.say(self.line_of(table, key), &joined(path, key), "holds what is no text", "quote each"),
            }
        }
        texts
    }

    pub(super) fn templates(&mut self, table: &dyn TableLike, path: &str, key: &str, known: &[&str]) -> Vec<String> {
        let texts = self.texts(table, path, key);
        for text in &texts {
            self.strangers(self.line_of(table, key), &joined(path, key), text, known);
        }
        texts
    }

    pub(super) fn table<'t>(&mut self, table: &'t Table, key: &str) -> Option<&'t dyn TableLike> {
        let item = table.get(key)?;
        if item.as_table_like().is_none() {
            self.say(self.line_of(table, key), key, "is no table", format!("write [{key}]"));
        }
        item.as_table_like()
    }

    pub(super) fn pairs(
        &mut self,
        table: &dyn TableLike,
        path: &str,
        key: &str,
        known: &[&str],
    ) -> Vec<(String, String)> {
        let Some(item) = table.get(key) else { return Vec::new() };
        let whole = joined(path, key);
        let Some(held) = item.as_table_like() else {
            self.say(self.line_of(table, key), &whole, "is no table", "write NAME = \"text\" in it");
            return Vec::new();
        };
        let mut pairs = Vec::new();
        for (name, value) in held.iter() {
            let line = self.line_of(held, name);
            match value.as_str() {
                Some(text) => {
                    self.strangers(line, &joined(&whole, name), text, known);
                    pairs.push((name.to_owned(), text.to_owned()));
                }
                None => self.say(line, &joined(&whole, name), "is no text", "write it in quotes"),
            }
        }
        pairs
    }

    pub(super) fn known(&mut self, table: &dyn TableLike, path: &str, known: &[&str]) {
        for (name, _) in table.iter().filter(|(name, _)| !known.contains(name)) {
            let mend = nearest(name, known);
            self.say(self.line_of(table, name), &joined(path, name), "unknown key", mend);
        }
    }

    pub(super) fn strangers(&mut self, line: Option<usize>, path: &str, text: &str, known: &[&str]) {
        if let Some(name) = fill::stranger(text, known) {
            let mend = format!("known here: {}", known.join(", "));
            self.say(line, path, format!("there is no placeholder {{{name}}}"), mend);
        }
    }

    pub(super) fn line_of(&self, table: &dyn TableLike, key: &str) -> Option<usize> {
        let (name, item) = table.get_key_value(key)?;
        let span = name.span().or_else(|| item.span())?;
        Some(self.line(span.start))
    }

    pub(super) fn line(&self, offset: usize) -> usize {
        self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
    }

    pub(super) fn say(&mut self, line: Option<usize>, path: &str, reason: impl Into<String>, mend: impl Into<String>) {
        self.problems.push(Problem {
            origin: self.origin.to_owned(),
            line,
            path: path.to_owned(),
            reason: reason.into(),
            mend: mend.into(),
        });
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

pub(super) fn nearest(name: &str, known: &[&str]) -> String {
    let short: String = name.chars().take(64).collect();
    let scored = known.iter().map(|one| (one, strsim::jaro_winkler(&short, one)));
    match scored.filter(|(_, score)| *score >= 0.7).max_by(|one, other| one.1.total_cmp(&other.1)) {
        Some((best, _)) => format!("did you mean `{best}`?"),
        None => format!("known here: {}", known.join(", ")),
    }
}
