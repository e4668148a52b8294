//! The rules of Arena, without I/O: what a packet means, how a session moves, who waits for what, who wins and why.
//!
//! Nothing here reads a clock, a file or a socket. Time and chance are arguments.

pub mod brief;
pub mod ending;
pub mod id;
pub mod job;
pub mod measure;
pub mod outcome;
pub mod packet;
pub mod pareto;
pub mod placement;
pub mod report;
pub mod schedule;
pub mod scope;
pub mod session;
pub mod standing;
pub mod tamper;
pub mod tests_run;
pub mod text;
