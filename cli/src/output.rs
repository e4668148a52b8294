//! Results on standard output, all else on standard error; a closed pipe ends the talking, not the work.

use std::io::{self, IsTerminal, Write};

/// One line of a result.
pub(crate) fn line(text: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

pub(crate) fn raw(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(bytes);
    let _ = out.flush();
}

/// A document for scripts.
pub(crate) fn json(document: &serde_json::Value) {
    line(&tame(&serde_json::to_string_pretty(document).unwrap_or_default()));
}

/// A document in one line, after a stream of others.
pub(crate) fn json_line(document: &serde_json::Value) {
    line(&tame(&document.to_string()));
}

/// JSON escapes the control characters of ASCII. The others mean as much to a terminal, and only stand within texts.
pub(crate) fn tame(json: &str) -> String {
    let mut tame = String::with_capacity(json.len());
    for c in json.chars() {
        if c != '\n' && (c.is_control() || arena_domain::text::is_direction(c)) {
            tame.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            tame.push(c);
        }
    }
    tame
}

/// Something on the way, for people.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

pub(crate) fn colour() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Columns of the terminal; what fits a page where there is none.
pub(crate) fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
    size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns >= 40).unwrap_or(120)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_says_the_same_without_a_character_that_a_terminal_obeys() {
        let document = serde_json::json!({ "a\u{9b}": "\u{1b}[m\u{7f}\u{85}\u{202e}\n名" });
        let text = tame(&serde_json::to_string_pretty(&document).unwrap());
        assert!(text.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), document);
    }
}
