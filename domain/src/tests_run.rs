//! How many tests a runner says have passed, read from its summary.
//!
//! The last summary in the output counts. A runner that gives one per crate, module or binary is added up; a test that
//! was skipped, or that failed as expected, has not passed.

mod line;
mod runner;

use runner::{Runner, Tap, Unittest};

/// `None` when no known runner's summary is in the output.
pub fn passed(output: &str) -> Option<u64> {
    let clean = crate::text::sanitise(output.as_bytes());
    let mut tally = Tally::default();
    for text in clean.lines() {
        tally.read(text);
    }
    tally.result()
}

/// Why a candidate's count cannot stand beside the base's: it ran fewer tests than the base did, or says nothing.
pub fn fewer_than_base(base: Option<u64>, candidate: Option<u64>) -> Option<String> {
    match (base, candidate) {
        (None | Some(0), _) => None,
        (Some(base), None) => Some(format!("{base} tests passed on the base, and none is reported")),
        (Some(base), Some(ours)) if ours < base => Some(format!("{ours} tests passed, {base} on the base")),
        (Some(_), Some(_)) => None,
    }
}

/// What has been read so far.
#[derive(Default)]
struct Tally {
    counts: [Option<u64>; Runner::ALL.len()],
    last: Option<Runner>,
    unittest: Unittest,
    tap: Tap,
}

impl Tally {
    fn read(&mut self, text: &str) {
        let text = text.trim_end();
        if self.tap.read(text) {
            self.last = Some(Runner::Tap);
            self.counts[Runner::Tap as usize] = Some(self.tap.passed);
        }
        if let Some(count) = self.unittest.read(text) {
            self.note(Runner::Unittest, count);
        } else if let Some((runner, count)) = Runner::ALL.into_iter().find_map(|one| Some((one, one.read(text)?))) {
            self.note(runner, count);
        }
    }

    fn note(&mut self, runner: Runner, count: u64) {
        let slot = &mut self.counts[runner as usize];
        *slot = Some(if runner.adds_up() { slot.unwrap_or(0).saturating_add(count) } else { count });
        self.last = Some(runner);
    }

    /// Classes are summed up again per module by Surefire, so they count only where no module says anything.
    fn result(&self) -> Option<u64> {
        let of = |runner: Runner| self.counts[runner as usize];
        let last = self.last?;
        if last == Runner::SurefireClass { of(Runner::Surefire).or(of(last)) } else { of(last) }
    }
}

#[cfg(test)]
mod tests;
