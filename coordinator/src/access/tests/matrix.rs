//! Tenant by rpc: a session, a worker, a token and a blob of tenant blue, asked for by everybody.

use super::world::{SESSION, World, issue, scope};
use crate::access::{Role, Rpc, audit, tokens};
use arena_domain::id::{SessionId, Tenant};
use arena_domain::session::Event;
use arena_proto::v1;
use arena_proto::v1::dry_run_request::Call;
use arena_proto::v1::fleet_client::FleetClient;
use arena_proto::v1::sessions_client::SessionsClient;
use arena_proto::v1::workers_client::WorkersClient;
use arena_runtime::tls::Kind;
use std::collections::BTreeSet;
use tokio_stream::StreamExt;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

/// Who asks: nobody and a person with a certificate but no token, both of them unknown; viewer, submitter, operator and
/// admin of blue; the admin of red; the admin of every tenant; workers of blue, of red and of every tenant.
const CALLERS: [&str; 11] = [
    "nobody",
    "client",
    "viewer",
    "submitter",
    "operator",
    "admin",
    "red",
    "every",
    "worker",
    "red-worker",
    "any-worker",
];

/// `u`: who are you; `d`: you may not; `n`: there is no such thing; `.`: it went through to what was asked.
const TABLE: [(Rpc, &str); 20] = [
    (Rpc::Submit, "uud...d.ddd"),
    (Rpc::Get, "uu....n.ddd"),
    (Rpc::List, "uu......ddd"),
    (Rpc::Watch, "uu....n.ddd"),
    (Rpc::Decide, "uud...n.ddd"),
    (Rpc::Cancel, "uud...n.ddd"),
    (Rpc::Why, "uu....n.ddd"),
    (Rpc::PutBlob, "uud...d..d."),
    (Rpc::GetBlob, "uu....d..d."),
    (Rpc::HasBlob, "uud...d..d."),
    (Rpc::Attach, "uudddddd..."),
    (Rpc::Workers, "uu......ddd"),
    (Rpc::DrainWorker, "uudd..n.ddd"),
    (Rpc::Queue, "uu......ddd"),
    (Rpc::Dead, "uu......ddd"),
    (Rpc::Requeue, "uud...n.ddd"),
    (Rpc::CreateToken, "uuddd.d.ddd"),
    (Rpc::ListTokens, "uuddd...ddd"),
    (Rpc::RevokeToken, "uuddd.n.ddd"),
    (Rpc::Audit, "uuddddd.ddd"),
];

struct Caller {
    channel: Channel,
    token: Option<String>,
}

impl Caller {
    async fn named(world: &World, name: &str) -> Self {
        let (role, tenant) = match name {
            "viewer" => (Role::Viewer, "blue"),
            "submitter" => (Role::Submitter, "blue"),
            "operator" => (Role::Operator, "blue"),
            "admin" => (Role::Admin, "blue"),
            "red" => (Role::Admin, "red"),
            "every" => (Role::Admin, "*"),
            certified => return Self::certified(world, certified).await,
        };
        let token = world.token(name, role, tenant).await;
        Self { channel: world.dial(None).await.unwrap(), token: Some(token) }
    }

    async fn certified(world: &World, name: &str) -> Self {
        let (kind, tenant) = match name {
            "nobody" => return Self { channel: world.dial(None).await.unwrap(), token: None },
            "client" => (Kind::Client, "*"),
            "worker" => (Kind::Worker, "blue"),
            "red-worker" => (Kind::Worker, "red"),
            "any-worker" => (Kind::Worker, "*"),
            other => panic!("{other}"),
        };
        let who = issue(&world.certs(), kind, name, tenant, 1);
        Self { channel: world.dial(Some(&who)).await.unwrap(), token: None }
    }

    fn asks<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        request
    }

    fn sessions(&self) -> SessionsClient<Channel> {
        SessionsClient::new(self.channel.clone())
    }

    fn fleet(&self) -> FleetClient<Channel> {
        FleetClient::new(self.channel.clone())
    }
}

/// What they all ask for.
struct Subject {
    blob: String,
    token: String,
}

