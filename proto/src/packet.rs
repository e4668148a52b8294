//! The packet file: TOML to a validated `Packet`, or everything that is wrong with it, with lines and mends.
//!
//! Two passes: the shape of every value against the one table of keys, then the meaning of what fits.

mod build;
mod competitors;
mod engines;
pub mod keys;
mod limits;
mod measures;
mod nearest;
mod paths;
mod places;
mod problem;
mod schema;
mod section;
mod shape;
mod value;

pub use engines::BUILT_IN_ENGINES;
pub use places::Places;
pub use problem::Problem;
pub use value::{duration, percentage, size};

use crate::v1::SessionHead;
use arena_domain::packet::{Found, MAX_COMPETITORS, MAX_PACKET_BYTES, Packet};
use toml_edit::Document;

use problem::{Lines, Sink, Spot};
use section::Section;

/// A packet that can run, and what its author should know all the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    pub packet: Packet,
    pub warnings: Vec<Problem>,
    /// Those of the warnings that nothing may run with: texts that `arena init` began and nobody has written.
    pub unwritten: Vec<Problem>,
}

/// Every problem at once, in the order of lines; only a file too large or not TOML at all has one alone.
pub fn parse(text: &str) -> Result<Parsed, Vec<Problem>> {
    parse_among(text, &[])
}

/// With engines that are known here beside those that come with Arena.
pub fn parse_among(text: &str, engines: &[String]) -> Result<Parsed, Vec<Problem>> {
    let known = BUILT_IN_ENGINES.iter().copied().chain(engines.iter().map(String::as_str));
    whole(text, Sink { engines: Some(known.map(str::to_owned).collect()), ..Sink::default() })
}

/// A packet that is to run, where nobody can say which engines there are: the workers know.
pub fn parse_anywhere(text: &str) -> Result<Parsed, Vec<Problem>> {
    let parsed = whole(text, Sink::default())?;
    if parsed.unwritten.is_empty() { Ok(parsed) } else { Err(parsed.unwritten) }
}

fn whole(text: &str, mut sink: Sink) -> Result<Parsed, Vec<Problem>> {
    let packet = read(text, &mut sink)?;
    sink.problems.append(&mut sink.limits);
    finished(packet, sink)
}

/// A packet that was accepted once: values that only a later version refuses do not hide what came of them.
pub fn recall(text: &str) -> Result<Parsed, Vec<Problem>> {
    let mut sink = Sink::default();
    let packet = read(text, &mut sink)?;
    finished(packet, sink)
}

fn read(text: &str, sink: &mut Sink) -> Result<Packet, Vec<Problem>> {
    if text.len() > MAX_PACKET_BYTES {
        // Whoever reads a file may have stopped behind the limit, so its size is not known here.
        let reason = format!("is longer than {} KiB; the limit is {MAX_PACKET_BYTES} bytes", MAX_PACKET_BYTES / 1024);
        let mend = format!("keep data in files beside the packet; it may have {MAX_COMPETITORS} competitors at most");
        return Err(vec![Problem::new(&Spot::file(), reason, mend)]);
    }
    let lines = Lines::of(text);
    let document = Document::parse(text).map_err(|error| {
        let spot = Spot { line: lines.line(error.span()).unwrap_or(1), path: String::new() };
        vec![Problem::new(&spot, format!("is not TOML: {}", error.message()), "mend the syntax on this line")]
    })?;
    shape::check(document.as_table(), &lines, sink);
    let root = Section::root(document.as_table(), &lines);
    let packet = build::packet(&root, sink);
    limits::check(&root, &packet, sink);
    Ok(packet)
}

fn finished(packet: Packet, sink: Sink) -> Result<Parsed, Vec<Problem>> {
    let Sink { mut problems, mut warnings, mut unwritten, limits: _, unknown: _, engines: _ } = sink;
    if problems.is_empty() {
        unwritten.sort_by_key(|one| one.line);
        warnings.extend(unwritten.iter().cloned());
        warnings.sort_by_key(|warning| warning.line);
        return Ok(Parsed { packet, warnings, unwritten });
    }
    problems.sort_by_key(|problem| problem.line);
    Err(problems)
}

/// The packet of a session, with what was looked up when it was submitted.
pub fn submitted(head: &SessionHead) -> Result<Packet, Vec<Problem>> {
    let mut packet = recall(&head.packet)?.packet;
    packet.priority = head.priority.unwrap_or(packet.priority);
    packet.found = Found { contextual: head.contextual.iter().cloned().collect(), codebase: head.codebase.clone() };
    Ok(packet)
}

#[cfg(test)]
mod tests;
