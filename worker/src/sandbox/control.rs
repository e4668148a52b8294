//! The talk with the relay: one order to it, two records from it.

use super::{Error, RelayReport};
use std::fmt::Write;
use std::io::Read;
use std::time::Duration;

/// The secret of one run: whoever knows it can write what looks like the relay's records.
#[derive(Clone)]
pub struct Key(String);

impl Key {
    /// 256 bits from the kernel.
    pub fn random() -> Result<Self, Error> {
        hex_random(32).map(Self)
    }

    /// The first line the relay reads; `stdin_bytes` of the command's input follow it, and then how many seconds the lease
    /// holds from then on, a byte each time. `left`: how many it holds now; nothing: as long as this process lives.
    pub fn order(&self, stdin_bytes: usize, left: Option<u8>) -> String {
        match left {
            Some(left) => format!("{} {stdin_bytes} {left}\n", self.0),
            None => format!("{} {stdin_bytes}\n", self.0),
        }
    }

    /// How the first record begins. It shows one half of the key only, because a command can read back what is
    /// still in its own output pipe.
    pub fn start_mark(&self) -> Vec<u8> {
        format!("\u{1e}{} start\n", &self.0[..self.0.len() / 2]).into_bytes()
    }

    /// How the last record begins; it ends with its line.
    pub fn end_mark(&self) -> Vec<u8> {
        format!("\u{1e}{} end ", &self.0[self.0.len() / 2..]).into_bytes()
    }

    #[cfg(test)]
    pub(super) fn fixed() -> Self {
        Self(["0123456789abcdef".repeat(2), "fedcba9876543210".repeat(2)].concat())
    }
}

/// Lower-case hexadecimal digits of this many random bytes.
pub(super) fn hex_random(bytes: usize) -> Result<String, Error> {
    let mut raw = vec![0; bytes];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut raw));
    read.map_err(|error| Error::Refused(format!("no randomness on this machine: {error}")))?;
    let mut text = String::with_capacity(bytes * 2);
    for byte in raw {
        write!(text, "{byte:02x}").map_err(|error| Error::Refused(error.to_string()))?;
    }
    Ok(text)
}

/// The last record: the command's exit code as a shell says it, and what was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    pub code: i32,
    pub report: RelayReport,
}

impl End {
    /// Reads `code=<n|sigN> wall_ns=… cpu_ns=… peak_bytes=… survivors=…`.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(line).ok()?.split(' ');
        let mut value = |name: &str| words.next()?.strip_prefix(name)?.strip_prefix('=');
        let code = match value("code")? {
            code if code.starts_with("sig") => 128 + code.strip_prefix("sig")?.parse::<i32>().ok()?,
            code => code.parse().ok()?,
        };
        let report = RelayReport {
            wall: Duration::from_nanos(value("wall_ns")?.parse().ok()?),
            cpu: Duration::from_nanos(value("cpu_ns")?.parse().ok()?),
            peak_bytes: value("peak_bytes")?.parse().ok()?,
            survivors: value("survivors")?.parse().ok()?,
        };
        words.next().is_none().then_some(Self { code, report })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_whole_or_not_at_all() {
        let report =
            RelayReport { wall: Duration::from_nanos(5), cpu: Duration::from_nanos(4), peak_bytes: 3, survivors: 2 };
        let rows = [
            ("code=0 wall_ns=5 cpu_ns=4 peak_bytes=3 survivors=2", Some(End { code: 0, report })),
            ("code=sig9 wall_ns=5 cpu_ns=4 peak_bytes=3 survivors=2", Some(End { code: 137, report })),
            ("code=0 wall_ns=5 cpu_ns=4 peak_bytes=3", None),
            ("code=0 wall_ns=5 cpu_ns=4 peak_bytes=3 survivors=2 x", None),
            ("code=0 cpu_ns=4 wall_ns=5 peak_bytes=3 survivors=2", None),
            ("code=sig wall_ns=5 cpu_ns=4 peak_bytes=3 survivors=2", None),
        ];
        for (line, end) in rows {
            assert_eq!(End::parse(line.as_bytes()), end, "{line}");
        }
    }

    #[test]
    fn the_first_record_tells_nothing_about_the_last() {
        let key = Key::random().unwrap();
        let (start, end) = (key.start_mark(), key.end_mark());
        assert_ne!(start[1..33], end[1..33]);
        assert_eq!(key.order(7, None).len(), 64 + 3);
    }
}
