//! `arena.v1.Workers`.

use super::Desk;
use crate::access::Rpc;
use crate::dispatch;
use arena_proto::v1::workers_server::Workers;
use arena_proto::v1::{Down, Up};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::adapters::Map;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

pub struct WorkersApi(pub Desk);

#[tonic::async_trait]
impl Workers for WorkersApi {
    type AttachStream = Map<ReceiverStream<dispatch::Told>, fn(dispatch::Told) -> Result<Down, Status>>;

    async fn attach(&self, request: Request<Streaming<Up>>) -> Result<Response<Self::AttachStream>, Status> {
        let right = self.0.enter(&request, Rpc::Attach).await?;
        let (down, stream) = mpsc::channel(64);
        // Ends by itself when the worker's stream ends.
        drop(arena_runtime::tasks::spawn(dispatch::attach(self.0.clone(), right, request.into_inner(), down)));
        Ok(Response::new(ReceiverStream::new(stream).map(|told| *told)))
    }
}
