//! Known secrets taken out of text that leaves the worker: engine logs, answers of providers, records.
//!
//! Text may come in chunks. What is held back between two of them is only a tail that a secret could begin with, so
//! ordinary text passes at once.

mod forms;

use aho_corasick::{AhoCorasick, MatchKind};
use std::sync::Arc;

/// What stands where a secret was.
pub const MARK: &str = "[redacted]";
/// A shorter text is no secret: taking it out would tear ordinary text apart.
pub const SHORTEST: usize = 8;

/// Finds secrets as they are, in base64 and percent-encoded.
#[derive(Clone)]
pub struct Redactor(Mode);

#[derive(Clone)]
enum Mode {
    /// There are no secrets.
    Open,
    Search(Arc<Search>),
    /// The secrets could not be made into a search, so nothing is shown.
    Blind,
}

struct Search {
    forms: Vec<Vec<u8>>,
    all: AhoCorasick,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Mode::Open => write!(f, "Redactor of nothing"),
            Mode::Search(search) => write!(f, "Redactor of {} forms", search.forms.len()),
            Mode::Blind => write!(f, "Redactor of everything"),
        }
    }
}

impl Redactor {
    /// Secrets shorter than [`SHORTEST`] are passed over.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let secrets = secrets.into_iter().filter(|secret| secret.len() >= SHORTEST);
        let mut forms: Vec<Vec<u8>> = secrets.flat_map(|secret| forms::of(secret.as_bytes())).collect();
        forms.sort();
        forms.dedup();
        if forms.is_empty() {
            return Self(Mode::Open);
        }
        match AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&forms) {
            Ok(all) => Self(Mode::Search(Arc::new(Search { forms, all }))),
            Err(_) => Self(Mode::Blind),
        }
    }

    /// For text that comes in chunks.
    pub fn stream(&self) -> Stream {
        Stream { redactor: self.clone(), held: Vec::new() }
    }

    pub fn bytes(&self, text: &[u8]) -> Vec<u8> {
        let mut stream = self.stream();
        let mut clean = stream.push(text);
        clean.extend(stream.finish());
        clean
    }

    pub fn text(&self, text: &str) -> String {
        match &self.0 {
            // Forms begin and end with whole characters, so what is left is text.
            Mode::Search(search) => search.all.replace_all(text, &vec![MARK; search.forms.len()]),
            Mode::Open => text.to_owned(),
            Mode::Blind => MARK.to_owned(),
        }
    }

    /// Whether a secret is in it.
    pub fn finds(&self, text: &[u8]) -> bool {
        match &self.0 {
            Mode::Open => false,
            Mode::Search(search) => search.all.is_match(text),
            Mode::Blind => true,
        }
    }
}

impl Search {
    /// Of a text without a whole secret: where the longest tail begins that a secret could go on from.
    fn safe(&self, text: &[u8]) -> usize {
        let longest = self.forms.iter().map(Vec::len).max().unwrap_or(0);
        let from = text.len().saturating_sub(longest.saturating_sub(1));
        let begins = |at: &usize| self.forms.iter().any(|form| form.starts_with(&text[*at..]));
        (from..text.len()).find(begins).unwrap_or(text.len())
    }
}

/// One text on its way.
#[derive(Debug)]
pub struct Stream {
    redactor: Redactor,
    held: Vec<u8>,
}

impl Stream {
    /// What can be shown of all that came so far.
    pub fn push(&mut self, chunk: &[u8]) -> Vec<u8> {
        let search = match &self.redactor.0 {
            Mode::Open => return chunk.to_vec(),
            Mode::Blind => return Vec::new(),
            Mode::Search(search) => search,
        };
        self.held.extend_from_slice(chunk);
        let mut shown = Vec::with_capacity(self.held.len());
        let mut done = 0;
        for found in search.all.find_iter(&self.held) {
            shown.extend_from_slice(&self.held[done..found.start()]);
            shown.extend_from_slice(MARK.as_bytes());
            done = found.end();
        }
        let rest = &self.held[done..];
        let safe = search.safe(rest);
        shown.extend_from_slice(&rest[..safe]);
        self.held.drain(..done + safe);
        shown
    }

    /// The tail: it is no whole secret.
    pub fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests;
