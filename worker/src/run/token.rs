//! The word that only a run of the harness which comes to its own end can say.
//!
//! It is on standard input before any code under test runs, and a pipe is read once. Code within the harness's own process
//! can still look for it there: a harness that keeps it in a process of its own is safe from that too.

use arena_runtime::token;

/// What stands before the word, at the beginning of a line.
pub(super) const LINE: &str = "arena-token: ";

/// Of one run.
pub(super) struct Token(String);

impl Token {
    pub(super) fn by_chance() -> Self {
        Self(token::nonce())
    }

    /// One line for standard input.
    pub(super) fn told(&self) -> Vec<u8> {
        format!("{}\n", self.0).into_bytes()
    }

    /// Whether the last line of its kind says the word. That line is taken out: the rest is what a KPI is read from.
    pub(super) fn take_from(&self, output: &mut Vec<u8>) -> bool {
        let is_line = |at: usize| output[at..].starts_with(LINE.as_bytes()) && (at == 0 || output[at - 1] == b'\n');
        let Some(start) = (0..output.len()).rev().find(|at| is_line(*at)) else { return false };
        let end = output[start..].iter().position(|byte| *byte == b'\n').map_or(output.len(), |at| start + at);
        let said = output[start + LINE.len()..end].trim_ascii() == self.0.as_bytes();
        output.drain(start..(end + 1).min(output.len()));
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_its_kind_decides_and_is_taken_out() {
        let rows = [
            ("1.5\narena-token: word\n", true, "1.5\n"),
            ("arena-token: word\n{}\n", true, "{}\n"),
            ("1\narena-token: word", true, "1\n"),
            ("1\r\narena-token: word\r\n", true, "1\r\n"),
            ("arena-token: word\n1\narena-token: other\n", false, "arena-token: word\n1\n"),
            ("1\n", false, "1\n"),
            ("1 arena-token: word\n", false, "1 arena-token: word\n"),
            ("arena-token: words\n", false, ""),
            ("arena-token:", false, "arena-token:"),
            ("", false, ""),
        ];
        for (output, said, rest) in rows {
            let mut bytes = output.as_bytes().to_vec();
            assert_eq!(Token("word".into()).take_from(&mut bytes), said, "{output:?}");
            assert_eq!(bytes, rest.as_bytes(), "{output:?}");
        }
    }

    #[test]
    fn no_two_runs_are_told_the_same() {
        let (one, two) = (Token::by_chance().told(), Token::by_chance().told());
        assert!(one != two && one.len() == 33 && one.ends_with(b"\n"));
    }
}
