//! Text that came from somewhere else: quoting and sanitising.

/// One word for `sh`, whatever it holds.
pub fn shell_quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// A name as text: bytes that are no UTF-8 are written `\xNN`, so that two names never look alike.
pub fn shown(path: &[u8]) -> String {
    let mut text = String::new();
    for chunk in path.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// A name for scripts, from which its bytes can be had again: as it is, or, where it is no UTF-8 or begins with a
/// double quote, in quotes and escaped as git and C write it (`"src/\\377bad"`).
pub fn addressed(path: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(path)
        && !text.starts_with('"')
    {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for &byte in path {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            b' '..=b'~' => quoted.push(char::from(byte)),
            byte => quoted.push_str(&format!("\\{byte:03o}")),
        }
    }
    quoted + "\""
}

/// Untrusted text made safe for a terminal or a report: no control characters but newline and tab, no escape
/// sequences, no invisible direction changes.
pub fn sanitise(raw: &[u8]) -> String {
    let mut clean = String::with_capacity(raw.len());
    let text = String::from_utf8_lossy(raw);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_escape(&mut chars),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' | '\t' => clean.push(c),
            c if c.is_control() || is_direction(c) => clean.push('\u{fffd}'),
            c => clean.push(c),
        }
    }
    clean
}

/// One line of it, at most `most` characters.
pub fn sanitise_line(raw: &str, most: usize) -> String {
    let line: String = sanitise(raw.as_bytes()).replace(['\n', '\t'], " ");
    if line.chars().count() <= most {
        return line;
    }
    let mut short: String = line.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// The last lines of an output, sanitised, at most `lines` of them and 200 characters each.
pub fn tail(raw: &[u8], lines: usize) -> Vec<String> {
    let start = raw.len().saturating_sub(64 * 1024);
    let clean = sanitise(&raw[start..]);
    let all: Vec<&str> = clean.lines().filter(|line| !line.trim().is_empty()).collect();
    all[all.len().saturating_sub(lines)..].iter().map(|line| sanitise_line(line, 200)).collect()
}

/// An invisible character that turns the direction of what stands beside it.
pub fn is_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
}

/// Skips a control sequence (`ESC [ … letter`) or an operating system command (`ESC ] … BEL`).
fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.next() {
        Some('[') => while chars.next().is_some_and(|c| !('\u{40}'..='\u{7e}').contains(&c)) {},
        Some(']' | 'P' | '_' | '^' | 'X') => {
            while let Some(c) = chars.next() {
                if c == '\u{7}' {
                    break;
                }
                if c == '\u{1b}' {
                    chars.next_if_eq(&'\\');
                    break;
                }
            }
        }
        Some(_) | None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_addressed_name_is_the_name_or_its_quoted_bytes() {
        let rows: [(&[u8], &str); 7] = [
            (b"src/a\nb.py", "src/a\nb.py"),
            ("\u{9b}名".as_bytes(), "\u{9b}名"),
            (b"\\xffbad", "\\xffbad"),
            (b"\xffbad", "\"\\377bad\""),
            (b"\"a\" \x01", "\"\\\"a\\\" \\001\""),
            ("\"名".as_bytes(), "\"\\\"\\345\\220\\215\""),
            (b"a\\\xff", "\"a\\\\\\377\""),
        ];
        for (path, expected) in rows {
            assert_eq!(addressed(path), expected, "{path:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn two_names_never_have_one_address(a in byte_name(), b in byte_name()) {
            proptest::prop_assert_eq!(a == b, addressed(&a) == addressed(&b));
        }
    }

    /// Short names of few bytes, so that two of them are often nearly alike.
    fn byte_name() -> impl proptest::strategy::Strategy<Value = Vec<u8>> {
        let byte = proptest::sample::select(b"\"\\37x\xff\n".to_vec());
        proptest::collection::vec(byte, 0..5)
    }

    #[test]
    fn an_escape_sequence_never_reaches_a_terminal() {
        let rows: [(&[u8], &str); 6] = [
            (b"\x1b[31mred\x1b[0m", "red"),
            (b"\x1b]0;title\x07text", "text"),
            (b"\x1b]8;;http://x\x1b\\link", "link"),
            (b"bell\x07", "bell\u{fffd}"),
            (b"a\r\nb\tc", "a\nb\tc"),
            ("x\u{202e}y".as_bytes(), "x\u{fffd}y"),
        ];
        for (raw, clean) in rows {
            assert_eq!(sanitise(raw), clean);
        }
    }

    #[test]
    fn invalid_utf8_is_replaced_and_not_fatal() {
        assert_eq!(sanitise(b"a\xffb"), "a\u{fffd}b");
    }

    #[test]
    fn a_word_for_the_shell_stays_one_word() {
        let rows =
            [("plain-1.0", "plain-1.0"), ("", "''"), ("a b", "'a b'"), ("it's", "'it'\\''s'"), ("$(x)", "'$(x)'")];
        for (word, quoted) in rows {
            assert_eq!(shell_quote(word), quoted);
        }
    }

    #[test]
    fn a_long_line_is_cut_and_says_so() {
        assert_eq!(sanitise_line("abcdef", 4), "abc…");
        assert_eq!(tail(b"one\n\ntwo\nthree\n", 2), ["two", "three"]);
    }
}
