//! What a tenant's blobs may have: its people send and submit nothing more from there on, and what workers bring is taken.

use super::world::{World, issue};
use crate::access::Role;
use crate::blobs::Blobs;
use crate::{Coordinator, usage};
use arena_domain::id::Tenant;
use arena_proto::v1::{self, sessions_client::SessionsClient};
use arena_runtime::config::{Limits, Rates, TenantLimits};
use arena_runtime::tls::Kind;
use std::collections::BTreeMap;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

const GENEROUS: Rates = Rates { calls: 100_000, submits: 1_000, blob_mib: 1_000, strangers: 1_000 };
const KIB: usize = 1024;

fn limits() -> Limits {
    let blue = TenantLimits { blobs: Some(1 << 20), ..Limits::unlimited().each };
    Limits { tenants: BTreeMap::from([("blue".to_owned(), blue)]), ..Limits::unlimited() }
}

/// A coordinator by itself, and the tenant that it bounds.
fn bounded() -> (tempfile::TempDir, Coordinator, Tenant) {
    let folder = tempfile::tempdir().unwrap();
    let store = crate::store::Store::open(folder.path(), arena_domain::schedule::Limits::default()).unwrap();
    let coordinator = Coordinator::new(store, Blobs::new(folder.path().join("blobs"))).with_quotas(limits());
    (folder, coordinator, Tenant::new("blue"))
}

/// A blob of so many KiB, all of this byte.
async fn put(channel: &Channel, secret: Option<&str>, byte: u8, kib: usize) -> Result<String, Status> {
    let piece = |_| v1::BlobChunk { data: vec![byte; KIB].into(), tenant: String::new() };
    let pieces: Vec<v1::BlobChunk> = (0..kib).map(piece).collect();
    let mut request = Request::new(tokio_stream::iter(pieces));
    if let Some(secret) = secret {
        request.metadata_mut().insert("authorization", format!("Bearer {secret}").parse().unwrap());
    }
    Ok(SessionsClient::new(channel.clone()).put_blob(request).await?.into_inner().digest)
}

#[tokio::test]
async fn a_tenant_whose_blobs_have_all_their_room_sends_and_submits_nothing_more() {
    let world = World::with(GENEROUS, limits()).await;
    let (ann, eve) =
        (world.token("ann", Role::Submitter, "blue").await, world.token("eve", Role::Submitter, "red").await);
    let channel = world.dial(None).await.unwrap();
    let blue = Tenant::new("blue");
    let has = async || world.coordinator.stored_by(&blue).await.unwrap() as usize / KIB;
    let base = put(&channel, Some(&ann), 1, 600).await.unwrap();
    assert_eq!(has().await, 600);
    put(&channel, Some(&ann), 1, 400).await.unwrap();
    let refused = put(&channel, Some(&ann), 2, 100).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let words = ["tenant blue", "1 MiB", "`keep_days` under [store]", "`blobs` under [limits.tenants.blue]"];
    assert!(words.iter().all(|word| refused.message().contains(word)), "{refused}");
    assert_eq!(has().await, 1000, "half a blob is none");
    put(&channel, Some(&eve), 2, 2000).await.unwrap();
    let worker = issue(&world.certs(), Kind::Worker, "w", "blue", 1);
    put(&world.dial(Some(&worker)).await.unwrap(), None, 3, 200).await.unwrap();
    assert_eq!(has().await, 1200, "it was paid for, and counts");
    let head = v1::SessionHead {
        id: "0123456789ab".into(),
        packet: crate::dispatch::tests::PACKET.into(),
        base: "0".repeat(40),
        base_bundle: base,
        ..v1::SessionHead::default()
    };
    let mut request = Request::new(v1::SubmitRequest { head: Some(head), yes: true });
    request.metadata_mut().insert("authorization", format!("Bearer {ann}").parse().unwrap());
    let refused = SessionsClient::new(channel).submit(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    let written: Vec<(String, String)> = world.refusals().await.into_iter().map(|(who, what, _)| (who, what)).collect();
    assert_eq!(written, [("ann", "put blob"), ("ann", "submit")].map(|(who, what)| (who.to_owned(), what.to_owned())));
    // As after a start of the coordinator.
    let again =
        Coordinator::new(world.coordinator.store.clone(), world.coordinator.blobs.clone()).with_quotas(limits());
    assert_eq!(again.stored_by(&blue).await.unwrap() as usize / KIB, 1200);
}

#[tokio::test]
async fn uploads_at_once_have_the_room_together_and_give_back_what_came_to_nothing() {
    let (_folder, coordinator, blue) = bounded();
    let mut uploads: Vec<usage::Coming> = Vec::new();
    for _ in 0..3 {
        uploads.push(coordinator.coming(&blue, true).await.unwrap());
    }
    assert!(uploads[0].more(400 << 10).is_ok() && uploads[1].more(400 << 10).is_ok());
    assert_eq!(uploads[2].more(400 << 10).unwrap_err().code(), Code::ResourceExhausted);
    uploads.truncate(1);
    assert!(uploads[0].more(600 << 10).is_ok(), "the others have broken off");
    let mut workers = coordinator.coming(&blue, false).await.unwrap();
    assert!(workers.more(5 << 20).is_ok());
}

#[tokio::test]
async fn uploads_that_were_opened_early_have_no_room_that_another_one_took_meanwhile() {
    let (_folder, coordinator, blue) = bounded();
    let mut early = [coordinator.coming(&blue, true).await.unwrap(), coordinator.coming(&blue, true).await.unwrap()];
    assert!(early[0].more(900 << 10).is_ok());
    coordinator.came(&blue, 900 << 10).await.unwrap();
    let [first, mut second] = early;
    drop(first);
    assert_eq!(second.more(900 << 10).unwrap_err().code(), Code::ResourceExhausted);
    drop(second);
    let mut later = coordinator.coming(&blue, true).await.unwrap();
    assert!(later.more(100 << 10).is_ok(), "what landed is counted once");
    assert_eq!(later.more(200 << 10).unwrap_err().code(), Code::ResourceExhausted);
}
