//! Between messages and the domain, one file a message group. Decoding refuses what it does not know.

mod event;
pub use event::feed_item;
mod job;
mod outcome;

use arena_domain::id::{Commit, CompetitorName, Fence, JobId, SessionId, Tenant, WorkerId};
use std::time::Duration;

/// A message that says what this version does not understand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed {message}: {reason}")]
pub struct Malformed {
    pub message: &'static str,
    pub reason: String,
}

/// A domain value and its message.
pub trait Wire: Sized {
    type Message;
    fn to_wire(&self) -> Self::Message;
    fn from_wire(message: Self::Message) -> Result<Self, Malformed>;
}

macro_rules! same {
    ($($type:ty),*) => {$(
        impl Wire for $type {
            type Message = $type;
            fn to_wire(&self) -> $type { self.clone() }
            fn from_wire(message: $type) -> Result<Self, Malformed> { Ok(message) }
        }
    )*};
}
same!(String, bool, u32, u64, f64);

macro_rules! named {
    ($($type:ty),*) => {$(
        impl Wire for $type {
            type Message = String;
            fn to_wire(&self) -> String { self.as_str().to_owned() }
            fn from_wire(message: String) -> Result<Self, Malformed> { Ok(Self::new(message)) }
        }
    )*};
}
named!(SessionId, JobId, CompetitorName, WorkerId, Tenant, Fence, Commit);

impl Wire for Duration {
    /// Microseconds.
    type Message = u64;
    fn to_wire(&self) -> u64 {
        u64::try_from(self.as_micros()).unwrap_or(u64::MAX)
    }
    fn from_wire(message: u64) -> Result<Self, Malformed> {
        Ok(Duration::from_micros(message))
    }
}

impl<T: Wire> Wire for Vec<T> {
    type Message = Vec<T::Message>;
    fn to_wire(&self) -> Self::Message {
        self.iter().map(Wire::to_wire).collect()
    }
    fn from_wire(message: Self::Message) -> Result<Self, Malformed> {
        message.into_iter().map(T::from_wire).collect()
    }
}

impl<T: Wire> Wire for Option<T> {
    type Message = Option<T::Message>;
    fn to_wire(&self) -> Self::Message {
        self.as_ref().map(Wire::to_wire)
    }
    fn from_wire(message: Self::Message) -> Result<Self, Malformed> {
        message.map(T::from_wire).transpose()
    }
}

/// A part that must be there.
fn required<M, T: Wire<Message = M>>(message: &'static str, part: &str, value: Option<M>) -> Result<T, Malformed> {
    let value = value.ok_or_else(|| Malformed { message, reason: format!("no {part}") })?;
    T::from_wire(value)
}

fn unknown(message: &'static str, value: &str) -> Malformed {
    Malformed { message, reason: format!("'{value}' is not known to this version") }
}
