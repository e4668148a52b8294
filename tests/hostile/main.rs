//! Hostile engines against the real binary, and beside each a control: the same attack on a deliberately naive profile, in
//! which it succeeds. An attack that does not work anywhere proves nothing.
//!
//! Beside every hostile engine an honest one runs, and wins.

mod building;
mod evaluation;
mod files;
mod git;
mod naive;
mod printed;
mod resources;
