//! The socket of one job: who connects to it is that job, whatever it says.

use super::answer::Body;
use super::desk::Desk;
use super::egress::{self, Slot};
use super::policy::OpenError;
use super::proxy;
use arena_domain::ending::Trouble;
use arena_domain::outcome::Usage;
use arena_runtime::tasks::{self, Tasks};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// At a time; one more is closed at once.
const MOST_CONNECTIONS: usize = 256;
const MOST_HEADERS: usize = 100;
const MOST_HEADER_BYTES: usize = 32 << 10;
/// What is written before it is flushed: a provider that never pauses must not hold back its first byte.
const BUFFER: usize = 32 << 10;
/// For a request's headers to come; longer than engines keep a connection that they do not use.
const HEADER_TIME: Duration = Duration::from_secs(120);
/// Between two looks at whether the socket is still there: one call of the system each.
const LOOK: Duration = Duration::from_secs(1);

/// What a job used, when its door has closed.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// With what earlier runs of the job spent before they were killed, and as much as answers that the broker ended can
    /// have cost. A sum that lacks a part is unknown; all of it is for a job without a provider.
    pub usage: Usage,
    /// Of this run alone and by the provider's word alone; unknown where a part of it is.
    pub run: Usage,
    /// What the provider did say, which may be less than all.
    pub metered: Usage,
    /// Answers of which the provider did not say what they cost.
    pub unmetered: u64,
    /// That were sent to the provider and could cost.
    pub requests: u64,
    /// That the broker refused or ended.
    pub refused: u64,
    pub bytes_up: u64,
    pub bytes_down: u64,
    /// That were asked for an answer.
    pub models: BTreeSet<String>,
    /// The last thing that the engine could not get over.
    pub trouble: Option<Trouble>,
    /// One JSON object a line.
    pub audit: Vec<u8>,
}

/// Open until it is closed or dropped.
#[derive(Debug)]
pub struct Door {
    desk: Arc<Desk>,
    folder: Folder,
    closing: CancellationToken,
    serving: Option<JoinHandle<()>>,
    /// The socket's number in its file system: another one at its place is not this door's.
    inode: u64,
}

/// Gone with its owner.
#[derive(Debug)]
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, folder = %self.0.display(), "a socket's folder stays");
        }
    }
}

impl Door {
    /// The name of the socket in its folder.
    pub const SOCKET: &str = crate::sandbox::BROKER_SOCKET;

    pub(super) fn open(desk: Arc<Desk>, below: &Path) -> Result<Self, OpenError> {
        let folder = Folder(below.join(format!("door-{}", arena_runtime::token::hex(12))));
        fs::create_dir_all(&folder.0)?;
        // Nobody else on this machine comes to a socket by its path: a container has its folder by a mount of Docker's.
        fs::set_permissions(below, fs::Permissions::from_mode(0o700))?;
        let listener = bind(&folder.0)?;
        let inode = fs::symlink_metadata(folder.0.join(Self::SOCKET))?.ino();
        let closing = CancellationToken::new();
        let serving = tasks::spawn(serve(desk.clone(), listener, closing.clone()));
        Ok(Self { desk, folder, closing, serving: Some(serving), inode })
    }

    /// Holds nothing but the socket; to be mounted read-only.
    pub fn socket_dir(&self) -> &Path {
        &self.folder.0
    }

    /// What has been used so far stops the engine, or could.
    pub fn trouble(&self) -> Option<Trouble> {
        self.desk.books.trouble_now()
    }

    /// Somebody could come in. A socket may be taken away by whatever tidies folders up, and then its engine is alone.
    pub fn stands(&self) -> bool {
        let serves = self.serving.as_ref().is_some_and(|serving| !serving.is_finished());
        let found = fs::symlink_metadata(self.folder.0.join(Self::SOCKET));
        serves && found.is_ok_and(|found| found.ino() == self.inode)
    }

    /// Ends when the door does not stand any more though nobody closed it.
    pub async fn falls(&self) {
        while self.stands() {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Cuts what still runs, takes the socket away and says what was used.
    pub async fn close(mut self) -> Account {
        self.closing.cancel();
        if let Some(serving) = self.serving.take()
            && let Err(error) = serving.await
        {
            tracing::error!(%error, "a door's task failed");
        }
        let mut side = std::mem::take(&mut *self.desk.side.lock().unwrap_or_else(PoisonError::into_inner));
        side.stop().await;
        self.desk.books.account(self.desk.provider.is_some())
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

/// Any user that comes so far may connect: the folder is mounted into one container alone, and lies in one that is closed.
fn bind(folder: &Path) -> std::io::Result<UnixListener> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    // The path of a socket may have 107 bytes; a folder may lie deeper than that.
    let opened = fs::File::open(folder)?;
    let short = format!("/proc/self/fd/{}/{}", opened.as_raw_fd(), Door::SOCKET);
    let listener = std::os::unix::net::UnixListener::bind(short)?;
    fs::set_permissions(folder.join(Door::SOCKET), fs::Permissions::from_mode(0o666))?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

async fn serve(desk: Arc<Desk>, listener: UnixListener, closing: CancellationToken) {
    let mut connections = Tasks::default();
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            () = closing.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            // Out of descriptors, most likely: others have to end first.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Ok(place) = room.clone().try_acquire_owned() else { continue };
        let desk = desk.clone();
        connections.spawn(async move {
            connection(&desk, stream).await;
            drop(place);
        });
    }
    drop(listener);
    connections.stop().await;
}

async fn connection(desk: &Arc<Desk>, stream: UnixStream) {
    let slot = Slot::default();
    let service = service_fn(|request| {
        let (desk, slot) = (desk.clone(), slot.clone());
        async move { Ok::<_, Infallible>(handle(&desk, request, &slot).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_headers(MOST_HEADERS)
        .max_header_size(MOST_HEADER_BYTES)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection of an engine ended");
    }
    let tunnel = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(tunnel) = tunnel {
        tunnel.run().await;
    }
}

async fn handle(desk: &Arc<Desk>, request: Request<Incoming>, slot: &Slot) -> Response<Body> {
    if request.method() == Method::CONNECT {
        egress::connect(desk, request, slot).await
    } else if request.uri().authority().is_some() {
        egress::forward(desk, request).await
    } else {
        proxy::provide(desk, request).await
    }
}
