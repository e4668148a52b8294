//! Telemetry does no harm: no receiver slows or fails a session, and nothing secret is told.

use crate::names::figures;
use crate::trace::watched;
use arena_runtime::telemetry::page;
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use support::{Output, Packet, Receiver, World, ready, strange};

/// More than this beside a session without telemetry would be noticed.
const NOTICED: Duration = Duration::from_secs(4);

fn packet() -> Packet {
    Packet::lower(&[("low", "echo 3 > value")])
}

#[allow(clippy::disallowed_methods, reason = "a test waits on a real program")]
fn timed(world: &World) -> (Output, Duration) {
    let begun = Instant::now();
    let output = world.run(&packet());
    (output, begun.elapsed())
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port").local_addr().expect("an address").port()
}

#[test]
fn a_receiver_that_hangs_or_is_away_does_not_slow_or_fail_a_session() {
    if !ready("a_receiver_that_hangs") {
        return;
    }
    let (without, quick) = timed(&World::new());
    assert_eq!(without.code, 0, "{without:?}");
    let receiver = Receiver::hanging();
    let away = format!("http://127.0.0.1:{}", free_port());
    for url in [receiver.url(), away] {
        let mut world = World::new();
        world.env.push(("ARENA_TELEMETRY_OTLP".into(), url.clone()));
        let (output, slow) = timed(&world);
        assert_eq!(output.code, 0, "{output:?}");
        assert_eq!(output.result()["winner"], "low");
        assert!(slow < quick + NOTICED, "{url}: {slow:?} beside {quick:?}");
        world.assert_clean();
    }
    assert_eq!(receiver.spans(), []);
}

