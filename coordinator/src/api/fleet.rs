//! `arena.v1.Fleet`.

use super::{Desk, Guarded, status, store_status};
use crate::access::{Caller, Role, Rpc, Scope, audit, is_name, tokens};
use crate::{dispatch::why, fleet};
use arena_proto::v1::dry_run_request::Call;
use arena_proto::v1::{self, fleet_server::Fleet};
use arena_runtime::clock;
use std::collections::HashSet;
use tokio::sync::mpsc;
use tonic::{Request, Response, Status};

pub struct FleetApi(pub Desk);

#[tonic::async_trait]
impl Fleet for FleetApi {
    type AuditStream = Guarded<v1::AuditEntry>;

    async fn workers(&self, request: Request<v1::WorkersRequest>) -> Result<Response<v1::WorkersResponse>, Status> {
        let caller = self.0.admit(&request, Rpc::Workers).await?;
        let workers = fleet::seen_by(&self.0.coordinator.store, &caller).await.map_err(store_status)?;
        Ok(Response::new(v1::WorkersResponse { workers }))
    }

    async fn drain_worker(
        &self,
        request: Request<v1::DrainWorkerRequest>,
    ) -> Result<Response<v1::WorkersResponse>, Status> {
        let caller = self.0.admit(&request, Rpc::DrainWorker).await?;
        let workers = self.drainable(&caller, &request.into_inner().worker).await?;
        for one in &workers {
            fleet::drain(&self.0.coordinator.store, &one.id).await.map_err(store_status)?;
            self.0.coordinator.drained(&one.id);
            self.0.gate.done(&caller, Rpc::DrainWorker, &one.id, "").await;
        }
        Ok(Response::new(v1::WorkersResponse { workers }))
    }

    async fn queue(&self, request: Request<v1::QueueRequest>) -> Result<Response<v1::QueueResponse>, Status> {
        let caller = self.0.admit(&request, Rpc::Queue).await?;
        let jobs = why::queue(&self.0.coordinator, &caller, !self.0.gate.is_local()).await?;
        Ok(Response::new(v1::QueueResponse { jobs }))
    }

    async fn dead(&self, request: Request<v1::DeadRequest>) -> Result<Response<v1::DeadResponse>, Status> {
        let caller = self.0.admit(&request, Rpc::Dead).await?;
        let jobs = self.0.coordinator.dead_jobs(&caller).await.map_err(|error| status(&error))?;
        Ok(Response::new(v1::DeadResponse { jobs }))
    }

    async fn requeue(&self, request: Request<v1::RequeueRequest>) -> Result<Response<v1::RequeueResponse>, Status> {
        let caller = self.0.admit(&request, Rpc::Requeue).await?;
        let mut jobs = Vec::new();
        for id in self.named(&caller, request.into_inner()).await? {
            let requeued = self.0.coordinator.requeue(&caller, &id).await.map_err(|error| status(&error))?;
            let (one, tenant) = requeued.ok_or_else(|| no_job(&id))?;
            if one.done {
                self.0.gate.done(&caller, Rpc::Requeue, &id, tenant.as_str()).await;
            }
            jobs.push(one);
        }
        Ok(Response::new(v1::RequeueResponse { jobs }))
    }

    async fn create_token(
        &self,
        request: Request<v1::CreateTokenRequest>,
    ) -> Result<Response<v1::CreateTokenResponse>, Status> {
        let caller = self.0.admit(&request, Rpc::CreateToken).await?;
        let wish = request.into_inner();
        let (role, scope) = self.creatable(&caller, &wish).await?;
        let v1::CreateTokenRequest { name, role: _, scope: _, expires } = wish;
        let now = clock::now_millis();
        let created = tokens::create(&self.0.coordinator.store, &name, role, &scope, expires, now).await;
        let (token, secret) = created.map_err(store_status)?;
        let subject = format!("{} for {name}, {}", token.id, role.as_str());
        self.0.gate.done(&caller, Rpc::CreateToken, &subject, &scope.named()).await;
        Ok(Response::new(v1::CreateTokenResponse { token: Some(token), secret }))
    }

