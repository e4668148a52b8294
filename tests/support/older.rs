//! A coordinator of a version that speaks no wire of this one's: it shakes hands as one of the team, and refuses every worker.
//! It answers what people ask, except what only later versions know.

use arena_proto::v1;
use arena_proto::v1::fleet_server::{Fleet, FleetServer};
use arena_proto::v1::workers_server::{Workers, WorkersServer};
use arena_proto::v1::{Down, Up};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use tokio::sync::oneshot;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

/// As a coordinator says it.
pub const REFUSAL: &str = "this coordinator (9.9.9) 9 to 9; install arena 9.9.9 for the worker";

/// Ends when dropped.
pub struct Older {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    asked: Arc<AtomicUsize>,
    acted: Arc<AtomicUsize>,
}

struct Refusing(Arc<AtomicUsize>);

#[tonic::async_trait]
impl Workers for Refusing {
    type AttachStream = ReceiverStream<Result<Down, Status>>;

    async fn attach(&self, _: Request<Streaming<Up>>) -> Result<Response<Self::AttachStream>, Status> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Err(Status::failed_precondition(REFUSAL))
    }
}

/// Counts what would change something.
struct Before(Arc<AtomicUsize>);

impl Before {
    fn acts<T: Default>(&self) -> Result<Response<T>, Status> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(Response::new(T::default()))
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Fleet for Before {
    type AuditStream = ReceiverStream<Result<v1::AuditEntry, Status>>;

    async fn workers(&self, _: Request<v1::WorkersRequest>) -> Answer<v1::WorkersResponse> {
        let one = v1::WorkerState { id: "one/boot".into(), name: "one".into(), ..v1::WorkerState::default() };
        Ok(Response::new(v1::WorkersResponse { workers: vec![one] }))
    }

    async fn drain_worker(&self, _: Request<v1::DrainWorkerRequest>) -> Answer<v1::WorkersResponse> {
        self.acts()
    }

    async fn queue(&self, _: Request<v1::QueueRequest>) -> Answer<v1::QueueResponse> {
        Ok(Response::new(v1::QueueResponse::default()))
    }

    async fn dead(&self, _: Request<v1::DeadRequest>) -> Answer<v1::DeadResponse> {
        let job = |id: &str, held| v1::DeadJob { id: id.into(), held, ..v1::DeadJob::default() };
        Ok(Response::new(v1::DeadResponse { jobs: vec![job("held", true), job("told", false)] }))
    }

    async fn requeue(&self, _: Request<v1::RequeueRequest>) -> Answer<v1::RequeueResponse> {
        self.acts()
    }

    async fn create_token(&self, _: Request<v1::CreateTokenRequest>) -> Answer<v1::CreateTokenResponse> {
        self.acts()
    }

    async fn list_tokens(&self, _: Request<v1::ListTokensRequest>) -> Answer<v1::ListTokensResponse> {
        let one = v1::Token { id: "0123456789ab".into(), name: "vic".into(), ..v1::Token::default() };
        Ok(Response::new(v1::ListTokensResponse { tokens: vec![one] }))
    }

    async fn revoke_token(&self, _: Request<v1::RevokeTokenRequest>) -> Answer<v1::Token> {
        self.acts()
    }

    async fn dry_run(&self, _: Request<v1::DryRunRequest>) -> Answer<v1::DryRunResponse> {
        Err(Status::unimplemented(""))
    }

    async fn audit(&self, _: Request<v1::AuditRequest>) -> Answer<Self::AuditStream> {
        Err(Status::unimplemented(""))
    }
}

impl Older {
    /// As the holder of the coordinator's certificate in this folder.
    pub fn start(certs: &Path) -> Self {
        let read = |name: &str| std::fs::read(certs.join(name)).expect("a certificate");
        let identity = Identity::from_pem(read("coordinator.pem"), read("coordinator.key"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel::<()>();
        let (asked, acted) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (refusing, before) = (Refusing(asked.clone()), Before(acted.clone()));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let incoming = TcpListenerStream::new(tokio::net::TcpListener::from_std(listener).expect("a socket"));
                let server = Server::builder()
                    .tls_config(ServerTlsConfig::new().identity(identity))
                    .expect("an identity")
                    .add_service(WorkersServer::new(refusing))
                    .add_service(FleetServer::new(before))
                    .serve_with_incoming(incoming);
                tokio::select! {
                    served = server => served.expect("a server"),
                    _ = stopped => {}
                }
            });
        });
        Self { address, stop: Some(stop), thread: Some(thread), asked, acted }
    }

    /// How often a worker asked it.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// How often a person had it change something.
    pub fn acted(&self) -> usize {
        self.acted.load(Ordering::Relaxed)
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }
}

impl Drop for Older {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
