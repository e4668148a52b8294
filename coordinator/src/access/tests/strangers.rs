//! Those who show the wrong certificate, or another worker's lease: refused, and written down.

use super::world::{SESSION, World, issue};
use crate::access::Role;
use arena_domain::id::{Request, WorkerId};
use arena_domain::schedule::Ask;
use arena_proto::v1::sessions_client::SessionsClient;
use arena_proto::v1::workers_client::WorkersClient;
use arena_proto::v1::{self, down, up};
use arena_runtime::clock;
use arena_runtime::tls::{Authority, Identity, Kind};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

fn hello() -> v1::Hello {
    let (protocol, oldest) = (arena_proto::PROTOCOL, arena_proto::OLDEST_PROTOCOL);
    v1::Hello { worker: "boot".into(), protocol, oldest, ..v1::Hello::default() }
}

/// The worker's side of a stream.
struct Link {
    up: mpsc::Sender<v1::Up>,
    down: Streaming<v1::Down>,
}

impl Link {
    async fn open(world: &World, who: &Identity, hello: v1::Hello) -> Result<Self, Status> {
        let channel = world.dial(Some(who)).await.map_err(|error| Status::unknown(error.to_string()))?;
        let (up, outgoing) = mpsc::channel(16);
        up.send(v1::Up { up: Some(up::Up::Hello(hello)) }).await.unwrap();
        let down = WorkersClient::new(channel).attach(ReceiverStream::new(outgoing)).await?.into_inner();
        let mut link = Self { up, down };
        let greeting = link.hears().await?;
        assert!(matches!(greeting, down::Down::Welcome(_)), "{greeting:?}");
        Ok(link)
    }

    async fn say(&self, message: up::Up) {
        self.up.send(v1::Up { up: Some(message) }).await.unwrap();
    }

    async fn hears(&mut self) -> Result<down::Down, Status> {
        let message = tokio::time::timeout(Duration::from_secs(30), self.down.next()).await.unwrap();
        Ok(message.unwrap()?.down.unwrap())
    }
}

/// Whether somebody with this certificate gets so far that a call of theirs is answered.
async fn reaches(world: &World, who: &Identity) -> bool {
    let Ok(channel) = world.dial(Some(who)).await else { return false };
    let answer = SessionsClient::new(channel).list(v1::ListRequest::default()).await;
    answer.is_err_and(|status| [Code::PermissionDenied, Code::Unauthenticated].contains(&status.code()))
}

#[tokio::test]
async fn a_certificate_that_has_ended_or_is_of_another_authority_is_refused_and_written_down() {
    let world = World::new().await;
    let right = issue(&world.certs(), Kind::Worker, "right", "*", 1);
    assert!(reaches(&world, &right).await, "the right one is answered");
    let late = issue(&world.certs(), Kind::Worker, "late", "*", 0);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!reaches(&world, &late).await, "one that has ended is not");
    let elsewhere = tempfile::tempdir().unwrap();
    Authority::init(elsewhere.path()).unwrap();
    let foreign = issue(elsewhere.path(), Kind::Worker, "right", "*", 1);
    assert!(!reaches(&world, &foreign).await, "nor one of another authority");
    let told = async |word: &str| {
        for _ in 0..100 {
            let refused = world.refusals().await;
            if refused.iter().any(|(_, action, why)| action == "handshake" && why.contains(word)) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    };
    assert!(told("xpired").await && told("UnknownIssuer").await, "{:?}", world.refusals().await);
}

#[tokio::test]
async fn what_is_not_a_worker_attaches_nothing() {
    let world = World::new().await;
    for kind in [Kind::Client, Kind::Coordinator] {
        let who = issue(&world.certs(), kind, &format!("not-{}", kind.as_str()), "*", 1);
        let refused = Link::open(&world, &who, hello()).await.err().unwrap();
        // A coordinator's certificate is none for a client, so that it does not get through the handshake.
        let codes = [Code::Unauthenticated, Code::Unknown, Code::Unavailable, Code::Cancelled];
        assert!(codes.contains(&refused.code()), "{}: {refused}", kind.as_str());
    }
}

#[tokio::test]
async fn a_token_that_is_forged_or_revoked_opens_nothing() {
    let world = World::new().await;
    let secret = world.token("ann", Role::Admin, "*").await;
    let ask = async |secret: &str| {
        let mut request = tonic::Request::new(v1::ListRequest::default());
        request.metadata_mut().insert("authorization", format!("Bearer {secret}").parse().unwrap());
        let channel = world.dial(None).await.unwrap();
        SessionsClient::new(channel).list(request).await.map_err(|status| (status.code(), status.message().to_owned()))
    };
    assert!(ask(&secret).await.is_ok());
    let forged = format!("{}x", &secret[..secret.len() - 1]);
    assert_eq!(ask(&forged).await.unwrap_err().0, Code::Unauthenticated);
    let id = secret.split('_').nth(1).unwrap();
    crate::access::tokens::revoke(&world.coordinator.store, id, clock::now_millis()).await.unwrap();
    let (code, why) = ask(&secret).await.unwrap_err();
    assert_eq!((code, why.starts_with("the token was revoked")), (Code::Unauthenticated, true), "{why}");
    let refused = world.refusals().await;
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert!(refused.iter().all(|(who, action, _)| who == &format!("token {id}") && action == "list"), "{refused:?}");
}

