//! Attacks on the machine's resources: what limits hold against, and what a control without limits suffers.

/// Leaves 500 processes behind.
pub const CROWD: &str = "for i in $(seq 500); do sleep 300 & done 2>/dev/null";

/// Asks for a gibibyte.
pub const EAT: &str = "python3 -c 'x = bytearray(1 << 30)'";

/// Says 30 MB.
pub const FLOOD: &str = "head -c 30000000 /dev/zero | tr '\\0' x";
