//! `arena.v1.Sessions`.

use super::{Desk, blobs, status, store_status};
use crate::access::Rpc;
use crate::dispatch::{Coordinator, why};
use crate::trace;
use arena_domain::id::{JobId, SessionId};
use arena_domain::session::Event;
use arena_proto::packet;
use arena_proto::v1::{self, sessions_server::Sessions};
use arena_runtime::{clock, telemetry};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use tracing::Instrument;

const FEED_PAGE: u32 = 256;
/// Of what an engine prints, in the feed.
pub(crate) const LOG: &str = "log:";

pub struct SessionsApi(pub Desk);

#[tonic::async_trait]
impl Sessions for SessionsApi {
    type WatchStream = ReceiverStream<Result<v1::FeedItem, Status>>;
    type GetBlobStream = ReceiverStream<Result<v1::BlobChunk, Status>>;

    async fn submit(&self, request: Request<v1::SubmitRequest>) -> Result<Response<v1::SubmitResponse>, Status> {
        let caller = self.0.admit(&request, Rpc::Submit).await?;
        let outer = telemetry::read(request.metadata().get("traceparent").map(|value| value.as_encoded_bytes()));
        let v1::SubmitRequest { head, yes } = request.into_inner();
        let mut head = head.ok_or_else(|| Status::invalid_argument("no head"))?;
        let coordinator = &self.0.coordinator;
        if coordinator.is_closing() {
            return Err(Status::unavailable("this coordinator is being stopped; ask another one, or try again"));
        }
        let parsed = packet::parse_anywhere(&head.packet).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Status::invalid_argument(lines.join("\n"))
        })?;
        if !self.0.gate.is_local() {
            let tenant = self.0.tenant(&caller, Rpc::Submit, &head.tenant).await?;
            from_afar(&head, &coordinator.blobs.of(&tenant))?;
            (head.tenant, head.submitter) = (tenant.to_string(), caller.label());
        }
        head.created = clock::now_millis();
        let (id, tenant) = (SessionId::new(&head.id), head.tenant.clone());
        trace::begin(&mut head, outer);
        let span = trace::submit(&head);
        let submitted = async {
            coordinator.store.create(head, parsed.packet.title).await.map_err(store_status)?;
            let event = Event::Submitted { at: clock::now_millis(), yes, base_first: true };
            coordinator.happen(&id, event).await.map_err(|error| status(&error))?;
            self.0.gate.done(&caller, Rpc::Submit, id.as_str(), &tenant).await;
            Ok(Response::new(v1::SubmitResponse { id: id.to_string() }))
        };
        submitted.instrument(span).await
    }

    async fn get(&self, request: Request<v1::GetRequest>) -> Result<Response<v1::GetResponse>, Status> {
        let caller = self.0.admit(&request, Rpc::Get).await?;
        let id = self.0.session(&caller, Rpc::Get, &request.into_inner().id).await?;
        let store = &self.0.coordinator.store;
        let record = store.record(&id).await.map_err(store_status)?;
        let jobs = store.jobs(&id).await.map_err(store_status)?;
        Ok(Response::new(v1::GetResponse { head: Some(record.head), events: record.events, jobs }))
    }

    async fn list(&self, request: Request<v1::ListRequest>) -> Result<Response<v1::ListResponse>, Status> {
        let caller = self.0.admit(&request, Rpc::List).await?;
        let mut sessions = Vec::new();
        for one in self.0.coordinator.store.sessions().await.map_err(store_status)? {
            let tenant = self.0.coordinator.tenant_of(&SessionId::new(&one.id)).await;
            if caller.sees(&tenant.map_err(|error| status(&error))?) {
                sessions.push(one);
            }
        }
        Ok(Response::new(v1::ListResponse { sessions }))
    }

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let caller = self.0.admit(&request, Rpc::Watch).await?;
        let mut wish = request.into_inner();
        let id = self.0.session(&caller, Rpc::Watch, &wish.id).await?;
        wish.id = id.to_string();
        let (items, stream) = mpsc::channel(64);
        drop(arena_runtime::tasks::spawn(follow(self.0.coordinator.clone(), wish, items)));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn decide(&self, request: Request<v1::DecideRequest>) -> Result<Response<v1::Done>, Status> {
        let caller = self.0.admit(&request, Rpc::Decide).await?;
        let v1::DecideRequest { id, answer } = request.into_inner();
        let event = Event::Decided { at: clock::now_millis(), answer };
        self.happens(caller, Rpc::Decide, &id, event).await
    }

    async fn cancel(&self, request: Request<v1::CancelRequest>) -> Result<Response<v1::Done>, Status> {
        let caller = self.0.admit(&request, Rpc::Cancel).await?;
        let event = Event::Cancelled { at: clock::now_millis() };
        self.happens(caller, Rpc::Cancel, &request.into_inner().id, event).await
    }

    async fn why(&self, request: Request<v1::WhyRequest>) -> Result<Response<v1::WhyResponse>, Status> {
        let caller = self.0.admit(&request, Rpc::Why).await?;
        let v1::WhyRequest { job, idle } = request.into_inner();
        self.0.session(&caller, Rpc::Why, job.split('/').next().unwrap_or_default()).await?;
        let idle = idle.iter().map(SessionId::new).collect();
        why::answer(&self.0.coordinator, &caller, JobId::new(job), idle, !self.0.gate.is_local())
            .await
            .map(Response::new)
    }

    async fn put_blob(
        &self,
        request: Request<Streaming<v1::BlobChunk>>,
    ) -> Result<Response<v1::PutBlobResponse>, Status> {
        let caller = self.0.admit(&request, Rpc::PutBlob).await?;
        let mut chunks = request.into_inner();
        let first = chunks.next().await.transpose()?;
        let asked = first.as_ref().map(|chunk| chunk.tenant.clone()).unwrap_or_default();
        let tenant = self.0.tenant(&caller, Rpc::PutBlob, &asked).await?;
        let digest = blobs::put(self.0.coordinator.blobs.of(&tenant), first, chunks).await?;
        Ok(Response::new(v1::PutBlobResponse { digest }))
    }

    async fn get_blob(&self, request: Request<v1::GetBlobRequest>) -> Result<Response<Self::GetBlobStream>, Status> {
        let caller = self.0.admit(&request, Rpc::GetBlob).await?;
        let v1::GetBlobRequest { digest, tenant } = request.into_inner();
        let tenant = self.0.tenant(&caller, Rpc::GetBlob, &tenant).await?;
        let stream = blobs::get(self.0.coordinator.blobs.of(&tenant), digest).await?;
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn has_blob(&self, request: Request<v1::GetBlobRequest>) -> Result<Response<v1::HasBlobResponse>, Status> {
        let caller = self.0.admit(&request, Rpc::HasBlob).await?;
        let v1::GetBlobRequest { digest, tenant } = request.into_inner();
        let tenant = self.0.tenant(&caller, Rpc::HasBlob, &tenant).await?;
        let here = self.0.coordinator.blobs.of(&tenant).has(&digest);
        Ok(Response::new(v1::HasBlobResponse { here }))
    }
}