async fn ask(caller: &Caller, rpc: Rpc, subject: &Subject) -> Result<(), Status> {
    let (mut sessions, mut fleet) = (caller.sessions(), caller.fleet());
    let id = SESSION.to_owned();
    let blob = v1::GetBlobRequest { digest: subject.blob.clone(), tenant: "blue".into() };
    match rpc {
        Rpc::Submit => {
            let head = v1::SessionHead { tenant: "blue".into(), packet: packet(), ..v1::SessionHead::default() };
            sessions.submit(caller.asks(v1::SubmitRequest { head: Some(head), yes: true })).await.map(drop)
        }
        Rpc::Get => sessions.get(caller.asks(v1::GetRequest { id, after: 0 })).await.map(drop),
        Rpc::List => sessions.list(caller.asks(v1::ListRequest::default())).await.map(drop),
        Rpc::Watch => {
            let wish = v1::WatchRequest { id, recorded: true, ..v1::WatchRequest::default() };
            sessions.watch(caller.asks(wish)).await.map(drop)
        }
        Rpc::Decide => sessions.decide(caller.asks(v1::DecideRequest { id, answer: "x".into() })).await.map(drop),
        Rpc::Cancel => sessions.cancel(caller.asks(v1::CancelRequest { id })).await.map(drop),
        Rpc::Why => {
            let job = format!("{SESSION}/base/0/evaluate");
            sessions.why(caller.asks(v1::WhyRequest { job, idle: Vec::new() })).await.map(drop)
        }
        Rpc::PutBlob => {
            let chunk = v1::BlobChunk { data: "theirs".into(), tenant: "blue".into() };
            sessions.put_blob(caller.asks(tokio_stream::iter([chunk]))).await.map(drop)
        }
        Rpc::GetBlob => sessions.get_blob(caller.asks(blob)).await.map(drop),
        Rpc::HasBlob => sessions.has_blob(caller.asks(blob)).await.map(drop),
        Rpc::Attach => {
            let up = tokio_stream::pending::<v1::Up>();
            WorkersClient::new(caller.channel.clone()).attach(caller.asks(up)).await.map(drop)
        }
        Rpc::Workers => fleet.workers(caller.asks(v1::WorkersRequest {})).await.map(drop),
        Rpc::Queue => fleet.queue(caller.asks(v1::QueueRequest {})).await.map(drop),
        Rpc::Dead => fleet.dead(caller.asks(v1::DeadRequest {})).await.map(drop),
        Rpc::DrainWorker | Rpc::Requeue | Rpc::CreateToken | Rpc::RevokeToken => {
            let call = calls(subject).into_iter().find(|(one, _)| *one == rpc);
            act(caller, call.unwrap().1).await
        }
        Rpc::ListTokens => fleet.list_tokens(caller.asks(v1::ListTokensRequest {})).await.map(drop),
        Rpc::Audit => fleet.audit(caller.asks(v1::AuditRequest { after: 0 })).await.map(drop),
    }
}

/// Those that have a dry run.
fn calls(subject: &Subject) -> [(Rpc, Call); 4] {
    let jobs = vec![format!("{SESSION}/base/0/evaluate")];
    [
        (Rpc::DrainWorker, drains("wb")),
        (Rpc::Requeue, Call::Requeue(v1::RequeueRequest { jobs, all: false })),
        (Rpc::CreateToken, creates("new", "blue")),
        (Rpc::RevokeToken, Call::RevokeToken(v1::RevokeTokenRequest { id: subject.token.clone() })),
    ]
}

fn drains(worker: &str) -> Call {
    Call::DrainWorker(v1::DrainWorkerRequest { worker: worker.into() })
}

fn creates(name: &str, tenant: &str) -> Call {
    let scope = Some(scope(tenant).to_wire());
    Call::CreateToken(v1::CreateTokenRequest { name: name.into(), role: "viewer".into(), scope, expires: 0 })
}

async fn act(caller: &Caller, call: Call) -> Result<(), Status> {
    let mut fleet = caller.fleet();
    match call {
        Call::DrainWorker(wish) => fleet.drain_worker(caller.asks(wish)).await.map(drop),
        Call::Requeue(wish) => fleet.requeue(caller.asks(wish)).await.map(drop),
        Call::CreateToken(wish) => fleet.create_token(caller.asks(wish)).await.map(drop),
        Call::RevokeToken(wish) => fleet.revoke_token(caller.asks(wish)).await.map(drop),
    }
}

async fn attempt(caller: &Caller, call: Option<Call>) -> Result<v1::DryRunResponse, Status> {
    caller.fleet().dry_run(caller.asks(v1::DryRunRequest { call })).await.map(tonic::Response::into_inner)
}

fn packet() -> String {
    crate::dispatch::tests::PACKET.to_owned()
}

fn letter(answer: &Result<(), Status>) -> char {
    match answer {
        Ok(()) => '.',
        Err(status) if status.code() == Code::Unauthenticated => 'u',
        Err(status) if status.code() == Code::PermissionDenied => 'd',
        // One's own word is wrong, or it is too late: whoever is told that was let through.
        Err(status) if [Code::InvalidArgument, Code::FailedPrecondition].contains(&status.code()) => '.',
        Err(status) if status.code() == Code::NotFound => 'n',
        Err(status) => panic!("{status}"),
    }
}

