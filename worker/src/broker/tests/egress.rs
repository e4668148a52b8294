//! Tunnels and plain HTTP to listed places.

use super::provider::{STREAM, good};
use super::*;

fn listed(egress: &[String]) -> Policy {
    Policy { provider: None, model: None, egress: egress.to_vec(), ..policy() }
}

async fn mirror() -> Desk {
    desk_with(
        Provided::saying(format!("{STREAM}pong")).await,
        &[("egress.hosts.mirror.example", "127.0.0.1".to_owned())],
    )
    .await
}

fn tunnel(place: &str) -> Vec<u8> {
    format!("CONNECT {place} HTTP/1.1\r\nhost: {place}\r\n\r\nGET / HTTP/1.1\r\n\r\n").into_bytes()
}

/// Without anything behind it, so that a refusal ends the connection.
fn refusable(place: &str) -> Vec<u8> {
    format!("CONNECT {place} HTTP/1.1\r\nhost: {place}\r\nconnection: close\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn a_listed_place_is_reached_and_written_down() {
    let desk = mirror().await;
    let place = format!("mirror.example:{}", desk.provider.port());
    let door = desk.broker.open(listed(&[place.to_uppercase()])).unwrap();
    let answer = raw(&door, &tunnel(&place)).await;
    assert_eq!(status(&answer), 200);
    assert!(answer.ends_with("pong"), "{answer}");
    let account = door.close().await;
    assert_eq!(desk.provider.seen(), ["GET / HTTP/1.1\r\n\r\n"]);
    let line = &lines(&account.audit)[0];
    assert_eq!((&line["method"], &line["path"], &line["bytes_up"]), (&"CONNECT".into(), &place.into(), &18.into()));
    assert_eq!(account.bytes_down, (STREAM.len() + 4) as u64);
}

#[tokio::test]
async fn a_tunnel_ends_with_the_bytes_of_its_job() {
    let desk = mirror().await;
    let place = format!("mirror.example:{}", desk.provider.port());
    let budgets = Budgets { bytes: Some(30), ..Budgets::default() };
    let door = desk.broker.open(Policy { budgets, ..listed(std::slice::from_ref(&place)) }).unwrap();
    let answer = raw(&door, &tunnel(&place)).await;
    assert!(!answer.contains("pong"), "{answer}");
    assert_eq!(status(&raw(&door, &refusable(&place)).await), 400);
    door.close().await;
}

#[tokio::test]
async fn what_is_not_listed_or_not_public_is_refused_with_the_reason() {
    let desk = mirror().await;
    let port = desk.provider.port();
    let own = [format!("localhost:{port}"), format!("127.0.0.1:{port}"), "169.254.169.254:80".to_owned()];
    let other = [format!("[::1]:{port}"), format!("[::ffff:127.0.0.1]:{port}"), format!("mirror.example:{port}")];
    let door = desk.broker.open(listed(&[own.to_vec(), other.to_vec()].concat())).unwrap();
    let rows = [
        (own[0].as_str(), "arena: the address is this machine's own"),
        (own[1].as_str(), "arena: the address is this machine's own"),
        (own[2].as_str(), "arena: the address is link-local"),
        (other[0].as_str(), "arena: the address is this machine's own"),
        (other[1].as_str(), "arena: the address holds an IPv4 address"),
        ("mirror.example:1", "does not list this host and port"),
        ("sub.mirror.example:443", "does not list this host and port"),
        ("mirror.example.:443", "does not list this host and port"),
    ];
    for (place, reason) in rows {
        let answer = raw(&door, &refusable(place)).await;
        assert_eq!(status(&answer), 403, "{place}");
        assert!(answer.contains(reason), "{place}: {answer}");
    }
    let account = door.close().await;
    assert_eq!((account.refused, desk.provider.seen().len()), (rows.len() as u64, 0));
    assert!(matches!(desk.broker.open(listed(&["no port".into()])), Err(OpenError::Egress { .. })));
}

#[tokio::test]
async fn plain_http_goes_to_listed_places_alone_and_takes_no_credentials() {
    let desk = mirror().await;
    let port = desk.provider.port();
    let door = desk.broker.open(listed(&[format!("mirror.example:{port}")])).unwrap();
    let get = |url: &str| {
        format!("GET {url} HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\nproxy-authorization: x\r\n\r\n")
    };
    let answer = raw(&door, get(&format!("http://mirror.example:{port}/simple?a=b")).as_bytes()).await;
    assert_eq!(status(&answer), 200);
    assert!(answer.contains("pong"), "{answer}");
    let seen = desk.provider.seen();
    assert!(seen[0].starts_with("GET /simple?a=b HTTP/1.1\r\n"), "{seen:?}");
    assert!(seen[0].contains(&format!("host: mirror.example:{port}\r\n")) && !seen[0].contains("evil"), "{seen:?}");
    for url in ["http://evil.example/", "http://mirror.example/", "https://mirror.example/"] {
        assert_eq!(status(&raw(&door, get(url).as_bytes()).await), 403, "{url}");
    }
    door.close().await;
}

#[tokio::test]
async fn a_door_to_a_provider_is_no_door_to_its_machine() {
    let desk = desk(Provided::saying(good(1, 1)).await).await;
    let door = desk.broker.open(policy()).unwrap();
    let place = format!("127.0.0.1:{}", desk.provider.port());
    assert_eq!(status(&raw(&door, &refusable(&place)).await), 403);
    door.close().await;
}
