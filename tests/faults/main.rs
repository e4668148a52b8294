//! Faults: kills, signals, a Docker that goes, disks that are full or read-only, garbage in the state directory.

mod common;
mod disk;
mod docker_gone;
mod garbage;
mod kills;
mod phases;
mod proxy;
mod signals;
