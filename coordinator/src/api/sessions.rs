//! `arena.v1.Sessions`.

use super::{Desk, Guarded, blobs, status, store_status};
use crate::access::{Caller, Rpc};
use crate::dispatch::{Coordinator, why};
use crate::rates::Meter;
use crate::sessions::SessionError;
use crate::store::{PAGE, StoreError};
use crate::trace;
use arena_domain::id::{JobId, SessionId, Tenant};
use arena_domain::session::{Event, IllegalTransition};
use arena_proto::v1::{self, sessions_server::Sessions};
use arena_proto::{MAX_MESSAGE, packet};
use arena_runtime::{clock, telemetry};
use prost::Message;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tonic::{Code, Request, Response, Status, Streaming};
use tracing::Instrument;

const FEED_PAGE: u32 = 256;
/// Bytes of events in one message, beside the head and the jobs; one event is smaller than that.
const EVENTS_PAGE: usize = MAX_MESSAGE / 2;
/// Bytes of what is submitted: a worker is given all of it with each job.
const MAX_HEAD: usize = 4 << 20;
/// Of what an engine prints, in the feed.
pub(crate) const LOG: &str = "log:";

pub struct SessionsApi(pub Desk);

#[tonic::async_trait]
impl Sessions for SessionsApi {
    type WatchStream = Guarded<v1::FeedItem>;
    type GetBlobStream = Guarded<v1::BlobChunk>;

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
            from_afar(&head, &coordinator.blobs.of(&tenant)).await?;
            (head.tenant, head.submitter) = (tenant.to_string(), caller.label());
        }
        // What the command line said counts before the packet's own word.
        let packet =
            arena_domain::packet::Packet { priority: head.priority.unwrap_or(parsed.packet.priority), ..parsed.packet };
        // The same submission again was counted when it came first.
        let free = self.0.gate.is_local() || coordinator.store.record(&SessionId::new(&head.id)).await.is_ok();
        let _turn = match free {
            true => None,
            false => {
                let turn = coordinator.submitting.lock().await;
                let tenant = Tenant::new(&head.tenant);
                if let Err(refused) = coordinator.admit(&tenant, &packet).await {
                    let why = refused.message();
                    self.0.gate.refused(&caller.label(), Rpc::Submit.as_str(), &head.id, tenant.as_str(), why).await;
                    return Err(refused);
                }
                Some(turn)
            }
        };
        head.created = clock::now_millis();
        let (id, tenant) = (SessionId::new(&head.id), head.tenant.clone());
        trace::begin(&mut head, outer);
        let span = trace::submit(&head);
        let submitted = async {
            if let Err(error) = coordinator.store.create(head.clone(), packet.title).await
                && !self.is_begun(&head, error).await?
            {
                return Ok(Response::new(v1::SubmitResponse { id: id.to_string() }));
            }
            let event = Event::Submitted { at: clock::now_millis(), yes, base_first: true };
            match coordinator.happen(&id, event).await {
                // The same call at the same time, by a client that did not wait for the answer: that one did it.
                Ok(()) | Err(SessionError::Illegal(IllegalTransition::SubmittedTwice(_))) => {}
                Err(error) => return Err(status(&error)),
            }
            self.0.gate.done(&caller, Rpc::Submit, id.as_str(), &tenant).await;
            Ok(Response::new(v1::SubmitResponse { id: id.to_string() }))
        };
        submitted.instrument(span).await
    }

    async fn get(&self, request: Request<v1::GetRequest>) -> Result<Response<v1::GetResponse>, Status> {
        let caller = self.0.admit(&request, Rpc::Get).await?;
        let v1::GetRequest { id, after } = request.into_inner();
        let id = self.0.session(&caller, Rpc::Get, &id).await?;
        let store = &self.0.coordinator.store;
        let record = store.record(&id).await.map_err(store_status)?;
        let (events, more) = page(record.events, after);
        let jobs = store.jobs(&id).await.map_err(store_status)?;
        Ok(Response::new(v1::GetResponse { head: Some(record.head), events, jobs, more }))
    }

    async fn list(&self, request: Request<v1::ListRequest>) -> Result<Response<v1::ListResponse>, Status> {
        let caller = self.0.admit(&request, Rpc::List).await?;
        let store = &self.0.coordinator.store;
        let own = |one: &v1::Summary| caller.sees(&Tenant::new(&one.tenant));
        let v1::ListRequest { most, before, under_way } = request.into_inner();
        if under_way {
            let sessions = store.under_way().await.map_err(store_status)?.into_iter().filter(own).collect();
            return Ok(Response::new(v1::ListResponse { sessions, more: false }));
        }
        let most = if most == 0 { usize::MAX } else { most as usize };
        let mut than = before.map(|v1::Cursor { created, id }| (created, SessionId::new(id)));
        let mut sessions = Vec::new();
        // One more than are wanted: whether there are more.
        while sessions.len() <= most {
            let page = store.older(than, PAGE).await.map_err(store_status)?;
            let Some(last) = page.last() else { break };
            than = Some((last.created, SessionId::new(&last.id)));
            sessions.extend(page.into_iter().filter(own));
        }
        let more = sessions.len() > most;
        sessions.truncate(most);
        Ok(Response::new(v1::ListResponse { sessions, more }))
    }

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let right = self.0.enter(&request, Rpc::Watch).await?;
        let mut wish = request.into_inner();
        let id = self.0.session(&right.caller, Rpc::Watch, &wish.id).await?;
        let tenant = self.0.coordinator.tenant_of(&id).await.map_err(|error| status(&error))?;
        wish.id = id.to_string();
        let (items, stream) = mpsc::channel(64);
        drop(arena_runtime::tasks::spawn(follow(self.0.coordinator.clone(), wish, items)));
        Ok(Response::new(Guarded::new(stream, right.within(&tenant))))
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
        let right = self.0.enter(&request, Rpc::PutBlob).await?;
        let put = async {
            let mut chunks = request.into_inner();
            let first = chunks.next().await.transpose()?;
            let asked = first.as_ref().map(|chunk| chunk.tenant.clone()).unwrap_or_default();
            let tenant = self.0.tenant(&right.caller, Rpc::PutBlob, &asked).await?;
            let meter = self.0.gate.meter(&right.caller, Rpc::PutBlob).await?;
            self.stores(&right.caller, &tenant, (first, chunks), meter).await
        };
        // Whoever sends a piece now and then has not sent a blob; what came so far is let go.
        let digest = tokio::select! {
            put = put => put?,
            lost = right.clone().lost() => return Err(lost.told().await),
        };
        Ok(Response::new(v1::PutBlobResponse { digest }))
    }

    async fn get_blob(&self, request: Request<v1::GetBlobRequest>) -> Result<Response<Self::GetBlobStream>, Status> {
        let right = self.0.enter(&request, Rpc::GetBlob).await?;
        let v1::GetBlobRequest { digest, tenant } = request.into_inner();
        let tenant = self.0.tenant(&right.caller, Rpc::GetBlob, &tenant).await?;
        let meter = self.0.gate.meter(&right.caller, Rpc::GetBlob).await?;
        let stream = blobs::get(self.0.coordinator.blobs.of(&tenant), digest, meter).await?;
        Ok(Response::new(Guarded::new(stream, right.within(&tenant))))
    }

    async fn has_blob(&self, request: Request<v1::GetBlobRequest>) -> Result<Response<v1::HasBlobResponse>, Status> {
        let caller = self.0.admit(&request, Rpc::HasBlob).await?;
        let v1::GetBlobRequest { digest, tenant } = request.into_inner();
        let tenant = self.0.tenant(&caller, Rpc::HasBlob, &tenant).await?;
        let here = blobs::has(&self.0.coordinator.blobs.of(&tenant), &digest).await?;
        Ok(Response::new(v1::HasBlobResponse { here }))
    }
}

