//! Reads what an answer cost from the provider's own words, while it passes.

mod event;
mod sse;
#[cfg(test)]
mod tests;

use arena_domain::ending::Trouble;
use arena_runtime::config::Api;
use event::Said;
use sse::Events;

/// An answer that does not stream is kept up to here to be read at its end.
const MOST_WHOLE: usize = 32 << 20;
/// Bytes of text that are taken for one token where the provider has not said.
const BYTES_PER_TOKEN: u64 = 4;
/// No tokenizer puts so much of a whole answer into each token: what this says was written surely was.
const MOST_BYTES_PER_TOKEN: u64 = 16;

/// `input` holds those from and into the cache too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tokens {
    pub(super) input: u64,
    pub(super) cached: u64,
    pub(super) cache_write: u64,
    pub(super) output: u64,
}

impl Tokens {
    pub(super) fn add(&mut self, more: Self) {
        self.input = self.input.saturating_add(more.input);
        self.cached = self.cached.saturating_add(more.cached);
        self.cache_write = self.cache_write.saturating_add(more.cache_write);
        self.output = self.output.saturating_add(more.output);
    }

    /// Of each kind the more.
    pub(super) fn most(self, other: Self) -> Self {
        Self {
            input: self.input.max(other.input),
            cached: self.cached.max(other.cached),
            cache_write: self.cache_write.max(other.cache_write),
            output: self.output.max(other.output),
        }
    }

    pub(super) fn total(self) -> u64 {
        self.input.saturating_add(self.output)
    }
}

#[derive(Debug)]
pub(super) struct Meter {
    api: Api,
    body: Body,
    /// From before the answer: bytes of the request, as tokens.
    guessed_input: u64,
    tokens: Option<Tokens>,
    /// The tokens are the last word, and not those of an answer that goes on.
    is_final: bool,
    text_bytes: u64,
    ended: bool,
    failed: Option<Trouble>,
}

#[derive(Debug)]
enum Body {
    Events(Events),
    Whole { kept: Vec<u8>, too_long: bool },
}

/// How an answer ended, as far as it says itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    /// None: the provider did not say, or not to the end.
    pub(super) tokens: Option<Tokens>,
    /// It said that it was whole.
    pub(super) whole: bool,
    pub(super) failed: Option<Trouble>,
}

impl Meter {
    pub(super) fn new(api: Api, streamed: bool, guessed_input: u64) -> Self {
        let body =
            if streamed { Body::Events(Events::default()) } else { Body::Whole { kept: Vec::new(), too_long: false } };
        Self { api, body, guessed_input, tokens: None, is_final: false, text_bytes: 0, ended: false, failed: None }
    }

    pub(super) fn push(&mut self, chunk: &[u8]) {
        match &mut self.body {
            Body::Events(events) => {
                let mut said = Vec::new();
                events.push(chunk, |data| said.push(event::read(self.api, data)));
                said.into_iter().for_each(|said| self.note(said));
            }
            Body::Whole { kept, too_long } => {
                self.text_bytes += chunk.len() as u64;
                *too_long |= kept.len() + chunk.len() > MOST_WHOLE;
                if !*too_long {
                    kept.extend_from_slice(chunk);
                }
            }
        }
    }

    fn note(&mut self, said: Said) {
        let Said { tokens, is_final, text, ended, failed } = said;
        if let Some(tokens) = tokens {
            // Later words are about the whole answer, but may leave out what was said before.
            let before = self.tokens.unwrap_or_default();
            self.tokens = Some(tokens.most(before));
            self.is_final |= is_final;
        }
        self.text_bytes += text;
        self.ended |= ended;
        self.failed = failed.or(self.failed);
    }

    /// What the provider said of the input before the end, if it did.
    pub(super) fn said_input(&self) -> Option<Tokens> {
        self.tokens.filter(|tokens| tokens.input > 0)
    }

    /// What it has come to so far: the provider's word where there is one, a guess by bytes elsewhere.
    pub(super) fn running(&self) -> Tokens {
        let guess = self.text_bytes.div_ceil(BYTES_PER_TOKEN);
        match self.tokens {
            Some(tokens) if self.is_final => tokens,
            Some(tokens) => Tokens { output: tokens.output.max(guess), ..tokens },
            None => Tokens { input: self.guessed_input, output: guess, ..Tokens::default() },
        }
    }

    /// What it surely has come to: the provider's word, and what so many bytes cannot be less than.
    pub(super) fn certain(&self) -> Tokens {
        let tokens = self.tokens.unwrap_or_default();
        let least = if self.is_final { 0 } else { self.text_bytes / MOST_BYTES_PER_TOKEN };
        Tokens { output: tokens.output.max(least), ..tokens }
    }

    /// When the last byte has come.
    pub(super) fn finish(&mut self) -> Reading {
        if let Body::Whole { kept, too_long: false } = &mut self.body {
            let said = event::read_whole(self.api, &std::mem::take(kept));
            let ended = said.failed.is_none();
            self.note(Said { text: 0, ended, ..said });
        }
        Reading { tokens: self.tokens.filter(|_| self.is_final), whole: self.ended, failed: self.failed }
    }
}
