//! A stream that ends with the right it was opened by.

use crate::access::Right;
use arena_runtime::tasks::Tasks;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::Stream;
use tonic::Status;

pub struct Guarded<T> {
    /// Nothing: it was ended, and whoever fills it learns of that.
    items: Option<mpsc::Receiver<Result<T, Status>>>,
    lost: oneshot::Receiver<()>,
    /// Why, once that is written down; nothing: it is told.
    told: Option<oneshot::Receiver<Status>>,
    /// Whoever does not read for a while asks for nothing here, and has no right for longer because of that.
    _looks: Tasks,
}

impl<T> Guarded<T> {
    pub(super) fn new(items: mpsc::Receiver<Result<T, Status>>, right: Right) -> Self {
        let ((lose, lost), (tell, told)) = (oneshot::channel(), oneshot::channel());
        let mut looks = Tasks::default();
        looks.spawn(async move {
            let lost = right.lost().await;
            let _ = lose.send(());
            let _ = tell.send(lost.told().await);
        });
        Self { items: Some(items), lost, told: Some(told), _looks: looks }
    }
}

impl<T> Stream for Guarded<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(items) = &mut self.items {
            let next = items.poll_recv(context);
            // An end that is there already is told as it is.
            if matches!(next, Poll::Ready(None)) {
                self.told = None;
                return next;
            }
            if Pin::new(&mut self.lost).poll(context).is_pending() {
                return next;
            }
            self.items = None;
        }
        let Some(told) = &mut self.told else { return Poll::Ready(None) };
        let status = ready!(Pin::new(told).poll(context));
        self.told = None;
        let unknown = |_gone| Status::internal("whether this may be seen could not be looked at any more");
        Poll::Ready(Some(Err(status.unwrap_or_else(unknown))))
    }
}
