//! Reads an engine's output while it comes: tells the row of its competitor what it is doing, and passes on what it prints.

use crate::engine::{Dialect, Reader, Story};
use crate::redact::{self, Redactor};
use crate::run::{Phase, Task, Word};
use crate::sandbox::{Listener, Stream};
use arena_runtime::clock::Stopwatch;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::bytes::Bytes;

/// Frames that may wait; an engine that is faster waits too.
const FRAMES: usize = 64;
/// A row that changes more often cannot be read, and every change is a record.
const BETWEEN: Duration = Duration::from_millis(700);

/// Bytes that are passed on at a time, and of one run; the whole comes with the result.
const PIECE: usize = 16 << 10;
const SHOWN: usize = 1 << 20;

/// One of the two outputs on its way to those who watch.
struct Passing {
    name: &'static str,
    redactor: redact::Stream,
    held: Vec<u8>,
    shown: usize,
}

impl Passing {
    fn new(name: &'static str, redactor: &Redactor) -> Self {
        Self { name, redactor: redactor.stream(), held: Vec::new(), shown: 0 }
    }

    fn push(&mut self, bytes: &[u8]) {
        if self.shown < SHOWN {
            let clean = self.redactor.push(bytes);
            self.shown += clean.len();
            self.held.extend_from_slice(&clean);
        }
    }

    /// The tail that a secret could have begun with.
    async fn finish(&mut self, task: &Task) {
        if self.shown < SHOWN {
            let rest = self.redactor.finish();
            self.held.extend_from_slice(&rest);
        }
        self.flush(task).await;
    }

    async fn flush(&mut self, task: &Task) {
        let held = std::mem::take(&mut self.held);
        for piece in held.chunks(PIECE) {
            // Nobody listening is no reason to stop.
            let _ = task.progress.send(Word::Printed { stream: self.name, bytes: piece.to_vec() }).await;
        }
    }
}

/// Gives the listener for the container, and what reads behind it until the container is gone.
/// `live`: what it prints is passed on while it prints it.
pub(super) fn watch<'a>(
    task: &'a Task,
    dialect: Dialect,
    redactor: &Redactor,
    live: bool,
) -> (Listener, impl Future<Output = Story> + use<'a>) {
    let (listener, mut frames) = mpsc::channel::<(Stream, Bytes)>(FRAMES);
    let (mut out, mut err) = (Passing::new("stdout", redactor), Passing::new("stderr", redactor));
    let reading = async move {
        let mut reader = Reader::new(dialect);
        let mut last: Option<Stopwatch> = None;
        let mut every = tokio::time::interval(BETWEEN);
        loop {
            let frame = tokio::select! {
                frame = frames.recv() => frame,
                _ = every.tick(), if live => {
                    out.flush(task).await;
                    err.flush(task).await;
                    continue;
                },
            };
            let Some((stream, bytes)) = frame else { break };
            let passing = match stream {
                Stream::Stdout => &mut out,
                Stream::Stderr => &mut err,
            };
            if live {
                passing.push(&bytes);
            }
            match stream {
                Stream::Stdout => reader.feed(&bytes),
                Stream::Stderr => continue,
            }
            // What came in between is dropped: the row shows what the engine does now.
            if last.as_ref().is_none_or(|last| last.elapsed() >= BETWEEN)
                && let Some(text) = reader.take_progress().pop()
            {
                task.phase(Phase::Doing, text).await;
                last = Some(Stopwatch::start());
            }
        }
        if live {
            out.finish(task).await;
            err.finish(task).await;
        }
        reader.finish()
    };
    (listener, reading)
}
