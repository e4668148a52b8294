//! What a misspelt key or value was probably meant to be.

use super::keys::{KEYS, children};
use super::shape::quoted;

/// Similar enough to be offered at all, and so similar that nothing else is looked at (Jaro-Winkler).
const SIMILAR: f64 = 0.7;
const ALIKE: f64 = 0.9;
/// Longer words are no slip of the finger, and comparing them costs their product.
const LONGEST: usize = 64;

/// What to say about an unknown key of the table at `pattern`.
pub(super) fn known_key(pattern: &str, name: &str) -> String {
    let sibling = best(name, children(pattern).map(|key| key.leaf()));
    let full = |leaf: &str| if pattern.is_empty() { leaf.to_owned() } else { format!("{pattern}.{leaf}") };
    if let Some((leaf, score)) = sibling
        && score >= ALIKE
    {
        return format!("did you mean `{}`?", full(leaf));
    }
    if let Some(key) = KEYS.iter().find(|key| key.leaf() == name) {
        return format!("did you mean `{}`?", key.path);
    }
    if let Some((leaf, _)) = sibling {
        return format!("did you mean `{}`?", full(leaf));
    }
    let known: Vec<&str> = children(pattern).map(|key| key.leaf()).collect();
    format!("known here: {}", known.join(", "))
}

/// The value that was meant, when one is similar.
pub(super) fn value(text: &str, names: &[&str]) -> Option<String> {
    let (name, _) = best(text, names.iter().copied())?;
    Some(format!("did you mean \"{name}\"? It is one of {}", quoted(names)))
}

fn best<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Option<(&'a str, f64)> {
    if text.len() > LONGEST {
        return None;
    }
    let text = text.to_lowercase();
    names
        .map(|name| (name, strsim::jaro_winkler(&text, name)))
        .filter(|(_, score)| *score >= SIMILAR)
        .max_by(|one, other| one.1.total_cmp(&other.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_is_answered_with_the_nearest_one() {
        let rows = [
            ("session", "titel", "did you mean `session.title`?"),
            ("", "gates", "did you mean `gate`?"),
            ("", "title", "did you mean `session.title`?"),
            ("brief", "spec", "did you mean `brief.specification`?"),
            ("brief", "allowed", "did you mean `scope.allowed`?"),
            ("harness", "Repeat", "did you mean `harness.repeats`?"),
            ("report", "zzzz", "known here: language"),
        ];
        for (pattern, name, mend) in rows {
            assert_eq!(known_key(pattern, name), mend, "{pattern} {name}");
        }
    }

    #[test]
    fn a_very_long_key_is_not_compared() {
        assert_eq!(known_key("report", &"language".repeat(1000)), "known here: language");
    }
}
