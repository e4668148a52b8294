//! A stream that ends with the right it was opened by.

use crate::access::Right;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tonic::Status;

pub struct Guarded<T> {
    /// Nothing: it was ended, and whoever fills it learns of that.
    items: Option<mpsc::Receiver<Result<T, Status>>>,
    lost: Pin<Box<dyn Future<Output = Status> + Send>>,
}

impl<T> Guarded<T> {
    pub(super) fn new(items: mpsc::Receiver<Result<T, Status>>, right: Right) -> Self {
        Self { items: Some(items), lost: Box::pin(right.lost()) }
    }
}

impl<T> Stream for Guarded<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(items) = &mut self.items else { return Poll::Ready(None) };
        let next = items.poll_recv(context);
        // An end that is there already is told as it is.
        if matches!(next, Poll::Ready(None)) {
            return next;
        }
        match self.lost.as_mut().poll(context) {
            Poll::Ready(status) => {
                self.items = None;
                Poll::Ready(Some(Err(status)))
            }
            Poll::Pending => next,
        }
    }
}
