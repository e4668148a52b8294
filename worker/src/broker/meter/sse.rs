//! Server-sent events out of chunks that may be cut anywhere.

/// A longer event is passed on but not read.
const MOST_EVENT: usize = 32 << 20;

#[derive(Debug, Default)]
pub(super) struct Events {
    line: Vec<u8>,
    data: Vec<u8>,
    /// The event in hand is too long to be read.
    skipped: bool,
}

impl Events {
    /// Calls `event` with the data of every event that is whole now.
    pub(super) fn push(&mut self, chunk: &[u8], mut event: impl FnMut(&[u8])) {
        let mut rest = chunk;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            if self.line.is_empty() {
                self.line_ended(&rest[..end], &mut event);
            } else {
                self.keep(&rest[..end]);
                let line = std::mem::take(&mut self.line);
                self.line_ended(&line, &mut event);
            }
            rest = &rest[end + 1..];
        }
        self.keep(rest);
    }

    fn keep(&mut self, part: &[u8]) {
        if self.line.len() + part.len() > MOST_EVENT {
            self.skipped = true;
            self.line.truncate(1);
        } else {
            self.line.extend_from_slice(part);
        }
    }

    fn line_ended(&mut self, line: &[u8], event: &mut impl FnMut(&[u8])) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            if !self.data.is_empty() && !self.skipped {
                event(&self.data);
            }
            self.data.clear();
            self.skipped = false;
        } else if let Some(data) = line.strip_prefix(b"data:") {
            let data = data.strip_prefix(b" ").unwrap_or(data);
            if self.data.len() + data.len() > MOST_EVENT {
                self.skipped = true;
            } else {
                if !self.data.is_empty() {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(data);
            }
        }
    }
}
