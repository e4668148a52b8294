//! The body of an answer: chunks at a pace, and an end that may be none.

use hyper::body::{Body, Bytes, Frame, SizeHint};
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Sleep, sleep};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Whole,
    /// The connection is dropped.
    Cut,
    /// Nothing follows.
    Never,
}

pub(super) struct Playback {
    chunks: VecDeque<Bytes>,
    pace: Duration,
    pause: Option<Pin<Box<Sleep>>>,
    end: End,
    /// What was sent before a cut has to be on its way before the connection is dropped.
    flushed: bool,
}

impl Playback {
    pub(super) fn whole(body: String) -> Self {
        Self::stream(vec![body], Duration::ZERO, End::Whole)
    }

    pub(super) fn stream(chunks: Vec<String>, pace: Duration, end: End) -> Self {
        let chunks = chunks.into_iter().filter(|chunk| !chunk.is_empty()).map(Bytes::from).collect();
        Self { chunks, pace, pause: None, end, flushed: false }
    }

    pub(super) fn paced(self, pace: Duration) -> Self {
        Self { pace, ..self }
    }

    /// The same bytes in chunks of this length, wherever an event or a letter ends.
    pub(super) fn cut_anew(mut self, length: usize) -> Self {
        let mut all: Vec<u8> = Vec::new();
        self.chunks.iter().for_each(|chunk| all.extend_from_slice(chunk));
        self.chunks = all.chunks(length.max(1)).map(Bytes::copy_from_slice).collect();
        self
    }
}

impl Body for Playback {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        if let Some(chunk) = self.chunks.pop_front() {
            if !self.pace.is_zero() {
                self.pause = Some(Box::pin(sleep(self.pace)));
            }
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        match self.end {
            End::Whole => Poll::Ready(None),
            End::Never => Poll::Pending,
            End::Cut if self.flushed => Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into()))),
            End::Cut => {
                self.flushed = true;
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.chunks.is_empty() && self.end == End::Whole
    }

    fn size_hint(&self) -> SizeHint {
        match (self.end, self.chunks.len()) {
            (End::Whole, 1) => SizeHint::with_exact(self.chunks[0].len() as u64),
            _ => SizeHint::default(),
        }
    }
}
