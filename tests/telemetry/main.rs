//! Traces and metrics of real sessions on real containers, read by a real receiver over the wire.

mod harm;
mod names;
mod trace;
