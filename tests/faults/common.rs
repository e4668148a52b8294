//! A session that takes its time, what it has stored, and what is left of it.

use serde_json::Value;
use std::time::Duration;
use support::{Leftovers, Output, Packet, Running, Witness, World, leftovers, now};

/// Two competitors, two rounds, a holdout: `low` wins with 2 of 10, which takes both of its rounds.
pub(crate) fn packet() -> Packet {
    let low = "echo engine of low; sleep 0.4; expr $(cat value) / 2 > value";
    let mid = "echo engine of mid; sleep 0.4; expr $(cat value) - 1 > value";
    let mut packet = Packet::lower(&[("low", low), ("mid", mid)]);
    packet.budget = "rounds = 2\nstale_rounds = 2".into();
    packet.harness =
        packet.harness.replace("repeats = 1", "repeats = 1\nscenarios = [\"shown\"]\nholdout = [\"unseen\"]");
    packet
}

/// The same, whose engines take so many seconds.
pub(crate) fn slow(seconds: &str) -> Packet {
    let mut packet = packet();
    packet.engines.iter_mut().for_each(|(_, shell)| *shell = shell.replace("sleep 0.4", &format!("sleep {seconds}")));
    packet
}

/// A run in the background with something in its environment.
pub(crate) fn start_with(world: &World, args: &[&str], env: &[(&str, &str)]) -> Running {
    let log = std::fs::File::create(world.repo.join("../run.log")).expect("a log");
    let other = log.try_clone().expect("a log");
    let mut command = world.command(args);
    Running { child: command.envs(env.iter().copied()).stdout(log).stderr(other).spawn().expect("the binary") }
}

/// A run in the background that something is done to, and what must hold afterwards whatever that was.
pub(crate) struct Story {
    pub world: World,
    pub witness: Witness,
    pub running: Running,
}

impl Story {
    pub(crate) fn begun(world: World, packet: &Packet, env: &[(&str, &str)]) -> Self {
        world.packet(packet);
        std::fs::create_dir_all(&world.state).expect("a folder");
        let witness = Witness::watch(&world.state);
        let running = start_with(&world, &["run", "arena.toml", "--json"], env);
        Self { world, witness, running }
    }

    /// Waits until competitors have come to this phase so many times; the base goes through most of them before.
    pub(crate) fn until_phase(&mut self, phase: &str, times: usize) {
        self.world.until(phase, &mut self.running, |said| competitors_in(said, phase) >= times);
    }

    /// The code that the run ends with by itself, and that it says nothing of a defect.
    pub(crate) fn ends(&mut self) -> Option<i32> {
        let code = self.running.child.wait().expect("its end").code();
        assert!(!self.world.said().contains("panicked"), "{}", self.world.said());
        code
    }

    /// Kills without a warning, and waits until the process is gone.
    pub(crate) fn kill(&mut self) {
        self.running.child.kill().expect("a kill");
        self.running.child.wait().expect("its end");
    }

    /// Resumed to its verdict; no engine ran again whose tree was stored, and nothing is left. What was stored is returned.
    pub(crate) fn resumed(self) -> Vec<String> {
        let id = self.world.session();
        let (kept, since) = (stored(&self.world, &id), now());
        assert_won(&self.world.arena(&["resume", &id, "--json"]));
        assert_not_again(&self.witness, &kept, since);
        assert_clean(&self.world);
        kept
    }
}

/// How often competitors have come to this phase.
pub(crate) fn competitors_in(said: &str, phase: &str) -> usize {
    let events = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.filter(|event| event["phase"] == phase && event["competitor"] != "base").count()
}

/// The verdict of [`packet`], however often it was interrupted.
pub(crate) fn assert_won(output: &Output) {
    assert_eq!(output.code, 0, "{output:?}");
    let result = output.result();
    assert_eq!((&result["status"], &result["winner"]), (&"winner".into(), &"low".into()), "{result}");
    let low = output.entry("low");
    assert_eq!(low["rounds"], 2, "{low}");
    let near = |ratio: &Value, wanted: f64| ratio.as_f64().is_some_and(|ratio| (ratio - wanted).abs() < 1e-9);
    assert!(near(&low["kpis"][0]["ratio"], 0.2) && near(&low["kpis"][0]["holdout_ratio"], 0.2), "{low}");
    let mid = output.entry("mid");
    assert!(near(&mid["kpis"][0]["ratio"], 0.8), "{mid}");
}

/// The engine jobs of the packet.
pub(crate) fn engine_jobs(session: &str) -> Vec<String> {
    let jobs = ["low/1", "low/2", "mid/1", "mid/2"];
    jobs.map(|job| format!("{session}/{job}/implement")).to_vec()
}

/// Whose tree is stored: in the outbox, or settled in the store.
pub(crate) fn stored(world: &World, session: &str) -> Vec<String> {
    let kept = |job: &String| {
        let name = arena_runtime::digest::sha256(job.as_bytes());
        if world.state.join("worker/outbox").join(name).exists() {
            return true;
        }
        let why = world.arena(&["why", job, "--json"]);
        why.code == 0 && why.document()["kind"] == "ended"
    };
    engine_jobs(session).into_iter().filter(kept).collect()
}

/// No engine whose tree was stored ran after that.
pub(crate) fn assert_not_again(witness: &Witness, stored: &[String], since: u64) {
    for job in stored {
        assert!(witness.made(job, 0) >= 1, "{job} was never seen: the witness is blind");
        assert_eq!(witness.made(job, since), 0, "{job} was stored and ran again");
    }
}

/// Nothing is left. Docker and the kernel let the last things go a moment after Arena has asked for it.
pub(crate) fn assert_clean(world: &World) {
    for _ in 0..100 {
        if leftovers(&world.state) == Leftovers::default() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    world.assert_clean();
    let run = world.state.join("worker/run");
    let boots: Vec<_> =
        std::fs::read_dir(&run).map(|all| all.flatten().map(|one| one.path()).collect()).unwrap_or_default();
    assert!(boots.is_empty(), "boots are left: {boots:?}");
}
