//! The services of a team on a real address: TLS, limits, health, and an end that hands over.

mod accept;
mod seats;
mod turns;

use crate::access::Gate;
use crate::api::{self, Desk};
use crate::dispatch::Coordinator;
use accept::Accept;
use arena_runtime::config::{ClientCertificates, CoordinatorConfig};
use arena_runtime::tasks::{self, Tasks};
use arena_runtime::tls::{self, Identity, TlsError};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

/// A peer that is silent for so long is asked whether it is there, and has as long to answer.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// Between two looks at the list of revoked certificates.
const LIST: Duration = Duration::from_secs(2);
/// Bytes of all headers of one call.
const MAX_HEADERS: u32 = 32 << 10;
/// Calls that a peer opened and broke off, before its connection is closed.
const MAX_RESETS: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("[coordinator] listen: {address}: {reason}")]
    Listen { address: String, reason: io::Error },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("the services ended: {0}")]
    Transport(#[from] tonic::transport::Error),
    #[error("the description of the services: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// A coordinator that listens, before it serves.
pub struct Service {
    coordinator: Coordinator,
    config: CoordinatorConfig,
    listener: TcpListener,
    tls: Arc<tls::Server>,
    address: SocketAddr,
}

impl Service {
    /// `revoked`: the list of certificates that its authority has taken back, where there is one.
    pub async fn bind(
        coordinator: Coordinator,
        config: CoordinatorConfig,
        who: &Identity,
        revoked: Option<PathBuf>,
    ) -> Result<Self, ServeError> {
        let required = config.client_certificates == ClientCertificates::Required;
        let tls = Arc::new(tls::Server::new(who, required, revoked)?);
        let refused = |reason| ServeError::Listen { address: config.listen.clone(), reason };
        let listener = TcpListener::bind(&config.listen).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Self { coordinator, config, listener, tls, address })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Until `stop`; then nothing new is taken, streams are handed over, and calls have their time to end.
    pub async fn run(self, stop: CancellationToken) -> Result<(), ServeError> {
        let Self { coordinator, config, listener, tls, address: _ } = self;
        let gate = Gate::team(coordinator.store.clone(), config.rates, tls.clone());
        let mut looking = Tasks::default();
        looking.spawn(look(tls.clone()));
        let (health, health_service) = tonic_health::server::health_reporter();
        health.set_service_status("", tonic_health::ServingStatus::Serving).await;
        let server = Server::builder()
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(8 << 20)
            .max_concurrent_streams(config.streams)
            .http2_keepalive_interval(Some(KEEPALIVE))
            .http2_keepalive_timeout(Some(KEEPALIVE))
            .http2_max_pending_accept_reset_streams(Some(MAX_RESETS))
            .http2_max_header_list_size(MAX_HEADERS);
        let desk = Desk { coordinator: coordinator.clone(), gate: gate.clone() };
        // Whoever reaches the port may read what can be asked: it is in the sources, and tells nothing of any tenant.
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(arena_proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .build_v1()?;
        let router = api::services(server, desk).add_service(health_service).add_service(reflection);
        let ended = CancellationToken::new();
        let keeper = tasks::spawn(coordinator.clone().keep(ended.clone()));
        let sweeper = tasks::spawn(coordinator.clone().keep_blobs(ended.clone()));
        let incoming = Accept { listener, tls, gate, limits: (&config).into() }.connections(stop.clone());
        let serving = router.serve_with_incoming_shutdown(incoming, stop.cancelled());
        tokio::pin!(serving);
        let served = tokio::select! {
            served = &mut serving => served,
            () = stop.cancelled() => {
                health.set_service_status("", tonic_health::ServingStatus::NotServing).await;
                coordinator.close();
                // Whoever does not end in its time is cut off: what matters is durable.
                tokio::time::timeout(config.drain, serving).await.unwrap_or(Ok(()))
            },
        };
        ended.cancel();
        let _ = tokio::join!(keeper, sweeper);
        Ok(served?)
    }
}

/// What was revoked meanwhile; a folder that hangs holds up nothing but this.
async fn look(tls: Arc<tls::Server>) {
    loop {
        tokio::time::sleep(LIST).await;
        let tls = tls.clone();
        if let Err(error) = tokio::task::spawn_blocking(move || tls.look()).await {
            tracing::error!(%error, "the list of revoked certificates was not looked at");
        }
    }
}
