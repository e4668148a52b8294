//! The wire: generated messages, their conversions to the domain, and the packet's text form.

pub mod convert;
pub mod packet;
pub mod trace;

/// Generated from `arena/v1/*.proto`.
#[allow(clippy::all, clippy::too_many_lines, unreachable_pub)]
pub mod v1 {
    tonic::include_proto!("arena.v1");
}

/// Largest message on any stream, in bytes: a brief, an outcome with its tails, a record.
pub const MAX_MESSAGE: usize = 16 << 20;
/// A chunk of a blob.
pub const BLOB_CHUNK: usize = 256 << 10;
