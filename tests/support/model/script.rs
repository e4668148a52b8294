//! What a model says: turns, one for each answer, and the failures between them.

use serde_json::Value;
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Script {
    pub name: String,
    pub turns: Vec<Turn>,
}

/// Past the end, the last turn is played again.
pub fn script(name: &str, turns: impl Into<Vec<Turn>>) -> Script {
    let turns = turns.into();
    let ends = turns.last().is_some_and(|last| last.times.is_none());
    assert!(ends, "script {name} needs a last turn that may be played for ever");
    Script { name: name.to_owned(), turns }
}

#[derive(Debug, Clone)]
pub struct Turn {
    pub play: Play,
    /// Said before a call, in the same answer.
    pub say: Option<String>,
    /// Before anything is answered.
    pub delay: Duration,
    pub usage: Usage,
    /// How often a failure is played to one conversation; for ever without it.
    pub times: Option<u32>,
    /// Characters of each piece of a streamed text.
    pub piece: usize,
    /// Between two chunks of a stream.
    pub pace: Duration,
    /// The stream is cut anew into chunks of this many bytes, wherever its events end.
    pub chunk: Option<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Play {
    /// A command through the engine's own shell tool.
    Shell(String),
    /// A file through the engine's own tool for writing, or its shell.
    Write {
        path: String,
        content: String,
    },
    /// A tool by its name, with exactly these arguments; a string for a tool of free form.
    Call {
        tool: String,
        arguments: Value,
    },
    /// Most engines end here.
    Text(String),
    /// The headers of the request as text, to hunt for keys that leaked.
    Headers,
    Error(Refusal),
    /// Not one byte.
    Silence,
    /// A stream begins and nothing follows.
    Stall,
    /// A stream begins and its connection is dropped.
    Cut,
    /// A stream begins and ends with its API's own event of an error.
    Fault(String),
}

/// An answer that is an HTTP error, in the shape of its API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub message: String,
    /// Such as `insufficient_quota`.
    pub code: Option<String>,
    pub retry_after_s: Option<u64>,
}

impl Refusal {
    pub(super) fn plain(status: u16, message: &str) -> Self {
        Self { status, message: message.to_owned(), code: None, retry_after_s: None }
    }
}

/// Tokens of one answer, as the broker has to count them: `cached` is a part of `input`, `reasoning` one of `output`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    pub input: u64,
    pub cached: u64,
    pub output: u64,
    pub reasoning: u64,
}

pub fn shell(command: &str) -> Turn {
    Turn::of(Play::Shell(command.to_owned()))
}

pub fn write(path: &str, content: &str) -> Turn {
    Turn::of(Play::Write { path: path.to_owned(), content: content.to_owned() })
}

pub fn call(tool: &str, arguments: Value) -> Turn {
    Turn::of(Play::Call { tool: tool.to_owned(), arguments })
}

pub fn text(text: &str) -> Turn {
    Turn::of(Play::Text(text.to_owned()))
}

/// A text that is streamed in exactly this many pieces of eight characters.
pub fn many(pieces: usize) -> Turn {
    let words: String = (0..pieces).map(|number| format!("{:07} ", number % 10_000_000)).collect();
    Turn { piece: 8, ..text(&words) }
}

pub fn echo_headers() -> Turn {
    Turn::of(Play::Headers)
}

/// An HTTP error for ever; `times` bounds it.
pub fn error(status: u16) -> Turn {
    let message = match status {
        401 => "Incorrect API key provided",
        429 => "Rate limit reached",
        500..=599 => "The server had an error while processing your request",
        _ => "The request was refused",
    };
    Turn::of(Play::Error(Refusal::plain(status, message)))
}

pub fn silence() -> Turn {
    Turn::of(Play::Silence)
}

pub fn stall() -> Turn {
    Turn::of(Play::Stall)
}

pub fn cut() -> Turn {
    Turn::of(Play::Cut)
}

pub fn fault(message: &str) -> Turn {
    Turn::of(Play::Fault(message.to_owned()))
}

impl Turn {
    fn of(play: Play) -> Self {
        let usage = Usage { input: 1000, cached: 200, output: 50, reasoning: 10 };
        let (delay, pace) = (Duration::ZERO, Duration::ZERO);
        Self { play, say: None, delay, usage, times: None, piece: 16, pace, chunk: None }
    }

    pub fn times(self, times: u32) -> Self {
        assert!(!self.leaves_an_answer(), "only failures are played a number of times");
        Self { times: Some(times), ..self }
    }

    pub fn say(self, text: &str) -> Self {
        Self { say: Some(text.to_owned()), ..self }
    }

    pub fn delay(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    pub fn usage(self, input: u64, cached: u64, output: u64) -> Self {
        Self { usage: Usage { input, cached, output, reasoning: 0 }, ..self }
    }

    pub fn piece(self, characters: usize) -> Self {
        Self { piece: characters, ..self }
    }

    pub fn pace(self, pace: Duration) -> Self {
        Self { pace, ..self }
    }

    pub fn chunk(self, bytes: usize) -> Self {
        Self { chunk: Some(bytes), ..self }
    }

    pub fn message(self, message: &str) -> Self {
        self.refusal(|refusal| refusal.message = message.to_owned())
    }

    pub fn code(self, code: &str) -> Self {
        self.refusal(|refusal| refusal.code = Some(code.to_owned()))
    }

    pub fn retry_after(self, seconds: u64) -> Self {
        self.refusal(|refusal| refusal.retry_after_s = Some(seconds))
    }

    fn refusal(mut self, change: impl FnOnce(&mut Refusal)) -> Self {
        let Play::Error(refusal) = &mut self.play else { panic!("{:?} is no error", self.play) };
        change(refusal);
        self
    }

    /// A failure leaves none in the conversation.
    pub(super) fn leaves_an_answer(&self) -> bool {
        self.calls() || matches!(self.play, Play::Text(_) | Play::Headers)
    }

    pub(super) fn calls(&self) -> bool {
        matches!(self.play, Play::Shell(_) | Play::Write { .. } | Play::Call { .. })
    }
}
