//! Every command as a user and as a script meets it.

mod act;
mod adopt;
mod begin;
mod look;
mod mends;
mod models;
mod prices;
mod streams;
mod sudo;
