//! The closed loop of `compete`: rounds with feedback, the best kept, holdout at the end.

use super::{
    Contestant, Effect, Event, IllegalTransition, Notice, NoticeKind, Pending, PendingKind, Phase, Play, RoundRecord,
    Session, judge, notice,
};
use crate::brief;
use crate::id::JobId;
use crate::job::{Job, Mark, Millis, Tree, Work};
use crate::outcome::{Evaluated, Failure, Implemented, Outcome};
use crate::placement::{Home, Needs, Room};
use crate::standing::{Standing, Status, place};

impl Session {
    pub(super) fn settled(
        &mut self,
        at: Millis,
        job: JobId,
        outcome: Outcome,
        effects: &mut Vec<Effect>,
    ) -> Result<(), IllegalTransition> {
        if self.standing().is_some() {
            return Err(IllegalTransition::Ended(self.id.clone()));
        }
        let Some(pending) = self.pending.remove(&job) else { return Err(IllegalTransition::UnknownJob(job)) };
        self.latest = at;
        match (pending.contestant, pending.kind) {
            (None, _) => self.base_settled(outcome, effects),
            (Some(index), PendingKind::Implement) => self.implement_settled(index, outcome, effects),
            (Some(index), PendingKind::Evaluate) => self.evaluate_settled(index, outcome, effects),
            (Some(index), PendingKind::Holdout) => self.holdout_settled(index, outcome, effects),
        }
        self.conclude(effects);
        Ok(())
    }

    pub(super) fn wall_passed(&mut self, at: Millis, effects: &mut Vec<Effect>) -> Result<(), IllegalTransition> {
        if self.phase != Phase::Running || self.closing.is_some() {
            return Err(IllegalTransition::Ended(self.id.clone()));
        }
        self.latest = at;
        self.close("wall time used up", effects);
        self.conclude(effects);
        Ok(())
    }

    /// No further round begins; engine runs that go on are stopped, evaluations are let end.
    fn close(&mut self, reason: &str, effects: &mut Vec<Effect>) {
        self.closing = Some(reason.to_owned());
        effects.push(Effect::Cancel { engines_only: true });
        self.pending.retain(|_, pending| pending.kind != PendingKind::Implement);
        for index in 0..self.contestants.len() {
            if matches!(self.contestants[index].play, Play::Waiting | Play::Implementing(_)) {
                self.rest(index, reason, effects);
            }
        }
    }

    fn implement_settled(&mut self, index: usize, outcome: Outcome, effects: &mut Vec<Effect>) {
        let Play::Implementing(round) = self.contestants[index].play else { return };
        match outcome {
            Outcome::Implemented(implemented) => self.implemented(index, round, implemented, effects),
            Outcome::Evaluated(_) => self.round_failed(index, round, None, "the job answered with figures", effects),
            Outcome::Failed(failure @ (Failure::Infrastructure(_) | Failure::Setup { .. })) => {
                // Another round would meet the same wall.
                let reason = describe(&failure);
                self.contestants[index].rounds.push(RoundRecord::failed(round, None, &reason));
                self.rest(index, &reason, effects);
            }
            Outcome::Failed(Failure::Cancelled) => self.rest(index, "cancelled", effects),
        }
    }

    fn implemented(&mut self, index: usize, round: u32, implemented: Implemented, effects: &mut Vec<Effect>) {
        if !implemented.ending.is_judged() {
            let why = format!("the engine failed: {}", implemented.how_it_ended());
            return self.round_failed(index, round, Some(implemented), &why, effects);
        }
        if implemented.changes.is_empty() {
            let why = match implemented.reverted.len() {
                0 => "nothing was changed".to_owned(),
                many => format!("nothing is left: all {many} changed paths were outside the scope"),
            };
            return self.round_failed(index, round, Some(implemented), &why, effects);
        }
        let record =
            RoundRecord { number: round, implemented: Some(implemented), evaluated: None, ruling: None, failure: None };
        self.contestants[index].rounds.push(record);
        if self.base_evaluated.is_some() {
            self.evaluate(index, round, effects);
        } else {
            self.contestants[index].play = Play::AwaitingBase(round);
        }
    }