impl SessionsApi {
    /// Whether a session that could not be made is the same one, made by a call whose answer was lost, and still to be
    /// submitted; `false`: it was.
    async fn is_begun(&self, head: &v1::SessionHead, error: StoreError) -> Result<bool, Status> {
        if error.is_transient() {
            return Err(store_status(error));
        }
        let Ok(record) = self.0.coordinator.store.record(&SessionId::new(&head.id)).await else {
            return Err(store_status(error));
        };
        let as_sent = |head: &v1::SessionHead| v1::SessionHead { created: 0, trace: None, ..head.clone() };
        if as_sent(&record.head) != as_sent(head) {
            return Err(Status::invalid_argument("the session's id is taken; run it again"));
        }
        Ok(record.events.is_empty())
    }

    /// One blob, within the tenant's room as far as it is a person's.
    async fn stores(
        &self,
        caller: &Caller,
        tenant: &Tenant,
        (first, chunks): (Option<v1::BlobChunk>, Streaming<v1::BlobChunk>),
        meter: Meter,
    ) -> Result<String, Status> {
        let coordinator = &self.0.coordinator;
        let is_person = matches!(caller, Caller::Person { .. });
        let put = async {
            let mut coming = coordinator.coming(tenant, is_person).await?;
            let stored = blobs::put(coordinator.blobs.of(tenant), first, chunks, meter, &mut coming).await?;
            Ok::<_, Status>((stored, coming))
        };
        let ((digest, more), coming) = match put.await {
            Ok(stored) => stored,
            Err(refused) => {
                if is_person && refused.code() == Code::ResourceExhausted {
                    let (who, why) = (caller.label(), refused.message());
                    self.0.gate.refused(&who, Rpc::PutBlob.as_str(), "", tenant.as_str(), why).await;
                }
                return Err(refused);
            }
        };
        // The next count finds what is not written down now.
        if let Err(error) = coordinator.came(tenant, more).await {
            tracing::warn!(%tenant, %error, "a blob was not counted");
        }
        drop(coming);
        Ok(digest)
    }

