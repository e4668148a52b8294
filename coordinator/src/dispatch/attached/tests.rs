//! Workers that come, break off and come back: no job is handed out twice, and no worker gets more than it has slots for.

use super::*;
use crate::access::{Right, Rpc};
use crate::dispatch::Coordinator;
use crate::dispatch::tests::{passing, submit, submitted};
use arena_domain::job::MAX_DEATHS;
use arena_domain::schedule::{Left, Limits};
use arena_domain::session::Event;
use std::future::Future;
use std::time::Duration;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// The worker's side of one stream.
struct Link {
    up: mpsc::Sender<Result<v1::Up, Status>>,
    down: mpsc::Receiver<Told>,
}

impl Link {
    async fn open(coordinator: &Coordinator, slots: u32, leases: Vec<v1::Lease>) -> Self {
        Self::open_as(Caller::Local, coordinator, slots, leases).await
    }

    async fn open_as(caller: Caller, coordinator: &Coordinator, slots: u32, leases: Vec<v1::Lease>) -> Self {
        let (up, incoming) = mpsc::channel(16);
        let (outgoing, down) = mpsc::channel(16);
        let desk =
            Desk { coordinator: coordinator.clone(), gate: crate::access::Gate::local(coordinator.store.clone()) };
        let stream = ReceiverStream::new(incoming);
        let right = Right::without_end(desk.gate.clone(), caller, Rpc::Attach);
        drop(arena_runtime::tasks::spawn(attach(desk, right, stream, outgoing)));
        let link = Self { up, down };
        let (protocol, oldest) = (arena_proto::PROTOCOL, arena_proto::OLDEST_PROTOCOL);
        let hello = v1::Hello { worker: "w".into(), slots, leases, protocol, oldest, ..v1::Hello::default() };
        link.say(up::Up::Hello(hello)).await;
        link
    }

    async fn say(&self, message: up::Up) {
        self.up.send(Ok(v1::Up { up: Some(message) })).await.unwrap();
    }

    async fn reports(&self, lease: &v1::Lease) {
        let result = v1::Result { lease: Some(lease.clone()), outcome: Some(passing().to_wire()), trace: None };
        self.say(up::Up::Result(Box::new(result))).await;
    }

    /// What it is told beside the answers to its greeting and its heartbeats.
    async fn hears(&mut self) -> down::Down {
        loop {
            let message = soon(self.down.recv()).await.unwrap().unwrap().down.unwrap();
            if !matches!(message, down::Down::Welcome(_) | down::Down::Renewed(_)) {
                return message;
            }
        }
    }

    /// The lease of the job that it is given.
    async fn begins(&mut self) -> v1::Lease {
        let message = self.hears().await;
        let down::Down::Run(run) = message else { panic!("no job: {message:?}") };
        v1::Lease { job: run.job.unwrap().id, fence: run.fence }
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(120), future).await.unwrap()
}

fn acknowledged(lease: &v1::Lease, accepted: bool) -> down::Down {
    down::Down::Acknowledged(v1::Acknowledged { job: lease.job.clone(), accepted, fence: lease.fence.clone() })
}

#[tokio::test]
async fn a_worker_that_comes_back_keeps_what_it_runs_and_gets_no_more_than_it_has_slots_for() {
    let (_folder, coordinator, _) = submitted().await;
    submit(&coordinator, "fedcba987654").await;
    let mut link = Link::open(&coordinator, 1, Vec::new()).await;
    let lease = link.begins().await;
    drop(link);
    let mut link = Link::open(&coordinator, 1, vec![lease.clone()]).await;
    link.reports(&lease).await;
    assert_eq!(link.hears().await, acknowledged(&lease, true), "its only slot was taken until then");
    assert_ne!(link.begins().await.job, lease.job);
}

