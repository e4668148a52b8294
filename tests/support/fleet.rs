//! A team's fleet on this machine: an authority, coordinators on one store, workers with certificates and a person's token.

use crate::leftovers::{Leftovers, leftovers};
use crate::net::{HUB, Network};
use crate::packet::Packet;
use crate::redis::Redis;
use crate::world::{Output, Running, World, binary, run, sweep};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const LOOKS: u32 = 1200;
const PAUSE: Duration = Duration::from_millis(100);

pub struct Fleet {
    /// The person's repository; reports are written to its state directory.
    pub world: World,
    pub(crate) root: PathBuf,
    /// Of the coordinators that were started, in their order.
    pub urls: Vec<String>,
    pub(crate) workers: Vec<PathBuf>,
    /// What services are told by their environment.
    pub env: Vec<(String, String)>,
    /// Where its programs are; nothing: in this machine's own network.
    pub network: Option<Network>,
}

/// A coordinator or a worker in a process of its own.
#[derive(Debug)]
pub struct Service {
    pub running: Running,
    log: PathBuf,
}

impl Service {
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn await_word(&mut self, word: &str) {
        let found = soon(|| self.said().contains(word) || self.ended());
        assert!(found && self.said().contains(word), "no '{word}' in: {}", self.said());
    }

    fn ended(&mut self) -> bool {
        matches!(self.running.child.try_wait(), Ok(Some(_)))
    }

    /// Without a warning.
    pub fn kill(&mut self) {
        self.running.child.kill().expect("a kill");
        self.running.child.wait().expect("its end");
    }

    /// Politely; the code that it ends with.
    pub fn stop(&mut self) -> Option<i32> {
        self.signalled("TERM")
    }

    /// The code that it ends with after a signal.
    pub fn signalled(&mut self, signal: &str) -> Option<i32> {
        let pid = self.running.child.id().to_string();
        Command::new("kill").args([&format!("-{signal}"), &pid]).status().expect("kill");
        assert!(soon(|| self.ended()), "it does not end: {}", self.said());
        let code = self.running.child.wait().expect("its end").code();
        assert!(!self.said().contains("panicked"), "{}", self.said());
        code
    }
}

/// Whether something becomes true within two minutes.
pub fn soon(mut done: impl FnMut() -> bool) -> bool {
    (0..LOOKS).any(|_| {
        let is_done = done();
        if !is_done {
            std::thread::sleep(PAUSE);
        }
        is_done
    })
}

impl Fleet {
    /// An authority, and nobody yet.
    pub fn new() -> Self {
        Self::reached_as(&[])
    }

    /// Its coordinators are reached by these names; none: as this machine.
    pub fn reached_as(hosts: &[String]) -> Self {
        let world = World::new();
        let root = world.repo.parent().expect("a root").to_owned();
        let fleet = Self { world, root, urls: Vec::new(), workers: Vec::new(), env: Vec::new(), network: None };
        let hosts = hosts.iter().flat_map(|host| ["--host", host.as_str()]);
        fleet.certs(&["init"].into_iter().chain(hosts).collect::<Vec<_>>());
        fleet
    }

    /// Coordinators and people in the hub of a network, each worker in the place of its name; or why there can be none.
    pub fn apart(workers: &[&str]) -> Result<Self, String> {
        let network = Network::build(workers)?;
        let mut fleet = Self::reached_as(&[network.address(HUB)]);
        fleet.network = Some(network);
        Ok(fleet)
    }

    fn within(&self, place: &str, command: Command) -> Command {
        match &self.network {
            Some(network) => network.enter(place, &command),
            None => command,
        }
    }

    /// On a Redis of its own instead of the embedded store.
    pub fn on_redis() -> (Self, Redis) {
        let mut fleet = Self::new();
        let redis = Redis::start(fleet.root.join("redis"));
        fleet.env.push(("ARENA_STORE_URL".into(), redis.url()));
        (fleet, redis)
    }

    pub fn certs(&self, args: &[&str]) {
        let made = run(Command::new(binary()).arg("certs").args(args).arg("--dir").arg(self.certs_dir()));
        assert_eq!(made.code, 0, "{made:?}");
    }

    pub fn certs_dir(&self) -> PathBuf {
        self.root.join("certs")
    }