impl SessionsApi {
    async fn happens(
        &self,
        caller: crate::access::Caller,
        rpc: Rpc,
        id: &str,
        event: Event,
    ) -> Result<Response<v1::Done>, Status> {
        let id = self.0.session(&caller, rpc, id).await?;
        self.0.coordinator.happen(&id, event).await.map_err(|error| status(&error))?;
        let tenant = self.0.coordinator.tenant_of(&id).await.map_err(|error| status(&error))?;
        self.0.gate.done(&caller, rpc, id.as_str(), tenant.as_str()).await;
        Ok(Response::new(v1::Done {}))
    }
}

/// A head that came over the network: its base must have come with it, since a path of the sender's would be one of the
/// workers' own files.
fn from_afar(head: &v1::SessionHead, blobs: &crate::blobs::Blobs) -> Result<(), Status> {
    let refused = |what: &str| Err(Status::invalid_argument(what.to_owned()));
    let plain = |text: &str, digits: &[usize]| {
        digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    if !plain(&head.id, &[12]) {
        return refused("a session's id is twelve hexadecimal digits");
    }
    if !plain(&head.base, &[40, 64]) || !head.shallow.iter().all(|commit| plain(commit, &[40, 64])) {
        return refused("the base is no commit");
    }
    if head.base_bundle.is_empty() || !blobs.has(&head.base_bundle) {
        return refused("the base was not sent; use the same version of arena as the coordinator");
    }
    if !head.files.is_empty() && !blobs.has(&head.files) {
        return refused("the engines' files were not sent; use the same version of arena as the coordinator");
    }
    Ok(())
}

/// Sends the feed from `after` on, until the session has ended or the watcher is gone; or only what is `recorded`. A slow watcher holds up only
/// itself: items are read from the store when there is room for them.
async fn follow(coordinator: Coordinator, wish: v1::WatchRequest, items: mpsc::Sender<Result<v1::FeedItem, Status>>) {
    let v1::WatchRequest { id, mut after, recorded, logs } = wish;
    let id = SessionId::new(id);
    let mut changes = coordinator.changes();
    loop {
        let page = match coordinator.store.feed(&id, after, FEED_PAGE).await {
            Ok(page) => page,
            Err(error) => return drop(items.send(Err(store_status(error))).await),
        };
        let more = page.len() == FEED_PAGE as usize;
        for item in page {
            after = item.seq;
            if !logs && item.kind.starts_with(LOG) {
                continue;
            }
            let last = item.kind == "ended";
            if items.send(Ok(item)).await.is_err() || last {
                return;
            }
        }
        if more {
            continue;
        }
        if recorded {
            return;
        }
        tokio::select! {
            _ = changes.recv() => {},
            // Another process may be the one that moves this session.
            () = tokio::time::sleep(Duration::from_millis(300)) => {},
            () = items.closed() => return,
            () = coordinator.closing() => {
                let moved = Status::unavailable("this coordinator is being stopped; follow on with another one");
                return drop(items.send(Err(moved)).await);
            },
        }
    }
}
