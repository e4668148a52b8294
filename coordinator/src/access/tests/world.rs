//! One coordinator that listens, an authority, tokens, and a session of tenant blue.

use crate::Coordinator;
use crate::access::{Role, Scope, audit, tokens};
use crate::blobs::Blobs;
use crate::serve::Service;
use crate::store::Store;
use arena_domain::id::Tenant;
use arena_proto::dial::{Dialer, endpoint};
use arena_proto::v1;
use arena_runtime::config::{ClientCertificates, CoordinatorConfig, Limits, Rates};
use arena_runtime::tasks::Tasks;
use arena_runtime::tls::{Authority, Identity, Kind, Name, REVOKED, Reach, Wanted};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Error};

pub(super) const SESSION: &str = "0123456789ab";

pub(super) struct World {
    folder: TempDir,
    pub coordinator: Coordinator,
    url: String,
    _serving: Tasks,
}

pub(super) fn scope(tenant: &str) -> Scope {
    if tenant == "*" { Scope::Every } else { Scope::Only(Tenant::new(tenant)) }
}

/// A certificate of this authority; `days` 0: it ends at once.
pub(super) fn issue(certs: &Path, kind: Kind, name: &str, tenant: &str, days: u32) -> Identity {
    issue_for(certs, kind, name, tenant, Duration::from_secs(86_400) * days)
}

pub(super) fn issue_for(certs: &Path, kind: Kind, name: &str, tenant: &str, holds: Duration) -> Identity {
    let reach = if tenant == "*" { Reach::Every } else { Reach::One(tenant.into()) };
    let hosts = if kind == Kind::Coordinator { vec!["127.0.0.1".into()] } else { Vec::new() };
    let wanted = Wanted { name: Name::new(kind, name, reach).unwrap(), hosts, holds };
    let issued = Authority::open(certs).unwrap().issue(&wanted).unwrap();
    let read = |path: PathBuf| std::fs::read(path).unwrap();
    Identity { ca: read(certs.join("ca.pem")), certificate: read(issued.certificate), key: read(issued.key) }
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(Rates { calls: 100_000, submits: 1_000, blob_mib: 1_000, strangers: 1_000 }, Limits::unlimited())
            .await
    }

    pub(super) async fn with(rates: Rates, quotas: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certs = folder.path().join("certs");
        Authority::init(&certs).unwrap();
        let store = Store::open(&folder.path().join("state"), arena_domain::schedule::Limits::default()).unwrap();
        let coordinator = Coordinator::new(store, Blobs::new(folder.path().join("blobs")))
            .with_quotas(quotas)
            .holding_dead_jobs(Duration::from_secs(3600));
        let config = CoordinatorConfig {
            listen: "127.0.0.1:0".into(),
            client_certificates: ClientCertificates::Optional,
            connections: 64,
            handshakes: 8,
            handshake: Duration::from_secs(5),
            streams: 64,
            drain: Duration::from_secs(1),
            hold_dead: Duration::from_secs(3600),
            rates,
        };
        let who = issue(&certs, Kind::Coordinator, "coordinator", "*", 1);
        let revoked = Some(certs.join(REVOKED));
        let service = Service::bind(coordinator.clone(), config, &who, revoked).await.unwrap();
        let url = format!("https://{}", service.address());
        let mut serving = Tasks::default();
        serving.spawn(async move { service.run(CancellationToken::new()).await.unwrap() });
        Self { folder, coordinator, url, _serving: serving }
    }

    pub(super) fn address(&self) -> &str {
        self.url.trim_start_matches("https://")
    }

    pub(super) fn certs(&self) -> PathBuf {
        self.folder.path().join("certs")
    }

    /// As whoever shows this certificate, or none.
    pub(super) async fn dial(&self, who: Option<&Identity>) -> Result<Channel, Error> {
        let ca = std::fs::read(self.certs().join("ca.pem")).unwrap();
        let identity = who.map(|who| (who.certificate.as_slice(), who.key.as_slice()));
        endpoint(&self.url, &Dialer { ca: &ca, identity }).unwrap().connect().await
    }

    pub(super) async fn token(&self, name: &str, role: Role, tenant: &str) -> String {
        let store = &self.coordinator.store;
        tokens::create(store, name, role, &scope(tenant), 0, 1).await.unwrap().1
    }

    /// Of tenant blue; its base is one of blue's blobs.
    pub(super) async fn session(&self) {
        crate::dispatch::tests::submit_for(&self.coordinator, SESSION, "blue").await;
        let state = v1::WorkerState {
            id: "wb/boot".into(),
            name: "wb".into(),
            scope: Some(scope("blue").to_wire()),
            heard: arena_runtime::clock::now_millis(),
            running: vec![format!("{SESSION}/a/1/implement")],
            ..v1::WorkerState::default()
        };
        crate::fleet::register(&self.coordinator.store, vec![state]).await.unwrap();
    }

    /// From here on until it is dropped nothing can be written.
    pub(super) fn locked(&self) -> rusqlite::Connection {
        let database = rusqlite::Connection::open(self.folder.path().join("state/arena.db")).unwrap();
        database.execute_batch("BEGIN IMMEDIATE").unwrap();
        database
    }

    /// What was refused: who, what, and why.
    pub(super) async fn refusals(&self) -> Vec<(String, String, String)> {
        let entries = audit::read(&self.coordinator.store, 0).await.unwrap();
        let refused = entries.into_iter().filter(|entry| !entry.allowed);
        refused.map(|entry| (entry.who, entry.action, entry.detail)).collect()
    }
}
