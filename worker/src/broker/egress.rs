//! Other places than providers: those that the packet lists, exactly, when they are public.

use super::answer::{Answer, Body, whole};
use super::bodies;
use super::desk::{Desk, authority};
use super::exchange::{End, Exchange};
use super::refusal::Refusal;
use super::{headers, pin};
use arena_runtime::config::Api;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const DIAL: Duration = Duration::from_secs(10);
const CHUNK: usize = 64 << 10;

/// A tunnel that begins when the answer to its CONNECT has gone out.
pub(super) struct Tunnel {
    upgrade: OnUpgrade,
    stream: TcpStream,
    exchange: Exchange,
}

/// Where a connection finds its tunnel.
pub(super) type Slot = Arc<Mutex<Option<Tunnel>>>;

pub(super) async fn connect(desk: &Arc<Desk>, mut request: Request<Incoming>, slot: &Slot) -> Response<Body> {
    let place = request.uri().authority().map(ToString::to_string).unwrap_or_default();
    let mut exchange = Exchange::new(desk, "CONNECT", &place);
    let stream = match dial(desk, &place).await {
        Ok(stream) => stream,
        Err(refusal) => return exchange.refuse(None, &refusal),
    };
    exchange.begins(StatusCode::OK);
    let tunnel = Tunnel { upgrade: hyper::upgrade::on(&mut request), stream, exchange };
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(tunnel);
    Response::new(whole(Bytes::new()))
}

/// The listed place's one address, looked up once and connected to by number.
async fn dial(desk: &Desk, place: &str) -> Result<TcpStream, Refusal> {
    let Some((host, port)) = authority(place).filter(|place| desk.egress.contains(place)) else {
        return Err(Refusal::forbidden("arena: the packet's `egress` does not list this host and port"));
    };
    if !desk.books.bytes(0, 0) {
        return Err(Refusal::exhausted());
    }
    let address = match desk.broker.settings.hosts.get(&host) {
        Some(address) => *address,
        None => looked_up(&host, port).await?,
    };
    match tokio::time::timeout(DIAL, TcpStream::connect(SocketAddr::new(address, port))).await {
        Ok(Ok(stream)) => {
            // Only latency is at stake.
            let _ = stream.set_nodelay(true);
            Ok(stream)
        }
        Ok(Err(_)) | Err(_) => Err(Refusal::new(StatusCode::BAD_GATEWAY, "arena: the place cannot be reached", None)),
    }
}

async fn looked_up(host: &str, port: u16) -> Result<IpAddr, Refusal> {
    let found = tokio::time::timeout(DIAL, tokio::net::lookup_host((host, port))).await;
    let found: Vec<IpAddr> = match found {
        Ok(Ok(found)) => found.map(|address| address.ip()).collect(),
        Ok(Err(_)) | Err(_) => {
            return Err(Refusal::new(StatusCode::BAD_GATEWAY, "arena: the name cannot be looked up", None));
        }
    };
    pin::pinned(&found).map_err(|reason| Refusal::forbidden(format!("arena: {reason}")))
}

impl Tunnel {
    /// Until one side ends, or the bytes of the job are used up.
    pub(super) async fn run(self) {
        let Self { upgrade, stream, exchange } = self;
        let Ok(engine) = upgrade.await else { return };
        let (mut from_engine, mut to_engine) = tokio::io::split(TokioIo::new(engine));
        let (mut from_place, mut to_place) = stream.into_split();
        let exchange = Mutex::new(exchange);
        let count = |up, down| exchange.lock().unwrap_or_else(PoisonError::into_inner).passed(up, down);
        let upwards = pump(&mut from_engine, &mut to_place, |bytes| count(bytes, 0));
        let downwards = pump(&mut from_place, &mut to_engine, |bytes| count(0, bytes));
        // The one that meets a limit or an error ends the other too.
        let _ = tokio::try_join!(upwards, downwards);
        exchange.into_inner().unwrap_or_else(PoisonError::into_inner).end(End::Finished);
    }
}

/// An error ends the tunnel: a limit, or a side that is gone.
async fn pump(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    fits: impl Fn(u64) -> bool,
) -> std::io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = from.read(&mut chunk).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        if !fits(read as u64) {
            return Err(std::io::ErrorKind::QuotaExceeded.into());
        }
        to.write_all(&chunk[..read]).await?;
    }
}

/// Plain HTTP by a proxy's absolute form.
pub(super) async fn forward(desk: &Arc<Desk>, request: Request<Incoming>) -> Response<Body> {
    let place = place(request.uri());
    let mut exchange = Exchange::new(desk, request.method().as_str(), &place);
    if request.uri().scheme_str() != Some("http") {
        return exchange.refuse(None, &Refusal::forbidden("arena: use CONNECT for anything but http"));
    }
    let stream = match dial(desk, &place).await {
        Ok(stream) => stream,
        Err(refusal) => return exchange.refuse(None, &refusal),
    };
    match ask(desk, &mut exchange, stream, request, &place).await {
        Ok(response) => {
            let (parts, body) = response.into_parts();
            exchange.begins(parts.status);
            let (redact, idle) = (desk.broker.secrets.redactor().stream(), desk.broker.settings.limits.idle);
            let mut response = Response::new(Answer::body(body, exchange, redact, idle, None::<Api>));
            *response.status_mut() = parts.status;
            *response.headers_mut() = headers::end_to_end(&parts.headers);
            response
        }
        Err(refusal) => exchange.refuse(None, &refusal),
    }
}

fn place(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default();
    format!("{host}:{}", uri.port_u16().unwrap_or(80))
}

async fn ask(
    desk: &Desk,
    exchange: &mut Exchange,
    stream: TcpStream,
    request: Request<Incoming>,
    place: &str,
) -> Result<Response<Incoming>, Refusal> {
    let broken = |_| Refusal::new(StatusCode::BAD_GATEWAY, "arena: the place broke the connection", None);
    let (parts, body) = request.into_parts();
    let (body, _held) = bodies::read(&desk.bodies, &desk.broker.bodies, body).await?;
    if !exchange.bytes_up(body.len() as u64) {
        return Err(Refusal::exhausted());
    }
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = parts.method;
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse().map_err(|_| Refusal::forbidden("arena: this address cannot be asked"))?;
    *request.headers_mut() = headers::to_place(&parts.headers);
    let host = HeaderValue::from_str(place).map_err(|_| Refusal::forbidden("arena: this is no host"))?;
    request.headers_mut().insert(HOST, host);
    let idle = desk.broker.settings.limits.idle;
    let silent = |_| Refusal::new(StatusCode::GATEWAY_TIMEOUT, "arena: the place was silent for too long", None);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    desk.side.lock().unwrap_or_else(PoisonError::into_inner).spawn(async move {
        // Its end is seen by whoever reads the answer.
        let _ = connection.await;
    });
    tokio::time::timeout(idle, sender.send_request(request)).await.map_err(silent)?.map_err(broken)
}
