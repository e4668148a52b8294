//! `arena.v1.Sessions`.

use super::{blobs, status, store_status};
use crate::dispatch::Coordinator;
use arena_domain::id::{JobId, SessionId};
use arena_domain::schedule::Why;
use arena_domain::session::Event;
use arena_proto::packet;
use arena_proto::v1::{self, sessions_server::Sessions};
use arena_runtime::clock;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

const FEED_PAGE: u32 = 256;

pub struct SessionsApi(pub Coordinator);

#[tonic::async_trait]
impl Sessions for SessionsApi {
    type WatchStream = ReceiverStream<Result<v1::FeedItem, Status>>;
    type GetBlobStream = ReceiverStream<Result<v1::BlobChunk, Status>>;

    async fn submit(&self, request: Request<v1::SubmitRequest>) -> Result<Response<v1::SubmitResponse>, Status> {
        let v1::SubmitRequest { head, yes } = request.into_inner();
        let mut head = head.ok_or_else(|| Status::invalid_argument("no head"))?;
        let parsed = packet::parse_anywhere(&head.packet).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Status::invalid_argument(lines.join("\n"))
        })?;
        head.created = clock::now_millis();
        let id = SessionId::new(&head.id);
        self.0.store.create(head, parsed.packet.title).await.map_err(store_status)?;
        let event = Event::Submitted { at: clock::now_millis(), yes, base_first: true };
        self.0.happen(&id, event).await.map_err(|error| status(&error))?;
        Ok(Response::new(v1::SubmitResponse { id: id.to_string() }))
    }

    async fn get(&self, request: Request<v1::GetRequest>) -> Result<Response<v1::GetResponse>, Status> {
        let id = self.0.store.resolve(&request.into_inner().id).await.map_err(store_status)?;
        let record = self.0.store.record(&id).await.map_err(store_status)?;
        let jobs = self.0.store.jobs(&id).await.map_err(store_status)?;
        Ok(Response::new(v1::GetResponse { head: Some(record.head), events: record.events, jobs }))
    }

    async fn list(&self, _: Request<v1::ListRequest>) -> Result<Response<v1::ListResponse>, Status> {
        let sessions = self.0.store.sessions().await.map_err(store_status)?;
        Ok(Response::new(v1::ListResponse { sessions }))
    }

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let v1::WatchRequest { id, after, recorded } = request.into_inner();
        let id = self.0.store.resolve(&id).await.map_err(store_status)?;
        let (items, stream) = mpsc::channel(64);
        let coordinator = self.0.clone();
        drop(arena_runtime::tasks::spawn(follow(coordinator, id, after, recorded, items)));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn decide(&self, request: Request<v1::DecideRequest>) -> Result<Response<v1::Done>, Status> {
        let v1::DecideRequest { id, answer } = request.into_inner();
        let id = self.0.store.resolve(&id).await.map_err(store_status)?;
        let event = Event::Decided { at: clock::now_millis(), answer };
        self.0.happen(&id, event).await.map_err(|error| status(&error))?;
        Ok(Response::new(v1::Done {}))
    }

    async fn cancel(&self, request: Request<v1::CancelRequest>) -> Result<Response<v1::Done>, Status> {
        let id = self.0.store.resolve(&request.into_inner().id).await.map_err(store_status)?;
        let event = Event::Cancelled { at: clock::now_millis() };
        self.0.happen(&id, event).await.map_err(|error| status(&error))?;
        Ok(Response::new(v1::Done {}))
    }

    async fn why(&self, request: Request<v1::WhyRequest>) -> Result<Response<v1::WhyResponse>, Status> {
        let v1::WhyRequest { job, idle } = request.into_inner();
        let (id, idle) = (JobId::new(job), idle.iter().map(SessionId::new).collect());
        let why = self.0.store.why(id.clone(), idle, clock::now_millis()).await.map_err(store_status)?;
        let (kind, text) = match why {
            Why::Unknown => return Err(Status::not_found(format!("no job '{id}'"))),
            Why::Runs { worker } => ("runs", format!("it runs on {worker}")),
            Why::Ended => ("ended", "it has ended".to_owned()),
            Why::Ready { ahead } => ("ready", format!("it waits for a free slot of a worker; {ahead} jobs are ahead")),
            Why::NotDue { at } => ("not_due", format!("it is tried again at {}", clock::rfc3339(at))),
            Why::Limit { dimension, name, running, limit } => {
                ("limit", format!("the {dimension} limit of {name} is reached: {running} of {limit} run"))
            }
        };
        Ok(Response::new(v1::WhyResponse { kind: kind.into(), text }))
    }

    async fn put_blob(
        &self,
        request: Request<Streaming<v1::BlobChunk>>,
    ) -> Result<Response<v1::PutBlobResponse>, Status> {
        let digest = blobs::put(self.0.blobs.clone(), None, request.into_inner()).await?;
        Ok(Response::new(v1::PutBlobResponse { digest }))
    }

    async fn get_blob(&self, request: Request<v1::GetBlobRequest>) -> Result<Response<Self::GetBlobStream>, Status> {
        let stream = blobs::get(self.0.blobs.clone(), request.into_inner().digest).await?;
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

/// Sends the feed from `after` on, until the session has ended or the watcher is gone; or only what is `recorded`. A slow watcher holds up only
/// itself: items are read from the store when there is room for them.
async fn follow(
    coordinator: Coordinator,
    id: SessionId,
    mut after: u64,
    recorded: bool,
    items: mpsc::Sender<Result<v1::FeedItem, Status>>,
) {
    let mut changes = coordinator.changes();
    loop {
        let page = match coordinator.store.feed(&id, after, FEED_PAGE).await {
            Ok(page) => page,
            Err(error) => return drop(items.send(Err(store_status(error))).await),
        };
        let more = page.len() == FEED_PAGE as usize;
        for item in page {
            after = item.seq;
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
        }
    }
}
