//! The processes of the bench: a Redis, and coordinators with the certificates of an authority of their own.

use crate::figures::Memory;
use crate::{Fallible, limits};
use arena_coordinator::Coordinator;
use arena_coordinator::blobs::Blobs;
use arena_coordinator::serve::Service;
use arena_coordinator::store::{RedisSettings, Store};
use arena_runtime::config::{ClientCertificates, CoordinatorConfig, Rates};
use arena_runtime::tls::{Authority, Identity, Kind, Name, Reach, Wanted};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const COORDINATORS: usize = 2;

/// Ends with the bench.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) struct Redis {
    process: Process,
    pub(crate) url: String,
}

impl Redis {
    pub(crate) fn start(folder: &Path) -> Fallible<Self> {
        let socket = folder.join("redis.sock");
        let child = Command::new("redis-server")
            .args(["--port", "0", "--appendonly", "yes", "--maxmemory-policy", "noeviction", "--save", ""])
            .arg("--unixsocket")
            .arg(&socket)
            .arg("--dir")
            .arg(folder)
            .stdout(Stdio::null())
            .spawn()?;
        let process = Process(child);
        for _ in 0..200 {
            if std::os::unix::net::UnixStream::connect(&socket).is_ok() {
                return Ok(Self { process, url: format!("unix://{}", socket.display()) });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err("redis-server did not answer".into())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.0.id()
    }
}

pub(crate) struct Coordinators {
    processes: Vec<Process>,
    pub(crate) urls: Vec<String>,
}

impl Coordinators {
    pub(crate) fn start(folder: &Path, redis: &str) -> Fallible<Self> {
        Authority::init(folder)?;
        for (kind, name) in [(Kind::Coordinator, "coordinator"), (Kind::Worker, "worker")] {
            let hosts = if kind == Kind::Coordinator { vec!["127.0.0.1".into()] } else { Vec::new() };
            Authority::open(folder)?.issue(&Wanted::new(Name::new(kind, name, Reach::Every)?, hosts, 1))?;
        }
        let mut all = Self { processes: Vec::new(), urls: Vec::new() };
        for _ in 0..COORDINATORS {
            let mut command = Command::new(std::env::current_exe()?);
            let mut child = command.arg("coordinator").arg(folder).arg(redis).stdout(Stdio::piped()).spawn()?;
            let said = child.stdout.take().ok_or("no output")?;
            all.processes.push(Process(child));
            let mut address = String::new();
            BufReader::new(said).read_line(&mut address)?;
            all.urls.push(format!("https://{}", address.trim()));
        }
        Ok(all)
    }

    pub(crate) fn pids(&self) -> Vec<u32> {
        self.processes.iter().map(|process| process.0.id()).collect()
    }

    pub(crate) fn memory(&self) -> Fallible<Memory> {
        Memory::of(&self.pids())
    }
}

pub(crate) fn identity(folder: &Path, name: &str) -> Fallible<Identity> {
    let read = |file: String| std::fs::read(folder.join(file));
    let (certificate, key) = (read(format!("{name}.pem"))?, read(format!("{name}.key"))?);
    Ok(Identity { ca: read("ca.pem".into())?, certificate, key })
}

/// So many files may be open at a time.
pub(crate) fn raise_limit(files: u64) -> Fallible<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if maximum.is_some_and(|most| most < files) {
        return Err(format!(
            "this machine allows {maximum:?} open files, and {files} are needed: `ulimit -Hn {files}`"
        )
        .into());
    }
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}

/// What `arena coordinator` does: the services on an address, until it is killed.
pub(crate) async fn coordinate(folder: &Path, redis: &str) -> Fallible<()> {
    let config = CoordinatorConfig {
        listen: "127.0.0.1:0".into(),
        client_certificates: ClientCertificates::Required,
        connections: 20_000,
        handshakes: 64,
        handshake: Duration::from_secs(30),
        streams: 64,
        drain: Duration::from_secs(1),
        hold_dead: Duration::ZERO,
        // All of them come from one address and speak for themselves: what is measured is not held up.
        rates: Rates { calls: u32::MAX, submits: u32::MAX, blob_mib: u32::MAX, strangers: u32::MAX },
    };
    raise_limit(15_000)?;
    let store = Store::connect(RedisSettings::server(redis), limits()).await?;
    let coordinator = Coordinator::new(store, Blobs::new(folder.join("blobs")));
    let service = Service::bind(coordinator, config, &identity(folder, "coordinator")?, None).await?;
    println!("{}", service.address());
    Ok(service.run(CancellationToken::new()).await?)
}
