//! What a container printed: the relay's records taken out, the rest kept up to a cap.

use super::control::{End, Key};

/// The longest last record that is waited for; a longer line is not one.
const LONGEST_RECORD: usize = 512;
const MARK: u8 = 0x1e;
/// So many times the cap of one stream, and the container is killed.
pub const FLOOD: u64 = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// Collects both streams. Frames are cut anywhere, so nothing here depends on where.
pub struct Output {
    cap: u64,
    seen: u64,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    truncated: bool,
    records: Records,
}

impl Output {
    pub fn new(cap: u64, key: &Key) -> Self {
        let records = Records::new(key);
        Self { cap, seen: 0, stdout: Vec::new(), stderr: Vec::new(), truncated: false, records }
    }

    /// Takes one frame; gives back what of it was kept, for whoever listens live.
    pub fn take(&mut self, stream: Stream, frame: &[u8]) -> Vec<u8> {
        self.seen += frame.len() as u64;
        match stream {
            Stream::Stdout => self.keep(stream, frame.to_vec()),
            Stream::Stderr => {
                let clean = self.records.strip(frame);
                self.keep(stream, clean)
            }
        }
    }

    /// After the last frame: what was held back as a possible record and is none.
    pub fn finish(&mut self) -> Vec<u8> {
        let rest = std::mem::take(&mut self.records.held);
        self.keep(Stream::Stderr, rest)
    }

    pub fn flooded(&self) -> bool {
        self.seen > self.cap.saturating_mul(FLOOD)
    }

    /// Standard output, standard error, whether any was dropped, and the relay's last record.
    pub fn into_parts(self) -> (Vec<u8>, Vec<u8>, bool, Option<End>) {
        (self.stdout, self.stderr, self.truncated, self.records.end)
    }

    fn keep(&mut self, stream: Stream, mut bytes: Vec<u8>) -> Vec<u8> {
        let kept = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let room = usize::try_from(self.cap).unwrap_or(usize::MAX).saturating_sub(kept.len());
        self.truncated |= bytes.len() > room;
        bytes.truncate(room);
        kept.extend_from_slice(&bytes);
        bytes
    }
}

/// Finds the two records in standard error. Each counts once: the relay writes no second one.
struct Records {
    start: Option<Vec<u8>>,
    end_mark: Vec<u8>,
    end: Option<End>,
    /// The tail of what came, as long as it may still become a record.
    held: Vec<u8>,
}

enum Match {
    /// So many bytes are the first record.
    Start(usize),
    End(usize, End),
    /// More bytes are needed to tell.
    Perhaps,
    No,
}

impl Records {
    fn new(key: &Key) -> Self {
        Self { start: Some(key.start_mark()), end_mark: key.end_mark(), end: None, held: Vec::new() }
    }

