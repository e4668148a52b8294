//! How much each caller may ask of this coordinator in a minute. A whole minute's worth may come at once; what was asked is
//! worked off evenly. What is kept of a caller is one time, and of no more callers than [`MOST`].

use arena_runtime::clock::Stopwatch;
use arena_runtime::config::Rates;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tonic::Status;

const MINUTE: Duration = Duration::from_secs(60);
/// Callers that are told apart; all others share one measure.
const MOST: usize = 10_000;

/// One measure: by caller, when what it asked is worked off.
#[derive(Debug)]
struct Measure {
    /// In a minute.
    most: u64,
    busy: BTreeMap<String, Duration>,
}

impl Measure {
    fn new(most: u64) -> Self {
        Self { most: most.max(1), busy: BTreeMap::new() }
    }

    fn cost(&self, amount: u64) -> Duration {
        let nanos = u128::from(amount) * MINUTE.as_nanos() / u128::from(self.most);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// The caller's own time, or that of all who are too many.
    fn of(&mut self, who: &str, now: Duration) -> &mut Duration {
        if self.busy.len() >= MOST && !self.busy.contains_key(who) {
            // Whoever has worked off everything is as one who never asked.
            self.busy.retain(|_, until| *until > now);
        }
        let known = self.busy.len() < MOST || self.busy.contains_key(who);
        let until = self.busy.entry(if known { who.to_owned() } else { String::new() }).or_insert(now);
        *until = (*until).max(now);
        until
    }

    /// Or how long to wait.
    fn take(&mut self, who: &str, amount: u64, now: Duration) -> Result<(), Duration> {
        let cost = self.cost(amount);
        let until = self.of(who, now);
        let after = *until + cost;
        if after > now + MINUTE {
            return Err(after - now - MINUTE);
        }
        *until = after;
        Ok(())
    }

    /// What is over already counts too, and whoever owes waits.
    fn charge(&mut self, who: &str, amount: u64, now: Duration) {
        let cost = self.cost(amount);
        *self.of(who, now) += cost;
    }
}

#[derive(Debug)]
struct Measures {
    calls: Measure,
    submits: Measure,
    bytes: Measure,
    strangers: Measure,
}

/// The measures of one coordinator. Clones are the same ones.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    measures: Arc<Mutex<Measures>>,
    since: Stopwatch,
}

/// Whoever sends or receives a blob.
#[derive(Debug, Clone)]
pub(crate) struct Meter {
    measured: Option<Measured>,
    who: String,
}

impl Measured {
    pub(crate) fn new(rates: Rates) -> Self {
        let Rates { calls, submits, blob_mib, strangers } = rates;
        let measures = Measures {
            calls: Measure::new(calls.into()),
            submits: Measure::new(submits.into()),
            bytes: Measure::new(u64::from(blob_mib) << 20),
            strangers: Measure::new(strangers.into()),
        };
        Self { measures: Arc::new(Mutex::new(measures)), since: Stopwatch::start() }
    }

    fn take(&self, of: impl Fn(&mut Measures) -> &mut Measure, who: &str, amount: u64) -> Result<(), Duration> {
        let mut measures = self.measures.lock().unwrap_or_else(PoisonError::into_inner);
        of(&mut measures).take(who, amount, self.since.elapsed())
    }

    pub(crate) fn call(&self, who: &str) -> Result<(), Status> {
        self.take(|all| &mut all.calls, who, 1).map_err(|wait| too_much("calls", wait))
    }

    pub(crate) fn submit(&self, who: &str) -> Result<(), Status> {
        self.take(|all| &mut all.submits, who, 1).map_err(|wait| too_much("sessions", wait))
    }

    pub(crate) fn stranger(&self, address: &str) -> Result<(), Status> {
        self.take(|all| &mut all.strangers, address, 1).map_err(|wait| too_much("calls by nobody known", wait))
    }

    /// Of somebody whose blobs so far are within the measure.
    pub(crate) fn meter(&self, who: &str) -> Result<Meter, Status> {
        self.take(|all| &mut all.bytes, who, 0).map_err(|wait| too_much("bytes", wait))?;
        Ok(Meter { measured: Some(self.clone()), who: who.to_owned() })
    }
}

impl Meter {
    /// In one process nothing is measured.
    pub(crate) fn none() -> Self {
        Self { measured: None, who: String::new() }
    }

    pub(crate) fn count(&self, bytes: u64) {
        if let Some(measured) = &self.measured {
            let mut measures = measured.measures.lock().unwrap_or_else(PoisonError::into_inner);
            measures.bytes.charge(&self.who, bytes, measured.since.elapsed());
        }
    }
}

fn too_much(what: &str, wait: Duration) -> Status {
    let seconds = wait.as_secs() + 1;
    let mend = format!("try again in {seconds} s, or have the rates under [coordinator] raised");
    let mut status = Status::resource_exhausted(format!("too many {what} in a minute; {mend}"));
    status.metadata_mut().insert(arena_proto::RETRY_AFTER, seconds.into());
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_minutes_worth_comes_at_once_and_more_when_it_is_worked_off() {
        let mut measure = Measure::new(60);
        assert!((0..60).all(|_| measure.take("ann", 1, at(5)).is_ok()));
        assert_eq!(measure.take("ann", 1, at(5)), Err(at(1)));
        assert_eq!(measure.take("bob", 1, at(5)), Ok(()), "everybody has a measure of their own");
        assert_eq!(measure.take("ann", 1, at(6)), Ok(()));
        assert_eq!(measure.take("ann", 2, at(6)), Err(at(2)));
        assert!(
            (0..60).all(|_| measure.take("ann", 1, at(600)).is_ok()),
            "who was silent has no more than a minute's worth"
        );
        assert!(measure.take("ann", 1, at(600)).is_err());
    }

    #[test]
    fn whoever_owes_waits_until_it_is_worked_off() {
        let mut measure = Measure::new(60);
        measure.charge("ann", 180, at(0));
        assert_eq!(measure.take("ann", 0, at(0)), Err(at(120)));
        assert_eq!(measure.take("ann", 0, at(120)), Ok(()));
    }

    #[test]
    fn callers_without_end_take_no_room_without_end_and_free_nobody() {
        let mut measure = Measure::new(1);
        for number in 0..MOST - 1 {
            measure.take(&format!("a{number}"), 1, at(0)).unwrap();
        }
        measure.take("ann", 1, at(1)).unwrap();
        assert_eq!(measure.take("late", 1, at(1)), Ok(()), "those who are too many share one measure");
        assert!(measure.take("later", 1, at(1)).is_err());
        assert!(measure.take("ann", 1, at(1)).is_err(), "who is known is still known");
        assert!(measure.busy.len() <= MOST + 1);
        assert_eq!(measure.take("later", 1, at(120)), Ok(()));
        assert!(measure.busy.len() < 10, "who has worked it off is forgotten");
    }
}
