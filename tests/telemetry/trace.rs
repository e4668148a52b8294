//! One session is one trace, whole, and stays one when its process is killed.

use std::collections::BTreeMap;
use support::{Fleet, Packet, Receiver, Told, World, git, ready, strange};

/// A world whose sessions are told to a receiver.
pub(crate) fn watched(receiver: &Receiver) -> World {
    let mut world = World::new();
    world.env.push(("OTEL_EXPORTER_OTLP_ENDPOINT".into(), receiver.url()));
    world
}

fn by_id(spans: &[Told]) -> BTreeMap<&str, &Told> {
    spans.iter().map(|span| (span.id.as_str(), span)).collect()
}

/// What a span is called in these tests: its name and kind, what it is about, and how it failed.
fn shown(span: &Told) -> String {
    let kind = match span.kind {
        1 => "",
        2 => "(server)",
        3 => "(client)",
        4 => "(producer)",
        5 => "(consumer)",
        _ => "(?)",
    };
    let session = format!("{}/", span.attribute("arena.session.id"));
    let mut words = vec![span.name.clone(), kind.to_owned()];
    for key in ["messaging.message.id", "arena.job.id", "arena.gate.name", "arena.scenario", "arena.event"] {
        let word = span.attribute(key);
        words.push(word.strip_prefix(&session).unwrap_or(word).to_owned());
    }
    words.push(if span.is_error { format!("!{}", span.attribute("error.type")) } else { String::new() });
    words.retain(|word| !word.is_empty());
    words.join(" ")
}

/// When it began. Spans of the queue are written in whole milliseconds: they follow what was begun within theirs.
fn began(span: &Told) -> (u64, String) {
    let whole = span.start.is_multiple_of(1_000_000);
    (if whole { span.start + 999_999 } else { span.start }, shown(span))
}

/// The tree as lines, siblings in the order of their beginning; links behind an arrow.
fn tree(spans: &[Told]) -> String {
    let mut spans = spans.to_vec();
    spans.sort_by_cached_key(began);
    let ids = by_id(&spans);
    let mut lines = Vec::new();
    let roots = spans.iter().filter(|span| !ids.contains_key(span.parent.as_str()));
    roots.for_each(|root| grow(&spans, &ids, root, 0, &mut lines));
    lines.join("\n")
}

fn grow(spans: &[Told], ids: &BTreeMap<&str, &Told>, span: &Told, depth: usize, lines: &mut Vec<String>) {
    let links: Vec<String> =
        span.links.iter().map(|link| ids.get(link.as_str()).map_or("?".into(), |to| shown(to))).collect();
    let links = if links.is_empty() { String::new() } else { format!(" -> {}", links.join(", ")) };
    lines.push(format!("{}{}{links}", "  ".repeat(depth), shown(span)));
    let children = spans.iter().filter(|child| child.parent == span.id);
    children.for_each(|child| grow(spans, ids, child, depth + 1, lines));
}

/// Of two competitors one after another; the second engine comes to nothing.
const WHOLE: &str = include_str!("whole.txt");
/// The caller's own span, as whoever runs Arena in a trace of theirs says it.
const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn packet() -> Packet {
    let engines = [("low", "echo $TRACEPARENT > seen; echo 3 > value"), ("none", "exit 3")];
    let mut packet = Packet::lower(&engines);
    packet.session = packet.session.replace("parallel = 2", "parallel = 1");
    packet.harness = packet.harness.replace("repeats = 1", "repeats = 1\nscenarios = [\"1\", \"2\"]");
    packet
}

/// Blobs travel as often as a fleet needs them.
fn is_of_a_blob(name: &str) -> bool {
    name.contains("Blob")
}

