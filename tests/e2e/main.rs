//! The main job on the real thing: real Docker, real git, the real binary.

mod commands;
mod demo;
mod deploying;
mod egress;
mod engines;
mod fallback;
mod kpis;
mod limits;
mod repositories;
mod session;
mod sharing;
mod trees;