    async fn happens(&self, caller: Caller, rpc: Rpc, id: &str, event: Event) -> Result<Response<v1::Done>, Status> {
        let id = self.0.session(&caller, rpc, id).await?;
        self.0.coordinator.happen(&id, event).await.map_err(|error| status(&error))?;
        let tenant = self.0.coordinator.tenant_of(&id).await.map_err(|error| status(&error))?;
        self.0.gate.done(&caller, rpc, id.as_str(), tenant.as_str()).await;
        Ok(Response::new(v1::Done {}))
    }
}

/// As many events as one message holds, and whether there are more.
fn page(events: Vec<v1::SessionEvent>, after: u64) -> (Vec<v1::SessionEvent>, bool) {
    let mut rest = events.into_iter().skip(usize::try_from(after).unwrap_or(usize::MAX)).peekable();
    let (mut page, mut bytes) = (Vec::new(), 0);
    while let Some(event) = rest.next_if(|event| page.is_empty() || bytes + event.encoded_len() <= EVENTS_PAGE) {
        bytes += event.encoded_len();
        page.push(event);
    }
    (page, rest.peek().is_some())
}

/// A head that came over the network: its base must have come with it, since a path of the sender's would be one of the
/// workers' own files.
async fn from_afar(head: &v1::SessionHead, kept: &crate::blobs::Blobs) -> Result<(), Status> {
    let refused = |what: &str| Err(Status::invalid_argument(what.to_owned()));
    if head.encoded_len() > MAX_HEAD {
        return refused("the packet and what the repository is said to hold are too large");
    }
    let plain = |text: &str, digits: &[usize]| {
        digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    if !plain(&head.id, &[12]) {
        return refused("a session's id is twelve hexadecimal digits");
    }
    if !plain(&head.base, &[40, 64]) || !head.shallow.iter().all(|commit| plain(commit, &[40, 64])) {
        return refused("the base is no commit");
    }
    if head.base_bundle.is_empty() || !blobs::has(kept, &head.base_bundle).await? {
        return refused("the base was not sent; use the same version of arena as the coordinator");
    }
    if !head.files.is_empty() && !blobs::has(kept, &head.files).await? {
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
            () = coordinator.closing_token().cancelled_owned() => {
                let moved = Status::unavailable("this coordinator is being stopped; follow on with another one");
                return drop(items.send(Err(moved)).await);
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Gate;
    use crate::blobs::Blobs;
    use crate::store::Store;
    use arena_domain::schedule::Limits;

    #[test]
    fn a_record_that_no_message_holds_comes_in_pages() {
        let event = |number: usize| v1::SessionEvent {
            at: number as u64,
            event: Some(v1::session_event::Event::Decided(v1::Decided { answer: "x".repeat(EVENTS_PAGE / 3) })),
        };
        let all: Vec<v1::SessionEvent> = (0..8).map(event).collect();
        let (mut got, mut pages) = (Vec::new(), 0);
        loop {
            let (mut events, more) = page(all.clone(), got.len() as u64);
            assert!(!events.is_empty() && events.len() < 4, "{}", events.len());
            got.append(&mut events);
            pages += 1;
            if !more {
                break;
            }
        }
        assert_eq!((pages, got), (4, all));
    }

    #[tokio::test]
    async fn a_submission_whose_answer_was_lost_is_made_once_and_its_id_is_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Limits::default()).unwrap();
        let gate = Gate::local(store.clone());
        let api =
            SessionsApi(Desk { coordinator: Coordinator::new(store.clone(), Blobs::new(folder.path().into())), gate });
        let id = SessionId::new("0123456789ab");
        let head = v1::SessionHead {
            id: id.to_string(),
            packet: crate::dispatch::tests::PACKET.into(),
            base: "base".into(),
            ..v1::SessionHead::default()
        };
        let submit = async |head: &v1::SessionHead| {
            api.submit(Request::new(v1::SubmitRequest { head: Some(head.clone()), yes: true })).await.map(drop)
        };
        // The coordinator died between the two steps of the first call.
        store.create(v1::SessionHead { created: 7, ..head.clone() }, "Sums".into()).await.unwrap();
        for _ in 0..3 {
            submit(&head).await.unwrap();
        }
        let again = v1::SessionHead { id: "ba9876543210".into(), ..head.clone() };
        let (one, other) = tokio::join!(submit(&again), submit(&again));
        assert_eq!((one.is_ok(), other.is_ok()), (true, true), "{one:?} {other:?}");
        let submitted = async || store.record(&id).await.unwrap().events.len();
        let before = submitted().await;
        assert!(before > 0);
        let refused = submit(&v1::SessionHead { base: "other".into(), ..head }).await.unwrap_err();
        assert_eq!((refused.code(), submitted().await), (tonic::Code::InvalidArgument, before));
    }
}
