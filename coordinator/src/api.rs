//! Decode, call, encode: the services over one coordinator, each rpc behind the gate.

mod blobs;
mod fleet;
mod guarded;
mod sessions;
mod workers;

pub use fleet::FleetApi;
pub use guarded::Guarded;
pub(crate) use sessions::LOG;
pub use sessions::SessionsApi;
pub use workers::WorkersApi;

use crate::access::{Caller, Gate, Right, Rpc, Scope, is_name};
use crate::dispatch::Coordinator;
use crate::sessions::SessionError;
use crate::store::StoreError;
use crate::trace;
use arena_domain::id::{SessionId, Tenant};
use arena_proto::MAX_MESSAGE;
use arena_proto::v1::fleet_server::FleetServer;
use arena_proto::v1::sessions_server::SessionsServer;
use arena_proto::v1::workers_server::WorkersServer;
use tonic::transport::Server;
use tonic::transport::server::Router;
use tonic::{Code, Request, Status};

/// What every service stands on.
#[derive(Clone)]
pub struct Desk {
    pub coordinator: Coordinator,
    pub gate: Gate,
}

/// The services inside one process, with their limits.
pub fn router(coordinator: &Coordinator) -> Router {
    let server = Server::builder().initial_stream_window_size(1 << 20).initial_connection_window_size(8 << 20);
    services(server, Desk { coordinator: coordinator.clone(), gate: Gate::local(coordinator.store.clone()) })
}

/// Whichever way callers come.
pub(crate) fn services(server: Server, desk: Desk) -> Router {
    let mut server = server.trace_fn(trace::call);
    let sessions = SessionsServer::new(SessionsApi(desk.clone()))
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE);
    let workers = WorkersServer::new(WorkersApi(desk.clone()))
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE);
    let fleet = FleetServer::new(FleetApi(desk)).max_encoding_message_size(MAX_MESSAGE);
    server.add_service(sessions).add_service(workers).add_service(fleet)
}

impl Desk {
    async fn admit<T>(&self, request: &Request<T>, rpc: Rpc) -> Result<Caller, Status> {
        self.gate.admit(request.metadata(), request.extensions(), rpc).await
    }

    async fn enter<T>(&self, request: &Request<T>, rpc: Rpc) -> Result<Right, Status> {
        self.gate.enter(request.metadata(), request.extensions(), rpc).await
    }

    /// The caller's session by the beginning of its id; one of another tenant is not there.
    async fn session(&self, caller: &Caller, rpc: Rpc, prefix: &str) -> Result<SessionId, Status> {
        let unknown = || store_status(StoreError::NotFound(prefix.to_owned()));
        match self.coordinator.store.resolve(prefix).await {
            Ok(id) => {
                let tenant = self.coordinator.tenant_of(&id).await.map_err(|error| status(&error))?;
                if caller.sees(&tenant) {
                    return Ok(id);
                }
                let why = "it is another tenant's";
                self.gate.refused(&caller.label(), rpc.as_str(), id.as_str(), tenant.as_str(), why).await;
                Err(unknown())
            }
            // Which of several are the caller's own?
            Err(StoreError::Ambiguous(..)) => {
                let mut own = Vec::new();
                for one in self.coordinator.store.sessions().await.map_err(store_status)? {
                    if one.id.starts_with(prefix) && caller.sees(&Tenant::new(&one.tenant)) {
                        own.push(SessionId::new(one.id));
                    }
                }
                match own.as_slice() {
                    [] => Err(unknown()),
                    [one] => Ok(one.clone()),
                    many => {
                        let names: Vec<&str> = many.iter().map(SessionId::as_str).collect();
                        Err(store_status(StoreError::Ambiguous(prefix.to_owned(), names.join(", "))))
                    }
                }
            }
            Err(error) => Err(store_status(error)),
        }
    }

    /// Whose it is: the caller's tenant, or the one that a caller of every tenant names.
    async fn tenant(&self, caller: &Caller, rpc: Rpc, asked: &str) -> Result<Tenant, Status> {
        let named = || match asked {
            "" => Ok(Tenant::local()),
            name if is_name(name) => Ok(Tenant::new(name)),
            name => Err(Status::invalid_argument(format!("'{name}' is no name of a tenant"))),
        };
        match caller.scope() {
            Scope::Every => named(),
            Scope::Only(own) if asked.is_empty() || asked == own.as_str() => Ok(own),
            Scope::Only(own) => {
                let why = "another tenant was named";
                self.gate.refused(&caller.label(), rpc.as_str(), asked, own.as_str(), why).await;
                Err(Status::permission_denied(format!("{} serves tenant {own} alone", caller.label())))
            }
        }
    }
}

/// One place that says which error is which status.
pub(crate) fn status(error: &SessionError) -> Status {
    let code = match error {
        SessionError::Store(StoreError::NotFound(_)) => Code::NotFound,
        SessionError::Store(StoreError::Ambiguous(..)) => Code::InvalidArgument,
        SessionError::Store(StoreError::Full) => Code::ResourceExhausted,
        SessionError::Store(StoreError::ReadOnly(_)) => Code::PermissionDenied,
        SessionError::Store(StoreError::Unavailable(_)) => Code::Unavailable,
        SessionError::Store(StoreError::Unfit(..)) => Code::FailedPrecondition,
        SessionError::Store(StoreError::Sql(_) | StoreError::Record(_)) | SessionError::Malformed(_) => Code::Internal,
        SessionError::Illegal(_) => Code::FailedPrecondition,
        SessionError::Packet(_) => Code::InvalidArgument,
    };
    trace::failed(code);
    Status::new(code, error.to_string())
}

pub(crate) fn store_status(error: StoreError) -> Status {
    status(&SessionError::Store(error))
}
