//! The wire: generated messages, their conversions to the domain, and the packet's text form.

pub mod codec;
pub mod convert;
pub mod dial;
pub mod packet;
pub mod trace;

/// Generated from `arena/v1/*.proto`.
#[allow(clippy::all, clippy::too_many_lines, unreachable_pub)]
pub mod v1 {
    tonic::include_proto!("arena.v1");
}

/// What the services can be asked, for reflection.
pub const DESCRIPTORS: &[u8] = tonic::include_file_descriptor_set!("arena.v1");

/// In the metadata of a refusal: the seconds after which the same call may be let through.
pub const RETRY_AFTER: &str = "retry-after";

/// Largest message on any stream, in bytes: a brief, an outcome with its tails, a record.
pub const MAX_MESSAGE: usize = 16 << 20;
/// Largest outcome of one job, in bytes: far from [`MAX_MESSAGE`], since a record holds many and a message more than one thing.
pub const MAX_OUTCOME: usize = 4 << 20;
/// Largest archive of the files that engines of a packet name: each job of theirs holds it in memory.
pub const MAX_FILES: usize = 64 << 20;
/// A chunk of a blob.
pub const BLOB_CHUNK: usize = 256 << 10;

/// The newest wire that this version speaks, and the oldest that it still understands.
pub const PROTOCOL: u32 = 1;
pub const OLDEST_PROTOCOL: u32 = 1;

/// The wire that two sides share, when there is one.
pub fn common_protocol(theirs: u32, their_oldest: u32) -> Option<u32> {
    let newest = PROTOCOL.min(theirs);
    (newest >= OLDEST_PROTOCOL && newest >= their_oldest).then_some(newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_versions_speak_the_newest_wire_that_both_know() {
        let next = PROTOCOL + 1;
        let rows = [
            ((PROTOCOL, OLDEST_PROTOCOL), Some(PROTOCOL)),
            ((next, PROTOCOL), Some(PROTOCOL)),
            ((next, next), None),
            ((0, 0), None),
        ];
        for ((theirs, oldest), common) in rows {
            assert_eq!(common_protocol(theirs, oldest), common, "{theirs} back to {oldest}");
        }
    }
}
