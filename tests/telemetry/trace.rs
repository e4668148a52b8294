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
    let links: Vec<String> =
        span.links.iter().map(|link| ids.get(link.as_str()).map_or("?".into(), |to| shown(to))).collect();
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

#[test]
fn a_session_that_was_killed_and_resumed_is_one_trace() {
    if !ready("a_session_that_was_killed_and_resumed_is_one_trace") {
        return;
    }
    let receiver = Receiver::start();
    let world = watched(&receiver);
    world.packet(&Packet::lower(&[("low", "sleep 4; echo 3 > value")]));
    let mut running = world.start(&["run", "arena.toml", "--json"]);
    world.until("an engine", &mut running, engine_began);
    // What had ended before is exported within a second or two; the engine is still at work.
    std::thread::sleep(std::time::Duration::from_millis(2500));
    running.child.kill().expect("a kill");
    running.child.wait().expect("its end");
    let before = receiver.spans();
    assert!(!before.is_empty() && before.iter().all(|span| span.name != "arena.session"), "{before:?}");
    let resumed = world.arena(&["resume", &world.session(), "--json"]);
    assert_eq!(resumed.code, 0, "{resumed:?}");
    let spans = receiver.spans();
    let traces: std::collections::BTreeSet<&str> = spans.iter().map(|span| span.trace.as_str()).collect();
    assert_eq!(traces.len(), 1, "one trace: {:?}", tree(&spans));
    let ids = by_id(&spans);
    assert_eq!(ids.len(), spans.len(), "no span twice");
    let roots: Vec<&Told> = spans.iter().filter(|span| span.parent.is_empty()).collect();
    assert_eq!(roots.iter().map(|span| span.name.as_str()).collect::<Vec<_>>(), ["arena.session"]);
    // Only what had ended within the phase that the kill cut off has a parent that never came.
    let orphans: Vec<&Told> =
        spans.iter().filter(|span| !span.parent.is_empty() && !ids.contains_key(span.parent.as_str())).collect();
    assert!(orphans.iter().all(|span| span.name.starts_with("container ")), "{}", tree(&spans).join("\n"));
    let attempts: Vec<&Told> = spans
        .iter()
        .filter(|span| {
            span.name == "process arena.jobs" && span.attribute("messaging.message.id").ends_with("low/1/implement")
        })
        .collect();
    let told = |span: &&Told| (span.attribute("arena.attempt").to_owned(), span.attribute("error.type").to_owned());
    let attempts: Vec<_> = attempts.iter().map(told).collect();
    assert_eq!(attempts, [("1".into(), "worker_lost".into()), ("2".into(), String::new())]);
    let resume = spans.iter().find(|span| span.name == "arena.resume").expect("the resumption");
    assert_eq!(resume.parent, roots[0].id);
    let again = spans.iter().find(|span| span.name == "receive arena.jobs" && span.attribute("arena.attempt") == "2");
    assert_eq!(again.expect("the second claim").links, std::slice::from_ref(&resume.id));
    world.assert_clean();
}

fn engine_began(said: &str) -> bool {
    let events = said.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    events.into_iter().any(|event| event["competitor"] == "low" && event["phase"] == "engine")
}