    /// Moves forward only: a stream of nothing but marks must not cost more than its length.
    fn strip(&mut self, frame: &[u8]) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.held);
        bytes.extend_from_slice(frame);
        let mut clean = Vec::with_capacity(bytes.len());
        let mut rest = bytes.as_slice();
        loop {
            let (plain, marked) = rest.split_at(rest.iter().position(|byte| *byte == MARK).unwrap_or(rest.len()));
            clean.extend_from_slice(plain);
            let taken = match self.matches(marked) {
                Match::Start(length) => {
                    self.start = None;
                    length
                }
                Match::End(length, end) => {
                    self.end = Some(end);
                    length
                }
                Match::No => {
                    clean.push(MARK);
                    1
                }
                Match::Perhaps => {
                    self.held = marked.to_vec();
                    return clean;
                }
            };
            rest = &marked[taken..];
        }
    }

    /// `bytes` is empty or begins with the mark.
    fn matches(&self, bytes: &[u8]) -> Match {
        if bytes.is_empty() {
            return Match::Perhaps;
        }
        if let Some(start) = &self.start {
            if bytes.starts_with(start) {
                return Match::Start(start.len());
            }
            if start.starts_with(bytes) {
                return Match::Perhaps;
            }
        }
        if self.end.is_some() {
            return Match::No;
        }
        if self.end_mark.starts_with(bytes) {
            return Match::Perhaps;
        }
        let Some(record) = bytes.strip_prefix(self.end_mark.as_slice()) else { return Match::No };
        match record.iter().take(LONGEST_RECORD).position(|byte| *byte == b'\n') {
            Some(line) => match End::parse(&record[..line]) {
                Some(end) => Match::End(self.end_mark.len() + line + 1, end),
                None => Match::No,
            },
            None if record.len() < LONGEST_RECORD => Match::Perhaps,
            None => Match::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RECORD: &str = "code=3 wall_ns=5 cpu_ns=4 peak_bytes=3 survivors=2";

    fn collect(frames: &[&[u8]]) -> (Vec<u8>, Option<i32>) {
        let mut output = Output::new(1 << 20, &Key::fixed());
        for frame in frames {
            output.take(Stream::Stderr, frame);
        }
        output.finish();
        let (_, stderr, _, end) = output.into_parts();
        (stderr, end.map(|end| end.code))
    }

    fn with_records(before: &[u8], after: &[u8]) -> Vec<u8> {
        let key = Key::fixed();
        let end = [key.end_mark(), RECORD.as_bytes().to_vec(), b"\n".to_vec()].concat();
        [key.start_mark(), before.to_vec(), end, after.to_vec()].concat()
    }

    #[test]
    fn a_record_with_another_key_is_output() {
        let forged = format!("\u{1e}{} end {RECORD}\n", "a".repeat(32));
        assert_eq!(collect(&[forged.as_bytes()]), (forged.into_bytes(), None));
    }

    #[test]
    fn the_first_half_of_the_key_makes_no_last_record() {
        let start = String::from_utf8(Key::fixed().start_mark()).unwrap();
        let forged = start.replace("start\n", &format!("end {RECORD}\n"));
        assert_eq!(collect(&[start.as_bytes(), forged.as_bytes()]), (forged.into_bytes(), None));
    }

    #[test]
    fn a_stream_that_stops_inside_a_record_loses_nothing() {
        let key = Key::fixed();
        let torn = [b"abc".to_vec(), key.end_mark(), b"code=".to_vec()].concat();
        assert_eq!(collect(&[&torn]), (torn.clone(), None));
    }

    #[test]
    fn output_beyond_the_cap_is_dropped_but_the_record_is_read() {
        let mut output = Output::new(4, &Key::fixed());
        output.take(Stream::Stdout, b"123456");
        output.take(Stream::Stderr, &with_records(b"abcdefgh", b""));
        output.finish();
        let (stdout, stderr, truncated, end) = output.into_parts();
        assert_eq!((stdout.as_slice(), stderr.as_slice(), truncated), (&b"1234"[..], &b"abcd"[..], true));
        assert_eq!(end.map(|end| end.code), Some(3));
    }

    #[test]
    fn four_times_the_cap_is_a_flood() {
        let mut output = Output::new(4, &Key::fixed());
        output.take(Stream::Stdout, &[0; 16]);
        assert!(!output.flooded());
        output.take(Stream::Stderr, &[0; 1]);
        assert!(output.flooded());
    }

    fn noise() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop_oneof![Just(MARK), Just(b'\n'), Just(b'0'), any::<u8>()], 0..80)
    }

    proptest! {
        #[test]
        fn the_cuts_between_frames_change_nothing(before in noise(), after in noise(), size in 1_usize..9) {
            let whole = with_records(&before, &after);
            let frames: Vec<&[u8]> = whole.chunks(size).collect();
            let expected = ([before, after].concat(), Some(3));
            prop_assert_eq!(collect(&frames), expected.clone());
            prop_assert_eq!(collect(&[&whole]), expected);
        }

        #[test]
        fn output_without_records_passes_unchanged(bytes in noise(), size in 1_usize..9) {
            let frames: Vec<&[u8]> = bytes.chunks(size).collect();
            prop_assert_eq!(collect(&frames), (bytes.clone(), None));
        }
    }
}
