//! A session with a queue beside it, for tests: jobs by short names, outcomes by what matters in them.
//!
//! Every step checks two laws: the replay of the events so far gives the same session, and no job is enqueued twice.

use crate::ending::Ending;
use crate::id::{Commit, CompetitorName, JobId, SessionId, Tenant};
use crate::job::{Job, Millis, Tree, Work};
use crate::outcome::*;
use crate::packet::*;
use crate::session::{Contestant, Effect, Event, IllegalTransition, NoticeKind, Phase, Session};
use crate::standing::{Entry, Standing, Status};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(crate) const BASE: f64 = 10.0;
pub(crate) const SHOWN: [&str; 3] = ["small", "large", "odd"];
pub(crate) const HELD: &str = "hidden-input";

pub(crate) struct World {
    pub(crate) session: Session,
    pub(crate) now: Millis,
    /// What the latest step asked for.
    pub(crate) effects: Vec<Effect>,
    /// Live jobs, by what follows the session in their ids.
    pub(crate) jobs: BTreeMap<String, Job>,
    fresh: Session,
    events: Vec<Event>,
    ever: BTreeSet<JobId>,
}

impl World {
    pub(crate) fn new(packet: Packet) -> Self {
        let session = Session::new(SessionId::new("5e55"), Tenant::local(), packet, Commit::new("base"));
        let (fresh, now) = (session.clone(), 1_000);
        let (effects, jobs, events, ever) = Default::default();
        Self { session, now, effects, jobs, fresh, events, ever }
    }

    pub(crate) fn submitted(packet: Packet) -> Self {
        Self::submitted_as(packet, true)
    }

    /// `base_first` is `false` in records that were begun before there was a choice.
    pub(crate) fn submitted_as(packet: Packet, base_first: bool) -> Self {
        let mut world = Self::new(packet);
        world.happens(Event::Submitted { at: world.now, yes: false, base_first });
        world
    }

    /// Submitted, and the base measured.
    pub(crate) fn begun(packet: Packet) -> Self {
        let mut world = Self::submitted(packet);
        world.settle("base/0/evaluate", base());
        world
    }

    pub(crate) fn happens(&mut self, event: Event) {
        self.try_event(event).unwrap();
    }

    /// An event that may be refused; a refused one changes nothing.
    pub(crate) fn try_event(&mut self, event: Event) -> Result<(), IllegalTransition> {
        let (session, effects) = self.session.clone().apply(event.clone())?;
        (self.session, self.effects) = (session, effects);
        self.events.push(event);
        for effect in self.effects.clone() {
            match effect {
                Effect::Cancel { engines_only } => {
                    self.jobs.retain(|_, job| engines_only && !matches!(job.work, Work::Implement { .. }))
                }
                Effect::Enqueue(job) => {
                    assert!(self.ever.insert(job.id.clone()), "{} is enqueued twice", job.id);
                    self.jobs.insert(short(&job.id), job);
                }
                Effect::Notice(_) | Effect::Ended => {}
            }
        }
        let replayed = self.fresh.clone().replay(self.events.iter().cloned()).unwrap();
        assert_eq!(replayed, self.session, "the record tells another story");
        Ok(())
    }

    pub(crate) fn settle(&mut self, job: &str, outcome: Outcome) {
        let known = self.jobs.remove(job).map(|job| job.id);
        let Some(job) = known else { panic!("{job} is not enqueued; these are: {:?}", self.waiting()) };
        self.now += 1_000;
        self.happens(Event::Settled { at: self.now, job, outcome });
    }

    /// One whole round: the engine leaves a tree, and the tree measures `ratio` of the base.
    pub(crate) fn round(&mut self, who: &str, number: u32, ratio: f64) {
        self.settle(&format!("{who}/{number}/implement"), tree(&format!("{who}{number}")));
        self.settle(&format!("{who}/{number}/evaluate"), figures(ratio));
    }

    pub(crate) fn wall_passes(&mut self) {
        self.now += 1_000;
        self.happens(Event::WallPassed { at: self.now });
    }

    /// A process takes the session up when nobody has moved it for so long.
    pub(crate) fn resumes_after(&mut self, idle: Millis) {
        let since = self.now;
        self.now += idle;
        self.happens(Event::Resumed { at: self.now, since });
    }