#[tokio::test]
async fn a_heartbeat_names_what_a_worker_runs_as_its_hello_does() {
    let (_folder, coordinator, _) = submitted().await;
    submit(&coordinator, "fedcba987654").await;
    let mut link = Link::open(&coordinator, 1, Vec::new()).await;
    let lease = link.begins().await;
    drop(link);
    // With no slots of its own it is given nothing, and what it names is known again.
    let mut link = Link::open(&coordinator, 0, Vec::new()).await;
    link.say(up::Up::Heartbeat(v1::Heartbeat {
        leases: vec![lease.clone()],
        free_slots: 0,
        draining: false,
        number: 1,
        ..v1::Heartbeat::default()
    }))
    .await;
    coordinator
        .store
        .abandon(session_of(&JobId::new(&lease.job)).unwrap(), Left::Dead, clock::now_millis())
        .await
        .unwrap();
    link.say(up::Up::Heartbeat(v1::Heartbeat {
        leases: vec![lease.clone()],
        free_slots: 0,
        draining: false,
        number: 1,
        ..v1::Heartbeat::default()
    }))
    .await;
    let stop = down::Down::Stop(v1::Stop { job: lease.job, reason: "cancelled, or its lease is lost".into() });
    assert_eq!(link.hears().await, stop);
}

#[tokio::test]
async fn a_job_says_which_heartbeat_came_before_its_lease() {
    let (_folder, coordinator, _) = submitted().await;
    submit(&coordinator, "fedcba987654").await;
    let mut link = Link::open(&coordinator, 2, Vec::new()).await;
    let after = async |link: &mut Link| {
        let message = link.hears().await;
        let down::Down::Run(run) = message else { panic!("no job: {message:?}") };
        (run.after, v1::Lease { job: run.job.unwrap().id, fence: run.fence })
    };
    let first = after(&mut link).await;
    assert_eq!([first.0, after(&mut link).await.0], [Some(0), Some(0)], "only the greeting did");
    link.say(up::Up::Heartbeat(v1::Heartbeat { number: 7, ..v1::Heartbeat::default() })).await;
    submit(&coordinator, "aedcba987654").await;
    link.reports(&first.1).await;
    assert_eq!(link.hears().await, acknowledged(&first.1, true));
    assert_eq!(after(&mut link).await.0, Some(7));
}

#[tokio::test]
async fn what_a_worker_runs_is_handed_to_nobody_else_though_its_stream_broke() {
    let (_folder, coordinator, _) = submitted().await;
    submit(&coordinator, "fedcba987654").await;
    let mut link = Link::open(&coordinator, 1, Vec::new()).await;
    let lease = link.begins().await;
    drop(link);
    let mut other = Link::open(&coordinator, 1, Vec::new()).await;
    assert_ne!(other.begins().await.job, lease.job);
}

#[tokio::test]
async fn a_worker_that_comes_back_with_a_lease_it_lost_is_told_to_stop() {
    let (_folder, coordinator, id) = submitted().await;
    let mut link = Link::open(&coordinator, 1, Vec::new()).await;
    let old = link.begins().await;
    drop(link);
    coordinator.store.abandon(id, Left::Politely, clock::now_millis()).await.unwrap();
    let mut link = Link::open(&coordinator, 1, vec![old.clone()]).await;
    let stop = down::Down::Stop(v1::Stop { job: old.job.clone(), reason: "cancelled, or its lease is lost".into() });
    assert_eq!(link.hears().await, stop);
    let anew = link.begins().await;
    assert_eq!((&anew.job, anew.fence == old.fence), (&old.job, false));
    // A heartbeat that was on its way names the old lease: the new one is not stopped by it.
    link.say(up::Up::Heartbeat(v1::Heartbeat { leases: vec![old.clone()], number: 1, ..v1::Heartbeat::default() }))
        .await;
    link.reports(&old).await;
    assert_eq!(link.hears().await, acknowledged(&old, false));
    link.reports(&anew).await;
    assert_eq!(link.hears().await, acknowledged(&anew, true));
}

#[tokio::test]
async fn a_job_that_another_worker_lost_goes_on_where_it_was_given_since() {
    let (_folder, coordinator, id) = submitted().await;
    let mut link = Link::open(&coordinator, 1, Vec::new()).await;
    let lease = link.begins().await;
    coordinator.stops.send(JobId::new(&lease.job)).unwrap();
    // Once it was taken off the channel, what follows from it is heard before the next answer.
    while !coordinator.stops.is_empty() {
        tokio::task::yield_now().await;
    }
    link.reports(&lease).await;
    assert_eq!(link.hears().await, acknowledged(&lease, true));
    // One that is lost is stopped.
    let next = link.begins().await;
    coordinator.store.abandon(id, Left::Politely, clock::now_millis()).await.unwrap();
    coordinator.stops.send(JobId::new(&next.job)).unwrap();
    let stop = down::Down::Stop(v1::Stop { job: next.job, reason: "cancelled, or its lease is lost".into() });
    assert_eq!(link.hears().await, stop);
}

