//! Sessions told as stories: what happens, what is enqueued, how it ends. The world below them is in `world`.

mod asking;
mod endings;
mod faults;
mod laws;
mod rounds;
pub(crate) mod world;
