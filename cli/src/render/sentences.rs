//! The sentences that the domain makes (reasons, risks, next steps), in Japanese: one table of patterns.
//!
//! `{0}` stays as it came: names, paths, commands, quoted output; `<0>` too, and it is one word, as a figure is. `[0]` is a
//! sentence itself and is looked up in turn. What no pattern knows, such as an engine's own words, is shown as it came.

mod pattern;
mod table;

use arena_domain::packet::Language;
use pattern::Pattern;
use std::sync::LazyLock;

/// Sentences within sentences; deeper ones stay as they came.
const DEEPEST: usize = 5;
/// Places of one text where two sentences may be joined; it bounds the work on a text that has many.
const MOST_JOINTS: usize = 4;

static PATTERNS: LazyLock<Vec<Pattern>> =
    LazyLock::new(|| table::SENTENCES.iter().map(|(english, japanese)| Pattern::new(english, japanese)).collect());

/// A sentence of ours in the language of the report.
pub(crate) fn sentence(text: &str, language: Language) -> String {
    match language {
        Language::English => text.to_owned(),
        Language::Japanese => japanese(text, DEEPEST),
    }
}

/// Several sentences, joined as their language joins them.
pub(crate) fn sentences(texts: &[String], language: Language) -> String {
    let joint = match language {
        Language::English => "; ",
        Language::Japanese => "；",
    };
    texts.iter().map(|text| sentence(text, language)).collect::<Vec<_>>().join(joint)
}

fn japanese(text: &str, depth: usize) -> String {
    let Some(left) = depth.checked_sub(1) else { return text.to_owned() };
    let known = |pattern: &Pattern| Some(pattern.fill(&pattern.matches(text)?, |part| japanese(part, left)));
    PATTERNS.iter().find_map(known).or_else(|| joined(text, left)).unwrap_or_else(|| text.to_owned())
}

/// A name before a sentence, or one sentence behind another. Where neither side is ours, nor is the whole.
fn joined(text: &str, depth: usize) -> Option<String> {
    // An engine's own words.
    if text.starts_with('“') {
        return None;
    }
    let joint = |sign: &str, to: &str| {
        text.match_indices(sign).take(MOST_JOINTS).find_map(|(end, _)| {
            let (one, other) = (&text[..end], &text[end + sign.len()..]);
            let (ours, theirs) = (japanese(one, depth.min(2)), japanese(other, depth));
            (ours != one || theirs != other).then(|| format!("{ours}{to}{theirs}"))
        })
    };
    joint("; ", "；").or_else(|| joint(": ", "："))
}

#[cfg(test)]
mod tests;
