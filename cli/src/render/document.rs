//! A report as blocks, before it is Markdown or HTML.
//!
//! Every span is sanitised when it is made, so that no renderer can forget to.

use arena_domain::text::{sanitise, sanitise_line};

/// Longest span of text in characters; what is longer is cut and says so.
const LONGEST_SPAN: usize = 600;
/// Longest command in characters. A command that is cut does not run, so this is generous.
const LONGEST_COMMAND: usize = 8_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Block {
    /// Level 1 is the title of the page.
    Heading(u8, Span),
    Paragraph(Vec<Span>),
    /// Label and value.
    Facts(Vec<(&'static str, Vec<Span>)>),
    Bullets(Vec<Vec<Span>>),
    Table(Table),
    /// To be pasted into a shell, one command after another.
    Commands(Vec<Command>),
    /// Drawn where there is something to draw on; text renderings leave it out.
    Plot(Plot),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) head: Vec<Column>,
    pub(crate) rows: Vec<Vec<Vec<Span>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) label: &'static str,
    /// Numbers stand under each other at the right.
    pub(crate) number: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plot {
    Rounds,
    Pareto,
}

/// One stretch of text. The fields are private because the constructors sanitise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    style: Style,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Strong,
    /// A name, a path, a commit: shown in a fixed width.
    Code,
    Toned(Tone),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Bad,
    Doubtful,
}

/// A shell command; it may span lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command(String);

impl Span {
    fn new(style: Style, raw: &str) -> Self {
        Self { style, text: sanitise_line(raw.trim(), LONGEST_SPAN) }
    }

    pub(crate) fn plain(raw: &str) -> Self {
        Self::new(Style::Plain, raw)
    }

    pub(crate) fn strong(raw: &str) -> Self {
        Self::new(Style::Strong, raw)
    }

    pub(crate) fn code(raw: &str) -> Self {
        Self::new(Style::Code, raw)
    }

    pub(crate) fn toned(tone: Tone, raw: &str) -> Self {
        Self::new(Style::Toned(tone), raw)
    }

    pub(crate) fn style(&self) -> Style {
        self.style
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

impl Command {
    pub(crate) fn new(raw: &str) -> Self {
        let clean = sanitise(raw.trim_end().as_bytes());
        Self(clean.chars().take(LONGEST_COMMAND).collect())
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl Column {
    pub(crate) fn text(label: &'static str) -> Self {
        Self { label, number: false }
    }

    pub(crate) fn number(label: &'static str) -> Self {
        Self { label, number: true }
    }
}

/// A cell or paragraph of one plain stretch.
pub(crate) fn plain(raw: &str) -> Vec<Span> {
    vec![Span::plain(raw)]
}

/// Spans with a comma between each two; `none` when there is none.
pub(crate) fn listed(spans: Vec<Span>, none: &str) -> Vec<Span> {
    if spans.is_empty() {
        return plain(none);
    }
    let mut joined = Vec::with_capacity(spans.len() * 2);
    for span in spans {
        if !joined.is_empty() {
            joined.push(Span { style: Style::Plain, text: ", ".into() });
        }
        joined.push(span);
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_one_clean_line_whatever_went_in() {
        assert_eq!(Span::plain(" a\x1b[31m\nb\u{202e} ").text(), "a b\u{fffd}");
        assert_eq!(Span::code(&"x".repeat(1000)).text().chars().count(), LONGEST_SPAN);
    }

    #[test]
    fn a_command_keeps_its_lines() {
        assert_eq!(Command::new("a\nb\x1b[0m\n").text(), "a\nb");
    }

    #[test]
    fn a_list_of_none_says_so() {
        assert_eq!(listed(Vec::new(), "none"), plain("none"));
        assert_eq!(listed(vec![Span::code("a"), Span::code("b")], "none").len(), 3);
    }
}
