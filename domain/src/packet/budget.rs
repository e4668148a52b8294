//! When a session stops.

use super::Engine;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    pub rounds: u32,
    pub wall: Option<Duration>,
    pub cost_usd: Option<f64>,
    /// Of one engine run, input and output together.
    pub tokens: Option<u64>,
    /// Of one engine run.
    pub requests: Option<u64>,
    /// The longest that one run of an engine that comes with Arena may take.
    pub engine_time: Duration,
    /// A competitor stops after this many rounds without gain.
    pub stale_rounds: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            rounds: 1,
            wall: None,
            cost_usd: None,
            tokens: None,
            requests: None,
            engine_time: Engine::DEFAULT_TIMEOUT,
            stale_rounds: 2,
        }
    }
}
