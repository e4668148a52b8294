//! An Arena in a few lines: a repository, a state directory, the real binary, and what must not be left behind.
//!
//! Every world has its own directories and labels, so tests run in any order and many at once.

mod attacks;
mod conventions;
mod day;
mod fleet;
mod history;
mod leftovers;
pub mod model;
mod net;
mod older;
mod packet;
mod receiver;
mod redis;
mod skip;
pub mod soak;
mod storage;
mod witness;
mod world;

pub use attacks::{CROWD, EAT, FLOOD};
pub use conventions::strange;
pub use day::Day;
pub use fleet::{Fleet, Service, soon};
pub use leftovers::{Leftovers, leftovers};
pub use net::{HUB, Network};
pub use older::{Older, REFUSAL};
pub use packet::{Packet, engine};
pub use receiver::{Receiver, Told};
pub use redis::Redis;
pub use skip::{ready, skip};
pub use storage::{KEY, SECRET, Storage};
pub use witness::{Seen, Witness, now};
pub use world::{Output, Running, World, binary, git, run, sweep};
