//! Pieces of a summary line.

/// The number at the start of a text, and what follows it.
pub(super) fn leading(text: &str) -> Option<(u64, &str)> {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim_start()))
}

/// Reads `5 passed, 1 failed` and the like: the number in front of `word` (or of a word that starts with it and a
/// blank or a bracket). The items are separated by `,`, `;` or `|`.
pub(super) fn counted(text: &str, word: &str) -> Option<u64> {
    items(text).find_map(|item| leading(item).filter(|(_, rest)| is_word(rest, word)).map(|(count, _)| count))
}

/// Reads `Failures: 1, Errors: 0` and the like: the number after `label`, without regard to case.
pub(super) fn labelled(text: &str, label: &str) -> Option<u64> {
    items(text).find_map(|item| {
        let (name, value) = item.split_once([':', '='])?;
        if !name.trim().eq_ignore_ascii_case(label) {
            return None;
        }
        leading(value).map(|(count, _)| count)
    })
}

pub(super) fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ';', '|']).map(str::trim)
}

pub(super) fn is_word(text: &str, word: &str) -> bool {
    text.strip_prefix(word).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}