    pub(crate) fn cancel(&mut self) {
        self.now += 1_000;
        self.happens(Event::Cancelled { at: self.now });
    }

    /// Names of the live jobs.
    pub(crate) fn waiting(&self) -> Vec<&str> {
        self.jobs.keys().map(String::as_str).collect()
    }

    pub(crate) fn brief(&self, job: &str) -> &str {
        match &self.jobs[job].work {
            Work::Implement { brief, .. } => brief,
            Work::Evaluate { .. } => panic!("{job} has no brief"),
        }
    }

    /// The commit that an engine starts from; `None`: the base.
    pub(crate) fn parent(&self, job: &str) -> Option<&str> {
        match &self.jobs[job].work {
            Work::Implement { parent, .. } => parent.as_ref().map(|tree| tree.commit.as_str()),
            Work::Evaluate { .. } => panic!("{job} has no parent"),
        }
    }

    pub(crate) fn evaluated_tree(&self, job: &str) -> Option<&Tree> {
        match &self.jobs[job].work {
            Work::Evaluate { tree, .. } => tree.as_ref(),
            Work::Implement { .. } => panic!("{job} evaluates nothing"),
        }
    }

    pub(crate) fn contestant(&self, name: &str) -> &Contestant {
        self.session.contestants.iter().find(|one| one.competitor.name.as_str() == name).unwrap()
    }

    pub(crate) fn standing(&self) -> &Standing {
        self.session.standing().unwrap()
    }

    pub(crate) fn entry(&self, name: &str) -> &Entry {
        self.standing().entries.iter().find(|one| one.competitor.as_str() == name).unwrap()
    }

    /// Status, winner and what still runs: how a story ends.
    pub(crate) fn end(&self) -> (Status, Option<&str>) {
        assert_eq!(self.waiting(), Vec::<&str>::new(), "a session that has ended leaves no job behind");
        assert_eq!(self.effects.last(), Some(&Effect::Ended));
        (self.standing().status, self.standing().winner.as_ref().map(CompetitorName::as_str))
    }

    pub(crate) fn is_running(&self) -> bool {
        self.session.phase == Phase::Running
    }

    /// What the latest step told watchers.
    pub(crate) fn told(&self) -> Vec<(NoticeKind, &str)> {
        let notices = self.effects.iter().filter_map(|effect| match effect {
            Effect::Notice(notice) => Some((notice.kind, notice.text.as_str())),
            Effect::Enqueue(_) | Effect::Cancel { .. } | Effect::Ended => None,
        });
        notices.collect()
    }
}

fn short(id: &JobId) -> String {
    id.as_str().split_once('/').unwrap().1.to_owned()
}

/// Competitors of these names, three rounds, a test gate, and a harness whose only KPI is a count of steps.
pub(crate) fn packet(names: &[&str]) -> Packet {
    Packet {
        title: "Faster sums".into(),
        goal: "Make sums faster.".into(),
        repository: ".".into(),
        base: None,
        paradigm: Paradigm::Compete,
        mode: Mode::Team,
        parallel: 3,
        priority: 0,
        weight: 1,
        kind: "speed".into(),
        brief: BriefSection {
            specification: "Sums take fewer steps.".into(),
            acceptance: vec!["sums are right".into()],
            ..BriefSection::default()
        },
        scope: Scope {
            allowed: vec!["src/**".into()],
            forbidden: Vec::new(),
            protected: vec!["tests/**".into()],
            on_violation: OnViolation::Revert,
        },
        competitors: names.iter().map(|name| competitor(name)).collect(),
        engines: BTreeMap::new(),
        egress: BTreeMap::new(),
        gates: vec![Gate {
            name: "tests".into(),
            kind: GateKind::Test,
            run: "make check".into(),
            timeout: Gate::DEFAULT_TIMEOUT,
            required: true,
        }],
        harness: Some(Harness {
            run: "bench {scenario}".into(),
            timeout: Harness::DEFAULT_TIMEOUT,
            scenarios: SHOWN.map(str::to_owned).to_vec(),
            holdout: Vec::new(),
            repeats: 3,
            token: false,
        }),
        kpis: vec![Kpi {
            name: "steps".into(),
            source: KpiSource::Stdout,
            unit: "steps".into(),
            better: Better::Lower,
            weight: 1.0,
            guard: None,
            target: None,
            known_baseline: None,
        }],
        scoring: Scoring::default(),
        budget: Budget { rounds: 3, ..Budget::default() },
        sandbox: Sandbox::default(),
        labels: std::collections::BTreeSet::new(),
        language: Language::English,
        unknown: Vec::new(),
        found: Found::default(),
    }
}

