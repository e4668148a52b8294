//! Decode, call, encode: the two services over one coordinator.

mod blobs;
mod sessions;
mod workers;

pub use sessions::SessionsApi;
pub use workers::WorkersApi;

use crate::dispatch::Coordinator;
use crate::sessions::SessionError;
use crate::store::StoreError;
use arena_proto::MAX_MESSAGE;
use arena_proto::v1::sessions_server::SessionsServer;
use arena_proto::v1::workers_server::WorkersServer;
use tonic::transport::server::Router;
use tonic::{Code, Status};

/// Both services, with their limits.
pub fn router(coordinator: &Coordinator) -> Router {
    let sessions = SessionsServer::new(SessionsApi(coordinator.clone()))
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE);
    let workers = WorkersServer::new(WorkersApi(coordinator.clone()))
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE);
    tonic::transport::Server::builder()
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(8 << 20)
        .add_service(sessions)
        .add_service(workers)
}

/// One place that says which error is which status.
pub(crate) fn status(error: &SessionError) -> Status {
    let code = match error {
        SessionError::Store(StoreError::NotFound(_)) => Code::NotFound,
        SessionError::Store(StoreError::Ambiguous(..)) => Code::InvalidArgument,
        SessionError::Store(StoreError::Full) => Code::ResourceExhausted,
        SessionError::Store(StoreError::ReadOnly(_)) => Code::PermissionDenied,
        SessionError::Store(StoreError::Sql(_) | StoreError::Record(_)) | SessionError::Malformed(_) => Code::Internal,
        SessionError::Illegal(_) => Code::FailedPrecondition,
        SessionError::Packet(_) => Code::InvalidArgument,
    };
    Status::new(code, error.to_string())
}

fn store_status(error: StoreError) -> Status {
    status(&SessionError::Store(error))
}
