//! Providers that refuse, fail, break and fall silent.

use super::provider::{STREAM, Turn, error, event, good};
use super::*;
use arena_domain::ending::Trouble;

const NOW: &str = "retry-after: 0\r\n";

async fn after(turns: Vec<Turn>, flags: &[(&str, String)]) -> (String, Account, usize) {
    let desk = desk_with(Provided::new(turns).await, flags).await;
    let door = desk.broker.open(policy()).unwrap();
    let answer = ask(&door).await;
    (answer, door.close().await, desk.provider.seen().len())
}

#[tokio::test]
async fn a_provider_that_asks_for_another_attempt_gets_it() {
    for refused in ["429 Too Many Requests", "500 Oops", "503 Busy", "529 Overloaded"] {
        let (answer, account, seen) = after(vec![error(refused, NOW, "{}"), Turn::Say(good(10, 5))], &[]).await;
        assert_eq!((status(&answer), seen, account.trouble), (200, 2, None), "{refused}");
        assert_eq!((account.usage.input_tokens, account.usage.requests), (Some(10), Some(1)));
        assert_eq!(lines(&account.audit)[0]["attempts"], 2);
    }
}

#[tokio::test]
async fn a_provider_that_fails_for_ever_is_asked_a_few_times_and_its_error_passed_on() {
    let rows = [
        ("500 Oops", NOW, "{\"error\":\"x\"}", 500, 5, Trouble::Server),
        ("429 Too Many Requests", NOW, "{}", 429, 5, Trouble::RateLimit),
        ("429 Too Many Requests", "retry-after: 3600\r\n", "{}", 429, 1, Trouble::RateLimit),
        ("429 Too Many Requests", NOW, "{\"code\":\"insufficient_quota\"}", 429, 1, Trouble::Auth),
        ("401 Unauthorized", "", "{}", 401, 1, Trouble::Auth),
        ("404 Not Found", "", "{}", 404, 1, Trouble::Model),
        ("302 Found", "location: https://evil.example/\r\n", "", 502, 1, Trouble::Server),
    ];
    for (refused, headers, body, expected, attempts, trouble) in rows {
        let (answer, account, seen) = after(vec![error(refused, headers, body)], &[]).await;
        assert_eq!((status(&answer), seen, account.trouble), (expected, attempts, Some(trouble)), "{refused}");
        assert!(!answer.contains("evil.example"));
        assert_eq!((account.usage.cost_usd, account.usage.requests), (Some(0.0), Some(0)), "errors cost nothing");
    }
    let (answer, account, _) = after(vec![error("400 Bad Request", "", "{\"error\":\"too long\"}")], &[]).await;
    assert!(answer.contains("too long"));
    assert_eq!((status(&answer), account.trouble), (400, None), "the engine can do something about it");
}

#[tokio::test]
async fn what_an_engine_got_over_is_no_trouble() {
    let desk = desk(Provided::new(vec![error("401 Unauthorized", "", "{}"), Turn::Say(good(1, 1))]).await).await;
    let door = desk.broker.open(policy()).unwrap();
    ask(&door).await;
    assert_eq!(door.trouble(), Some(Trouble::Auth));
    ask(&door).await;
    assert_eq!(door.close().await.trouble, None);
}

#[tokio::test]
async fn a_stream_that_is_cut_is_cut_for_the_engine_too() {
    let part = event(r#"{"type":"response.output_text.delta","delta":"words!!!"}"#);
    let closed = format!("{STREAM}{part}");
    let chunked = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{part}\r\n",
        part.len()
    );
    // The provider ends it in order, but without its last event, in what a key could begin with.
    let held = format!("{part}data: {{\"delta\":\"{}", &KEY[..6]);
    let ended = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{held}\r\n0\r\n\r\n",
        held.len()
    );
    for cut in [closed, chunked, ended] {
        let (answer, account, seen) = after(vec![Turn::Say(cut.into_bytes())], &[]).await;
        assert!(answer.contains("words!!!") && !answer.ends_with("0\r\n\r\n"), "{answer}");
        assert_eq!((seen, account.trouble), (1, Some(Trouble::Server)), "nothing is sent twice after the first byte");
        assert_eq!((account.usage.output_tokens, account.unmetered), (None, 1));
    }
}

#[tokio::test]
async fn a_silent_provider_is_given_up() {
    let idle = [("broker.idle_s", "1".to_owned())];
    let (answer, account, seen) = after(vec![Turn::Hang(Vec::new())], &idle).await;
    assert_eq!((status(&answer), seen, account.trouble), (504, 1, Some(Trouble::Server)));
    assert!(answer.contains("arena: the provider was silent for 1 s"), "{answer}");
    let (answer, account, _) = after(vec![Turn::Hang(STREAM.into())], &idle).await;
    assert_eq!((status(&answer), account.trouble), (200, Some(Trouble::Server)));
    assert!(answer.contains("response.failed") && answer.contains("arena: the provider was silent"), "{answer}");
    assert!(answer.ends_with("0\r\n\r\n"), "the event says how it ended");
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_unreachable() {
    let flags = [("provider.openai.upstream", "http://127.0.0.1:1".to_owned()), ("broker.retries", "1".to_owned())];
    let desk = desk_with(Provided::saying("").await, &flags).await;
    let door = desk.broker.open(policy()).unwrap();
    let answer = ask(&door).await;
    let account = door.close().await;
    assert_eq!((status(&answer), account.trouble), (502, Some(Trouble::Unreachable)));
    assert_eq!(lines(&account.audit)[0]["attempts"], 2);
}

#[tokio::test]
async fn an_answer_that_cannot_be_metered_is_not_passed_on() {
    let zipped = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nab";
    let (answer, account, _) = after(vec![Turn::Say(zipped.into())], &[]).await;
    assert_eq!((status(&answer), account.trouble), (502, Some(Trouble::Server)));
}
