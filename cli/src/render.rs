//! What a session leaves, put into words: Markdown, HTML, JSON, and a table for the terminal.
//!
//! Markdown and HTML are two spellings of one document (`synthesis`, `bundle`), in one table of words (`words`)
//! and one of sentences (`sentences`).
//! Text of engines and repositories enters a document through `document::Span` alone, which sanitises it.

mod axis;
mod bundle;
mod document;
mod figures;
mod highlights;
pub(crate) mod html;
pub(crate) mod json;
pub(crate) mod markdown;
mod plot_pareto;
mod plot_rounds;
mod sentences;
mod style;
mod svg;
mod synthesis;
pub(crate) mod terminal;
mod width;
mod words;

#[cfg(test)]
mod tests;
