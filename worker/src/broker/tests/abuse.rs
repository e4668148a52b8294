//! Requests that want to be read differently by two readers, or to hold the door.

use super::provider::good;
use super::*;

#[tokio::test]
async fn one_request_is_one_request_upstream_whatever_it_says_of_its_length() {
    let desk = desk(Provided::saying(good(1, 1)).await).await;
    let door = desk.broker.open(policy()).unwrap();
    let inner = "POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";
    let body = format!("{ASK}{inner}");
    let head = "POST /v1/responses HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
    let two = format!("{head}content-length: {}\r\ncontent-length: {}\r\n\r\n{body}", ASK.len(), body.len());
    let both = format!(
        "{head}content-length: {}\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{ASK}\r\n0\r\n\r\n{inner}",
        body.len(),
        ASK.len()
    );
    let odd = format!("{head}transfer-encoding: chunked, identity\r\n\r\n{:x}\r\n{ASK}\r\n0\r\n\r\n", ASK.len());
    let folded = format!("{head}x-a: b\r\n content-length: 5\r\ncontent-length: {}\r\n\r\n{ASK}", ASK.len());
    // A plain one shows that what follows is looked at.
    let plain = format!("{head}content-length: {}\r\n\r\n{ASK}", ASK.len());
    let mut answered = 0;
    for request in [plain, two, both, odd, folded] {
        answered += usize::from(status(&raw(&door, request.as_bytes()).await) == 200);
    }
    assert!(answered >= 1 && desk.provider.seen().len() == answered, "{:?}", desk.provider.seen());
    for seen in desk.provider.seen() {
        assert!(seen.starts_with("POST /v1/responses HTTP/1.1\r\n"), "{seen}");
        assert!(seen.ends_with(&format!("\r\n\r\n{ASK}")), "{seen}");
        assert_eq!(seen.matches("content-length").count(), 1, "{seen}");
        assert!(!seen.contains("transfer-encoding"), "{seen}");
    }
    door.close().await;
}

#[tokio::test]
async fn paths_and_hosts_that_point_elsewhere_are_refused() {
    let desk = desk(Provided::saying(good(1, 1)).await).await;
    let door = desk.broker.open(policy()).unwrap();
    for path in [
        "/v1/../v1/responses",
        "/v1/%2e%2e/responses",
        "/v1/responses%2f",
        "/v1/files",
        "//evil.example/v1/responses",
        "http://evil.example/v1/responses",
        "@evil.example/v1/responses",
        "*",
    ] {
        let answer = raw(&door, &post(path, ASK)).await;
        assert!(matches!(status(&answer), 400 | 403), "{path}: {answer}");
    }
    assert_eq!(desk.provider.seen(), Vec::<String>::new());
    let host = String::from_utf8(post("/v1/responses", ASK)).unwrap().replace("127.0.0.1:8080", "evil.example");
    assert_eq!(status(&raw(&door, host.as_bytes()).await), 200);
    assert!(!desk.provider.seen()[0].contains("evil"), "the upstream alone says the host");
    door.close().await;
}

#[tokio::test]
async fn headers_and_bodies_have_their_limits() {
    let desk = desk(Provided::saying(good(1, 1)).await).await;
    let door = desk.broker.open(policy()).unwrap();
    let head = "GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
    let many = format!("{head}{}\r\n", "a: b\r\n".repeat(101));
    let long = format!("{head}a: {}\r\n\r\n", "b".repeat(70 << 10));
    for (what, request) in [("many", many), ("long", long)] {
        assert_eq!(status(&raw(&door, request.as_bytes()).await), 431, "{what}");
    }
    let huge =
        format!("POST /v1/responses HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", 33 << 20);
    assert_eq!(status(&raw(&door, huge.as_bytes()).await), 413);
    let zipped = String::from_utf8(post("/v1/responses", ASK)).unwrap().replace("x-api-key", "content-encoding");
    assert_eq!(status(&raw(&door, zipped.as_bytes()).await), 415);
    for body in ["", "[]", "{\"model\":\"gpt-5.5\",\"model\":\"o1\"}", "{\"model\":\"gpt-5.5\",\"background\":true}"] {
        assert_eq!(status(&raw(&door, &post("/v1/responses", body)).await), 400, "{body}");
    }
    assert_eq!(desk.provider.seen(), Vec::<String>::new());
    door.close().await;
}

#[tokio::test]
async fn many_connections_are_served_at_once_and_too_many_are_closed() {
    let desk = desk(Provided::saying(good(1, 1)).await).await;
    let door = desk.broker.open(policy()).unwrap();
    let mut idle = Vec::new();
    for _ in 0..255 {
        idle.push(connect(&door).await);
    }
    assert_eq!(status(&ask(&door).await), 200);
    idle.push(connect(&door).await);
    let mut over = connect(&door).await;
    let mut nothing = Vec::new();
    let _ = over.read_to_end(&mut nothing).await;
    assert_eq!(nothing, b"");
    door.close().await;
}

#[tokio::test]
async fn a_body_is_sent_as_what_it_was_read_as() {
    let desk = desk(Provided::saying(good(1, 1)).await).await;
    let door = desk.broker.open(policy()).unwrap();
    let with = |headers: &str| {
        let head = "POST /v1/responses HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
        format!("{head}{headers}content-length: {}\r\n\r\n{ASK}", ASK.len())
    };
    let odd = raw(&door, with("content-type: application/json; charset=utf-7\r\n").as_bytes()).await;
    assert_eq!(status(&odd), 200);
    let seen = desk.provider.seen().pop().unwrap();
    assert!(seen.contains("content-type: application/json\r\n") && !seen.contains("charset"), "{seen}");
    let twice = raw(&door, with("content-encoding: identity\r\ncontent-encoding: gzip\r\n").as_bytes()).await;
    assert_eq!((status(&twice), desk.provider.seen().len()), (415, 1));
    door.close().await;
}
