//! Real coding engines in containers without a network, behind the broker, against the scripted model.
//!
//! The packs come from `ARENA_TEST_ENGINES` or `target/engines`, which `deploy/engines` fills; a pack that is missing
//! is a skip by name.

mod egress;
mod hostile;
mod keys;
mod login;
mod money;
mod naive;
mod packs;
mod stage;
mod table;
mod together;
mod watched;
