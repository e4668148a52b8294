//! What a packet adds to an engine that comes with Arena: ways out, and nothing that disturbs the way to its model.

use crate::stage::{ALL, Stage, assert_usage, packet, ready, usage};
use serde_json::json;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use support::git;
use support::model::{script, shell, text};

/// A mirror on this machine, of which the packet knows the name alone.
fn mirror() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let _ = stream.read(&mut [0; 1024]).expect("a request");
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n5\n");
        }
    });
    port
}

/// As a package client goes through the proxy that its environment names; a place that is refused is an error.
const FETCH: &str = "import sys, urllib.request\nfor place in sys.argv[1:]:\n    try:\n        \
                     print(urllib.request.urlopen(\"http://\" + place, timeout=20).read().decode().strip())\n    \
                     except Exception as error:\n        print(getattr(error, \"code\", error))\n";

#[test]
fn every_engine_reaches_what_the_packet_adds_to_it_and_its_model_as_before() {
    if !ready("every_engine_reaches_what_the_packet_adds", &ALL) {
        return;
    }
    let port = mirror();
    let fetch = format!("python3 fetch.py mirror.example:{port} mirror.example:9 > seen; head -n 1 seen > value");
    let hosts = "[egress.hosts]\n\"mirror.example\" = \"127.0.0.1\"";
    let stage = Stage::set(hosts, vec![script("fetch", [shell(&fetch), text("done")])]);
    stage.world.write("fetch.py", FETCH);
    stage.world.commit("the client");
    let mut packet = packet(&ALL.map(|engine| (engine, engine, "fetch")));
    // One goes by its other name.
    for engine in ["codex", "claude-code", "gemini", "opencode", "qwen"] {
        packet.rest.push_str(&format!("[engine.{engine}]\negress = [\"mirror.example:{port}\"]\n\n"));
    }
    let output = stage.run(&packet);
    for engine in ALL {
        let entry = output.entry(engine);
        assert_eq!(entry["ending"], "done", "{engine}: {entry}");
        assert_usage(&entry["usage"], &usage(2), engine);
        let branch = entry["branch"].as_str().expect("a branch");
        let seen = git(&stage.world.repo, &["show", &format!("{branch}:seen")]);
        assert_eq!(seen, "5\n403", "{engine} reaches what is listed and nothing else");
        assert_eq!(entry["flags"], json!([]), "{engine}");
    }
    stage.world.assert_clean();
}

#[test]
fn an_engine_that_is_given_nothing_has_no_way_out_beside_its_model() {
    if !ready("an_engine_that_is_given_nothing", &["codex"]) {
        return;
    }
    let look = "python3 fetch.py mirror.example:80 > seen; env | grep -ci _proxy= >> seen; echo 5 > value";
    let stage = Stage::set("", vec![script("look", [shell(look), text("done")])]);
    stage.world.write("fetch.py", FETCH);
    stage.world.commit("the client");
    let output = stage.run(&packet(&[("codex", "codex", "look")]));
    let branch = output.entry("codex")["branch"].as_str().expect("a branch").to_owned();
    let seen = git(&stage.world.repo, &["show", &format!("{branch}:seen")]);
    assert!(seen.ends_with("\n0") && !seen.starts_with('5'), "{seen}");
    stage.world.assert_clean();
}
