//! Streams that are open when the right they were opened by ends: a token that is revoked or narrowed, a certificate that ends
//! or is revoked.

use super::world::{SESSION, World, issue, issue_for, scope};
use crate::access::{Role, tokens};
use crate::store::Shelf;
use arena_proto::v1::sessions_client::SessionsClient;
use arena_proto::v1::workers_client::WorkersClient;
use arena_proto::v1::{self, up};
use arena_runtime::clock;
use arena_runtime::tls::{Authority, Identity, Kind};
use prost::Message;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};

/// A bounded time, whatever the machine is busy with.
const SOON: Duration = Duration::from_secs(15);

fn with<T>(secret: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {secret}").parse().unwrap());
    request
}

async fn watching(world: &World, secret: &str) -> Streaming<v1::FeedItem> {
    let wish = v1::WatchRequest { id: SESSION.into(), ..v1::WatchRequest::default() };
    let mut sessions = SessionsClient::new(world.dial(None).await.unwrap());
    sessions.watch(with(secret, wish)).await.unwrap().into_inner()
}

/// How the stream ends, after whatever else it brings.
async fn ending<T>(stream: &mut Streaming<T>) -> Status {
    let ended = async {
        loop {
            match stream.next().await {
                Some(Ok(_)) => {}
                Some(Err(status)) => return status,
                None => panic!("it ended as if all was well"),
            }
        }
    };
    tokio::time::timeout(SOON, ended).await.expect("a stream that is ended")
}

/// A worker's stream on this connection, whose first word was heard.
async fn attached(channel: Channel) -> Result<(mpsc::Sender<v1::Up>, Streaming<v1::Down>), Status> {
    let (up, outgoing) = mpsc::channel(16);
    let (protocol, oldest) = (arena_proto::PROTOCOL, arena_proto::OLDEST_PROTOCOL);
    let hello = v1::Hello { worker: "boot".into(), protocol, oldest, ..v1::Hello::default() };
    up.send(v1::Up { up: Some(up::Up::Hello(hello)) }).await.unwrap();
    let mut down = WorkersClient::new(channel).attach(ReceiverStream::new(outgoing)).await?.into_inner();
    down.next().await.expect("a welcome")?;
    Ok((up, down))
}

async fn change(world: &World, secret: &str, change: impl Fn(&mut v1::Token)) {
    let (store, id) = (&world.coordinator.store, secret.split('_').nth(1).unwrap());
    let mut token = v1::Token::decode(store.kept(Shelf::Tokens, id).await.unwrap().unwrap().as_slice()).unwrap();
    change(&mut token);
    store.keep(Shelf::Tokens, id.into(), token.encode_to_vec()).await.unwrap();
}

#[tokio::test]
async fn a_feed_ends_with_the_token_it_was_opened_by_and_with_no_other() {
    let world = World::new().await;
    world.session().await;
    let secrets = [world.token("ann", Role::Viewer, "blue").await, world.token("bob", Role::Viewer, "blue").await];
    let narrowed = world.token("cy", Role::Viewer, "*").await;
    let mut feeds = Vec::new();
    for secret in secrets.iter().chain([&narrowed]) {
        feeds.push(watching(&world, secret).await);
    }
    let id = secrets[0].split('_').nth(1).unwrap();
    tokens::revoke(&world.coordinator.store, id, clock::now_millis()).await.unwrap();
    // What is left of it still holds the session.
    change(&world, &narrowed, |token| token.scope = Some(scope("blue").to_wire())).await;
    let told = ending(&mut feeds[0]).await;
    assert_eq!(told.code(), Code::Unauthenticated);
    assert!(told.message().starts_with("the token was revoked; "), "{told}");
    change(&world, &narrowed, |token| token.scope = Some(scope("red").to_wire())).await;
    let told = ending(&mut feeds[2]).await;
    assert_eq!((told.code(), told.message()), (Code::PermissionDenied, "cy may not watch this any more"));
    let refused = world.refusals().await;
    let written = |who: &str, why: &str| {
        let is_it =
            |(by, action, said): &&(String, String, String)| by == who && action == "watch" && said.contains(why);
        refused.iter().filter(is_it).count()
    };
    assert_eq!((written(&format!("token {id}"), "what was open was ended"), written("cy", "any more")), (1, 1));
    let item = tokio::time::timeout(Duration::from_millis(100), async {
        while let Some(item) = feeds[1].next().await {
            item.unwrap();
        }
    });
    assert!(item.await.is_err(), "the other one's goes on");
}

