//! An engine's output, read while it comes: events, the final message, the engine's own count of what it used.
//!
//! Pure and bounded: any bytes in any pieces give the same story, and what is not understood is counted, never fatal.

mod claude;
mod codex;
mod gemini;
mod mini;
mod opencode;
mod plain;
mod progress;
mod tree;

use arena_domain::outcome::Usage;
use std::collections::VecDeque;
use tree::Tree;

pub use progress::progress;

/// Longer lines are passed over; none that matters is.
const LINE: usize = 4 << 20;
/// Events that are kept; the latest ones, since a run is explained by its end.
const EVENTS: usize = 1000;
/// Bytes of one event's text.
const TEXT: usize = 2000;
/// Bytes of the final message.
const FINAL: usize = 64 << 10;
/// Texts for the live row that may wait.
const WAITING: usize = 16;

/// What an engine's standard output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Codex,
    Claude,
    Gemini,
    Opencode,
    /// Text, with what its trajectory says on a last line.
    Mini,
    /// Text; its end is all that says how it went.
    Plain,
}

impl Dialect {
    pub const ALL: [Dialect; 6] = [Self::Codex, Self::Claude, Self::Gemini, Self::Opencode, Self::Mini, Self::Plain];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Codex => "codex",
            Self::Claude => "claude",
            Self::Gemini => "gemini",
            Self::Opencode => "opencode",
            Self::Mini => "mini",
            Self::Plain => "plain",
        }
    }

    /// Whether an engine that did its work says so at the end.
    pub fn has_last_word(self) -> bool {
        match self {
            Self::Codex | Self::Claude | Self::Gemini | Self::Opencode | Self::Mini => true,
            Self::Plain => false,
        }
    }
}

/// One thing that an engine did; its texts are as the engine wrote them, shortened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// It is about to use a tool; what for is the command, the path or the like.
    Tool {
        name: String,
        what: String,
    },
    Message(String),
    /// So far, or of one step.
    Usage(Usage),
    Final(String),
    /// It may get over it.
    Error(String),
}

/// The engine's own last word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminal {
    pub success: bool,
    /// It stopped at a limit of its own: turns, or a budget it was given.
    pub own_limit: bool,
    pub reason: String,
}

/// All that one run's output says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Story {
    /// The latest ones.
    pub events: VecDeque<Event>,
    /// How many came before them.
    pub dropped_events: u64,
    pub final_message: Option<String>,
    pub usage: Usage,
    pub terminal: Option<Terminal>,
    /// The error that it gave up on.
    pub fatal: Option<String>,
    pub model: Option<String>,
    pub version: Option<String>,
    pub lines: u64,
    /// Of these, what this dialect does not know.
    pub unknown_lines: u64,
}

impl Story {
    fn event(&mut self, event: Event) {
        if self.events.len() == EVENTS {
            self.events.pop_front();
            self.dropped_events += 1;
        }
        self.events.push_back(event);
    }

    fn tool(&mut self, name: &str, what: &str) {
        self.event(Event::Tool { name: shortened(name, 100), what: shortened(what, TEXT) });
    }

    /// What it says; the last of it is the final message unless a better one comes.
    fn message(&mut self, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        self.event(Event::Message(shortened(text, TEXT)));
        self.final_message = Some(shortened(text, FINAL));
    }

    fn error(&mut self, text: &str) {
        self.event(Event::Error(shortened(text, TEXT)));
    }

    fn done(&mut self, reason: &str) {
        self.fatal = None;
        self.terminal = Some(Terminal { success: true, own_limit: false, reason: shortened(reason, TEXT) });
        if let Some(message) = &self.final_message {
            let message = shortened(message, TEXT);
            self.event(Event::Final(message));
        }
    }

    fn gave_up(&mut self, reason: &str, own_limit: bool) {
        self.error(reason);
        let reason = shortened(reason, TEXT);
        self.fatal = Some(reason.clone());
        self.terminal = Some(Terminal { success: false, own_limit, reason });
    }

    fn counted(&mut self, usage: Usage) {
        self.usage = usage;
        self.event(Event::Usage(usage));
    }
}

