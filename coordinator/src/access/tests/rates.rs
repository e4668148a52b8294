//! Whoever asks too much, or for more than its tenant has: refused, told when to come back, and written down.

use super::world::{SESSION, World};
use crate::access::Role;
use arena_domain::id::Tenant;
use arena_proto::v1::sessions_client::SessionsClient;
use arena_proto::{RETRY_AFTER, v1};
use arena_runtime::config::{Limits, ProviderLimits, Rates, TenantLimits};
use std::collections::BTreeMap;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

const GENEROUS: Rates = Rates { calls: 100_000, submits: 1_000, blob_mib: 1_000, strangers: 1_000 };

/// Somebody with a token, or with none.
struct Asker {
    sessions: SessionsClient<Channel>,
    token: Option<String>,
}

impl Asker {
    async fn new(world: &World, name: Option<&str>) -> Self {
        let token = match name {
            Some(name) => Some(world.token(name, Role::Submitter, "blue").await),
            None => None,
        };
        Self { sessions: SessionsClient::new(world.dial(None).await.unwrap()), token }
    }

    fn asks<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        request
    }

    async fn list(&mut self) -> Result<(), Status> {
        let request = self.asks(v1::ListRequest::default());
        self.sessions.list(request).await.map(drop)
    }

    async fn submit(&mut self, id: &str, base: &str, packet: &str) -> Result<(), Status> {
        let head = v1::SessionHead {
            id: id.into(),
            packet: packet.into(),
            base: "0".repeat(40),
            base_bundle: base.into(),
            ..v1::SessionHead::default()
        };
        let request = self.asks(v1::SubmitRequest { head: Some(head), yes: true });
        self.sessions.submit(request).await.map(drop)
    }

    async fn get(&mut self, digest: &str) -> Result<(), Status> {
        let request = self.asks(v1::GetBlobRequest { digest: digest.into(), tenant: String::new() });
        let mut chunks = self.sessions.get_blob(request).await?.into_inner();
        while chunks.message().await?.is_some() {}
        Ok(())
    }
}

