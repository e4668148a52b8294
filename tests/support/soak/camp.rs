//! A team that is soaked: coordinators, workers and Redis, each in a place of a network of its own, kept up as systemd would.

use super::cell::{Cell, PLACES};
use super::{ENGINE, FLEET, MARGIN_S, SLOTS, TENANT};
use crate::fleet::{Fleet, Service};
use crate::net::{HUB, Network};
use crate::witness::Witness;
use crate::world::run;
use std::process::Command;

pub(crate) const COORDINATORS: [&str; 2] = ["c1", "c2"];
pub(crate) const WORKERS: [&str; 3] = ["w1", "w2", "w3"];
pub(crate) const TENANTS: [&str; 2] = ["blue", "red"];

pub(crate) struct Camp {
    pub(crate) fleet: Fleet,
    pub(crate) cell: Cell,
    members: Vec<Member>,
    /// What Docker sees of each worker, in their order.
    pub(crate) witnesses: Vec<Witness>,
    /// A secret of each tenant.
    pub(crate) tokens: Vec<String>,
    /// What no fault explains.
    pub(crate) wrong: Vec<String>,
    /// Last: what is in it has ended.
    pub(crate) network: Network,
}

pub(crate) struct Member {
    pub(crate) name: &'static str,
    service: Option<Service>,
    /// Of its log, what was read.
    read: usize,
}

impl Camp {
    /// With leases of so many seconds; or why there cannot be one.
    pub(crate) fn pitch(lease: u32) -> Result<Self, String> {
        let places: Vec<&str> = COORDINATORS.into_iter().chain(WORKERS).collect();
        let all: Vec<&str> = places.iter().copied().chain(PLACES).collect();
        let network = Network::build(&all)?;
        let hosts = COORDINATORS.map(|name| network.address(name));
        let mut fleet = Fleet::reached_as(&hosts);
        let cell = Cell::start(&network, &fleet.root.join("cell"));
        let settings = [
            ("STORE_URL", cell.url()),
            ("STORE_REPLICAS", "1".to_owned()),
            ("QUEUE_LEASE_S", lease.to_string()),
            ("QUEUE_MARGIN_S", MARGIN_S.to_string()),
            ("LIMITS_FLEET", FLEET.to_string()),
            ("LIMITS_TENANT", TENANT.to_string()),
            ("LIMITS_ENGINE", format!("{}={}", ENGINE.0, ENGINE.1)),
            ("WORKER_ENGINE_SLOTS", SLOTS.to_string()),
        ];
        fleet.env.extend(settings.map(|(name, value)| (format!("ARENA_{name}"), value)));
        fleet.urls = hosts.iter().map(|host| format!("https://{host}:7443")).collect();
        let members = places.iter().map(|name| Member { name, service: None, read: 0 }).collect();
        let (witnesses, tokens, wrong) = (Vec::new(), Vec::new(), Vec::new());
        let mut camp = Self { fleet, cell, members, witnesses, tokens, wrong, network };
        if !crate::soon(|| camp.cell.primary().is_some() && camp.cell.is_awake(&camp.network)) {
            return Err("no replica follows the primary".into());
        }
        camp.settle();
        Ok(camp)
    }

    fn settle(&mut self) {
        for name in WORKERS {
            self.fleet.certs(&["issue", "worker", name]);
            let state = self.fleet.worker_state(name);
            std::fs::create_dir_all(&state).expect("a folder");
            self.witnesses.push(Witness::watch(&state.canonicalize().expect("a folder")));
            self.fleet.workers.push(state);
        }
        self.start_all();
        for tenant in TENANTS {
            let mut made = None;
            crate::soon(|| {
                made = self.token(tenant);
                made.is_some()
            });
            self.tokens.push(made.expect("a token"));
        }
    }

    fn token(&self, tenant: &str) -> Option<String> {
        let args = ["tokens", "create", tenant, "--role", "submitter", "--tenant", tenant, "--json"];
        let command = self.fleet.as_holder("coordinator", &self.fleet.team(), &args);
        let made = run(&mut self.network.enter(HUB, &command));
        (made.code == 0).then(|| made.document()["token"].as_str().expect("a token").to_owned())
    }

    /// A command of a person of this tenant.
    pub(crate) fn person(&self, tenant: usize, args: &[&str]) -> Command {
        self.network.enter(HUB, &self.fleet.person(&self.tokens[tenant], args))
    }

    fn at(&self, name: &str) -> usize {
        self.members.iter().position(|one| one.name == name).expect("a member")
    }

    pub(crate) fn start(&mut self, name: &str) {
        let index = self.at(name);
        if self.members[index].service.is_some() {
            return;
        }
        let command = if COORDINATORS.contains(&name) {
            let listen = format!("{}:7443", self.network.address(name));
            self.fleet.as_holder("coordinator", &self.fleet.team(), &["coordinator", "--listen", &listen])
        } else {
            let state = self.fleet.worker_state(name);
            self.fleet.as_holder(name, &state, &["worker", "--coordinator", &self.fleet.urls.join(",")])
        };
        let service = self.fleet.serve(name, self.network.enter(name, &command));
        self.members[index].service = Some(service);
    }

    pub(crate) fn start_all(&mut self) {
        for name in COORDINATORS.into_iter().chain(WORKERS) {
            self.start(name);
        }
    }

    /// Without a warning.
    pub(crate) fn kill(&mut self, name: &str) {
        let index = self.at(name);
        if let Some(mut service) = self.members[index].service.take() {
            service.kill();
        }
    }

    pub(crate) fn signal(&self, name: &str, signal: &str) {
        if let Some(service) = &self.members[self.at(name)].service {
            super::signal(service.running.child.id(), signal);
        }
    }

    /// What it said until now, since its last start or before.
    pub(crate) fn said(&self, name: &str) -> String {
        self.members[self.at(name)].service.as_ref().map(Service::said).unwrap_or_default()
    }

    /// Starts again what ended by itself, as whoever runs services does; a panic is wrong whatever the fault was, and so is
    /// an index that had to be mended.
    pub(crate) fn tend(&mut self) {
        for index in 0..self.members.len() {
            let member = &mut self.members[index];
            let Some(service) = &mut member.service else { continue };
            let said = service.said();
            for line in said.get(member.read..).unwrap_or_default().lines() {
                if line.contains("panicked") || line.contains("did not agree with its jobs") {
                    self.wrong.push(format!("{}: {line}", member.name));
                }
            }
            member.read = said.len();
            if matches!(service.running.child.try_wait(), Ok(Some(_))) {
                let name = member.name;
                member.service = None;
                self.start(name);
            }
        }
    }

    /// All end politely; what they leave is named.
    pub(crate) fn strike(mut self) -> Vec<String> {
        let mut left = std::mem::take(&mut self.wrong);
        for name in WORKERS.into_iter().chain(COORDINATORS) {
            let index = self.at(name);
            if let Some(mut service) = self.members[index].service.take() {
                let code = service.stop();
                if code != Some(0) {
                    left.push(format!("{name} ended with {code:?}: {}", super::tail(&service.said())));
                }
            }
        }
        for state in &self.fleet.workers {
            let clean = crate::leftovers::Leftovers::default();
            if !crate::soon(|| crate::leftovers::leftovers(state) == clean) {
                left.push(format!("{}: {:?}", state.display(), crate::leftovers::leftovers(state)));
            }
        }
        let name = self.network.name().to_owned();
        drop(self);
        left.extend(Network::left(&name).into_iter().map(|space| format!("namespace {space}")));
        left
    }
}