#[test]
fn a_session_of_a_fleet_is_the_same_trace_across_three_processes() {
    if !ready("a_session_of_a_fleet_is_the_same_trace") {
        return;
    }
    let receiver = Receiver::start();
    let mut fleet = Fleet::new();
    let told = ("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), receiver.url());
    fleet.env.extend([told.clone(), ("ARENA_WORKER_ENGINE_SLOTS".into(), "1".into())]);
    fleet.world.env.extend([told, ("TRACEPARENT".into(), CALLER.into())]);
    let mut coordinator = fleet.coordinator();
    let mut worker = fleet.worker("one", None);
    let token = fleet.token("ann", "submitter", "blue");
    fleet.await_workers(&token, 1);
    fleet.world.packet(&packet());
    let output = fleet.ask(&token, &["run", "arena.toml", "--json"]);
    assert_eq!(output.code, 0, "{output:?}");
    // Each tells the rest when it ends.
    assert_eq!([worker.stop(), coordinator.stop()], [Some(0); 2]);
    let spans: Vec<Told> = receiver.spans().into_iter().filter(|span| !is_of_a_blob(&span.name)).collect();
    let whole: Vec<&str> = WHOLE.trim_end().lines().filter(|line| !is_of_a_blob(line)).collect();
    let seen = tree(&spans);
    assert_eq!(seen, whole.join("\n"), "\n{seen}\n");
    assert!(spans.iter().all(|span| span.trace == CALLER[3..35]), "the trace is the caller's");
    assert!(receiver.senders().len() >= 2, "told by coordinator and worker: {:?}", receiver.senders());
    fleet.assert_clean();
}

#[test]
fn a_session_is_one_trace_and_all_of_it() {
    if !ready("a_session_is_one_trace") {
        return;
    }
    let receiver = Receiver::start();
    let mut world = watched(&receiver);
    world.env.push(("TRACEPARENT".into(), CALLER.into()));
    let output = world.run(&packet());
    assert_eq!(output.code, 0, "{output:?}");
    let spans = receiver.spans();
    let whole = tree(&spans);
    assert_eq!(whole, WHOLE.trim_end(), "\n{whole}\n");
    assert_eq!(by_id(&spans).len(), spans.len(), "no span twice");
    assert!(spans.iter().all(|span| span.trace == CALLER[3..35]), "the trace is the caller's");
    let root = spans.iter().find(|span| span.name == "arena.session").expect("the session");
    assert_eq!(root.parent, CALLER[36..52], "and the session is below the caller");
    // What the engine was told is the span of its own phase.
    let branch = output.entry("low")["branch"].as_str().expect("a branch").to_owned();
    let seen = git(&world.repo, &["show", &format!("{branch}:seen")]);
    let engine = spans.iter().find(|span| span.name == "arena.engine").expect("the phase of the engine");
    assert_eq!(seen, format!("00-{}-{}-01", engine.trace, engine.id));
    assert_eq!(strange(receiver.names()), [].into(), "neither ours nor of the conventions");
    let senders = receiver.senders();
    let sender = senders.first().expect("a sender");
    assert_eq!((senders.len(), sender["service.name"].as_str()), (1, "arena"));
}

#[test]
fn a_session_that_was_killed_and_resumed_is_one_trace() {
    if !ready("a_session_that_was_killed_and_resumed_is_one_trace") {
        return;
    }
    let receiver = Receiver::start();
    let world = watched(&receiver);
    world.packet(&Packet::lower(&[("low", "sleep 8; echo 3 > value")]));
    let mut running = world.start(&["run", "arena.toml", "--json"]);
    world.until("an engine", &mut running, engine_began);
    // Those of the gate, of the measurement and of the engine, which is still at work.
    let starts = || receiver.spans().iter().filter(|span| span.name == "container start").count();
    world.until("third start of a container", &mut running, |_| starts() >= 3);
    running.child.kill().expect("a kill");
    running.child.wait().expect("its end");
    let before = receiver.spans();
    assert!(!before.is_empty() && before.iter().all(|span| span.name != "arena.session"), "{before:?}");
    let resumed = world.arena(&["resume", &world.session(), "--json"]);
    assert_eq!(resumed.code, 0, "{resumed:?}");
    let spans = receiver.spans();
    let traces: std::collections::BTreeSet<&str> = spans.iter().map(|span| span.trace.as_str()).collect();
    assert_eq!(traces.len(), 1, "one trace:\n{}", tree(&spans));
    assert_lost_once(&spans);
    world.assert_clean();
}

/// One trace in which the first attempt at the engine of `low` was lost, and the second one follows from that.
fn assert_lost_once(spans: &[Told]) {
    let ids = by_id(spans);
    assert_eq!(ids.len(), spans.len(), "no span twice");
    let roots: Vec<&Told> = spans.iter().filter(|span| span.parent.is_empty()).collect();
    assert_eq!(roots.iter().map(|span| span.name.as_str()).collect::<Vec<_>>(), ["arena.session"]);
    // Only what had ended within the phase that the kill cut off has a parent that never came, and calls of blobs of a worker
    // that is gone.
    let orphans: Vec<&Told> =
        spans.iter().filter(|span| !span.parent.is_empty() && !ids.contains_key(span.parent.as_str())).collect();
    let may_be = |span: &&Told| span.name.starts_with("container ") || is_of_a_blob(&span.name);
    assert!(orphans.iter().all(may_be), "{}", tree(spans));
    let attempts: Vec<&Told> = spans
        .iter()
        .filter(|span| {
            span.name == "process arena.jobs" && span.attribute("messaging.message.id").ends_with("low/1/implement")
        })
        .collect();
    let told = |span: &&Told| (span.attribute("arena.attempt").to_owned(), span.attribute("error.type").to_owned());
    let attempts: Vec<_> = attempts.iter().map(told).collect();
    assert_eq!(attempts, [("1".into(), "worker_lost".into()), ("2".into(), String::new())]);
    let back = spans.iter().find(|span| span.name == "arena.put_back").expect("what the kill left");
    assert_eq!(back.parent, roots[0].id);
    let again = spans.iter().find(|span| span.name == "receive arena.jobs" && span.attribute("arena.attempt") == "2");
    assert_eq!(again.expect("the second claim").links, std::slice::from_ref(&back.id));
}

#[test]
fn an_attempt_whose_lease_ran_out_is_told_as_lost_by_a_coordinator() {
    if !ready("an_attempt_whose_lease_ran_out") {
        return;
    }
    let receiver = Receiver::start();
    let mut fleet = Fleet::new();
    let told = ("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url());
    fleet.world.env.push((told.0.into(), told.1.clone()));
    for (name, value) in [told, ("ARENA_QUEUE_LEASE_S", "10".into()), ("ARENA_QUEUE_MARGIN_S", "3".into())] {
        fleet.env.push((name.into(), value));
    }
    let mut coordinator = fleet.coordinator();
    let mut worker = fleet.worker("one", None);
    let token = fleet.token("ann", "submitter", "blue");
    fleet.await_workers(&token, 1);
    let mut run = fleet.submit(&token, &Packet::lower(&[("low", "sleep 6; echo 3 > value")]));
    assert!(support::soon(|| engine_began(&run.said())), "{}", run.said());
    // What it has told by then is told; nobody says that it is dead.
    std::thread::sleep(std::time::Duration::from_secs(1));
    worker.kill();
    let killed = support::now();
    let mut other = fleet.worker("two", None);
    run.await_word("\"winner\":\"low\"");
    assert_eq!([other.stop(), coordinator.stop()], [Some(0); 2]);
    let spans = receiver.spans();
    assert_lost_once(&spans);
    let lost = spans.iter().find(|span| span.attribute("error.type") == "worker_lost").expect("the attempt");
    let back = spans.iter().find(|span| span.name == "arena.put_back").expect("what the kill left");
    assert!(lost.end < killed + 7_000_000_000, "it ends when it was heard last: {lost:?}");
    assert!(back.end > killed + 5_000_000_000, "and is put back when its lease and the margin have passed: {back:?}");
}

fn engine_began(said: &str) -> bool {
    let events = said.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    events.into_iter().any(|event| event["competitor"] == "low" && event["phase"] == "engine")
}
