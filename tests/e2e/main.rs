//! The main job on the real thing: real Docker, real git, the real binary.

mod repositories;
mod session;
mod trees;
