//! An answer on its way to the engine: metered, redacted and bounded, one chunk at a time.

use super::exchange::{End, Exchange};
use super::refusal;
use crate::redact::Stream;
use arena_domain::ending::Trouble;
use arena_runtime::config::Api;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, Incoming, SizeHint};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;

/// What the broker answers with.
pub(super) type Body = UnsyncBoxBody<Bytes, Broken>;

/// The connection to the engine is cut, so that it sees that the answer is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer is not whole")]
pub(super) struct Broken;

pub(super) fn whole(text: Bytes) -> Body {
    Full::new(text).map_err(|never| match never {}).boxed_unsync()
}

/// Nothing is buffered: a chunk is read from the provider when the engine takes one.
pub(super) struct Answer {
    upstream: Incoming,
    exchange: Option<Exchange>,
    redact: Stream,
    idle: Duration,
    sleep: Pin<Box<Sleep>>,
    /// Of a stream of events, which can be told why it ends.
    events: Option<Api>,
    /// The last bytes were given, and the end of a whole answer must not follow them.
    broken: bool,
}

impl Answer {
    pub(super) fn body(
        upstream: Incoming,
        exchange: Exchange,
        redact: Stream,
        idle: Duration,
        events: Option<Api>,
    ) -> Body {
        let sleep = Box::pin(tokio::time::sleep(idle));
        Self { upstream, exchange: Some(exchange), redact, idle, sleep, events, broken: false }.boxed_unsync()
    }

    /// Ends it before the provider does.
    fn stop(&mut self, trouble: Trouble, message: &str) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Some(exchange) = self.exchange.take() {
            exchange.end(End::Stopped { trouble, message: message.to_owned() });
        }
        Poll::Ready(Some(match self.events {
            Some(api) => Ok(Frame::data(refusal::last_event(api, message, trouble).into())),
            None => Err(Broken),
        }))
    }

    /// What can be shown of a chunk; nothing when it is held back.
    fn chunk(&mut self, data: &Bytes) -> Result<Bytes, &'static str> {
        let idle = tokio::time::sleep(self.idle);
        self.sleep.as_mut().set(idle);
        match self.exchange.as_mut() {
            Some(exchange) => exchange.chunk(data)?,
            None => return Ok(Bytes::new()),
        }
        Ok(self.redact.push(data).into())
    }

    fn finished(&mut self) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let whole = self.exchange.take().is_none_or(|exchange| exchange.end(End::Finished));
        let tail = self.redact.finish();
        if !tail.is_empty() {
            self.broken = !whole;
            return Poll::Ready(Some(Ok(Frame::data(tail.into()))));
        }
        // A stream without its last event may be taken for a whole answer, so it is cut.
        Poll::Ready(if whole { None } else { Some(Err(Broken)) })
    }
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if self.exchange.is_none() {
            return Poll::Ready(std::mem::take(&mut self.broken).then_some(Err(Broken)));
        }
        while let Poll::Ready(next) = Pin::new(&mut self.upstream).poll_frame(context) {
            let data = match next {
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                Some(Err(_)) => {
                    if let Some(exchange) = self.exchange.take() {
                        exchange.end(End::Cut);
                    }
                    return Poll::Ready(Some(Err(Broken)));
                }
                None => return self.finished(),
            };
            match self.chunk(&data) {
                Ok(shown) if shown.is_empty() => {}
                Ok(shown) => return Poll::Ready(Some(Ok(Frame::data(shown)))),
                Err(message) => return self.stop(Trouble::Budget, message),
            }
        }
        match self.sleep.as_mut().poll(context) {
            Poll::Ready(()) => {
                let message = format!("arena: the provider was silent for {} s", self.idle.as_secs());
                self.stop(Trouble::Server, &message)
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
