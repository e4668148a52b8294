//! A Docker socket that can be cut: every connection is passed on to the real one until then.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) struct Proxy {
    pub path: PathBuf,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    cut: bool,
    open: Vec<UnixStream>,
}

impl Proxy {
    pub(crate) fn start(folder: &Path) -> Self {
        let path = folder.join("docker.sock");
        let listener = UnixListener::bind(&path).expect("a socket");
        let shared = Arc::new(Mutex::new(Shared::default()));
        let inner = shared.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let Ok(far) = UnixStream::connect("/var/run/docker.sock") else { return };
                let mut shared = inner.lock().unwrap_or_else(PoisonError::into_inner);
                if shared.cut {
                    return;
                }
                shared.open.extend([near.try_clone().expect("a socket"), far.try_clone().expect("a socket")]);
                drop(shared);
                let (back_near, back_far) = (near.try_clone().expect("a socket"), far.try_clone().expect("a socket"));
                std::thread::spawn(move || pass(near, far));
                std::thread::spawn(move || pass(back_far, back_near));
            }
        });
        Self { path, shared }
    }

    /// For `DOCKER_HOST`.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    /// All connections break, and nobody answers any more.
    pub(crate) fn cut(&self) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.cut = true;
        std::fs::remove_file(&self.path).expect("the socket");
        for stream in shared.open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn pass(mut from: UnixStream, mut to: UnixStream) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read) = from.read(&mut buffer) {
        if read == 0 || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    // The other direction may have more to say: an attached container gets its end of input this way.
    let _ = to.shutdown(Shutdown::Write);
}