    pub(super) fn evaluate(&mut self, index: usize, round: u32, effects: &mut Vec<Effect>) {
        let Some(tree) = self.contestants[index].round(round).and_then(RoundRecord::tree) else { return };
        self.contestants[index].play = Play::Evaluating(round);
        let work = Work::Evaluate { tree: Some(tree), holdout: false };
        self.enqueue(Some(index), round, PendingKind::Evaluate, work, effects);
    }

    fn evaluate_settled(&mut self, index: usize, outcome: Outcome, effects: &mut Vec<Effect>) {
        let Play::Evaluating(round) = self.contestants[index].play else { return };
        let evaluated = match outcome {
            Outcome::Evaluated(evaluated) => evaluated,
            Outcome::Implemented(_) => return self.evaluation_failed(index, round, "a submission came", effects),
            Outcome::Failed(failure) => return self.evaluation_failed(index, round, &describe(&failure), effects),
        };
        let best = self.contestants[index].best_gain();
        let Some(base) = &self.base_evaluated else { return };
        let contestant = &mut self.contestants[index];
        let Some(record) = contestant.rounds.iter_mut().find(|record| record.number == round) else { return };
        let Some(implemented) = &record.implemented else { return };
        let ruling = judge(&self.packet, implemented, &evaluated, base, best);
        record.evaluated = Some(evaluated);
        record.ruling = Some(ruling.clone());
        if ruling.kept {
            contestant.best = Some(round);
        }
        contestant.stale = if ruling.gained { 0 } else { contestant.stale + 1 };
        self.round_notice(index, round, &ruling.reason, ruling.ratio, effects);
        let stop = match () {
            () if ruling.target_reached => Some("target reached"),
            () if self.packet.kpis.is_empty() && ruling.kept => Some("every gate passes"),
            () => None,
        };
        self.after_round(index, round, stop, effects);
    }

    fn evaluation_failed(&mut self, index: usize, round: u32, reason: &str, effects: &mut Vec<Effect>) {
        let contestant = &mut self.contestants[index];
        if let Some(record) = contestant.rounds.iter_mut().find(|record| record.number == round) {
            record.failure = Some(reason.to_owned());
        }
        self.rest(index, reason, effects);
    }

    fn round_failed(
        &mut self,
        index: usize,
        round: u32,
        implemented: Option<Implemented>,
        reason: &str,
        effects: &mut Vec<Effect>,
    ) {
        let stop = implemented.as_ref().is_some_and(|one| one.ending.is_final()).then_some(reason);
        self.contestants[index].rounds.push(RoundRecord::failed(round, implemented, reason));
        self.contestants[index].stale += 1;
        self.round_notice(index, round, reason, None, effects);
        self.after_round(index, round, stop, effects);
    }

    fn after_round(&mut self, index: usize, round: u32, stop: Option<&str>, effects: &mut Vec<Effect>) {
        let budget = &self.packet.budget;
        let cost = |cap: f64| self.cost().is_some_and(|cost| cost >= cap);
        let reason = match (stop, &self.closing) {
            (Some(reason), _) => reason.to_owned(),
            (None, Some(reason)) => reason.clone(),
            (None, None) if round >= budget.rounds => "rounds used up".to_owned(),
            (None, None) if self.contestants[index].stale >= budget.stale_rounds => {
                format!("no gain in {} rounds", self.contestants[index].stale)
            }
            (None, None) if budget.cost_usd.is_some_and(cost) => "cost used up".to_owned(),
            (None, None) => return self.next_round(index, round + 1, effects),
        };
        self.rest(index, &reason, effects);
    }

    /// What is known of the cost so far; `None` when no engine says.
    fn cost(&self) -> Option<f64> {
        let records = self.contestants.iter().flat_map(|one| &one.rounds);
        let known: Vec<f64> =
            records.filter_map(|round| round.implemented.as_ref()).filter_map(|one| one.usage.cost_usd).collect();
        (!known.is_empty()).then(|| known.iter().sum())
    }

