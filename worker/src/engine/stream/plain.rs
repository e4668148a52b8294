//! Text for people: its last lines are the final message.

use super::{FINAL, Known, Story, shortened};
use std::collections::VecDeque;

/// Lines that are kept, and bytes of each.
const LINES: usize = 40;
const BYTES: usize = 1000;

#[derive(Default)]
pub(super) struct Plain {
    last: VecDeque<String>,
}

impl Plain {
    pub(super) fn line(&mut self, line: &[u8]) -> Known {
        let head = &line[..line.len().min(BYTES)];
        if self.last.len() == LINES {
            self.last.pop_front();
        }
        self.last.push_back(String::from_utf8_lossy(head).trim_end().to_owned());
        true
    }

    pub(super) fn finish(&mut self, story: &mut Story) {
        if story.final_message.is_none() && !self.last.is_empty() {
            let all: Vec<&str> = self.last.iter().map(String::as_str).collect();
            story.final_message = Some(shortened(&all.join("\n"), FINAL));
        }
    }
}
