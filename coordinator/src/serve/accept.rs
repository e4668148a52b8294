//! From a socket to a caller: handshakes under a limit of their own, so that a slow or hostile peer holds up nobody.

use super::seats::{Seat, Seats};
use super::turns::Turns;
use crate::access::{Gate, HANDSHAKE, Peer};
use arena_runtime::config::CoordinatorConfig;
use arena_runtime::tasks::Tasks;
use arena_runtime::tls::{Server, Shown, telling};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
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
    pub(super) tls: Arc<Server>,
    pub(super) gate: Gate,
    pub(super) limits: Limits,
}

/// A connection whose peer is known.
pub(super) struct Secured {
    stream: TlsStream<TcpStream>,
    peer: Peer,
    /// Until it has said something: a peer that shook hands and is silent is let go.
    silence: Option<Pin<Box<Sleep>>>,
    _slot: OwnedSemaphorePermit,
    _seat: Option<Seat>,
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
        let turns = Turns::of(self.limits.handshakes);
        let (arriving, strangers) = (Seats::of(self.limits.connections), Seats::of(self.limits.connections));
        let mut tasks = Tasks::default();
        loop {
            // Before the next socket is taken: what is too much waits in the kernel's queue.
            let Ok(slot) = slots.clone().acquire_owned().await else { return };
            let (socket, address) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            // Whoever opens more than its part is let go without a word.
            let Some(arrived) = arriving.seat(address.ip()) else { continue };
            // By what is revoked now.
            let acceptor = TlsAcceptor::from(self.tls.config());
            let (gate, ready, strangers, turns, longest) =
                (self.gate.clone(), ready.clone(), strangers.clone(), turns.clone(), self.limits.handshake);
            tasks.spawn(async move {
                let handshake = async {
                    let _turn = turns.turn(address.ip()).await;
                    shake(&acceptor, socket, address).await
                };
                let (shaken, shown) = telling(tokio::time::timeout(longest, handshake)).await;
                drop(arrived);
                let (stream, peer) = match shaken {
                    Ok(Ok(secured)) => secured,
                    Ok(Err(error)) => {
                        // What it says of itself: of another authority's, that is all there is.
                        let of = shown.map(|one| {
                            format!("; a certificate of {} {}, {}", one.name.kind.as_str(), one.name.name, one.serial)
                        });
                        return refuse(&gate, address, &format!("{error}{}", of.unwrap_or_default())).await;
                    }
                    Err(_) => return refuse(&gate, address, "it did not come to its end in time").await,
                };
                let seat = match &peer.shown {
                    Some(_) => None,
                    None => match strangers.seat(address.ip()) {
                        Some(seat) => Some(seat),
                        None => return refuse(&gate, address, "too many connections without a certificate").await,
                    },
                };
                let silence = Some(Box::pin(tokio::time::sleep(longest)));
                drop(ready.send(Ok(Secured { stream, peer, silence, _slot: slot, _seat: seat })).await);
            });
        }
    }
}

async fn refuse(gate: &Gate, address: SocketAddr, why: &str) {
    gate.refused(&address.ip().to_string(), HANDSHAKE, "", "", why).await;
}

async fn shake(
    acceptor: &TlsAcceptor,
    socket: TcpStream,
    address: SocketAddr,
) -> io::Result<(TlsStream<TcpStream>, Peer)> {
    socket.set_nodelay(true)?;
    let stream = acceptor.accept(socket).await?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let shown = match certificate {
        None => None,
        Some(certificate) => match Shown::of(certificate) {
            Some(shown) => Some(shown),
            None => return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the certificate names nobody")),
        },
    };
    let peer = Peer { address, shown };
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
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.silence = None;
        }
        if read.is_pending()
            && let Some(silence) = &mut self.silence
            && silence.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
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
