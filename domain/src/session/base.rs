//! The base comes first: gates and harness are tried on it before an engine is paid for, and its figures go into the briefs.

use super::compete::describe;
use super::{Effect, NoticeKind, PendingKind, Phase, Play, Session, notice};
use crate::brief;
use crate::job::Work;
use crate::outcome::{Evaluated, Outcome};
use crate::standing::Status;

impl Session {
    pub(super) fn begin(&mut self, effects: &mut Vec<Effect>) {
        self.phase = Phase::Running;
        // Nothing is run for a session that could not tell its engines what to do.
        let mut briefs = self.contestants.iter().map(|one| brief::compose(&self.packet, one, 1, None));
        if let Some(incomplete) = briefs.find_map(Result::err) {
            return self.fail(&format!("{incomplete}; nothing was run"), effects);
        }
        let many = self.contestants.len();
        effects.push(notice(NoticeKind::Started, format!("{many} competitors at {}", self.base)));
        self.enqueue(None, 0, PendingKind::Evaluate, Work::Evaluate { tree: None, holdout: false }, effects);
        if !self.waits_for_the_base() {
            for index in 0..many {
                self.next_round(index, 1, effects);
            }
        }
    }

    /// With nothing to run on the base there is nothing to wait for.
    fn waits_for_the_base(&self) -> bool {
        self.base_first && (self.packet.harness.is_some() || !self.packet.gates.is_empty())
    }

    pub(super) fn base_settled(&mut self, outcome: Outcome, effects: &mut Vec<Effect>) {
        let evaluated = match outcome {
            Outcome::Evaluated(evaluated) => evaluated,
            Outcome::Implemented(_) => return self.fail("the base job answered with a submission", effects),
            Outcome::Failed(failure) => return self.fail(&format!("the base: {}", describe(&failure)), effects),
        };
        if let Some(reason) = &evaluated.incomplete {
            let mend = "run the harness by hand on the base commit, mend it, and run again";
            return self.fail(&format!("the harness does not measure the base: {reason}; {mend}"), effects);
        }
        effects.push(notice(NoticeKind::BaseMeasured, gates_of(&evaluated)));
        self.base_evaluated = Some(evaluated);
        for index in 0..self.contestants.len() {
            match self.contestants[index].play {
                Play::Waiting => self.next_round(index, 1, effects),
                Play::AwaitingBase(round) => self.evaluate(index, round, effects),
                Play::Implementing(_) | Play::Evaluating(_) | Play::Resting(_) | Play::Holdout(_) | Play::Done(_) => {}
            }
        }
    }

    fn fail(&mut self, reason: &str, effects: &mut Vec<Effect>) {
        self.end(Status::Failed, reason, effects);
    }
}

/// A gate that the base fails ends nothing: to mend it may be what the session is for.
fn gates_of(base: &Evaluated) -> String {
    let broken: Vec<&str> = base.gates.iter().filter(|gate| !gate.passed()).map(|gate| gate.name.as_str()).collect();
    match broken.as_slice() {
        [] => "the base passes every gate".to_owned(),
        names => format!("the base itself fails: {}", names.join(", ")),
    }
}
