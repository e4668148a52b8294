//! Requests of a real engine as whoever watches sees them: counted and priced, without a key or a word.

use crate::stage::{Stage, packet, ready};
use support::model::{echo_headers, script, shell};
use support::{Receiver, strange};

#[test]
fn a_request_is_told_with_its_tokens_and_without_a_key_or_a_word() {
    if !ready("a_request_is_told", &["codex"]) {
        return;
    }
    let receiver = Receiver::start();
    let mut stage = Stage::set("", vec![script("low", [shell("echo 3 > value"), echo_headers()])]);
    stage.world.env.extend([
        ("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), receiver.url()),
        ("ARENA_TELEMETRY_LOG".to_owned(), "json".to_owned()),
        ("ARENA_LOG".to_owned(), "debug".to_owned()),
    ]);
    let output = stage.run(&packet(&[("codex", "codex", "low")]));
    assert_eq!(output.entry("codex")["ending"], "done", "{output:?}");
    let spans = receiver.spans();
    let engine = spans.iter().find(|span| span.name == "arena.engine").expect("the phase of the engine");
    let asked: Vec<_> = spans.iter().filter(|span| span.attribute("gen_ai.operation.name") == "chat").collect();
    let turns = output.entry("codex")["usage"]["requests"].as_u64().expect("requests") as usize;
    assert_eq!(asked.len(), turns, "{asked:?}");
    for span in asked {
        assert_eq!((&span.parent, &span.trace), (&engine.id, &engine.trace), "{span:?}");
        assert!(span.name.starts_with("chat "), "{span:?}");
        assert_eq!(span.attribute("gen_ai.provider.name"), "openai");
        assert_eq!(span.attribute("gen_ai.usage.input_tokens"), "1000");
        assert_eq!(span.attribute("gen_ai.usage.output_tokens"), "50");
        assert_eq!(span.attribute("http.response.status_code"), "200");
    }
    let told = receiver.metrics();
    for name in ["arena.broker.requests", "arena.cost.usd", "gen_ai.client.token.usage"] {
        assert!(told.contains_key(name), "{:?}", told.keys());
    }
    assert_eq!(strange(receiver.names()), [].into(), "neither ours nor of the conventions");
    for secret in [stage.key.as_str(), "Write a smaller number", "[[script:", "The headers of this request", "echo 3"] {
        assert!(!receiver.holds(secret), "'{secret}' was told");
    }
    assert!(receiver.holds("arena.engine"), "this hunt finds what is there");
    assert!(!output.stderr.contains(&stage.key), "a log line holds the key");
    stage.world.assert_clean();
}
