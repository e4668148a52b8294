//! People who submit: so many at a time, of two tenants in turn, until so many sessions were answered for.

use super::camp::{Camp, TENANTS};
use crate::fleet::Service;
use crate::packet::Packet;
use std::collections::BTreeMap;

/// What a person is left with.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    people: Vec<Person>,
    begun: usize,
    /// Sessions that a coordinator answered for, by their ids, with their tenants.
    pub(crate) answered: BTreeMap<String, usize>,
    /// Submits that nobody answered: tried again, as another session.
    pub(crate) refused: usize,
}

#[derive(Debug)]
struct Person {
    tenant: usize,
    service: Service,
}

impl Crowd {
    /// The engine that wins takes longer, so many seconds, so that faults find engines at work.
    pub(crate) fn packet(seconds: u32) -> Packet {
        let low = format!("sleep {seconds}; echo 2 > value");
        let mut packet = Packet::lower(&[("low", &low), ("mid", "sleep 0.2; echo 7 > value")]);
        // What is soaked is the fleet: no gate is tried with a failing test here.
        packet.gates = packet.gates.replace("kind = \"test\"", "kind = \"custom\"");
        packet.sandbox = "memory = \"64MiB\"\ndisk = \"16MiB\"\npids = 32".into();
        packet
    }

    /// Hears those who are there, and lets more come while there is room.
    pub(crate) fn goes_on(&mut self, camp: &Camp, at_once: usize, more: bool) {
        let people = std::mem::take(&mut self.people);
        for mut person in people {
            let said = person.service.said();
            let id = said.lines().find_map(|line| line.strip_prefix("session ")?.split_once(": ").map(|(id, _)| id));
            let answered = id.is_some();
            if let Some(id) = id {
                self.answered.insert(id.to_owned(), person.tenant);
            }
            let over = matches!(person.service.running.child.try_wait(), Ok(Some(_)));
            match (over, answered) {
                (false, _) => self.people.push(person),
                (true, true) => {}
                (true, false) => self.refused += 1,
            }
        }
        while more && self.people.len() < at_once {
            let tenant = self.begun % TENANTS.len();
            let command = camp.person(tenant, &["run", "arena.toml", "--json"]);
            let service = camp.fleet.serve(&format!("person-{}", self.begun), command);
            self.people.push(Person { tenant, service });
            self.begun += 1;
        }
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.people.is_empty()
    }
}
