//! Repositories of every kind: each ends in a right result, or in an error that names the command that mends it.

mod changes;
mod kinds;
mod large;
mod names;
mod refused;
