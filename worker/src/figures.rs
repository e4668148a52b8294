//! What a worker counts, for whoever looks at figures.

use arena_runtime::telemetry::meter::{Counter, Figure, Gauge, Histogram};

/// From a container's start to a night of an engine, in seconds.
const TIMES: &[f64] = &[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0];
/// As the conventions for providers propose.
const TOKENS: &[f64] = &[1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0];

pub static SLOTS: Gauge = Gauge::new("arena.worker.slots", "{slot}", "Slots of this worker, used and free.");
pub static PHASES: Histogram = Histogram::new("arena.phase.duration", "s", "Phases of jobs.", TIMES);
pub static JOBS: Histogram = Histogram::new("arena.job.duration", "s", "Jobs on a worker, by how they ended.", TIMES);
pub static CONTAINERS: Histogram =
    Histogram::new("arena.container.duration", "s", "Containers from their making to their removal.", TIMES);
pub static REQUESTS: Counter =
    Counter::new("arena.broker.requests", "{request}", "Requests of engines to the broker, by what became of them.");
pub static ANSWERS: Histogram =
    Histogram::new("gen_ai.client.operation.duration", "s", "Requests to providers, with their retries.", TIMES);
pub static USAGE: Histogram =
    Histogram::new("gen_ai.client.token.usage", "{token}", "Tokens of one request, by the provider's word.", TOKENS);
pub static COST: Counter = Counter::new("arena.cost.usd", "{USD}", "Dollars that requests cost, where it is known.");

/// All of them.
pub const ALL: [&Figure; 8] = [
    &SLOTS.figure,
    &PHASES.figure,
    &JOBS.figure,
    &CONTAINERS.figure,
    &REQUESTS.figure,
    &ANSWERS.figure,
    &USAGE.figure,
    &COST.figure,
];

pub(crate) fn slots(used: usize, all: u32) {
    SLOTS.record(used as f64, &[("arena.state", "used")]);
    SLOTS.record(f64::from(all) - used as f64, &[("arena.state", "free")]);
}