#[tokio::test]
async fn a_worker_of_a_wire_that_is_not_spoken_is_told_what_to_update() {
    let world = World::new().await;
    let who = issue(&world.certs(), Kind::Worker, "old", "*", 1);
    let hello = v1::Hello { worker: "boot".into(), ..v1::Hello::default() };
    let refused = Link::open(&world, &who, hello).await.err().unwrap();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("for the worker"), "{refused}");
}

#[tokio::test]
async fn a_lease_that_was_stolen_opens_nothing_and_is_written_down() {
    let world = World::new().await;
    world.session().await;
    let ask = Ask::any(WorkerId::new("owner/boot"), Request::new("r1"));
    let place = world.coordinator.store.claim(ask, clock::now_millis()).await.unwrap().unwrap();
    let (job, fence) = (place.job.id.clone(), place.fence().unwrap().clone());
    let lease = v1::Lease { job: job.to_string(), fence: fence.to_string() };
    let result = v1::Result {
        lease: Some(lease.clone()),
        outcome: Some(arena_proto::convert::Wire::to_wire(&crate::dispatch::tests::passing())),
        trace: None,
    };
    let session = arena_domain::id::SessionId::new(SESSION);
    let touched = world.coordinator.store.touched(&session).await.unwrap();
    for (name, tenant, why) in
        [("thief", "*", "the job is leased to another worker"), ("red", "red", "the job is another tenant's")]
    {
        let who = issue(&world.certs(), Kind::Worker, name, tenant, 1);
        let aimed = v1::Hello { only_session: SESSION.into(), ..hello() };
        let mut link = Link::open(&world, &who, aimed).await.unwrap();
        link.say(up::Up::Result(Box::new(result.clone()))).await;
        let refused = v1::Acknowledged { job: job.to_string(), accepted: false, fence: lease.fence.clone() };
        assert_eq!(link.hears().await.unwrap(), down::Down::Acknowledged(refused.clone()), "{name}");
        link.say(up::Up::Released(v1::Released { leases: vec![lease.clone()] })).await;
        link.say(up::Up::Heartbeat(v1::Heartbeat { leases: vec![lease.clone()], ..v1::Heartbeat::default() })).await;
        let stop =
            down::Down::Stop(v1::Stop { job: job.to_string(), reason: "cancelled, or its lease is lost".into() });
        assert_eq!(link.hears().await.unwrap(), stop, "{name}");
        // What is answered after a heartbeat is answered when that was written.
        link.say(up::Up::Result(Box::new(result.clone()))).await;
        assert_eq!(link.hears().await.unwrap(), down::Down::Acknowledged(refused), "{name}");
        let refusals = world.refusals().await;
        let told = |action: &str| {
            let entry = (format!("worker {name}"), action.to_owned(), why.to_owned());
            refusals.contains(&entry)
        };
        assert!(told("report") && told("release") && told("renew"), "{refusals:?}");
    }
    assert_eq!(world.coordinator.store.touched(&session).await.unwrap(), touched, "nobody moved it");
    let states = world.coordinator.store.jobs(&session).await.unwrap();
    assert!(states.iter().any(|one| one.id == job.as_str() && one.state == "leased"), "its owner keeps it: {states:?}");
}

/// The bytes of a peer that shook hands, and shows no certificate.
async fn shaken(world: &World) -> std::io::Result<tokio_rustls::client::TlsStream<tokio::net::TcpStream>> {
    use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
    let mut roots = tokio_rustls::rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(world.certs().join("ca.pem")).unwrap()).unwrap();
    let provider = std::sync::Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let versions =
        tokio_rustls::rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = versions.unwrap().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let socket = tokio::net::TcpStream::connect(world.address()).await?;
    let name = ServerName::try_from("127.0.0.1").unwrap();
    tokio_rustls::TlsConnector::from(std::sync::Arc::new(config)).connect(name, socket).await
}

#[tokio::test]
async fn whoever_shakes_hands_and_says_nothing_is_let_go_and_keeps_nobody_out() {
    use tokio::io::AsyncReadExt;
    let world = World::new().await;
    // One address may have eight of the 64 connections as long as it shows no certificate.
    let mut silent = Vec::new();
    for _ in 0..12 {
        silent.push(shaken(&world).await.unwrap());
    }
    let right = issue(&world.certs(), Kind::Worker, "right", "*", 1);
    assert!(reaches(&world, &right).await, "a worker gets in");
    for mut one in silent {
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(60), one.read_to_end(&mut bytes)).await;
        assert!(read.is_ok(), "a silent peer is kept");
    }
    assert!(shaken(&world).await.is_ok(), "its part is free again");
    let refused = world.refusals().await;
    let too_many = refused.iter().filter(|(_, action, why)| action == "handshake" && why.contains("too many")).count();
    assert_eq!(too_many, 4, "{refused:?}");
}