#[tokio::test]
async fn a_job_that_ended_all_its_workers_ends_as_a_failure_and_is_not_handed_out() {
    let (_folder, coordinator, id) = submitted().await;
    for turn in 0..MAX_DEATHS {
        let ask = Ask::any(WorkerId::new("dead"), Request::new(format!("r{turn}")));
        coordinator.store.claim(ask, clock::now_millis()).await.unwrap().unwrap();
        coordinator.store.bury(vec![WorkerId::new("dead")], clock::now_millis()).await.unwrap();
    }
    let mut changes = coordinator.changes();
    let _link = Link::open(&coordinator, 1, Vec::new()).await;
    let ended = async {
        loop {
            changes.recv().await.unwrap();
            let (_, session) = crate::sessions::load(&coordinator.store, &id).await.unwrap();
            if let Some(standing) = session.standing() {
                return standing.reason.clone();
            }
        }
    };
    let reason = format!("the base: infrastructure: {MAX_DEATHS} workers were killed, or died, while they ran it");
    assert_eq!(soon(ended).await, reason);
}

/// Without telling this coordinator: only the store knows of it.
async fn submit_unheard(coordinator: &Coordinator, id: &str) {
    let id = SessionId::new(id);
    let head = v1::SessionHead {
        id: id.to_string(),
        tenant: "local".into(),
        packet: crate::dispatch::tests::PACKET.into(),
        base: "base".into(),
        ..v1::SessionHead::default()
    };
    coordinator.store.create(head, "Sums".into()).await.unwrap();
    let event = Event::Submitted { at: clock::now_millis(), yes: true, base_first: true };
    crate::sessions::step(&coordinator.store, &id, None, event, (None, "")).await.unwrap();
}

#[tokio::test]
async fn a_job_whose_hint_was_lost_is_found_by_the_poll() {
    let (_folder, coordinator, _) = submitted().await;
    let mut link = Link::open(&coordinator, 2, Vec::new()).await;
    link.begins().await;
    // The free slot has asked, and knows that there is nothing.
    while !coordinator.roster.rests() {
        tokio::task::yield_now().await;
    }
    submit_unheard(&coordinator, "fedcba987654").await;
    assert!(link.begins().await.job.starts_with("fedcba987654/"));
}

#[tokio::test]
async fn a_burst_gives_each_job_to_one_of_many_idle_workers() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { fleet: 99, ..Limits::default() };
    let store = crate::store::Store::open(folder.path(), limits).unwrap();
    let coordinator = Coordinator::new(store, crate::blobs::Blobs::new(folder.path().join("blobs")));
    let mut links = Vec::new();
    for _ in 0..40 {
        links.push(Link::open(&coordinator, 1, Vec::new()).await);
    }
    let sessions: BTreeSet<String> = (0..9).map(|number| format!("{number:012}")).collect();
    for id in &sessions {
        submit(&coordinator, id).await;
    }
    let mut given = Vec::new();
    while given.len() < sessions.len() {
        for link in &mut links {
            while let Ok(message) = link.down.try_recv() {
                if let Some(down::Down::Run(run)) = message.unwrap().down {
                    given.push(run.job.unwrap().session);
                }
            }
        }
        tokio::task::yield_now().await;
    }
    given.sort();
    assert_eq!(given, sessions.into_iter().collect::<Vec<_>>(), "each once");
}

#[tokio::test]
async fn a_job_of_a_tenant_reaches_its_only_worker_among_a_thousand_of_another() {
    let (_folder, coordinator, _) = submitted().await;
    let of = |tenant: &str, number: u32| {
        let scope = crate::access::Scope::Only(arena_domain::id::Tenant::new(tenant));
        Caller::Worker { name: format!("worker-{number}-of-{tenant}"), scope }
    };
    let mut others = Vec::new();
    for number in 0..1_000 {
        others.push(Link::open_as(of("b", number), &coordinator, 1, Vec::new()).await);
    }
    let mut own = Link::open_as(of("a", 0), &coordinator, 1, Vec::new()).await;
    crate::dispatch::tests::submit_for(&coordinator, "fedcba987654", "a").await;
    assert!(own.begins().await.job.starts_with("fedcba987654/"));
    for other in &mut others {
        while let Ok(message) = other.down.try_recv() {
            assert!(matches!(message.unwrap().down, Some(down::Down::Welcome(_))));
        }
    }
}

