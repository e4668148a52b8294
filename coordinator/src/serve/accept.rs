//! From a socket to a caller: handshakes under a limit of their own, so that a slow or hostile peer holds up nobody.

use crate::access::{Gate, Peer};
use arena_runtime::config::CoordinatorConfig;
use arena_runtime::tasks::Tasks;
use arena_runtime::tls::Name;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

/// After an error of the listener itself, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Limits {
    connections: usize,
    handshakes: usize,
    handshake: Duration,
}

impl From<&CoordinatorConfig> for Limits {
    fn from(config: &CoordinatorConfig) -> Self {
        Self {
            connections: config.connections as usize,
            handshakes: config.handshakes as usize,
            handshake: config.handshake,
        }
    }
}

pub(super) struct Accept {
    pub(super) listener: TcpListener,
    pub(super) tls: Arc<ServerConfig>,
    pub(super) gate: Gate,
    pub(super) limits: Limits,
}

/// A connection whose peer is known.
pub(super) struct Secured {
    stream: TlsStream<TcpStream>,
    peer: Peer,
    _slot: OwnedSemaphorePermit,
}

impl Accept {
    /// Connections whose handshake is done, until `stop`.
    pub(super) fn connections(self, stop: CancellationToken) -> ReceiverStream<io::Result<Secured>> {
        let (ready, incoming) = mpsc::channel(16);
        drop(arena_runtime::tasks::spawn(async move {
            tokio::select! {
                () = self.listen(ready) => {},
                () = stop.cancelled() => {},
            }
        }));
        ReceiverStream::new(incoming)
    }

    async fn listen(self, ready: mpsc::Sender<io::Result<Secured>>) {
        let slots = Arc::new(Semaphore::new(self.limits.connections));
        let handshakes = Arc::new(Semaphore::new(self.limits.handshakes));
        let acceptor = TlsAcceptor::from(self.tls);
        let mut tasks = Tasks::default();
        loop {
            // Both before the next socket is taken: what is too much waits in the kernel's queue.
            let (Ok(slot), Ok(turn)) = (slots.clone().acquire_owned().await, handshakes.clone().acquire_owned().await)
            else {
                return;
            };
            let (socket, address) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let (acceptor, gate, ready, longest) =
                (acceptor.clone(), self.gate.clone(), ready.clone(), self.limits.handshake);
            tasks.spawn(async move {
                let shaken = tokio::time::timeout(longest, shake(&acceptor, socket, address)).await;
                drop(turn);
                match shaken {
                    Ok(Ok((stream, peer))) => drop(ready.send(Ok(Secured { stream, peer, _slot: slot })).await),
                    Ok(Err(error)) => refuse(&gate, address, &error.to_string()).await,
                    Err(_) => refuse(&gate, address, "it did not come to its end in time").await,
                }
            });
        }
    }
}

async fn refuse(gate: &Gate, address: SocketAddr, why: &str) {
    gate.refused(&address.ip().to_string(), "handshake", "", "", why).await;
}

async fn shake(
    acceptor: &TlsAcceptor,
    socket: TcpStream,
    address: SocketAddr,
) -> io::Result<(TlsStream<TcpStream>, Peer)> {
    socket.set_nodelay(true)?;
    let stream = acceptor.accept(socket).await?;
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let name = match shown {
        None => None,
        Some(certificate) => match Name::of(certificate) {
            Some(name) => Some(name),
            None => return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the certificate names nobody")),
        },
    };
    let peer = Peer { address, name };
    Ok((stream, peer))
}

impl Connected for Secured {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Secured {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Secured {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
