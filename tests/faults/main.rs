//! Faults: kills, signals, a Docker that goes, disks that are full or read-only, garbage in the state directory.

mod common;
mod kills;
mod signals;