fn comes_back(refused: &Status) -> u64 {
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    refused.metadata().get(RETRY_AFTER).unwrap().to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn whoever_asks_too_much_is_told_when_to_come_back_and_holds_up_nobody_else() {
    let world = World::with(Rates { calls: 5, ..GENEROUS }, Limits::unlimited()).await;
    let (mut ann, mut bob) = (Asker::new(&world, Some("ann")).await, Asker::new(&world, Some("bob")).await);
    for _ in 0..5 {
        ann.list().await.unwrap();
    }
    // A call is worked off in twelve seconds; however slow this machine is, some come too early.
    let mut refused = None;
    for _ in 0..50 {
        refused = refused.or(ann.list().await.err());
    }
    assert!((1..=13).contains(&comes_back(&refused.unwrap())));
    bob.list().await.unwrap();
    let written = world.refusals().await;
    assert!(written.iter().any(|(who, what, why)| who == "ann" && what == "list" && why.contains("too many calls")));
}

#[tokio::test]
async fn strangers_are_counted_by_their_address_and_known_callers_from_there_are_not() {
    let world = World::with(Rates { strangers: 3, ..GENEROUS }, Limits::unlimited()).await;
    let (mut stranger, mut ann) = (Asker::new(&world, None).await, Asker::new(&world, Some("ann")).await);
    let mut codes = Vec::new();
    for _ in 0..40 {
        codes.push(stranger.list().await.unwrap_err().code());
    }
    assert_eq!(codes[..3], [Code::Unauthenticated; 3]);
    assert!(codes.contains(&Code::ResourceExhausted), "{codes:?}");
    ann.list().await.unwrap();
}

#[tokio::test]
async fn whoever_moved_too_many_bytes_moves_no_more_until_they_are_worked_off() {
    let world = World::with(Rates { blob_mib: 1, ..GENEROUS }, Limits::unlimited()).await;
    let digest = world.coordinator.blobs.of(&Tenant::new("blue")).put(&vec![7; 3 << 20]).await.unwrap();
    let (mut ann, mut bob) = (Asker::new(&world, Some("ann")).await, Asker::new(&world, Some("bob")).await);
    ann.get(&digest).await.unwrap();
    let wait = comes_back(&ann.get(&digest).await.unwrap_err());
    assert!((60..=121).contains(&wait), "two of three minutes' worth are owed: {wait}");
    bob.get(&digest).await.unwrap();
}

#[tokio::test]
async fn a_tenant_submits_no_more_than_it_may_have_under_way_and_asks_no_higher_priority() {
    let most = TenantLimits { sessions: Some(2), priority: 3, ..Limits::unlimited().each };
    let few = Limits { tenants: BTreeMap::from([("blue".to_owned(), most)]), ..Limits::unlimited() };
    let world = World::with(GENEROUS, few).await;
    world.session().await;
    let base = world.coordinator.blobs.of(&Tenant::new("blue")).put(b"base").await.unwrap();
    let mut ann = Asker::new(&world, Some("ann")).await;
    let packet = crate::dispatch::tests::PACKET;
    let urgent = packet.replacen("[session]", "[session]\npriority = 4", 1);
    let refused = ann.submit("aaaaaaaaaaa0", &base, &urgent).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert!(refused.message().contains("priority 3 at most"), "{refused}");
    ann.submit("aaaaaaaaaaa1", &base, &urgent.replacen("= 4", "= 3", 1)).await.unwrap();
    let refused = ann.submit("aaaaaaaaaaa2", &base, packet).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("[limits.tenants.blue]"), "{refused}");
    assert_eq!(world.refusals().await.len(), 2);
    let cancel = ann.asks(v1::CancelRequest { id: SESSION.into() });
    ann.sessions.cancel(cancel).await.unwrap();
    ann.submit("aaaaaaaaaaa2", &base, packet).await.unwrap();
}

#[tokio::test]
async fn a_tenant_whose_jobs_wait_submits_nothing_more() {
    let most = TenantLimits { queued: Some(1), priority: 0, ..Limits::unlimited().each };
    let few = Limits { each: most, ..Limits::unlimited() };
    let world = World::with(GENEROUS, few).await;
    let base = world.coordinator.blobs.of(&Tenant::new("blue")).put(b"base").await.unwrap();
    let mut ann = Asker::new(&world, Some("ann")).await;
    ann.submit("aaaaaaaaaaa1", &base, crate::dispatch::tests::PACKET).await.unwrap();
    let refused = ann.submit("aaaaaaaaaaa2", &base, crate::dispatch::tests::PACKET).await.unwrap_err();
    assert!(refused.message().contains("jobs of tenant blue wait"), "{refused}");
}

#[tokio::test]
async fn an_engine_that_a_packet_makes_up_does_not_go_past_the_limit_of_its_provider() {
    let of = |engine: &str| ProviderLimits { running: 1, engines: vec![engine.to_owned()] };
    let packet = crate::dispatch::tests::PACKET.replacen("[engine.a]", "[engine.a]\nprovider = \"anthropic\"", 1);
    for (counted, taken) in [("claude", false), ("a", true)] {
        let provider = BTreeMap::from([("anthropic".to_owned(), of(counted))]);
        let world = World::with(GENEROUS, Limits { provider, ..Limits::unlimited() }).await;
        let base = world.coordinator.blobs.of(&Tenant::new("blue")).put(b"base").await.unwrap();
        let mut ann = Asker::new(&world, Some("ann")).await;
        match ann.submit("aaaaaaaaaaa1", &base, &packet).await {
            Ok(()) => assert!(taken),
            Err(refused) => {
                assert!(!taken && refused.code() == Code::PermissionDenied, "{refused}");
                assert!(refused.message().contains("under [limits.provider.anthropic]"), "{refused}");
            }
        }
    }
}
