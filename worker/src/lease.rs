//! A lease on this machine's own clock. When it was not renewed for too long, all that runs under it ends: by this worker,
//! and where the worker itself hangs, by the relay in each container, which is told how long the lease holds.

use arena_domain::schedule::Terms;
use arena_runtime::clock::Stopwatch;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Clones are the same one.
#[derive(Debug, Clone)]
pub struct Lease(Arc<Held>);

#[derive(Debug)]
struct Held {
    /// When the heartbeat was sent that a coordinator answered last, and how long its leases hold; nothing: it does not run
    /// out, for whoever counts it ends with this process.
    renewed: Option<Mutex<(Stopwatch, Duration)>>,
    /// Nobody wants the job any more, for whatever reason.
    cancel: CancellationToken,
    /// This was the reason.
    overdue: CancellationToken,
}

impl Lease {
    pub fn new(sent: Stopwatch, term: Duration) -> Self {
        Self::of(Some(Mutex::new((sent, term))))
    }

    /// On one machine, where the queue ends with the worker.
    pub fn without_end() -> Self {
        Self::of(None)
    }

    fn of(renewed: Option<Mutex<(Stopwatch, Duration)>>) -> Self {
        Self(Arc::new(Held { renewed, cancel: CancellationToken::new(), overdue: CancellationToken::new() }))
    }

    pub(crate) fn cancel(&self) -> &CancellationToken {
        &self.0.cancel
    }

    pub(crate) fn renew(&self, sent: Stopwatch, term: Duration) {
        if let Some(renewed) = &self.0.renewed {
            *renewed.lock().unwrap_or_else(PoisonError::into_inner) = (sent, term);
        }
    }

    /// Whether more may be begun under it; if not, what runs is told to end.
    pub(crate) fn holds(&self) -> bool {
        let late = self.renewed().is_some_and(|(sent, term)| sent.elapsed() >= Terms::patience(term));
        if late && !self.0.cancel.is_cancelled() {
            self.0.overdue.cancel();
            self.0.cancel.cancel();
        }
        !late
    }

    /// It could not be renewed in time: somebody else may have the job.
    pub(crate) fn is_overdue(&self) -> bool {
        self.0.overdue.is_cancelled()
    }

    /// Whole seconds until it ends, as a relay is told; nothing: it does not.
    pub(crate) fn left(&self) -> Option<u8> {
        let (sent, term) = self.renewed()?;
        Some(u8::try_from(term.saturating_sub(sent.elapsed()).as_secs()).unwrap_or(u8::MAX))
    }

    fn renewed(&self) -> Option<(Stopwatch, Duration)> {
        Some(*self.0.renewed.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_renewed_for_three_quarters_of_its_time_begins_nothing_more() {
        let long = Lease::new(Stopwatch::start(), Duration::from_secs(3_600));
        assert!(long.holds() && !long.is_overdue());
        assert_eq!(long.left(), Some(u8::MAX), "a relay hears of it again before that");
        let over = Lease::new(Stopwatch::start(), Duration::ZERO);
        assert!(!over.holds() && over.is_overdue() && over.cancel().is_cancelled());
        assert_eq!(over.left(), Some(0));
        over.renew(Stopwatch::start(), Duration::from_secs(60));
        assert!(over.is_overdue(), "what was told to end is not taken up again");
        let local = Lease::without_end();
        assert!(local.holds() && local.left().is_none());
        local.cancel().cancel();
        assert!(local.holds() && !local.is_overdue(), "it was cancelled for another reason");
    }
}