fn competitor(name: &str) -> Competitor {
    Competitor {
        name: CompetitorName::new(name),
        engine: format!("engine-{name}"),
        model: None,
        approach: None,
        verbosity: Verbosity::Concise,
        deck: None,
        subtask: None,
    }
}

pub(crate) fn with_rounds(names: &[&str], rounds: u32) -> Packet {
    Packet { budget: Budget { rounds, ..Budget::default() }, ..packet(names) }
}

pub(crate) fn with_holdout(names: &[&str]) -> Packet {
    let mut packet = with_rounds(names, 1);
    packet.harness.as_mut().unwrap().holdout = vec![HELD.into()];
    packet
}

/// Gates alone decide.
pub(crate) fn without_kpis(names: &[&str]) -> Packet {
    Packet { harness: None, kpis: Vec::new(), ..packet(names) }
}

pub(crate) fn left(commit: &str) -> Implemented {
    Implemented {
        commit: Commit::new(commit),
        bundle: format!("bundle-of-{commit}"),
        changes: vec![change("src/sum.rs")],
        reverted: Vec::new(),
        flags: Vec::new(),
        exit: Exit::Code(0),
        ending: Ending::Done,
        ending_detail: String::new(),
        duration: Duration::from_secs(60),
        said: Vec::new(),
        usage: Usage::default(),
        own_usage: Usage::default(),
        engine_version: String::new(),
        logs: Vec::new(),
    }
}

pub(crate) fn change(path: &str) -> Change {
    Change { path: path.into(), kind: ChangeKind::Modified, added_lines: 5, removed_lines: 3, binary: false }
}

pub(crate) fn tree(commit: &str) -> Outcome {
    Outcome::Implemented(left(commit))
}

pub(crate) fn nothing() -> Outcome {
    Outcome::Implemented(Implemented { changes: Vec::new(), bundle: String::new(), ..left("base") })
}

pub(crate) fn engine_failed(exit: Exit) -> Outcome {
    Outcome::Implemented(Implemented { exit, ending: Ending::of_exit(exit), ..left("half-done") })
}

pub(crate) fn infrastructure() -> Outcome {
    Outcome::Failed(Failure::Infrastructure("the worker's disk is full".into()))
}

pub(crate) fn gate(exit: Exit) -> GateResult {
    GateResult {
        name: "tests".into(),
        kind: GateKind::Test,
        required: true,
        exit,
        duration: Duration::from_secs(2),
        command: "make check".into(),
        tail: if exit.passed() { String::new() } else { "sum of nothing is not 0".into() },
        log: "log".into(),
        tests: Some(12),
    }
}

fn series(scenario: &str, holdout: bool, ratio: f64) -> Series {
    let (base, candidate) = (vec![BASE; 3], vec![BASE * ratio; 3]);
    Series { kpi: "steps".into(), scenario: scenario.into(), holdout, base, candidate }
}

/// Passing gates, and this ratio on each scenario that is shown.
pub(crate) fn measured(ratios: [f64; 3]) -> Evaluated {
    Evaluated {
        gates: vec![gate(Exit::Code(0))],
        series: SHOWN.into_iter().zip(ratios).map(|(scenario, ratio)| series(scenario, false, ratio)).collect(),
        exclusive_cores: true,
        hardware: "class".into(),
        ..Evaluated::default()
    }
}

pub(crate) fn figures(ratio: f64) -> Outcome {
    Outcome::Evaluated(measured([ratio; 3]))
}

pub(crate) fn held(ratio: f64) -> Outcome {
    Outcome::Evaluated(Evaluated { series: vec![series(HELD, true, ratio)], ..Evaluated::default() })
}

pub(crate) fn gates_only(exit: Exit) -> Outcome {
    Outcome::Evaluated(Evaluated { gates: vec![gate(exit)], ..Evaluated::default() })
}

pub(crate) fn base() -> Outcome {
    let mut base = measured([1.0; 3]);
    base.series.iter_mut().for_each(|one| one.candidate.clear());
    Outcome::Evaluated(base)
}
