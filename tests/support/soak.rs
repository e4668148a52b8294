//! A fleet under random faults: real processes and containers, Redis behind sentinels, a network that is cut. Afterwards it
//! is counted what was lost, what ran twice, what passed a limit, and what is left.

mod book;
mod camp;
mod cell;
mod crowd;
mod harm;
mod judge;
mod trial;

use arena_runtime::clock::Stopwatch;
use camp::Camp;
use crowd::Crowd;
use harm::Blow;
pub use harm::{FAULTS, Fault};
use std::collections::BTreeMap;
use std::fmt;
use std::process::Command;
use std::time::Duration;
pub use trial::Trial;

/// Short ones, so that they run out within a run.
const LEASE_S: u32 = 12;
const MARGIN_S: u32 = 4;
/// Of jobs, so that they are reached: there are more slots.
const FLEET: u32 = 4;
const TENANT: u32 = 3;
const ENGINE: (&str, u32) = ("low", 2);
const SLOTS: u32 = 2;
const LOOK: Duration = Duration::from_millis(250);
const SAY: Duration = Duration::from_secs(30);
/// Of a session without faults it takes a few seconds; of a team that heals, a few minutes.
const DRAIN: Duration = Duration::from_secs(900);

pub struct Soak {
    pub seed: u64,
    /// At least.
    pub lasts: Duration,
    /// At least.
    pub sessions: usize,
    pub at_once: usize,
    /// In this order; none: drawn by the seed, for as long as it lasts.
    pub faults: Vec<Fault>,
    pub says: bool,
}

/// What was counted. Each text says one wrong.
#[derive(Debug, Default)]
pub struct Counted {
    pub seed: u64,
    pub sessions: usize,
    pub faults: BTreeMap<Fault, usize>,
    pub lost: Vec<String>,
    pub doubled: Vec<String>,
    pub over: Vec<String>,
    pub leaked: Vec<String>,
    /// Engines that ran again before a result of theirs was on record, and submits that nobody answered.
    pub again: usize,
    pub refused: usize,
}

impl Counted {
    pub fn is_good(&self) -> bool {
        [&self.lost, &self.doubled, &self.over, &self.leaked].iter().all(|wrong| wrong.is_empty())
    }

    /// All wrongs, a line each.
    pub fn wrongs(&self) -> String {
        [&self.lost, &self.doubled, &self.over, &self.leaked]
            .into_iter()
            .flatten()
            .cloned()
            .collect::<Vec<_>>()
            .join("\n")
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: Vec<String> = self.faults.iter().map(|(fault, many)| format!("{fault} {many}")).collect();
        write!(
            f,
            "seed {}: {} sessions; {}; {} lost, {} doubled, {} over a limit, {} leaked; {} engines ran again, {} submits refused",
            self.seed,
            self.sessions,
            faults.join(", "),
            self.lost.len(),
            self.doubled.len(),
            self.over.len(),
            self.leaked.len(),
            self.again,
            self.refused
        )
    }
}

/// One run, while it goes on.
struct Run {
    soak: Soak,
    camp: Camp,
    crowd: Crowd,
    begun: Stopwatch,
    said: Stopwatch,
    faults: BTreeMap<Fault, usize>,
}

impl Soak {
    /// Or why it cannot be done here.
    pub fn run(self) -> Result<Counted, String> {
        let camp = Camp::pitch(LEASE_S)?;
        camp.fleet.world.packet(&Crowd::packet(1));
        let (begun, said) = (Stopwatch::start(), Stopwatch::start());
        let mut run = Run { soak: self, camp, crowd: Crowd::default(), begun, said, faults: BTreeMap::new() };
        run.suffer();
        let drained = run.drain();
        Ok(run.judged(drained))
    }
}

impl Run {
    fn suffer(&mut self) {
        let mut chance = fastrand::Rng::with_seed(self.soak.seed);
        let listed = self.soak.faults.clone();
        for turn in 0.. {
            let pause = if listed.is_empty() { 0.5 + 4.0 * chance.f64() } else { 0.3 + chance.f64() };
            self.pass(Duration::from_secs_f64(pause));
            let fault = if listed.is_empty() {
                // Every kind once, in any order, before the second time.
                let mut kinds = FAULTS;
                fastrand::Rng::with_seed(self.soak.seed.wrapping_add((turn / FAULTS.len()) as u64)).shuffle(&mut kinds);
                Some(kinds[turn % kinds.len()]).filter(|_| self.wants_more())
            } else {
                listed.get(turn).copied()
            };
            let Some(fault) = fault else { break };
            let mut blow = Blow::drawn(fault, &mut chance, !listed.is_empty());
            self.say(&format!("{fault} for {:.1} s", blow.lasts.as_secs_f64()));
            blow.falls(&mut self.camp);
            self.pass(blow.lasts);
            blow.heals(&mut self.camp);
            *self.faults.entry(fault).or_default() += 1;
        }
        // As many as are wanted, without any fault.
        while self.wants_more() {
            self.pass(LOOK);
        }
    }

    fn wants_more(&self) -> bool {
        self.begun.elapsed() < self.soak.lasts || self.crowd.answered.len() < self.soak.sessions
    }

    fn pass(&mut self, time: Duration) {
        let passing = Stopwatch::start();
        loop {
            self.camp.tend();
            let more = self.wants_more();
            self.crowd.goes_on(&self.camp, self.soak.at_once, more);
            if self.said.elapsed() >= SAY {
                self.said = Stopwatch::start();
                self.say("");
            }
            if passing.elapsed() >= time {
                return;
            }
            std::thread::sleep(LOOK.min(time));
        }
    }

    fn say(&self, what: &str) {
        if self.soak.says {
            let (at, answered) = (self.begun.elapsed().as_secs(), self.crowd.answered.len());
            println!("{at:5} s  {answered} sessions answered for  {what}");
        }
    }

    /// Whether everybody has heard the end of their session within a time that it cannot take.
    fn drain(&mut self) -> bool {
        self.say("the faults are over");
        drained(&mut self.camp, &mut self.crowd)
    }

    fn judged(self, drained: bool) -> Counted {
        let Self { soak, camp, crowd, faults, .. } = self;
        Counted { seed: soak.seed, faults, ..counted(camp, crowd, drained) }
    }
}

fn drained(camp: &mut Camp, crowd: &mut Crowd) -> bool {
    let begun = Stopwatch::start();
    while begun.elapsed() < DRAIN {
        camp.tend();
        crowd.goes_on(camp, 0, false);
        if crowd.is_gone() && judge::has_ended(camp, crowd) {
            return true;
        }
        std::thread::sleep(LOOK);
    }
    false
}

fn counted(mut camp: Camp, crowd: Crowd, drained: bool) -> Counted {
    camp.tend();
    let kept = judge::kept(&camp, &crowd);
    let mut leaked = judge::left_in_redis(&camp);
    if !drained {
        leaked.push(format!("it did not drain within {DRAIN:?}"));
    }
    let seen: Vec<_> = camp.witnesses.iter().map(crate::witness::Witness::seen).collect();
    let book::Verdict { lost, doubled, over, again } = book::verdict(&seen, &kept, &judge::bounds());
    let (sessions, refused) = (crowd.answered.len(), crowd.refused);
    drop(crowd);
    leaked.extend(camp.strike());
    Counted { sessions, lost, doubled, over, leaked, again, refused, ..Counted::default() }
}

fn signal(pid: u32, signal: &str) {
    let sent = Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()), "kill -{signal} {pid}");
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}
