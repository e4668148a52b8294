//! What goes through, and what is put in and taken out on the way.

use super::provider::{STREAM, Turn, completed, error, event, good};
use super::*;
use arena_domain::outcome::Usage;
use std::os::unix::fs::PermissionsExt;
use tokio::sync::Semaphore;

#[tokio::test]
async fn the_key_is_put_in_and_the_engines_placeholder_taken_out() {
    let desk = desk(Provided::saying(good(1000, 50)).await).await;
    let door = desk.broker.open(policy()).unwrap();
    let answer = raw(&door, &post("/v1/responses?key=placeholder&beta=true", ASK)).await;
    assert_eq!(status(&answer), 200);
    assert!(answer.contains("response.completed"), "{answer}");
    let seen = desk.provider.seen();
    let head = seen[0].to_lowercase();
    assert!(head.starts_with("post /v1/responses?beta=true http/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("authorization: bearer {KEY}\r\n").to_lowercase()), "{head}");
    assert!(head.contains(&format!("host: 127.0.0.1:{}\r\n", desk.provider.port())), "{head}");
    assert!(head.contains("accept-encoding: identity\r\n") && !head.contains("placeholder"), "{head}");
    assert!(seen[0].ends_with(ASK));
    let account = door.close().await;
    let usage = Usage {
        input_tokens: Some(1000),
        cached_input_tokens: Some(0),
        output_tokens: Some(50),
        cost_usd: Some(0.0015),
        requests: Some(1),
    };
    assert_eq!((account.usage, account.metered, account.trouble), (usage, usage, None));
    assert_eq!((account.requests, account.refused, account.unmetered), (1, 0, 0));
    let line = &lines(&account.audit)[0];
    assert_eq!(
        (&line["path"], &line["model"], &line["status"], &line["attempts"], &line["charged_usd"]),
        (&"/v1/responses".into(), &"gpt-5.5".into(), &200.into(), &1.into(), &0.0015.into())
    );
}

#[tokio::test]
async fn a_key_that_the_provider_says_back_does_not_come_in() {
    let echo = format!("{{\"error\":{{\"message\":\"Incorrect API key: {KEY}\"}}}}");
    let headers = format!("x-request-id: {KEY}\r\nset-cookie: {KEY}\r\n");
    let split = |at: usize| format!("{STREAM}data: {}", &KEY[..at]).into_bytes();
    let rest = |at: usize| format!("{}\n\n{}", &KEY[at..], completed(1, 1)).into_bytes();
    let allowed = Arc::new(Semaphore::new(2));
    let turns = vec![error("401 Unauthorized", &headers, &echo), Turn::Steps(vec![split(7), rest(7)], allowed)];
    let desk = desk(Provided::new(turns).await).await;
    let door = desk.broker.open(policy()).unwrap();
    let refused = ask(&door).await;
    assert_eq!(status(&refused), 401);
    assert!(refused.contains("Incorrect API key: [redacted]"), "{refused}");
    let streamed = ask(&door).await;
    assert!(streamed.contains("data: [redacted]"), "{streamed}");
    let account = door.close().await;
    let audit = String::from_utf8(account.audit).unwrap();
    assert!(![refused, streamed, audit, format!("{:?}", desk.broker)].concat().contains(KEY));
}

#[tokio::test]
async fn the_first_of_many_chunks_arrives_before_the_last_is_sent() {
    const CHUNKS: usize = 10_000;
    let delta = event(r#"{"type":"response.output_text.delta","delta":"word "}"#);
    let mut parts = vec![STREAM.as_bytes().to_vec()];
    parts.extend((0..CHUNKS).map(|_| delta.clone().into_bytes()));
    parts.push(completed(10, CHUNKS as u64).into_bytes());
    let allowed = Arc::new(Semaphore::new(2));
    let desk = desk(Provided::new(vec![Turn::Steps(parts, allowed.clone())]).await).await;
    let door = desk.broker.open(policy()).unwrap();
    let mut stream = connect(&door).await;
    stream.write_all(&post("/v1/responses", ASK)).await.unwrap();
    let mut seen = String::new();
    while !seen.contains("word ") {
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).await.unwrap();
        assert!(read > 0, "{seen}");
        seen.push_str(std::str::from_utf8(&chunk[..read]).unwrap());
    }
    assert_eq!(seen.matches("word ").count(), 1, "the provider has said no more");
    allowed.add_permits(CHUNKS);
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest.matches("word ").count(), CHUNKS - 1);
    assert_eq!(door.close().await.usage.output_tokens, Some(CHUNKS as u64));
}

#[tokio::test]
async fn an_answer_without_usage_is_unknown_and_not_zero() {
    let body = r#"{"id":"r","output":[]}"#;
    let silent = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{body}");
    let turns = vec![Turn::Say(good(1000, 50)), Turn::Say(silent.into_bytes())];
    let desk = desk(Provided::new(turns).await).await;
    let door = desk.broker.open(policy()).unwrap();
    ask(&door).await;
    assert!(ask(&door).await.contains(body));
    let account = door.close().await;
    assert_eq!((account.usage.input_tokens, account.usage.cost_usd, account.usage.requests), (None, None, Some(2)));
    assert_eq!((account.metered.input_tokens, account.unmetered, account.trouble), (Some(1000), 1, None));
}

#[tokio::test]
async fn a_door_without_a_provider_knows_of_no_usage() {
    let desk = desk(Provided::saying(good(1, 1)).await).await;
    let door = desk.broker.open(Policy { provider: None, model: None, ..policy() }).unwrap();
    assert_eq!(status(&ask(&door).await), 403);
    let account = door.close().await;
    assert_eq!((account.usage, account.trouble), (Usage::default(), None));
}

#[tokio::test]
async fn a_door_that_closes_cuts_its_streams_and_leaves_no_socket() {
    let head = format!("{STREAM}{}", event(r#"{"type":"response.output_text.delta","delta":"words!!!"}"#));
    let desk = desk(Provided::new(vec![Turn::Hang(head.into_bytes())]).await).await;
    let door = desk.broker.open(policy()).unwrap();
    let folder = door.socket_dir().to_owned();
    let mut stream = connect(&door).await;
    stream.write_all(&post("/v1/responses", ASK)).await.unwrap();
    let mut first = [0; 64];
    assert!(stream.read(&mut first).await.unwrap() > 0);
    let account = door.close().await;
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(!folder.exists() && folder.parent().unwrap().exists());
    assert_eq!((account.unmetered, account.requests), (1, 1));
    assert_eq!(lines(&account.audit)[0]["trouble"], "left");
    assert!(desk.folder.path().join("audit/s1.jsonl").exists());
}

#[tokio::test]
async fn a_door_whose_socket_was_taken_away_or_replaced_has_fallen() {
    let desk = desk(Provided::saying(good(1, 1)).await).await;
    for replaced in [false, true] {
        let door = desk.broker.open(policy()).unwrap();
        let socket = door.socket_dir().join(Door::SOCKET);
        assert_eq!(status(&ask(&door).await), 200);
        assert!(door.stands());
        let moved = socket.with_extension("old");
        std::fs::rename(&socket, &moved).unwrap();
        let _other = replaced.then(|| std::os::unix::net::UnixListener::bind(&socket).unwrap());
        door.falls().await;
        assert!(!door.stands());
        assert_eq!(door.close().await.requests, 1, "what was used is known all the same");
    }
}

#[tokio::test]
async fn nobody_else_on_the_machine_comes_to_a_socket_by_its_path() {
    let desk = desk(Provided::saying(good(1, 1)).await).await;
    let door = desk.broker.open(policy()).unwrap();
    let closed = door.socket_dir().parent().unwrap();
    assert_eq!(std::fs::metadata(closed).unwrap().permissions().mode() & 0o777, 0o700);
    door.close().await;
}

#[tokio::test]
async fn a_socket_may_lie_deeper_than_its_address_is_long() {
    let desk = desk(Provided::saying(good(1, 1)).await).await;
    let deep = desk.folder.path().join("d".repeat(120));
    let settings = Settings { sockets: deep, ..desk.broker.0.settings.clone() };
    let door = Broker::new(settings).unwrap().open(policy()).unwrap();
    let near = desk.folder.path().join("near");
    std::os::unix::fs::symlink(door.socket_dir(), &near).unwrap();
    let mut stream = UnixStream::connect(near.join(Door::SOCKET)).await.unwrap();
    stream.write_all(&post("/v1/responses", ASK)).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(status(&answer), 200);
    door.close().await;
}

#[test]
fn a_provider_without_a_key_is_missing_with_its_mend() {
    let config = config::load(None, &|_| None, &[]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::new(&config, folder.path().into(), folder.path().into(), Arc::new(|_| None));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let broker = Broker::new(settings).unwrap();
    let missing = |reason: &str, mend: &str| Readiness::Missing { reason: reason.into(), mend: mend.into() };
    assert_eq!(
        broker.credential("google"),
        missing("there is no key for provider 'google'", "export GEMINI_API_KEY=…")
    );
    let mend = "add [provider.own] with its upstream to ~/.config/arena/config.toml";
    assert_eq!(broker.credential("own"), missing("provider 'own' is not configured", mend));
    assert!(matches!(broker.open(policy()), Err(OpenError::NoCredential { .. })));
}
