//! Limits: of packets, of sandboxes, of budgets. What goes over one is contained, and said.

mod budgets;
mod packets;
mod sandbox;
mod setups;