/// Whether a line was understood.
type Known = bool;

/// What a dialect remembers between lines.
enum Speech {
    Codex,
    Claude,
    Gemini(gemini::Gemini),
    Opencode,
    Mini(plain::Plain),
    Plain(plain::Plain),
}

/// Reads one engine's standard output.
pub struct Reader {
    speech: Speech,
    story: Story,
    line: Vec<u8>,
    /// The line is longer than any that matters; its rest is passed over.
    too_long: bool,
    waiting: VecDeque<String>,
}

impl Reader {
    pub fn new(dialect: Dialect) -> Self {
        let speech = match dialect {
            Dialect::Codex => Speech::Codex,
            Dialect::Claude => Speech::Claude,
            Dialect::Gemini => Speech::Gemini(gemini::Gemini::default()),
            Dialect::Opencode => Speech::Opencode,
            Dialect::Mini => Speech::Mini(plain::Plain::default()),
            Dialect::Plain => Speech::Plain(plain::Plain::default()),
        };
        Self { speech, story: Story::default(), line: Vec::new(), too_long: false, waiting: VecDeque::new() }
    }

    pub fn feed(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.gather(&bytes[..end]);
            self.end_line();
            bytes = &bytes[end + 1..];
        }
        self.gather(bytes);
    }

    /// Short texts on what it has done since this was last asked, the latest at the end; safe for a terminal.
    pub fn take_progress(&mut self) -> Vec<String> {
        self.waiting.drain(..).collect()
    }

    /// What was read so far.
    pub fn story(&self) -> &Story {
        &self.story
    }

    pub fn finish(mut self) -> Story {
        self.end_line();
        match &mut self.speech {
            Speech::Codex | Speech::Claude | Speech::Opencode => {}
            Speech::Gemini(gemini) => gemini.finish(&mut self.story),
            Speech::Mini(plain) | Speech::Plain(plain) => plain.finish(&mut self.story),
        }
        self.story
    }

    fn gather(&mut self, piece: &[u8]) {
        if self.too_long {
            return;
        }
        if self.line.len() + piece.len() > LINE {
            self.too_long = true;
            // Not just cleared: a long line's buffer must not stay for the rest of the run.
            self.line = Vec::new();
            return;
        }
        self.line.extend_from_slice(piece);
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.too_long) {
            self.story.lines += 1;
            self.story.unknown_lines += 1;
            return;
        }
        if !line.iter().all(u8::is_ascii_whitespace) {
            self.story.lines += 1;
            let (before, dropped) = (self.story.events.len(), self.story.dropped_events);
            if !self.read(&line) {
                self.story.unknown_lines += 1;
            }
            let new = self.story.events.len() - before + (self.story.dropped_events - dropped) as usize;
            self.tell(new);
        }
    }

    fn read(&mut self, line: &[u8]) -> Known {
        let story = &mut self.story;
        match &mut self.speech {
            Speech::Plain(plain) => plain.line(line),
            Speech::Mini(plain) => match Tree::parse(line).filter(|tree| tree["type"].is("mini")) {
                Some(tree) => mini::line(&tree, story),
                None => plain.line(line),
            },
            Speech::Codex => Tree::parse(line).is_some_and(|tree| codex::line(&tree, story)),
            Speech::Claude => Tree::parse(line).is_some_and(|tree| claude::line(&tree, story)),
            Speech::Gemini(gemini) => Tree::parse(line).is_some_and(|tree| gemini.line(&tree, story)),
            Speech::Opencode => Tree::parse(line).is_some_and(|tree| opencode::line(&tree, story)),
        }
    }

    fn tell(&mut self, new: usize) {
        let kept = self.story.events.len();
        for event in self.story.events.range(kept.saturating_sub(new)..) {
            if self.waiting.len() == WAITING {
                self.waiting.pop_front();
            }
            self.waiting.extend(progress(event));
        }
    }
}

/// At most so many bytes of it, cut between characters.
fn shortened(text: &str, most: usize) -> String {
    text[..text.floor_char_boundary(most)].to_owned()
}

#[cfg(test)]
mod tests;
