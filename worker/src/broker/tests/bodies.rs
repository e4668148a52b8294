//! Large requests at once: what their bodies hold together has a limit, and small ones beside them pass.

use super::provider::{Turn, good};
use super::*;
use std::time::Duration;

const MIB: usize = 1 << 20;

/// With no more room than the configuration may say, and hardly any patience.
async fn hasty(provider: Provided, patience: Duration) -> Desk {
    let mut desk = desk_with(provider, &[("broker.bodies_mib", "64".to_owned())]).await;
    Arc::get_mut(&mut desk.broker.0).unwrap().bodies.patience = patience;
    desk
}

fn large() -> String {
    let head = r#"{"model":"gpt-5.5","stream":true,"max_output_tokens":1000,"x":""#;
    format!("{head}{}\"}}", "x".repeat(31 * MIB))
}

async fn send(door: &Door, request: &[u8]) -> UnixStream {
    let mut stream = connect(door).await;
    stream.write_all(request).await.unwrap();
    stream
}

async fn answer(mut stream: UnixStream) -> String {
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

#[tokio::test]
async fn large_requests_wait_for_room_and_are_told_when_there_is_none() {
    let silent = Turn::Hang(Vec::new());
    let provider = Provided::new(vec![silent.clone(), silent, Turn::Say(good(1, 1))]).await;
    let desk = hasty(provider, Duration::ZERO).await;
    let doors: Vec<Door> = (0..3).map(|_| desk.broker.open(policy()).unwrap()).collect();
    let request = post("/v1/responses", &large());
    // Two jobs fill what the worker has, and a provider without a word makes them hold it.
    let holding = [send(&doors[0], &request).await, send(&doors[1], &request).await];
    while desk.provider.seen().len() < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Of what is refused nobody reads more than the head.
    let refused = answer(send(&doors[2], &request[..200]).await).await;
    assert_eq!(status(&refused), 503, "{refused}");
    assert!(refused.contains("this worker hold all the memory") && refused.contains("bodies_mib"), "{refused}");
    assert_eq!(status(&ask(&doors[2]).await), 200, "a small one passes");
    drop(holding);
    for door in doors {
        door.close().await;
    }
    assert_eq!(desk.provider.seen().len(), 3);
}

#[tokio::test]
async fn requests_that_wait_are_all_served_in_the_end() {
    let desk = hasty(Provided::saying(good(1, 1)).await, Duration::from_secs(60)).await;
    let door = desk.broker.open(policy()).unwrap();
    let request = post("/v1/responses", &large());
    let streams = (0..4).map(|_| async { answer(send(&door, &request).await).await });
    for told in futures_util::future::join_all(streams).await {
        assert_eq!(status(&told), 200);
    }
    let account = door.close().await;
    assert_eq!((account.requests, account.refused), (4, 0));
}