    /// What a program of this team is told, as the holder of a certificate.
    pub fn as_holder(&self, holder: &str, state: &Path, args: &[&str]) -> Command {
        let file = |ending: &str| self.certs_dir().join(format!("{holder}.{ending}"));
        let mut command = Command::new(binary());
        command
            .args(args)
            .arg("--state")
            .arg(state)
            .current_dir(&self.root)
            .env("XDG_CONFIG_HOME", self.root.join("config"))
            .env("ARENA_TLS_CA", self.certs_dir().join("ca.pem"))
            .env("ARENA_TLS_CERTIFICATE", file("pem"))
            .env("ARENA_TLS_KEY", file("key"))
            .env("ARENA_TLS_REVOKED", self.certs_dir().join("revoked.pem"))
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// In the background, with all that it says in a log of this name.
    pub fn serve(&self, log: &str, mut command: Command) -> Service {
        let log = self.root.join(format!("{log}.log"));
        let out = File::options().create(true).append(true).open(&log).expect("a log");
        let other = out.try_clone().expect("a log");
        let child = command.stdout(out).stderr(other).spawn().expect("the binary");
        Service { running: Running { child }, log }
    }

    pub fn team(&self) -> PathBuf {
        self.root.join("team")
    }

    /// One more on the store that they share.
    pub fn coordinator(&mut self) -> Service {
        self.coordinator_in(&self.team())
    }

    /// With a state directory of its own.
    pub fn coordinator_in(&mut self, state: &Path) -> Service {
        let log = format!("coordinator-{}", self.urls.len());
        let host = self.network.as_ref().map_or_else(|| "127.0.0.1".to_owned(), |network| network.address(HUB));
        let listen = format!("{host}:0");
        let command = self.as_holder("coordinator", state, &["coordinator", "--listen", &listen]);
        let mut service = self.serve(&log, self.within(HUB, command));
        service.await_word("listens on");
        let said = service.said();
        let url = said.split("listens on ").nth(1).and_then(|rest| rest.lines().next()).expect("an address");
        self.urls.push(url.to_owned());
        service
    }

    /// The same one again, after its end.
    pub fn coordinator_again(&self, index: usize) -> Service {
        let address = self.urls[index].trim_start_matches("https://");
        let command = self.as_holder("coordinator", &self.team(), &["coordinator", "--listen", address]);
        let mut service = self.serve(&format!("coordinator-{index}-again"), command);
        service.await_word("listens on");
        service
    }

    pub fn worker_state(&self, name: &str) -> PathBuf {
        self.root.join(format!("worker-{name}"))
    }

    /// With a certificate for every tenant, or for one.
    pub fn worker(&mut self, name: &str, tenant: Option<&str>) -> Service {
        let args = ["issue", "worker", name].into_iter().chain(tenant.into_iter().flat_map(|one| ["--tenant", one]));
        self.certs(&args.collect::<Vec<_>>());
        self.worker_again(name)
    }

    /// The same one again, after its end.
    pub fn worker_again(&mut self, name: &str) -> Service {
        self.worker_elsewhere(name, name)
    }

    /// With the certificate of this name, and a state directory of another.
    pub fn worker_elsewhere(&mut self, name: &str, place: &str) -> Service {
        let state = self.worker_state(place);
        let command = self.as_holder(name, &state, &["worker", "--coordinator", &self.urls.join(",")]);
        let service = self.serve(&format!("worker-{place}"), self.within(name, command));
        if !self.workers.contains(&state) {
            self.workers.push(state);
        }
        service
    }

    /// A secret that opens what this role opens, made on the coordinators' own machine.
    pub fn token(&self, name: &str, role: &str, tenant: &str) -> String {
        let args = ["tokens", "create", name, "--role", role, "--tenant", tenant, "--json"];
        let made = run(&mut self.as_holder("coordinator", &self.team(), &args));
        assert_eq!(made.code, 0, "{made:?}");
        made.document()["token"].as_str().expect("a token").to_owned()
    }

    /// A command of a person with this token, from the plain checkout.
    pub fn person(&self, token: &str, args: &[&str]) -> Command {
        let mut command = self.world.command(args);
        command
            .env("ARENA_TLS_CA", self.certs_dir().join("ca.pem"))
            .env("ARENA_TOKEN", token)
            .env("ARENA_COORDINATOR", self.urls.join(","));
        self.within(HUB, command)
    }

    pub fn ask(&self, token: &str, args: &[&str]) -> Output {
        run(&mut self.person(token, args))
    }

    /// `arena run --json` in the background.
    pub fn submit(&self, token: &str, packet: &Packet) -> Service {
        self.world.packet(packet);
        let command = self.person(token, &["run", "arena.toml", "--json"]);
        self.serve(&format!("run-{}", arena_runtime::token::hex(6)), command)
    }

    /// `arena watch --logs --json` in the background.
    pub fn watch(&self, token: &str, session: &str) -> Service {
        let command = self.person(token, &["watch", session, "--logs", "--json"]);
        self.serve(&format!("watch-{}", arena_runtime::token::hex(6)), command)
    }

    pub fn await_workers(&self, token: &str, many: usize) {
        let attached = || self.ask(token, &["workers", "--json"]).document().as_array().map(Vec::len);
        assert!(soon(|| attached() == Some(many)), "{many} workers, not {:?}", attached());
    }

    /// What the workers left, once they have had a moment.
    pub fn assert_clean(&self) {
        for state in &self.workers {
            soon(|| leftovers(state) == Leftovers::default());
            assert_eq!(leftovers(state), Leftovers::default(), "{}", state.display());
        }
    }
}

impl Default for Fleet {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.workers.iter().for_each(|state| sweep(state));
    }
}