/// The most that a program shows of its telemetry while an engine runs: sockets of the internet that it holds, and threads
/// of exporters.
fn shows(world: &World) -> (usize, usize) {
    world.packet(&Packet::lower(&[("low", "sleep 8; echo 3 > value")]));
    let mut running = world.start(&["run", "arena.toml", "--json"]);
    world.until("an engine", &mut running, |said| said.contains("\"phase\":\"engine\""));
    let (mut sockets, mut threads) = (0, 0);
    // What is told is told every few seconds.
    for _ in 0..60 {
        let seen = look(running.child.id());
        (sockets, threads) = (sockets.max(seen.0), threads.max(seen.1));
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(running.child.wait().expect("its end").success(), "{}", world.said());
    (sockets, threads)
}

fn look(process: u32) -> (usize, usize) {
    let folder = PathBuf::from(format!("/proc/{process}"));
    let here = |name: &str| fs::read_dir(folder.join(name)).expect("a folder of the program").flatten();
    // Column 10 of these tables is the number of the socket; each is of the whole machine.
    let tables = ["tcp", "tcp6", "udp", "udp6"].map(|name| fs::read_to_string(folder.join("net").join(name)));
    let of_internet: BTreeSet<String> = tables
        .iter()
        .flatten()
        .flat_map(|table| table.lines().skip(1))
        .filter_map(|line| Some(format!("socket:[{}]", line.split_whitespace().nth(9)?)))
        .collect();
    let held = here("fd").filter_map(|one| fs::read_link(one.path()).ok());
    let sockets = held.filter(|link| link.to_str().is_some_and(|link| of_internet.contains(link))).count();
    let names = here("task").filter_map(|one| fs::read_to_string(one.path().join("comm")).ok());
    let threads = names.filter(|name| name.starts_with("OpenTelemetry")).count();
    (sockets, threads)
}

#[test]
fn a_program_that_nobody_watches_opens_no_connection_and_has_no_exporter() {
    if !ready("a_program_that_nobody_watches") {
        return;
    }
    assert_eq!(shows(&World::new()), (0, 0));
    // This look finds what is there.
    let receiver = Receiver::start();
    let (sockets, threads) = shows(&watched(&receiver));
    assert!(sockets >= 1 && threads >= 2, "{sockets} sockets, {threads} threads");
}

#[test]
fn a_strange_address_is_refused_with_its_mend() {
    let mut world = World::new();
    world.env.push(("ARENA_TELEMETRY_OTLP".into(), "collector".into()));
    let refused = world.arena(&["doctor"]);
    assert!(refused.stderr.contains("http://host:4317") || refused.stdout.contains("http://host:4317"), "{refused:?}");
}

#[test]
fn logs_name_the_trace_that_they_were_written_in() {
    if !ready("logs_name_the_trace") {
        return;
    }
    let receiver = Receiver::start();
    let mut world = watched(&receiver);
    world
        .env
        .extend([("ARENA_TELEMETRY_LOG".to_owned(), "json".to_owned()), ("ARENA_LOG".to_owned(), "info".to_owned())]);
    let output = world.run(&packet());
    let trace = receiver.spans().first().expect("spans").trace.clone();
    let lines: Vec<serde_json::Value> = output
        .stderr
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let ended: Vec<_> = lines.iter().filter(|line| line["message"] == "a job has ended").collect();
    assert_eq!(ended.len(), 3, "base, engine, evaluation: {lines:?}");
    let spans: BTreeSet<String> = receiver.spans().into_iter().map(|span| span.id).collect();
    for line in ended {
        assert_eq!(line["trace_id"], trace.as_str(), "{line}");
        assert!(spans.contains(line["span_id"].as_str().unwrap_or_default()), "{line}");
    }
}

#[test]
fn the_page_and_the_receiver_are_told_known_figures_and_a_bounded_number_of_each() {
    if !ready("the_page_and_the_receiver") {
        return;
    }
    let receiver = Receiver::start();
    let mut world = watched(&receiver);
    let port = free_port();
    world.env.push(("ARENA_TELEMETRY_PROMETHEUS".into(), format!("127.0.0.1:{port}")));
    world.packet(&Packet::lower(&[("low", "sleep 8; echo 3 > value")]));
    let mut running = world.start(&["run", "arena.toml", "--json"]);
    world.until("an engine", &mut running, |said| said.contains("\"phase\":\"engine\""));
    // The queue is looked at every five seconds, for the first time when the worker attaches.
    let mut text = get(port);
    while !text.contains("arena_queue_depth{arena_engine=\"low\"") && running.child.try_wait().expect("it").is_none() {
        std::thread::sleep(Duration::from_millis(200));
        text = get(port);
    }
    let known: BTreeSet<String> = figures().into_iter().map(page::prometheus_name).collect();
    let types: BTreeSet<String> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next().map(str::to_owned)).collect();
    assert!(types.is_subset(&known), "{types:?}");
    for line in [
        "arena_lease_events_total{arena_lease_event=\"claimed\"} 2",
        "arena_worker_slots{arena_state=\"used\"} 1",
        "arena_queue_wait_seconds_count{arena_engine=\"low\",arena_tenant=\"local\"} 1",
        "arena_sessions_total{arena_state=\"submitted\"} 1",
        "arena_queue_depth{arena_engine=\"low\",arena_state=\"leased\",arena_tenant=\"local\"} 1",
    ] {
        assert!(text.lines().any(|one| one == line), "{line} is not in:\n{text}");
    }
    running.child.wait().expect("its end");
    let told = receiver.metrics();
    let names: BTreeSet<&str> = figures().iter().map(|figure| figure.name).collect();
    assert!(told.keys().all(|name| names.contains(name.as_str())), "{:?}", told.keys());
    for name in ["arena.phase.duration", "arena.job.duration", "arena.job.outcomes", "arena.container.duration"] {
        assert!(told.contains_key(name), "{name}: {:?}", told.keys());
    }
    assert_eq!(strange(receiver.names()), [].into(), "neither ours nor of the conventions");
    // No id of a session, a job or a container: they would grow for ever.
    let id = world.session();
    let all = format!("{told:?}");
    assert!(!all.contains(&id) && told.values().all(|sets| sets.len() <= 20), "{all}");
}

fn get(port: u16) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the page");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("a request");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    text
}
