//! A coordinator of a version that speaks no wire of this one's: it shakes hands as one of the team, and refuses every worker.

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

impl Older {
    /// As the holder of the coordinator's certificate in this folder.
    pub fn start(certs: &Path) -> Self {
        let read = |name: &str| std::fs::read(certs.join(name)).expect("a certificate");
        let identity = Identity::from_pem(read("coordinator.pem"), read("coordinator.key"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel::<()>();
        let asked = Arc::<AtomicUsize>::default();
        let refusing = Refusing(asked.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let incoming = TcpListenerStream::new(tokio::net::TcpListener::from_std(listener).expect("a socket"));
                let server = Server::builder()
                    .tls_config(ServerTlsConfig::new().identity(identity))
                    .expect("an identity")
                    .add_service(WorkersServer::new(refusing))
                    .serve_with_incoming(incoming);
                tokio::select! {
                    served = server => served.expect("a server"),
                    _ = stopped => {}
                }
            });
        });
        Self { address, stop: Some(stop), thread: Some(thread), asked }
    }

    /// How often a worker asked it.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
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
