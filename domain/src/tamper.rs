//! Tests that were deleted or weakened, found by comparing a test file before and after.
//!
//! Test functions, assertions, skips and early exits are counted on the source without its comments. It is a count and no
//! proof: a loosened tolerance or a dropped row of a table is not seen, and a rewrite with fewer assertions is flagged.

mod assertion;
mod canary;
mod case;
mod evasion;
mod layout;
mod lexer;
mod literal;
mod reach;
mod shadow;
mod source;
mod strength;

pub use canary::{Canary, canary, canary_within, hosts};
pub use reach::reaches;
pub use shadow::Shadows;

use crate::outcome::{Flag, FlagKind};
use layout::{Language, Place, place};
use std::collections::{HashMap, HashSet, VecDeque};
use strength::Strength;

/// Whether a path looks like a test of any of the common layouts.
pub fn is_test(path: &str) -> bool {
    Language::of(path).is_some_and(|language| place(path, language) != Place::Elsewhere)
}

/// `None`: not a test, or at least as strong as before.
///
/// Rust keeps tests beside the code, so a Rust file that held any is a test wherever it lies. A file that only lies among
/// tests may be deleted when it tested nothing by itself.
pub fn compare(path: &str, before: Option<&[u8]>, after: Option<&[u8]>) -> Option<Flag> {
    let (language, before) = (Language::of(path)?, before?);
    let place = place(path, language);
    if after == Some(before) || (place == Place::Elsewhere && language != Language::Rust) {
        return None;
    }
    let text = String::from_utf8_lossy(before);
    let was = Strength::of(language, &text);
    if place == Place::Elsewhere && was.tests == 0 {
        return None;
    }
    let flag = |kind, detail| Some(Flag { kind, path: Some(path.to_owned()), detail });
    let Some(after) = after else {
        let named = place == Place::Named && !text.trim().is_empty();
        let detail = format!("it held {} tests and {} assertions", was.tests, was.assertions);
        return if named || was.tests_anything() { flag(FlagKind::TestDeleted, detail) } else { None };
    };
    let lost = was.lost(&Strength::of(language, &String::from_utf8_lossy(after)));
    if lost.is_empty() { None } else { flag(FlagKind::TestWeakened, lost.join("; ")) }
}

/// Files that are gone and whose content is found under a new path: old path and new path. Each file is used once, in the
/// order given.
pub fn renamed(before: &[(String, Vec<u8>)], after: &[(String, Vec<u8>)]) -> Vec<(String, String)> {
    let paths = |files: &[(String, Vec<u8>)]| files.iter().map(|(path, _)| path.clone()).collect::<HashSet<_>>();
    let (old, new) = (paths(before), paths(after));
    let mut appeared: HashMap<&[u8], VecDeque<&str>> = HashMap::new();
    for (path, content) in after.iter().filter(|(path, _)| !old.contains(path)) {
        appeared.entry(content).or_default().push_back(path);
    }
    let gone = before.iter().filter(|(path, _)| !new.contains(path));
    gone.filter_map(|(path, content)| {
        let to = appeared.get_mut(content.as_slice())?.pop_front()?;
        Some((path.clone(), to.to_owned()))
    })
    .collect()
}

#[cfg(test)]
mod tests;