#[tokio::test]
async fn a_worker_that_comes_back_is_given_nothing_by_the_stream_that_it_left() {
    let (_folder, coordinator, _) = submitted().await;
    let of = || Caller::Worker { name: "one".into(), scope: crate::access::Scope::Every };
    // Its network went without a word, so nobody here knows that the stream leads nowhere.
    let mut old = Link::open_as(of(), &coordinator, 2, Vec::new()).await;
    let lease = old.begins().await;
    let mut new = Link::open_as(of(), &coordinator, 2, vec![lease.clone()]).await;
    let left = async {
        loop {
            match old.down.recv().await.map(|told| *told) {
                Some(Ok(_)) => {}
                ended => return ended.and_then(Result::err).map(|status| status.code()),
            }
        }
    };
    assert_eq!(soon(left).await, Some(tonic::Code::Aborted));
    submit(&coordinator, "fedcba987654").await;
    assert!(new.begins().await.job.starts_with("fedcba987654/"));
    new.reports(&lease).await;
    assert_eq!(new.hears().await, acknowledged(&lease, true), "what it runs is its own as before");
}

#[tokio::test]
async fn a_session_that_cannot_be_read_ends_no_workers_stream_and_keeps_it_from_no_other() {
    let (folder, coordinator, id) = submitted().await;
    let damage = rusqlite::Connection::open(folder.path().join("arena.db")).unwrap();
    damage.execute("UPDATE events SET body = X'ff' WHERE session = ?1", [id.as_str()]).unwrap();
    submit(&coordinator, "fedcba987654").await;
    let mut link = Link::open(&coordinator, 1, Vec::new()).await;
    assert!(link.begins().await.job.starts_with("fedcba987654/"));
}

#[tokio::test]
async fn heartbeats_are_answered_each_by_its_own_fence() {
    let (_folder, coordinator, id) = submitted().await;
    submit(&coordinator, "fedcba987654").await;
    let (mut one, mut two) =
        (Link::open(&coordinator, 1, Vec::new()).await, Link::open(&coordinator, 1, Vec::new()).await);
    let (first, second) = (one.begins().await, two.begins().await);
    let (lost, mut loser, kept, mut keeper) =
        if first.job.starts_with(id.as_str()) { (first, one, second, two) } else { (second, two, first, one) };
    coordinator.store.abandon(id, Left::Politely, clock::now_millis()).await.unwrap();
    for (link, lease) in [(&loser, &lost), (&keeper, &kept)] {
        let leases = vec![lease.clone()];
        let beat = v1::Heartbeat { leases, number: 7, ..v1::Heartbeat::default() };
        link.say(up::Up::Heartbeat(beat)).await;
    }
    let stop = down::Down::Stop(v1::Stop { job: lost.job, reason: "cancelled, or its lease is lost".into() });
    assert_eq!(loser.hears().await, stop);
    let renewed = loop {
        match soon(keeper.down.recv()).await.unwrap().unwrap().down.unwrap() {
            down::Down::Renewed(renewed) => break renewed,
            down::Down::Welcome(_) => {}
            other @ (down::Down::Run(_) | down::Down::Stop(_) | down::Down::Acknowledged(_) | down::Down::Drain(_)) => {
                panic!("{other:?}")
            }
        }
    };
    assert_eq!(renewed, v1::Renewed { leases: vec![kept], number: 7 });
}

#[tokio::test]
async fn the_task_of_an_attached_worker_is_small() {
    let (_folder, coordinator, _) = submitted().await;
    let desk = Desk { coordinator: coordinator.clone(), gate: crate::access::Gate::local(coordinator.store.clone()) };
    let right = Right::without_end(desk.gate.clone(), Caller::Local, Rpc::Attach);
    let (down, stream) = (mpsc::channel(1).0, tokio_stream::empty());
    let size = std::mem::size_of_val(&attach(desk, right, stream, down));
    assert!(size < 1_000, "{size} bytes, ten thousand times");
}
