//! A few sessions on the team of a soak, and faults at moments that a test chooses; judged as a soak is.

use super::camp::{COORDINATORS, Camp, WORKERS};
use super::cell::{PLACES, SERVERS};
use super::crowd::Crowd;
use super::{Counted, LOOK, counted, drained};
use crate::witness::Seen;
use crate::world::{Output, run};

/// Two minutes.
const LOOKS: u32 = 480;

pub struct Trial {
    camp: Camp,
    crowd: Crowd,
}

impl Trial {
    /// So many sessions whose engine `low` takes so many seconds, and leases of so many; or why there can be none. Places are `c1` and `c2`, `w1` to
    /// `w3`, `r1` and `r2`, each a server of Redis and its sentinel, and `s`, a sentinel by itself.
    pub fn begin(sessions: usize, seconds: u32, lease: u32) -> Result<Self, String> {
        let camp = Camp::pitch(lease)?;
        camp.fleet.world.packet(&Crowd::packet(seconds));
        let mut trial = Self { camp, crowd: Crowd::default() };
        trial.crowd.goes_on(&trial.camp, sessions, true);
        assert!(trial.soon(|trial| trial.crowd.answered.len() == sessions), "the sessions are not taken");
        Ok(trial)
    }

    /// Whether it comes to be within two minutes. Whoever ends by itself is started again meanwhile.
    pub fn soon(&mut self, mut done: impl FnMut(&Self) -> bool) -> bool {
        (0..LOOKS).any(|_| {
            self.camp.tend();
            self.crowd.goes_on(&self.camp, 0, false);
            let is_done = done(self);
            if !is_done {
                std::thread::sleep(LOOK);
            }
            is_done
        })
    }

    /// Containers of such jobs (`/low/1/implement`) on a worker that were started, and those that ended.
    pub fn ran(&self, worker: &str, job: &str) -> (usize, usize) {
        let index = WORKERS.iter().position(|one| *one == worker).expect("a worker");
        let seen: Vec<Seen> = self.camp.witnesses[index].seen();
        let count = |action: &str| seen.iter().filter(|one| one.action == action && one.job.ends_with(job)).count();
        (count("start"), count("die"))
    }

    /// A worker with such a job at work.
    pub fn works(&self, job: &str) -> Option<&'static str> {
        WORKERS.into_iter().find(|worker| {
            let (began, ended) = self.ran(worker, job);
            began > ended
        })
    }

    /// The server that leads, once another follows it.
    pub fn primary(&self) -> Option<&'static str> {
        self.camp.cell.primary().map(|index| SERVERS[index])
    }

    /// Whether this server says that it leads, whoever follows it.
    pub fn leads(&self, server: &str) -> bool {
        self.camp.cell.asked(of(server), &["ROLE"]).starts_with("master")
    }

    pub fn kill(&mut self, place: &str) {
        if SERVERS.contains(&place) { self.camp.cell.kill(of(place)) } else { self.camp.kill(place) }
    }

    pub fn start(&mut self, place: &str) {
        if SERVERS.contains(&place) {
            self.camp.cell.start_again(&self.camp.network, of(place));
        } else {
            self.camp.start(place);
        }
    }

    /// Without a warning, all at once, Redis too.
    pub fn kill_all(&mut self) {
        COORDINATORS.into_iter().chain(WORKERS).chain(SERVERS).for_each(|place| self.kill(place));
    }

    pub fn start_all(&mut self) {
        SERVERS.into_iter().for_each(|place| self.start(place));
        self.camp.start_all();
    }

    pub fn cut(&self, place: &str, others: &[&str]) {
        let others: Vec<String> = others.iter().map(|other| self.camp.network.address(other)).collect();
        self.camp.network.cut(place, &others);
    }

    /// From all of Redis.
    pub fn cut_from_redis(&self, place: &str) {
        self.cut(place, &PLACES);
    }

    pub fn heal(&self, place: &str) {
        self.camp.network.heal(place);
    }

    /// A person of a tenant asks one coordinator, and no other one.
    pub fn ask(&self, coordinator: &str, args: &[&str]) -> Output {
        let url = format!("https://{}:7443", self.camp.network.address(coordinator));
        run(self.camp.person(0, args).env("ARENA_COORDINATOR", url))
    }

    /// What is in the log of a service.
    pub fn said(&self, place: &str) -> String {
        self.camp.said(place)
    }

    /// When all have ended. With what is left, if it is not nothing.
    pub fn judged(mut self) -> Counted {
        let drained = drained(&mut self.camp, &mut self.crowd);
        counted(self.camp, self.crowd, drained)
    }
}

fn of(server: &str) -> usize {
    SERVERS.iter().position(|one| *one == server).expect("a server of redis")
}
