//! When a session stops.

use std::time::Duration;

#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    pub rounds: u32,
    pub wall: Option<Duration>,
    pub cost_usd: Option<f64>,
    /// A competitor stops after this many rounds without gain.
    pub stale_rounds: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self { rounds: 1, wall: None, cost_usd: None, stale_rounds: 2 }
    }
}
