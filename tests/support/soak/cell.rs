//! A Redis as a team has it: a primary and a replica, a sentinel beside each of them and one by itself, each place of its own, so
//! that it can be cut off. More replicas than answers wait for would lose some: the one that is promoted may lack them.

use super::MARGIN_S;
use crate::net::Network;
use crate::world::Running;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(crate) const SERVERS: [&str; 2] = ["r1", "r2"];
/// Where the servers and sentinels are.
pub(crate) const PLACES: [&str; 3] = ["r1", "r2", "s"];
const PORT: u16 = 6379;
const SENTINEL: u16 = 26379;
/// The primary, as sentinels call it.
const NAME: &str = "cell";

pub(crate) struct Cell {
    folder: PathBuf,
    addresses: [String; PLACES.len()],
    servers: [Option<Running>; SERVERS.len()],
    sentinels: Vec<Running>,
}

impl Cell {
    pub(crate) fn start(network: &Network, folder: &Path) -> Self {
        let addresses = PLACES.map(|place| network.address(place));
        let servers = SERVERS.map(|_| None);
        let mut cell = Self { folder: folder.to_owned(), addresses, servers, sentinels: Vec::new() };
        for index in 0..SERVERS.len() {
            fs::create_dir_all(cell.home(index)).expect("a folder");
            fs::write(cell.home(index).join("redis.conf"), cell.server(index)).expect("a configuration");
            cell.begin(network, index);
        }
        for (index, place) in PLACES.into_iter().enumerate() {
            let home = folder.join(format!("sentinel-{place}"));
            fs::create_dir_all(&home).expect("a folder");
            let config = home.join("sentinel.conf");
            fs::write(&config, cell.sentinel(index, &home)).expect("a configuration");
            let mut command = Command::new("redis-server");
            command.arg(config).arg("--sentinel");
            cell.sentinels.push(spawned(network, place, &command, &home));
        }
        cell
    }

    fn home(&self, index: usize) -> PathBuf {
        self.folder.join(format!("server-{index}"))
    }

    /// With the profile that the store asks for. Sentinel writes into it who follows whom.
    fn server(&self, index: usize) -> String {
        let (home, address) = (self.home(index), &self.addresses[index]);
        let mut text = format!(
            "port {PORT}\nbind {address}\nprotected-mode no\ndir {}\nunixsocket {}\nsave \"\"\nappendonly yes\n\
             appendfsync everysec\nmaxmemory-policy noeviction\nmin-replicas-to-write 1\nmin-replicas-max-lag {}\n\
             repl-diskless-sync-delay 0\n",
            home.display(),
            self.socket(index).display(),
            MARGIN_S - 1
        );
        if index > 0 {
            text += &format!("replicaof {} {PORT}\n", self.addresses[0]);
        }
        text
    }

    fn sentinel(&self, index: usize, home: &Path) -> String {
        format!(
            "port {SENTINEL}\nbind {}\nprotected-mode no\ndir {}\nsentinel monitor {NAME} {} {PORT} 2\n\
             sentinel down-after-milliseconds {NAME} 2000\nsentinel failover-timeout {NAME} 6000\n",
            self.addresses[index],
            home.display(),
            self.addresses[0]
        )
    }

    fn socket(&self, index: usize) -> PathBuf {
        self.home(index).join("redis.sock")
    }

    fn begin(&mut self, network: &Network, index: usize) {
        let home = self.home(index);
        let mut command = Command::new("redis-server");
        command.arg(home.join("redis.conf"));
        self.servers[index] = Some(spawned(network, SERVERS[index], &command, &home));
    }

    pub(crate) fn url(&self) -> String {
        let sentinels = self.addresses.each_ref().map(|address| format!("{address}:{SENTINEL}"));
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
        (0..SERVERS.len()).find(leads)
    }

    /// Whether each sentinel looks at the servers every second, as it does not by itself before it misses one: what it has not
    /// looked at within five it does not promote.
    pub(crate) fn is_awake(&self, network: &Network) -> bool {
        PLACES.iter().zip(&self.addresses).all(|(place, address)| {
            let mut command = Command::new("redis-cli");
            command.args(["-h", address, "-p", &SENTINEL.to_string(), "SENTINEL", "DEBUG", "info-period", "1000"]);
            network.enter(place, &command).output().is_ok_and(|output| output.stdout.starts_with(b"OK"))
        })
    }

    /// What a coordinator has to be cut off from, so that it has no Redis.
    pub(crate) fn addresses(&self) -> &[String] {
        &self.addresses
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
fn spawned(network: &Network, place: &str, command: &Command, home: &Path) -> Running {
    let log = fs::File::options().create(true).append(true).open(home.join("log")).expect("a log");
    let mut inside = network.enter(place, command);
    Running { child: inside.stdin(Stdio::null()).stdout(log).stderr(Stdio::null()).spawn().expect("redis-server") }
}
