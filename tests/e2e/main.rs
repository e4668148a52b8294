//! The main job on the real thing: real Docker, real git, the real binary.

mod demo;
mod fallback;
mod session;
