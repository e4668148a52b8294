//! A Redis as a team has it: a primary, a replica, and three sentinels that promote it.

use crate::net::{HUB, Network};
use crate::world::Running;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PORTS: [u16; 2] = [6379, 6380];
const SENTINELS: [u16; 3] = [26379, 26380, 26381];
/// The primary, as sentinels call it.
const NAME: &str = "cell";

pub(crate) struct Cell {
    folder: PathBuf,
    address: String,
    servers: [Option<Running>; 2],
    sentinels: Vec<Running>,
}

impl Cell {
    pub(crate) fn start(network: &Network, folder: &Path) -> Self {
        let address = network.address(HUB);
        let mut cell = Self { folder: folder.to_owned(), address, servers: [None, None], sentinels: Vec::new() };
        for index in 0..PORTS.len() {
            fs::create_dir_all(cell.home(index)).expect("a folder");
            fs::write(cell.home(index).join("redis.conf"), cell.server(index)).expect("a configuration");
            cell.begin(network, index);
        }
        for port in SENTINELS {
            let home = folder.join(format!("sentinel-{port}"));
            fs::create_dir_all(&home).expect("a folder");
            let config = home.join("sentinel.conf");
            fs::write(&config, cell.sentinel(port, &home)).expect("a configuration");
            let mut command = Command::new("redis-server");
            command.arg(config).arg("--sentinel");
            cell.sentinels.push(spawned(network, &command, &home));
        }
        cell
    }

    fn home(&self, index: usize) -> PathBuf {
        self.folder.join(format!("server-{index}"))
    }

    /// With the profile that the store asks for. Sentinel writes into it who follows whom.
    fn server(&self, index: usize) -> String {
        let (home, address) = (self.home(index), &self.address);
        let mut text = format!(
            "port {}\nbind {address}\nprotected-mode no\ndir {}\nunixsocket {}\nsave \"\"\nappendonly yes\n\
             appendfsync everysec\nmaxmemory-policy noeviction\nmin-replicas-to-write 1\nrepl-diskless-sync-delay 0\n",
            PORTS[index],
            home.display(),
            self.socket(index).display()
        );
        if index > 0 {
            text += &format!("replicaof {address} {}\n", PORTS[0]);
        }
        text
    }

    fn sentinel(&self, port: u16, home: &Path) -> String {
        format!(
            "port {port}\nbind {0}\nprotected-mode no\ndir {1}\nsentinel monitor {NAME} {0} {2} 2\n\
             sentinel down-after-milliseconds {NAME} 2000\nsentinel failover-timeout {NAME} 6000\n",
            self.address,
            home.display(),
            PORTS[0]
        )
    }

    fn socket(&self, index: usize) -> PathBuf {
        self.home(index).join("redis.sock")
    }

    fn begin(&mut self, network: &Network, index: usize) {
        let home = self.home(index);
        let mut command = Command::new("redis-server");
        command.arg(home.join("redis.conf"));
        self.servers[index] = Some(spawned(network, &command, &home));
    }

    pub(crate) fn url(&self) -> String {
        let sentinels: Vec<String> = SENTINELS.iter().map(|port| format!("{}:{port}", self.address)).collect();
        format!("sentinel://{NAME}@{}", sentinels.join(","))
    }

    /// Of the primary, for whoever is outside of the network.
    pub(crate) fn socket_url(&self) -> String {
        format!("unix://{}", self.socket(self.primary().unwrap_or(0)).display())
    }

    /// What one of the servers answers; empty when it does not.
    pub(crate) fn asked(&self, index: usize, words: &[&str]) -> String {
        let mut command = Command::new("timeout");
        command.args(["2", "redis-cli", "-s"]).arg(self.socket(index)).args(words);
        let output = command.stderr(Stdio::null()).output().expect("redis-cli");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// The only one that says that it is one, and that another server follows.
    pub(crate) fn primary(&self) -> Option<usize> {
        let leads = |index: &usize| {
            let said = self.asked(*index, &["INFO", "replication"]);
            said.contains("role:master") && said.contains("state=online")
        };
        (0..PORTS.len()).find(leads)
    }

    pub(crate) fn kill(&mut self, index: usize) {
        self.servers[index] = None;
    }

    pub(crate) fn start_again(&mut self, network: &Network, index: usize) {
        if self.servers[index].is_none() {
            self.begin(network, index);
        }
    }

    pub(crate) fn signal(&self, index: usize, signal: &str) {
        if let Some(one) = &self.servers[index] {
            super::signal(one.child.id(), signal);
        }
    }
}

/// Killed when dropped.
fn spawned(network: &Network, command: &Command, home: &Path) -> Running {
    let log = fs::File::options().create(true).append(true).open(home.join("log")).expect("a log");
    let mut inside = network.enter(HUB, command);
    Running { child: inside.stdin(Stdio::null()).stdout(log).stderr(Stdio::null()).spawn().expect("redis-server") }
}