    async fn list_tokens(
        &self,
        request: Request<v1::ListTokensRequest>,
    ) -> Result<Response<v1::ListTokensResponse>, Status> {
        let caller = self.0.admit(&request, Rpc::ListTokens).await?;
        let mut tokens = tokens::list(&self.0.coordinator.store).await.map_err(store_status)?;
        tokens.retain(|token| caller.scope().covers(&scope_of(token)));
        Ok(Response::new(v1::ListTokensResponse { tokens }))
    }

    async fn revoke_token(&self, request: Request<v1::RevokeTokenRequest>) -> Result<Response<v1::Token>, Status> {
        let caller = self.0.admit(&request, Rpc::RevokeToken).await?;
        let id = request.into_inner().id;
        let scope = scope_of(&self.revocable(&caller, &id).await?);
        let revoked = tokens::revoke(&self.0.coordinator.store, &id, clock::now_millis()).await;
        let revoked = revoked.map_err(store_status)?;
        self.0.gate.done(&caller, Rpc::RevokeToken, &id, &scope.named()).await;
        revoked.map(Response::new).ok_or_else(|| no_token(&id))
    }

    /// Let in as the call that it holds, and refused with the same entries in the log.
    async fn dry_run(&self, request: Request<v1::DryRunRequest>) -> Result<Response<v1::DryRunResponse>, Status> {
        let (metadata, extensions, message) = request.into_parts();
        let admit = |rpc| self.0.gate.admit(&metadata, &extensions, rpc);
        let mut answer = v1::DryRunResponse::default();
        match message.call {
            Some(Call::DrainWorker(wish)) => {
                let caller = admit(Rpc::DrainWorker).await?;
                answer.workers = self.drainable(&caller, &wish.worker).await?;
            }
            Some(Call::Requeue(wish)) => {
                let caller = admit(Rpc::Requeue).await?;
                for id in self.named(&caller, wish).await? {
                    let would = self.0.coordinator.would_requeue(&caller, &id).await.map_err(|error| status(&error))?;
                    answer.jobs.push(would.ok_or_else(|| no_job(&id))?);
                }
            }
            Some(Call::CreateToken(wish)) => {
                let caller = admit(Rpc::CreateToken).await?;
                self.creatable(&caller, &wish).await?;
                let v1::CreateTokenRequest { name, role, scope, expires } = wish;
                let created = clock::now_millis();
                answer.token = Some(v1::Token { name, role, scope, created, expires, ..v1::Token::default() });
            }
            Some(Call::RevokeToken(wish)) => {
                let caller = admit(Rpc::RevokeToken).await?;
                answer.token = Some(self.revocable(&caller, &wish.id).await?);
            }
            // As a coordinator answers that does not know this rpc either.
            None => return Err(Status::unimplemented("it holds no call that is known here")),
        }
        Ok(Response::new(answer))
    }

    async fn audit(&self, request: Request<v1::AuditRequest>) -> Result<Response<Self::AuditStream>, Status> {
        let right = self.0.enter(&request, Rpc::Audit).await?;
        // A chain with entries left out cannot be followed, so it is shown whole or not at all.
        self.covers(&right.caller, Rpc::Audit, &Scope::Every).await?;
        let mut after = request.into_inner().after;
        let store = self.0.coordinator.store.clone();
        let (entries, stream) = mpsc::channel(64);
        drop(arena_runtime::tasks::spawn(async move {
            loop {
                let page = match audit::read(&store, after).await {
                    Ok(page) if page.is_empty() => return,
                    Ok(page) => page,
                    Err(error) => return drop(entries.send(Err(store_status(error))).await),
                };
                for entry in page {
                    after = entry.seq;
                    if entries.send(Ok(entry)).await.is_err() {
                        return;
                    }
                }
            }
        }));
        Ok(Response::new(Guarded::new(stream, right)))
    }
}

