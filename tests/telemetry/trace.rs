//! One session is one trace, whole, and stays one when its process is killed.

use std::collections::BTreeMap;
use support::{Packet, Receiver, Told, World, ready};

/// A world whose sessions are told to a receiver.
pub(crate) fn watched(receiver: &Receiver) -> World {
    let mut world = World::new();
    world.env.push(("OTEL_EXPORTER_OTLP_ENDPOINT".into(), receiver.url()));
    world
}

fn by_id(spans: &[Told]) -> BTreeMap<&str, &Told> {
    spans.iter().map(|span| (span.id.as_str(), span)).collect()
}

/// What a span is called in these tests: with the job or gate that it is about.
fn shown(span: &Told) -> String {
    let session = span.attribute("arena.session.id");
    let job = [span.attribute("messaging.message.id"), span.attribute("arena.job.id")].concat();
    let job = job.strip_prefix(&format!("{session}/")).unwrap_or(&job).to_owned();
    let more = [&job, span.attribute("arena.gate.name"), span.attribute("arena.event")];
    let more: Vec<&str> = more.into_iter().filter(|word| !word.is_empty()).collect();
    [&[span.name.as_str()], more.as_slice()].concat().join(" ")
}

/// The tree as lines, siblings in the order of their beginning; links behind an arrow.
fn tree(spans: &[Told]) -> Vec<String> {
    let ids = by_id(spans);
    let mut lines = Vec::new();
    let roots = spans.iter().filter(|span| !ids.contains_key(span.parent.as_str()));
    roots.for_each(|root| grow(spans, &ids, root, 0, &mut lines));
    lines
}

fn grow(spans: &[Told], ids: &BTreeMap<&str, &Told>, span: &Told, depth: usize, lines: &mut Vec<String>) {
    let links: Vec<String> = span.links.iter().map(|link| ids.get(link.as_str()).map_or("?".into(), |to| shown(to))).collect();
    let links = if links.is_empty() { String::new() } else { format!(" -> {}", links.join(", ")) };
    lines.push(format!("{}{}{links}", "  ".repeat(depth), shown(span)));
    let children = spans.iter().filter(|child| child.parent == span.id);
    children.for_each(|child| grow(spans, ids, child, depth + 1, lines));
}

const WHOLE: &str = "\
arena.session
  arena.v1.Sessions/Submit
    arena.commit submitted
  send arena.jobs base/0/evaluate -> arena.commit submitted
    receive arena.jobs base/0/evaluate
";

#[test]
fn a_session_is_one_trace_and_all_of_it() {
    if !ready("a_session_is_one_trace") {
        return;
    }
    let receiver = Receiver::start();
    let world = watched(&receiver);
    let output = world.run(&Packet::lower(&[("low", "echo $TRACEPARENT > seen; echo 3 > value")]));
    assert_eq!(output.code, 0, "{output:?}");
    let spans = receiver.spans();
    assert_eq!(tree(&spans).join("\n"), WHOLE);
}
