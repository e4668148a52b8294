//! Jobs.

use super::{Malformed, Wire};
use crate::v1;
use arena_domain::job::{Job, Mark, Tree, Work};
use arena_domain::placement::{Home, Needs, Room};

impl Wire for Tree {
    type Message = v1::Tree;
    fn to_wire(&self) -> v1::Tree {
        let Tree { commit, bundle } = self;
        v1::Tree { commit: commit.to_wire(), bundle: bundle.to_wire() }
    }
    fn from_wire(message: v1::Tree) -> Result<Self, Malformed> {
        Ok(Self { commit: Wire::from_wire(message.commit)?, bundle: message.bundle })
    }
}

impl Wire for Work {
    type Message = v1::job::Work;
    fn to_wire(&self) -> v1::job::Work {
        match self {
            Work::Implement { brief, parent } => {
                v1::job::Work::Implement(v1::Implement { brief: brief.to_wire(), parent: parent.to_wire() })
            }
            Work::Evaluate { tree, holdout } => {
                v1::job::Work::Evaluate(v1::Evaluate { tree: tree.to_wire(), holdout: *holdout })
            }
        }
    }
    fn from_wire(message: v1::job::Work) -> Result<Self, Malformed> {
        Ok(match message {
            v1::job::Work::Implement(v1::Implement { brief, parent }) => {
                Work::Implement { brief, parent: Wire::from_wire(parent)? }
            }
            v1::job::Work::Evaluate(v1::Evaluate { tree, holdout }) => {
                Work::Evaluate { tree: Wire::from_wire(tree)?, holdout }
            }
        })
    }
}

impl Wire for Mark {
    /// Absent in records of before there was one, and where nobody watches.
    type Message = Option<v1::Trace>;
    fn to_wire(&self) -> Option<v1::Trace> {
        let Mark { context, since } = self;
        let watched = *self != Mark::default();
        watched.then(|| v1::Trace { context: context.clone(), outer: String::new(), since: *since })
    }
    fn from_wire(message: Option<v1::Trace>) -> Result<Self, Malformed> {
        let v1::Trace { context, outer: _, since } = message.unwrap_or_default();
        Ok(Self { context, since })
    }
}

impl Wire for Needs {
    /// Absent in records of before there was one.
    type Message = Option<v1::Needs>;
    fn to_wire(&self) -> Option<v1::Needs> {
        let Needs { ability, labels, room: Room { memory, disk } } = self;
        let (ability, labels) = (ability.clone().unwrap_or_default(), labels.iter().cloned().collect());
        Some(v1::Needs { ability, labels, memory_mib: *memory, disk_mib: *disk })
    }
    fn from_wire(message: Option<v1::Needs>) -> Result<Self, Malformed> {
        let v1::Needs { ability, labels, memory_mib: memory, disk_mib: disk } = message.unwrap_or_default();
        let ability = Some(ability).filter(|ability| !ability.is_empty());
        Ok(Self { ability, labels: labels.into_iter().collect(), room: Room { memory, disk } })
    }
}

/// A worker's name and a class of machines, of which at most one is there.
fn home(worker: String, hardware: String) -> Option<Home> {
    match (worker.is_empty(), hardware.is_empty()) {
        (_, false) => Some(Home::Hardware(hardware)),
        (false, true) => Some(Home::Worker(worker)),
        (true, true) => None,
    }
}

impl Wire for Job {
    type Message = v1::Job;
    fn to_wire(&self) -> v1::Job {
        let Job {
            id,
            session,
            tenant,
            competitor,
            round,
            work,
            session_limit,
            session_weight,
            priority,
            engine,
            needs,
            home,
            trace,
        } = self;
        let (home_worker, home_hardware) = match home {
            Some(Home::Worker(name)) => (name.clone(), String::new()),
            Some(Home::Hardware(class)) => (String::new(), class.clone()),
            None => Default::default(),
        };
        v1::Job {
            id: id.to_wire(),
            session: session.to_wire(),
            tenant: tenant.to_wire(),
            competitor: competitor.to_wire(),
            round: *round,
            session_limit: *session_limit,
            session_weight: *session_weight,
            priority: *priority,
            engine: engine.to_wire(),
            work: Some(work.to_wire()),
            needs: needs.to_wire(),
            home_worker,
            home_hardware,
            trace: trace.to_wire(),
        }
    }
    fn from_wire(message: v1::Job) -> Result<Self, Malformed> {
        let v1::Job {
            id,
            session,
            tenant,
            competitor,
            round,
            session_limit,
            session_weight,
            priority,
            engine,
            work,
            needs,
            home_worker,
            home_hardware,
            trace,
        } = message;
        Ok(Self {
            id: Wire::from_wire(id)?,
            session: Wire::from_wire(session)?,
            tenant: Wire::from_wire(tenant)?,
            competitor: Wire::from_wire(competitor)?,
            round,
            work: super::required("Job", "work", work)?,
            session_limit,
            // Records from before there was a weight have none.
            session_weight: session_weight.max(1),
            priority,
            engine,
            needs: Wire::from_wire(needs)?,
            home: home(home_worker, home_hardware),
            trace: Wire::from_wire(trace)?,
        })
    }
}
