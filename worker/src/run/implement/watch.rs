//! Reads an engine's output while it comes, and tells the row of its competitor what it is doing.

use crate::engine::{Dialect, Reader, Story};
use crate::run::Phase;
use crate::run::Task;
use crate::sandbox::{Listener, Stream};
use arena_runtime::clock::Stopwatch;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::bytes::Bytes;

/// Frames that may wait; an engine that is faster waits too.
const FRAMES: usize = 64;
/// A row that changes more often cannot be read, and every change is a record.
const BETWEEN: Duration = Duration::from_millis(700);

/// Gives the listener for the container, and what reads behind it until the container is gone.
pub(super) fn watch(task: &Task, dialect: Dialect) -> (Listener, impl Future<Output = Story> + '_) {
    let (listener, mut frames) = mpsc::channel::<(Stream, Bytes)>(FRAMES);
    let reading = async move {
        let mut reader = Reader::new(dialect);
        let mut last: Option<Stopwatch> = None;
        while let Some((stream, bytes)) = frames.recv().await {
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
        reader.finish()
    };
    (listener, reading)
}
