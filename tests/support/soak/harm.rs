//! What befalls a team: one fault after the other, drawn by a seed.

use super::camp::{COORDINATORS, Camp, WORKERS};
use super::cell::{PLACES, SERVERS};
use super::{LEASE_S, MARGIN_S};
use std::fmt;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    KillCoordinator,
    KillWorker,
    /// Stopped for a moment, or for longer than a lease and its margin.
    PauseCoordinator,
    PauseWorker,
    PauseRedis,
    /// A worker from both coordinators.
    CutWorker,
    /// A coordinator from Redis and its sentinels.
    CutCoordinator,
    /// The replica is promoted, and the old primary comes back.
    KillPrimary,
    /// The same, and the old primary goes on meanwhile, with a coordinator that knows no other.
    CutPrimary,
    FlushFunctions,
    /// Everything at once, Redis too.
    RestartAll,
}

pub const FAULTS: [Fault; 11] = [
    Fault::KillCoordinator,
    Fault::KillWorker,
    Fault::PauseCoordinator,
    Fault::PauseWorker,
    Fault::PauseRedis,
    Fault::CutWorker,
    Fault::CutCoordinator,
    Fault::KillPrimary,
    Fault::CutPrimary,
    Fault::FlushFunctions,
    Fault::RestartAll,
];

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KillCoordinator => "coordinator killed",
            Self::KillWorker => "worker killed",
            Self::PauseCoordinator => "coordinator paused",
            Self::PauseWorker => "worker paused",
            Self::PauseRedis => "redis paused",
            Self::CutWorker => "worker cut off",
            Self::CutCoordinator => "coordinator cut off from redis",
            Self::KillPrimary => "primary killed",
            Self::CutPrimary => "primary cut off",
            Self::FlushFunctions => "functions flushed",
            Self::RestartAll => "everything restarted",
        })
    }
}

/// One that holds, until it is healed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Blow {
    pub(crate) fault: Fault,
    /// The coordinator, the worker, or the server of Redis.
    which: usize,
    pub(crate) lasts: Duration,
}

impl Blow {
    /// Every third one outlasts a lease and its margin; in a short run none does.
    pub(crate) fn drawn(fault: Fault, chance: &mut fastrand::Rng, short: bool) -> Self {
        let long = !short && chance.u8(0..3) == 0;
        let lasts = if fault == Fault::FlushFunctions {
            0.0
        } else if long && fault != Fault::RestartAll {
            f64::from(LEASE_S + MARGIN_S) + 3.0 + 5.0 * chance.f64()
        } else if short {
            0.3 + 1.5 * chance.f64()
        } else {
            0.5 + 3.0 * chance.f64()
        };
        let which = match fault {
            Fault::KillCoordinator | Fault::PauseCoordinator | Fault::CutCoordinator => {
                chance.usize(0..COORDINATORS.len())
            }
            Fault::KillWorker | Fault::PauseWorker | Fault::CutWorker => chance.usize(0..WORKERS.len()),
            Fault::PauseRedis | Fault::KillPrimary | Fault::CutPrimary | Fault::FlushFunctions | Fault::RestartAll => 0,
        };
        Self { fault, which, lasts: Duration::from_secs_f64(lasts) }
    }

    pub(crate) fn falls(&mut self, camp: &mut Camp) {
        match self.fault {
            Fault::KillCoordinator => camp.kill(COORDINATORS[self.which]),
            Fault::KillWorker => camp.kill(WORKERS[self.which]),
            Fault::PauseCoordinator => camp.signal(COORDINATORS[self.which], "STOP"),
            Fault::PauseWorker => camp.signal(WORKERS[self.which], "STOP"),
            Fault::CutWorker => {
                let others = COORDINATORS.map(|name| camp.network.address(name));
                camp.network.cut(WORKERS[self.which], &others);
            }
            Fault::CutCoordinator => {
                camp.network.cut(COORDINATORS[self.which], camp.cell.addresses());
            }
            Fault::PauseRedis => {
                self.which = camp.cell.primary().unwrap_or(0);
                camp.cell.signal(self.which, "STOP");
            }
            Fault::KillPrimary => {
                self.which = camp.cell.primary().unwrap_or(0);
                camp.cell.kill(self.which);
            }
            Fault::CutPrimary => {
                self.which = camp.cell.primary().unwrap_or(0);
                let own = SERVERS[self.which];
                let others = PLACES.into_iter().filter(|place| *place != own);
                let beyond: Vec<String> = others.map(|place| camp.network.address(place)).collect();
                camp.network.cut(COORDINATORS[0], &beyond);
                camp.network.cut(own, &[beyond, vec![camp.network.address(COORDINATORS[1])]].concat());
            }
            Fault::FlushFunctions => {
                let primary = camp.cell.primary().unwrap_or(0);
                camp.cell.asked(primary, &["FUNCTION", "FLUSH"]);
            }
            Fault::RestartAll => {
                COORDINATORS.into_iter().chain(WORKERS).for_each(|name| camp.kill(name));
                (0..SERVERS.len()).for_each(|index| camp.cell.kill(index));
            }
        }
    }

    pub(crate) fn heals(&self, camp: &mut Camp) {
        match self.fault {
            Fault::KillCoordinator => camp.start(COORDINATORS[self.which]),
            Fault::KillWorker => camp.start(WORKERS[self.which]),
            Fault::PauseCoordinator => camp.signal(COORDINATORS[self.which], "CONT"),
            Fault::PauseWorker => camp.signal(WORKERS[self.which], "CONT"),
            Fault::CutWorker => camp.network.heal(WORKERS[self.which]),
            Fault::CutCoordinator => camp.network.heal(COORDINATORS[self.which]),
            Fault::PauseRedis => camp.cell.signal(self.which, "CONT"),
            Fault::KillPrimary => camp.cell.start_again(&camp.network, self.which),
            Fault::CutPrimary => {
                camp.network.heal(COORDINATORS[0]);
                camp.network.heal(SERVERS[self.which]);
            }
            Fault::FlushFunctions => {}
            Fault::RestartAll => {
                (0..SERVERS.len()).for_each(|index| camp.cell.start_again(&camp.network, index));
                camp.start_all();
            }
        }
    }
}
