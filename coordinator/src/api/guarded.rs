//! A stream that ends with the right it was opened by.

use crate::access::Right;
use arena_runtime::tasks::Tasks;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::Stream;
use tonic::Status;

pub struct Guarded<T> {
    /// Nothing: it was ended, and whoever fills it learns of that.
    items: Option<mpsc::Receiver<Result<T, Status>>>,
    lost: oneshot::Receiver<Status>,
    /// Whoever does not read for a while asks for nothing here, and has no right for longer because of that.
    _looks: Tasks,
}

impl<T> Guarded<T> {
    pub(super) fn new(items: mpsc::Receiver<Result<T, Status>>, right: Right) -> Self {
        let (tell, lost) = oneshot::channel();
        let mut looks = Tasks::default();
        looks.spawn(async move { drop(tell.send(right.lost().await)) });
        Self { items: Some(items), lost, _looks: looks }
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
        if let Poll::Ready(status) = Pin::new(&mut self.lost).poll(context) {
            self.items = None;
            let unknown = |_gone| Status::internal("whether this may be seen could not be looked at any more");
            return Poll::Ready(Some(Err(status.unwrap_or_else(unknown))));
        }
        next
    }
}