#[tokio::test]
async fn everybody_gets_what_is_theirs_and_nothing_else() {
    let world = World::new().await;
    world.session().await;
    let store = &world.coordinator.store;
    let token = tokens::create(store, "bob", Role::Viewer, &scope("blue"), 0, 1).await.unwrap().0.id;
    let blob = world.coordinator.blobs.of(&Tenant::new("blue")).put(b"blue's").await.unwrap();
    let subject = Subject { blob, token };
    let mut callers = Vec::new();
    for name in CALLERS {
        callers.push(Caller::named(&world, name).await);
    }
    assert_eq!(TABLE.map(|(rpc, _)| rpc), Rpc::ALL, "every rpc is asked");
    for (rpc, row) in TABLE {
        let mut answers = String::new();
        for caller in &callers {
            answers.push(letter(&ask(caller, rpc, &subject).await));
        }
        assert_eq!(answers, row, "{} by {CALLERS:?}", rpc.as_str());
    }
}

/// Each call's own row says of its dry run too who is let through; two more are of what reaches beyond one tenant.
#[tokio::test]
async fn a_dry_run_is_let_through_and_refused_as_the_act_is_and_changes_nothing() {
    let world = World::new().await;
    world.session().await;
    let store = &world.coordinator.store;
    let any = v1::WorkerState { id: "any/boot".into(), name: "any".into(), ..v1::WorkerState::default() };
    crate::fleet::register(store, vec![v1::WorkerState { scope: Some(scope("*").to_wire()), ..any }]).await.unwrap();
    let token = tokens::create(store, "bob", Role::Viewer, &scope("blue"), 0, 1).await.unwrap().0.id;
    let subject = Subject { blob: String::new(), token };
    let row = |rpc: Rpc| TABLE.iter().find(|(one, _)| *one == rpc).unwrap().1;
    let mut rows = calls(&subject).map(|(rpc, call)| (call, row(rpc))).to_vec();
    rows.extend([drains("any"), creates("new", "*")].map(|beyond| (beyond, "uuddddd.ddd")));
    let mut callers = Vec::new();
    for name in CALLERS {
        callers.push(Caller::named(&world, name).await);
    }
    let kept = async || {
        let (drains, tokens) = (crate::fleet::drains(store).await.unwrap(), tokens::list(store).await.unwrap());
        let did = audit::read(store, 0).await.unwrap().into_iter().filter(|entry| entry.allowed).count();
        (drains, tokens, did)
    };
    let before = kept().await;
    for (call, row) in &rows {
        let mut answers = String::new();
        for caller in &callers {
            answers.push(letter(&attempt(caller, Some(call.clone())).await.map(drop)));
        }
        assert_eq!(answers, *row, "a dry run of {call:?} by {CALLERS:?}");
    }
    let (after, refused) = (kept().await, world.refusals().await);
    assert_eq!(after, before, "nothing was changed, and nothing is written down as done");
    for (call, row) in &rows {
        let mut answers = String::new();
        for caller in &callers {
            answers.push(letter(&act(caller, call.clone()).await));
        }
        assert_eq!(answers, *row, "{call:?} by {CALLERS:?}");
    }
    let all = world.refusals().await;
    assert_eq!(all[refused.len()..], refused, "each refusal is written down as that of the act");
    assert_ne!(kept().await, before);
    let every = &callers[7];
    assert_eq!(attempt(every, Some(creates("bl ue", "blue"))).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(attempt(every, None).await.unwrap_err().code(), Code::Unimplemented, "a call of a newer version");
}

/// Reflection is in no row: it is asked without a token, and says what the sources say.
#[tokio::test]
async fn whoever_reaches_the_port_learns_what_can_be_asked_and_nothing_else() {
    let world = World::new().await;
    world.session().await;
    let channel = world.dial(None).await.unwrap();
    let asks = |what: MessageRequest| ServerReflectionRequest { host: String::new(), message_request: Some(what) };
    let names = ["arena.v1.Sessions", "arena.v1.WhyRequest", SESSION];
    let requests = std::iter::once(MessageRequest::ListServices(String::new()))
        .chain(names.map(|name| MessageRequest::FileContainingSymbol(name.to_owned())));
    let sent = tokio_stream::iter(requests.map(asks).collect::<Vec<_>>());
    let mut reflection = ServerReflectionClient::new(channel);
    let answers = reflection.server_reflection_info(sent).await.unwrap().into_inner();
    let answers: Vec<Result<MessageResponse, Status>> =
        answers.map(|answer| answer.map(|answer| answer.message_response.unwrap())).collect().await;
    let [Ok(MessageResponse::ListServicesResponse(listed)), files @ ..] = answers.as_slice() else {
        panic!("{answers:?}")
    };
    let listed: BTreeSet<&str> = listed.service.iter().map(|one| one.name.as_str()).collect();
    let wanted = ["arena.v1.Fleet", "arena.v1.Sessions", "arena.v1.Workers", "grpc.health.v1.Health"];
    assert!(wanted.iter().all(|name| listed.contains(name)), "{listed:?}");
    for file in &files[..2] {
        let Ok(MessageResponse::FileDescriptorResponse(file)) = file else { panic!("{file:?}") };
        let text = String::from_utf8_lossy(&file.file_descriptor_proto[0]);
        assert!(text.contains("WhyRequest") && !text.contains("blue"), "{text}");
    }
    let code = files[2].as_ref().map(drop).map_err(Status::code);
    assert_eq!(code, Err(Code::NotFound), "a session is no symbol");
}

#[tokio::test]
async fn what_may_be_listed_holds_nothing_of_another_tenant() {
    let world = World::new().await;
    world.session().await;
    let bob = tokens::create(&world.coordinator.store, "bob", Role::Viewer, &scope("blue"), 0, 1).await.unwrap().0;
    let dead = v1::DeadJob { id: format!("{SESSION}/a/1/implement"), tenant: "blue".into(), ..v1::DeadJob::default() };
    crate::fleet::bury(&world.coordinator.store, &dead).await.unwrap();
    for (name, theirs) in [("admin", true), ("red", false), ("every", true)] {
        let caller = Caller::named(&world, name).await;
        let (mut sessions, mut fleet) = (caller.sessions(), caller.fleet());
        let listed = sessions.list(caller.asks(v1::ListRequest::default())).await.unwrap().into_inner().sessions;
        let workers = fleet.workers(caller.asks(v1::WorkersRequest {})).await.unwrap().into_inner().workers;
        let queue = fleet.queue(caller.asks(v1::QueueRequest {})).await.unwrap().into_inner().jobs;
        let dead = fleet.dead(caller.asks(v1::DeadRequest {})).await.unwrap().into_inner().jobs;
        let tokens = fleet.list_tokens(caller.asks(v1::ListTokensRequest {})).await.unwrap().into_inner().tokens;
        let seen = [
            listed.iter().any(|one| one.id == SESSION),
            workers.iter().any(|one| one.name == "wb"),
            queue.iter().any(|one| one.id.starts_with(SESSION)),
            dead.iter().any(|one| one.tenant == "blue"),
            tokens.iter().any(|one| one.id == bob.id),
        ];
        assert_eq!(seen, [theirs; 5], "{name}");
        assert!(tokens.iter().all(|one| one.digest.is_empty()), "a digest is never sent");
    }
}

#[tokio::test]
async fn a_page_of_a_list_is_full_of_the_callers_own_sessions_and_goes_on_after_the_last() {
    let world = World::new().await;
    for number in 0..9 {
        let tenant = ["blue", "red", "red"][number % 3];
        crate::dispatch::tests::submit_for(&world.coordinator, &format!("{number:012}"), tenant).await;
    }
    let caller = Caller::named(&world, "red").await;
    let mut sessions = caller.sessions();
    let mut list = async |most, before, under_way| {
        let answer =
            sessions.list(caller.asks(v1::ListRequest { most, before, under_way })).await.unwrap().into_inner();
        let numbers = answer.sessions.iter().map(|one| one.id.parse::<u32>().unwrap()).collect::<Vec<_>>();
        let last = answer.sessions.last().map(|one| v1::Cursor { created: one.created, id: one.id.clone() });
        (numbers, answer.more, last)
    };
    // All were made at the same moment, as their heads say.
    let (first, more, last) = list(4, None, false).await;
    assert_eq!((first, more), (vec![8, 7, 5, 4], true));
    let (second, more, last) = list(4, last, false).await;
    assert_eq!((second, more), (vec![2, 1], false));
    assert_eq!(list(4, last, false).await, (Vec::new(), false, None));
    assert!(!list(6, None, false).await.1, "just as many as there are");
    assert_eq!(list(0, None, false).await.0.len(), 6, "as who knows no pages asks");
    world.coordinator.happen(&SessionId::new("000000000005"), Event::Cancelled { at: 1 }).await.unwrap();
    assert_eq!(list(0, None, true).await.0, [8, 7, 4, 2, 1]);
}
