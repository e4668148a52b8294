//! The way out: a port on the sandbox's own loopback interface, carried byte for byte to the broker's socket.
//!
//! Nothing is read or decided here; what may pass is the broker's business, at the other end of the socket.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Builder;

/// Each connection takes two threads, which count among the processes of the sandbox.
const CONNECTIONS: usize = 96;
/// A thread of this kind only moves bytes.
const STACK: usize = 64 << 10;
const BUFFER: usize = 32 << 10;

/// Listens before the command starts, so that its first connection already finds somebody.
pub(crate) fn start(port: u16, socket: &str) -> Result<(), String> {
    let wrong = |error: io::Error| format!("cannot listen on port {port}: {error}");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(wrong)?;
    let socket: Arc<str> = socket.into();
    Builder::new().stack_size(STACK).spawn(move || serve(&listener, &socket)).map_err(wrong)?;
    Ok(())
}

fn serve(listener: &TcpListener, socket: &Arc<str>) {
    let open = Arc::new(AtomicUsize::new(0));
    for near in listener.incoming().flatten() {
        if open.load(Ordering::Relaxed) >= CONNECTIONS {
            // Closed at once: a client that is told so can try again, one that waits cannot know.
            continue;
        }
        open.fetch_add(1, Ordering::Relaxed);
        let (socket, held) = (socket.clone(), Held(open.clone()));
        // Without another thread the connection is closed by being dropped.
        drop(Builder::new().stack_size(STACK).spawn(move || {
            carry(near, &socket).ok();
            drop(held);
        }));
    }
}

struct Held(Arc<AtomicUsize>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn carry(near: TcpStream, socket: &str) -> io::Result<()> {
    near.set_nodelay(true)?;
    let far = UnixStream::connect(socket)?;
    let (mut up_from, mut up_to) = (near.try_clone()?, far.try_clone()?);
    let up = Builder::new().stack_size(STACK).spawn(move || {
        pump(&mut up_from, &mut up_to);
        up_to.shutdown(Shutdown::Write).ok();
    })?;
    let (mut down_from, mut down_to) = (far.try_clone()?, near.try_clone()?);
    pump(&mut down_from, &mut down_to);
    // The broker has said all: whoever still sends sends to nobody.
    down_to.shutdown(Shutdown::Both).ok();
    far.shutdown(Shutdown::Both).ok();
    up.join().ok();
    Ok(())
}

fn pump(from: &mut impl Read, to: &mut impl Write) {
    let mut buffer = vec![0; BUFFER];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(many) => {
                if to.write_all(&buffer[..many]).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    /// Answers each connection with all that it sent, backwards, once the sender has finished.
    fn echo(listener: UnixListener) {
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut said = Vec::new();
                stream.read_to_end(&mut said).unwrap();
                said.reverse();
                stream.write_all(&said).unwrap();
            }
        });
    }

    #[test]
    fn bytes_pass_both_ways_and_the_end_of_each_way_is_passed_on() {
        let socket = std::env::temp_dir().join(format!("arena-relay-{}.sock", std::process::id()));
        echo(UnixListener::bind(&socket).unwrap());
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        start(free, socket.to_str().unwrap()).unwrap();
        for many in [0usize, 1, 3 << 20] {
            let sent: Vec<u8> = (0..many).map(|at| (at % 251) as u8).collect();
            let mut near = TcpStream::connect((Ipv4Addr::LOCALHOST, free)).unwrap();
            near.write_all(&sent).unwrap();
            near.shutdown(Shutdown::Write).unwrap();
            let mut heard = Vec::new();
            near.read_to_end(&mut heard).unwrap();
            heard.reverse();
            assert!(heard == sent, "{many} bytes");
        }
        std::fs::remove_file(&socket).unwrap();
    }
}