    pub(super) fn next_round(&mut self, index: usize, round: u32, effects: &mut Vec<Effect>) {
        let contestant = &self.contestants[index];
        let brief = match brief::compose(&self.packet, contestant, round, self.base_evaluated.as_ref()) {
            Ok(brief) => brief,
            Err(incomplete) => return self.rest(index, &incomplete.to_string(), effects),
        };
        let work = Work::Implement { brief, parent: self.parent(contestant) };
        self.contestants[index].play = Play::Implementing(round);
        self.enqueue(Some(index), round, PendingKind::Implement, work, effects);
    }

    /// The best kept, the worse reverted. Without KPIs a failing tree is what the next round mends.
    fn parent(&self, contestant: &Contestant) -> Option<Tree> {
        if let Some(best) = contestant.best_round() {
            let stands = best.ruling.as_ref().is_some_and(|ruling| ruling.beats_base);
            return if stands { best.tree() } else { None };
        }
        let last = contestant.rounds.last()?;
        self.packet.kpis.is_empty().then(|| last.tree()).flatten()
    }

    fn rest(&mut self, index: usize, reason: &str, effects: &mut Vec<Effect>) {
        self.contestants[index].play = Play::Resting(reason.to_owned());
        effects.push(Effect::Notice(Notice {
            kind: NoticeKind::CompetitorEnded,
            competitor: Some(self.contestants[index].competitor.name.clone()),
            round: self.contestants[index].rounds.len() as u32,
            text: reason.to_owned(),
            ratio: None,
        }));
    }

    /// When nobody plays any more: holdout for those who may win, then the standing.
    fn conclude(&mut self, effects: &mut Vec<Effect>) {
        if self.phase != Phase::Running || self.contestants.iter().any(|one| one.play.goes_on()) {
            return;
        }
        let holdout = self.packet.harness.as_ref().is_some_and(|harness| !harness.holdout.is_empty());
        for index in 0..self.contestants.len() {
            let Play::Resting(reason) = self.contestants[index].play.clone() else { continue };
            match self.contestants[index].best_round().and_then(|best| Some((best.number, best.tree()?))) {
                Some((round, tree)) if holdout => {
                    self.contestants[index].play = Play::Holdout(reason);
                    let work = Work::Evaluate { tree: Some(tree), holdout: true };
                    self.enqueue(Some(index), round, PendingKind::Holdout, work, effects);
                }
                Some(_) | None => self.contestants[index].play = Play::Done(reason),
            }
        }
        if self.contestants.iter().any(|one| matches!(one.play, Play::Holdout(_))) {
            effects.push(notice(NoticeKind::Holdout, "the best of each on scenarios nobody has seen"));
        } else {
            let standing = place(self);
            self.finish(standing, effects);
        }
    }

    fn holdout_settled(&mut self, index: usize, outcome: Outcome, effects: &mut Vec<Effect>) {
        let Play::Holdout(reason) = self.contestants[index].play.clone() else { return };
        self.contestants[index].holdout = Some(match outcome {
            Outcome::Evaluated(evaluated) => evaluated,
            Outcome::Implemented(_) => unmeasured("a submission came instead of figures"),
            Outcome::Failed(failure) => unmeasured(&describe(&failure)),
        });
        self.contestants[index].play = Play::Done(reason);
        if self.contestants.iter().all(|one| !one.play.goes_on() && !matches!(one.play, Play::Resting(_))) {
            let standing = place(self);
            self.finish(standing, effects);
        }
    }

    pub(super) fn end(&mut self, status: Status, reason: &str, effects: &mut Vec<Effect>) {
        let standing = Standing { status, winner: None, reason: reason.to_owned(), ..place(self) };
        self.finish(standing, effects);
    }

    fn finish(&mut self, standing: Standing, effects: &mut Vec<Effect>) {
        // Whoever ends early does not leave the base's evaluation to run for nobody.
        if !self.pending.is_empty() {
            self.pending.clear();
            effects.push(Effect::Cancel { engines_only: false });
        }
        effects.push(notice(NoticeKind::Ended, standing.reason.clone()));
        effects.push(Effect::Ended);
        self.phase = Phase::Ended(standing);
    }

