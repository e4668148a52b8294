//! The one way out of a sandbox: a loopback port that ends at a socket of the host, or nothing at all.

use super::super::{BROKER_PORT, BROKER_SOCKET};
use super::{Bench, Spec, text};
use arena_domain::outcome::Exit;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

/// Answers `hello NAME` to whoever sends a name and finishes.
fn greet(folder: &Path) {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    let socket = folder.join(BROKER_SOCKET);
    let listener = UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o666)).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut name = String::new();
            stream.read_to_string(&mut name).unwrap();
            stream.write_all(format!("hello {name}").as_bytes()).unwrap();
        }
    });
}

/// Talks to the port and tries what else there might be: the rest of the host, a name server, writing beside the socket.
const SCRIPT: &str = r#"
import os, socket, sys
def said(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as near:
            near.sendall(b"engine"); near.shutdown(socket.SHUT_WR)
            return near.makefile().read()
    except OSError as error:
        return type(error).__name__
def reaches(address):
    try:
        socket.create_connection(address, 2); return "reached"
    except OSError:
        return "unreachable"
def writes(path):
    try:
        open(path, "w"); return "written"
    except OSError:
        return "refused"
def removes(path):
    try:
        os.remove(path); return "removed"
    except OSError:
        return "kept"
print(said(int(sys.argv[1])), reaches(("172.17.0.1", 22)), reaches(("1.1.1.1", 53)),
      writes("/arena/broker/x"), removes("/arena/broker/socket"))
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_way_out_leads_to_the_socket_and_nowhere_else() {
    let Some(bench) = Bench::open().await else { return };
    let folder = tempfile::tempdir().unwrap();
    greet(folder.path());
    let port = BROKER_PORT.to_string();
    let command = ["python3", "-c", SCRIPT, &port];
    let open = Spec { way_out: Some(folder.path().to_owned()), ..bench.spec(&command) };
    let finished = bench.run(&open).await;
    assert_eq!(text(&finished.stdout).trim(), "hello engine unreachable unreachable refused kept");
    assert_eq!(finished.exit, Exit::Code(0));
    let closed = bench.run(&bench.spec(&command)).await;
    assert!(text(&closed.stdout).starts_with("ConnectionRefusedError unreachable unreachable"), "{:?}", closed.stdout);
    bench.close().await;
}
