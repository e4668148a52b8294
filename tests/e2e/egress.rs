//! What a packet lets an engine and a setup reach through the broker, and that nothing else is reached.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use support::model::{Model, script, text};
use support::{Packet, World, git, ready};

/// A mirror on this machine, of which the packet knows the name alone.
fn mirror() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            // The request is short and comes at once.
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).expect("a request");
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n3\n");
        }
    });
    port
}

/// Asks each `HOST:PORT/…` through the proxy of the environment, and prints what came.
const FETCH: &str = r#"
import os, socket, sys
def fetch(place):
    host, port = os.environ["HTTPS_PROXY"].removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 20) as near:
        stream = near.makefile("rwb")
        stream.write(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode()); stream.flush()
        status = stream.readline().split()[1].decode()
        while stream.readline().strip():
            pass
        if status != "200":
            return status
        stream.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"); stream.flush()
        return stream.read().decode().splitlines()[-1]
try:
    print(" ".join(fetch(place) for place in sys.argv[1:]))
except KeyError:
    print("no proxy")
"#;

fn world(config: &str) -> World {
    let world = World::new();
    world.write("fetch.py", FETCH);
    world.commit("the client");
    let folder = world.repo.join("../config/arena");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("config.toml"), config).expect("a configuration");
    world
}

#[test]
fn an_engine_reaches_what_its_packet_lists_and_nothing_else() {
    if !ready("an_engine_reaches_what_its_packet_lists_and_nothing_else") {
        return;
    }
    let port = mirror();
    let world = world("[egress.hosts]\n\"mirror.example\" = \"127.0.0.1\"\n");
    let places = format!("mirror.example:{port} 127.0.0.1:{port} mirror.example:9 169.254.169.254:80");
    let shell = format!("python3 fetch.py {places} > seen; head -n 1 seen | cut -d' ' -f1 > value");
    let mut packet = Packet::lower(&[("open", &shell), ("closed", "python3 fetch.py x:1 > seen; echo 4 > value")]);
    packet.rest = "[report]\nlanguage = \"en\"\n".into();
    let text = packet.text().replacen(
        "timeout = \"60s\"",
        &format!("timeout = \"60s\"\negress = [\"mirror.example:{port}\"]"),
        1,
    );
    std::fs::write(world.repo.join("../arena.toml"), text.replace("[session]", "[session]\nrepository = \"repo\""))
        .unwrap();
    let output = world.arena(&["run", "arena.toml", "--json"]);
    assert_eq!(output.result()["winner"], "open", "{output:?}");
    let seen = |name: &str| {
        let branch = output.entry(name)["branch"].as_str().unwrap().to_owned();
        git(&world.repo, &["show", &format!("{branch}:seen")])
    };
    assert_eq!(seen("open"), "3 403 403 403");
    assert_eq!(seen("closed"), "no proxy", "an engine without a list has no way out");
    let session = output.result()["session"].as_str().unwrap().to_owned();
    let logs = world.arena(&["logs", &session, "open"]).stdout;
    assert_eq!(logs.matches("\"method\":\"CONNECT\"").count(), 4, "every attempt is written down: {logs}");
    world.assert_clean();
}

#[test]
fn a_setup_reaches_what_the_sandbox_lists() {
    if !ready("a_setup_reaches_what_the_sandbox_lists") {
        return;
    }
    let port = mirror();
    let world = world("[egress.hosts]\n\"mirror.example\" = \"127.0.0.1\"\n");
    let mut packet = Packet::lower(&[("low", "cp fetched value; python3 fetch.py x:1 > seen")]);
    packet.sandbox += &format!(
        "\nsetup = \"python3 fetch.py mirror.example:{port} > fetched\"\negress = [\"mirror.example:{port}\"]"
    );
    world.packet(&packet);
    let output = world.arena(&["run", "arena.toml", "--json"]);
    assert_eq!(output.result()["winner"], "low", "{output:?}");
    let branch = output.entry("low")["branch"].as_str().unwrap().to_owned();
    assert_eq!(
        git(&world.repo, &["show", &format!("{branch}:seen")]),
        "no proxy",
        "what the setup may, the engine may not"
    );
    world.assert_clean();
}

/// Calls the model at the address it was given, with whatever key it has, and writes the answer down.
const ASK: &str = r#"
import json, os, urllib.request
body = json.dumps({"model": "tiny-1", "messages": [{"role": "user", "content": "[[script:three]]"}]}).encode()
headers = {"content-type": "application/json", "authorization": "Bearer none"}
request = urllib.request.Request(os.environ["ARENA_BROKER"] + "/v1/chat/completions", body, headers)
answer = json.load(urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request))
open("value", "w").write(answer["choices"][0]["message"]["content"] + "\n")
"#;

#[test]
fn an_engine_of_ones_own_calls_a_model_without_a_key() {
    if !ready("an_engine_of_ones_own_calls_a_model_without_a_key") {
        return;
    }
    let model = Model::start(vec![script("three", [text("3")])]);
    model.require_key("canary-5d1f");
    let mut world = world(&format!(
        "[provider.team]\nupstream = \"{}\"\nkey_env = \"TEAM_KEY\"\nmodels = [\"tiny-*\"]\n\
         price = {{ \"tiny-1\" = {{ input = 1.0, output = 2.0 }} }}\n",
        model.url()
    ));
    world.env.push(("TEAM_KEY".into(), "canary-5d1f".into()));
    world.write("ask.py", ASK);
    world.commit("the engine");
    let packet = Packet::lower(&[("own", "env > seen; python3 ask.py")]);
    let text = packet.text().replacen("timeout = \"60s\"", "timeout = \"60s\"\nprovider = \"team\"", 1);
    std::fs::write(world.repo.join("../arena.toml"), text.replace("[session]", "[session]\nrepository = \"repo\""))
        .unwrap();
    let output = world.arena(&["run", "arena.toml", "--json"]);
    let entry = output.entry("own");
    assert_eq!(
        (entry["kpis"][0]["best"].as_f64(), entry["usage"]["requests"].as_u64()),
        (Some(3.0), Some(1)),
        "{output:?}"
    );
    let tokens = |name: &str| entry["usage"][name].as_u64().unwrap() as f64;
    let cost = (tokens("input_tokens") + 2.0 * tokens("output_tokens")) / 1e6;
    assert!((entry["usage"]["cost_usd"].as_f64().unwrap() - cost).abs() < 1e-9, "{entry}");
    let seen = git(&world.repo, &["show", &format!("{}:seen", entry["branch"].as_str().unwrap())]);
    assert!(seen.contains("ARENA_BROKER=http://127.0.0.1:") && !seen.contains("canary"), "{seen}");
    world.assert_clean();
}