#[tokio::test]
async fn an_upload_and_a_download_end_with_their_token() {
    let world = World::new().await;
    let blobs = world.coordinator.blobs.of(&arena_domain::id::Tenant::new("blue"));
    // More than all the windows on the way hold.
    let digest = blobs.put(&vec![7; 32 << 20]).await.unwrap();
    let (ann, eve) =
        (world.token("ann", Role::Submitter, "blue").await, world.token("eve", Role::Viewer, "blue").await);
    let channel = world.dial(None).await.unwrap();
    let (pieces, outgoing) = mpsc::channel(4);
    pieces.send(v1::BlobChunk { data: vec![1; 1000].into(), tenant: String::new() }).await.unwrap();
    let mut sessions = SessionsClient::new(channel.clone());
    let request = with(&ann, ReceiverStream::new(outgoing));
    let upload = arena_runtime::tasks::spawn(async move { sessions.put_blob(request).await });
    let wish = v1::GetBlobRequest { digest, tenant: String::new() };
    let mut download = SessionsClient::new(channel).get_blob(with(&eve, wish)).await.unwrap().into_inner();
    download.next().await.unwrap().unwrap();
    change(&world, &ann, |token| token.role = "viewer".into()).await;
    change(&world, &eve, |token| token.revoked = 1).await;
    let told = tokio::time::timeout(SOON, upload).await.expect("an upload that is ended").unwrap().unwrap_err();
    assert_eq!((told.code(), told.message()), (Code::PermissionDenied, "ann may not put blob this any more"));
    // It is ended though nobody reads, and whoever reads on then is not given the rest at once.
    let ended = async {
        while !world.refusals().await.iter().any(|(_, action, why)| action == "get blob" && why.contains("was ended")) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(SOON, ended).await.expect("a download that is ended");
    assert_eq!(ending(&mut download).await.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn nothing_more_is_given_while_it_cannot_be_written_down_that_a_right_has_ended() {
    let world = World::new().await;
    let blobs = world.coordinator.blobs.of(&arena_domain::id::Tenant::new("blue"));
    let digest = blobs.put(&vec![7; 32 << 20]).await.unwrap();
    let eve = world.token("eve", Role::Viewer, "blue").await;
    let channel = world.dial(None).await.unwrap();
    let wish = v1::GetBlobRequest { digest, tenant: String::new() };
    let mut download = SessionsClient::new(channel).get_blob(with(&eve, wish)).await.unwrap().into_inner();
    download.next().await.unwrap().unwrap();
    change(&world, &eve, |token| token.revoked = 1).await;
    let held = world.locked();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let mut given = 0;
    let reading = async {
        while let Some(piece) = download.next().await {
            given += piece.unwrap().data.len();
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(2), reading).await.is_err(), "it is not told yet");
    assert!(given < 16 << 20, "only what was on its way: {given}");
    drop(held);
    assert_eq!(ending(&mut download).await.code(), Code::Unauthenticated);
    assert_eq!(world.refusals().await.len(), 1);
}

#[tokio::test]
async fn a_worker_is_let_go_in_the_second_in_which_its_certificate_ends() {
    let world = World::new().await;
    let begun = clock::now_millis();
    let who = issue_for(&world.certs(), Kind::Worker, "short", "*", Duration::from_secs(5));
    let channel = world.dial(Some(&who)).await.unwrap();
    let (_up, mut down) = attached(channel.clone()).await.unwrap();
    let told = ending(&mut down).await;
    let lasted = clock::now_millis() - begun;
    assert!((5_000..7_500).contains(&lasted), "{lasted} ms");
    assert_eq!(told.code(), Code::Unauthenticated);
    let words = ["the certificate of worker short ended at 2", "arena certs issue worker short"];
    assert!(words.iter().all(|word| told.message().contains(word)), "{told}");
    let again = attached(channel).await.expect_err("a connection that outlives its certificate");
    assert_eq!((again.code(), again.message()), (Code::Unauthenticated, told.message()));
    let refused = world.refusals().await;
    assert!(refused.iter().all(|(who, action, _)| who == "worker short" && action == "attach"), "{refused:?}");
    assert_eq!(refused.len(), 2, "{refused:?}");
}

#[tokio::test]
async fn a_revoked_certificate_opens_nothing_and_keeps_nothing_open() {
    let world = World::new().await;
    let certs = world.certs();
    let (one, two) = (issue(&certs, Kind::Worker, "one", "*", 1), issue(&certs, Kind::Worker, "two", "*", 1));
    let ann = issue(&certs, Kind::Client, "ann", "*", 1);
    let secret = world.token("ann", Role::Viewer, "blue").await;
    let persons = world.dial(Some(&ann)).await.unwrap();
    let list =
        async |channel: Channel| SessionsClient::new(channel).list(with(&secret, v1::ListRequest::default())).await;
    assert!(list(persons.clone()).await.is_ok());
    let (_up, mut down) = attached(world.dial(Some(&one)).await.unwrap()).await.unwrap();
    let (_other, mut stays) = attached(world.dial(Some(&two)).await.unwrap()).await.unwrap();
    let named = ["one".to_owned(), certs.join("ann.pem").display().to_string()];
    Authority::open(&certs).unwrap().revoke(&named).unwrap();
    let told = ending(&mut down).await;
    assert_eq!(told.code(), Code::Unauthenticated);
    assert!(told.message().contains("of worker one was revoked; "), "{told}");
    let told = list(persons).await.expect_err("a person whose certificate was revoked, with a token that is good");
    assert!(told.code() == Code::Unauthenticated && told.message().contains("of client ann was revoked"), "{told}");
    for who in [&one, &ann] {
        assert!(!answered(&world, who, &secret).await, "nor does it shake hands anew");
    }
    assert!(answered(&world, &two, &secret).await, "another one does");
    let nothing = tokio::time::timeout(Duration::from_millis(100), stays.next()).await;
    assert!(nothing.is_err(), "and stays attached");
    let refused = world.refusals().await;
    let told = |who: &str, action: &str| refused.iter().any(|(by, what, _)| by == who && what == action);
    assert!(told("worker one", "attach") && told("client ann", "list"), "{refused:?}");
    for of in ["a certificate of worker one, ", "a certificate of client ann, "] {
        let shaken = |(_, action, why): &(String, String, String)| {
            action == "handshake" && why.contains("Revoked") && why.contains(of)
        };
        assert!(refused.iter().any(shaken), "{of}: {refused:?}");
    }
}

/// Whether somebody gets through a new handshake to an answer.
async fn answered(world: &World, who: &Identity, secret: &str) -> bool {
    let Ok(channel) = world.dial(Some(who)).await else { return false };
    SessionsClient::new(channel).list(with(secret, v1::ListRequest::default())).await.is_ok()
}