fn no_job(id: &str) -> Status {
    Status::not_found(format!("no job '{id}'"))
}

fn no_token(id: &str) -> Status {
    Status::not_found(format!("no token '{id}'"))
}

fn scope_of(token: &v1::Token) -> Scope {
    token.scope.as_ref().and_then(Scope::from_wire).unwrap_or(Scope::Every)
}

/// What each call looks at before it changes anything.
impl FleetApi {
    async fn drainable(&self, caller: &Caller, name: &str) -> Result<Vec<v1::WorkerState>, Status> {
        let mut workers = fleet::seen_by(&self.0.coordinator.store, caller).await.map_err(store_status)?;
        workers.retain(|one| one.id == name || one.name == name);
        if workers.is_empty() {
            return Err(Status::not_found(format!("no worker '{name}' is attached")));
        }
        for one in &workers {
            let scope = one.scope.as_ref().and_then(Scope::from_wire).unwrap_or(Scope::Every);
            if !caller.scope().covers(&scope) {
                let why = "it serves other tenants too";
                self.0.gate.refused(&caller.label(), Rpc::DrainWorker.as_str(), &one.id, "", why).await;
                let mend = "whoever runs the fleet has or makes a token that may: `arena tokens create NAME --role operator \
                            --every-tenant`";
                return Err(Status::permission_denied(format!("worker {name} serves other tenants too; {mend}")));
            }
        }
        Ok(workers)
    }

    /// The jobs that are meant, each once.
    async fn named(&self, caller: &Caller, wish: v1::RequeueRequest) -> Result<Vec<String>, Status> {
        let v1::RequeueRequest { jobs: mut ids, all } = wish;
        if all {
            let held = self.0.coordinator.dead_jobs(caller).await.map_err(|error| status(&error))?;
            ids = held.into_iter().filter(|dead| dead.held).map(|dead| dead.id).collect();
        }
        let mut before = HashSet::new();
        ids.retain(|id| before.insert(id.clone()));
        Ok(ids)
    }

    async fn creatable(&self, caller: &Caller, wish: &v1::CreateTokenRequest) -> Result<(Role, Scope), Status> {
        let v1::CreateTokenRequest { name, role, scope, expires: _ } = wish;
        let wrong = |what: String| Err(Status::invalid_argument(what));
        let Some(role) = Role::parse(role) else {
            return wrong(format!("'{role}' is no role; one of viewer, submitter, operator, admin"));
        };
        let Some(scope) = scope.as_ref().and_then(Scope::from_wire) else {
            return wrong("it names neither a tenant, in letters, digits, `.`, `_` and `-`, nor every one".into());
        };
        if !is_name(name) {
            return wrong(format!("'{name}' is no name: use letters, digits, `.`, `_` and `-`"));
        }
        self.covers(caller, Rpc::CreateToken, &scope).await?;
        Ok((role, scope))
    }

    async fn revocable(&self, caller: &Caller, id: &str) -> Result<v1::Token, Status> {
        let found = tokens::find(&self.0.coordinator.store, id).await.map_err(store_status)?;
        let token = found.ok_or_else(|| no_token(id))?;
        self.covers(caller, Rpc::RevokeToken, &scope_of(&token)).await.map_err(|_| no_token(id))?;
        Ok(token)
    }

    /// Nobody gives, takes or reads more than they have.
    async fn covers(&self, caller: &Caller, rpc: Rpc, scope: &Scope) -> Result<(), Status> {
        if caller.scope().covers(scope) {
            return Ok(());
        }
        let why = "it reaches beyond the caller's own tenant";
        self.0.gate.refused(&caller.label(), rpc.as_str(), &scope.named(), &caller.scope().named(), why).await;
        Err(Status::permission_denied(format!("{} is an admin of one tenant alone", caller.label())))
    }
}