    pub(super) fn enqueue(
        &mut self,
        contestant: Option<usize>,
        round: u32,
        kind: PendingKind,
        work: Work,
        effects: &mut Vec<Effect>,
    ) {
        let competitor = contestant.map(|index| &self.contestants[index].competitor);
        let word = match kind {
            PendingKind::Implement => "implement",
            PendingKind::Evaluate => "evaluate",
            PendingKind::Holdout => "holdout",
        };
        let id = Job::derive_id(&self.id, competitor.map(|one| &one.name), round, word);
        let job = Job {
            id: id.clone(),
            session: self.id.clone(),
            tenant: self.tenant.clone(),
            competitor: competitor.map(|one| one.name.clone()),
            round,
            engine: matches!(kind, PendingKind::Implement).then(|| competitor.map(|one| one.engine.clone())).flatten(),
            work,
            session_limit: self.packet.at_a_time(),
            session_weight: self.packet.weight,
            priority: self.packet.priority,
            needs: self.needs(contestant, kind),
            home: self.home(kind),
            trace: Mark::default(),
        };
        self.pending.insert(id, Pending { contestant, kind });
        effects.push(Effect::Enqueue(job));
    }

    /// What the worker must have. Judging writes the layers of two builds and one run.
    fn needs(&self, contestant: Option<usize>, kind: PendingKind) -> Needs {
        let sandbox = &self.packet.sandbox;
        let engine = contestant.map(|index| &self.contestants[index].competitor.engine);
        let (ability, disks) = match kind {
            PendingKind::Implement => (engine.and_then(|engine| self.packet.ability(engine)), 1),
            PendingKind::Evaluate | PendingKind::Holdout => (None, if self.packet.builds() { 3 } else { 1 }),
        };
        let room = Room::of(sandbox.memory_bytes, sandbox.disk_bytes.saturating_mul(disks));
        Needs { ability, labels: self.packet.labels.clone(), room }
    }

    /// Figures of one session come from machines that measure alike, where it can be had: those of the base's.
    fn home(&self, kind: PendingKind) -> Option<Home> {
        let class = &self.base_evaluated.as_ref()?.hardware;
        match kind {
            PendingKind::Implement => None,
            PendingKind::Evaluate | PendingKind::Holdout => (!class.is_empty()).then(|| Home::Hardware(class.clone())),
        }
    }

    fn round_notice(&self, index: usize, round: u32, text: &str, ratio: Option<f64>, effects: &mut Vec<Effect>) {
        let competitor = Some(self.contestants[index].competitor.name.clone());
        let text = text.to_owned();
        effects.push(Effect::Notice(Notice { kind: NoticeKind::RoundEnded, competitor, round, text, ratio }));
    }
}

impl Play {
    fn goes_on(&self) -> bool {
        match self {
            Self::Waiting | Self::Implementing(_) | Self::AwaitingBase(_) | Self::Evaluating(_) | Self::Holdout(_) => {
                true
            }
            Self::Resting(_) | Self::Done(_) => false,
        }
    }
}

impl RoundRecord {
    fn failed(number: u32, implemented: Option<Implemented>, reason: &str) -> Self {
        Self { number, implemented, evaluated: None, ruling: None, failure: Some(reason.to_owned()) }
    }
}

impl Event {
    pub fn at(&self) -> Millis {
        match self {
            Self::Submitted { at, .. }
            | Self::Decided { at, .. }
            | Self::Settled { at, .. }
            | Self::Cancelled { at }
            | Self::WallPassed { at }
            | Self::Resumed { at, .. } => *at,
        }
    }
}

fn unmeasured(reason: &str) -> Evaluated {
    Evaluated { incomplete: Some(reason.to_owned()), ..Evaluated::default() }
}

pub(super) fn describe(failure: &Failure) -> String {
    match failure {
        Failure::Infrastructure(reason) => format!("infrastructure: {reason}"),
        Failure::Setup { reason, mend } => format!("{reason}; {mend}"),
        Failure::Cancelled => "cancelled".into(),
    }
}
