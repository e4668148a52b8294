//! Tenants beside each other: limits that change, a flood and whoever comes after it; and what is left of what has ended.

use super::*;

pub(super) async fn other_limits_hold_at_once_for_what_waits(home: Home) {
    let few = Limits { fleet: 9, tenant: 1, ..Limits::default() };
    let store = home.open_with(few.clone()).await;
    let each = (0..3).flat_map(|tenant| (0..3).map(move |which| job(tenant, 0, which, 1)));
    for tenant in 0..3 {
        with_jobs(&store, each.clone().filter(|job| job.tenant.as_str() == format!("t{tenant}")).collect()).await;
    }
    for request in ["r1", "r2", "r3"] {
        claim(&store, request).await;
    }
    assert_eq!(store.claim(ask("r4"), NOW).await.unwrap(), None, "each tenant is at its limit");
    let raised = TenantLimits { running: 2, weight: 1 };
    let more = Limits { tenants: BTreeMap::from([("t1".to_owned(), raised)]), ..few.clone() };
    let store = home.open_with(more).await;
    assert!(claim(&store, "r5").await.0.as_str().starts_with("t1-"));
    assert_eq!(store.claim(ask("r6"), NOW).await.unwrap(), None);
    let provider = Provider { running: 1, engines: BTreeSet::from(["e1".to_owned()]) };
    let less = Limits { tenant: 9, provider: BTreeMap::from([("p".to_owned(), provider)]), ..few };
    let store = home.open_with(less).await;
    let mut rest = Vec::new();
    while let Some(place) = store.claim(ask(&format!("s{}", rest.len())), NOW).await.unwrap() {
        rest.push(place.job);
    }
    let engines =
        store.live().await.unwrap().into_iter().filter(|(job, state)| *state == "leased" && job.engine.is_some());
    let before = engines.count() - rest.iter().filter(|job| job.engine.is_some()).count();
    assert!(before >= 1 && rest.iter().all(|job| job.engine.is_none()), "{before} run of the provider: {rest:?}");
    assert_eq!(store.sweep().await.unwrap(), Vec::<String>::new());
}

pub(super) async fn another_patience_holds_for_what_is_kept_already(home: Home) {
    let patience = |seconds: u64| placement::Patience { worker: Duration::from_secs(seconds), ..limits().patience };
    let store = home.open_with(Limits { patience: patience(600), ..limits() }).await;
    let kept = |which| Job { home: Some(placement::Home::Worker("far".into())), ..job(0, 0, which, 1) };
    with_jobs(&store, vec![kept(1), kept(2)]).await;
    assert_eq!(store.claim(ask("r1"), NOW + 60_000).await.unwrap(), None, "it is kept for another");
    let longer = home.open_with(Limits { patience: patience(1_200), ..limits() }).await;
    assert_eq!(longer.claim(ask("r2"), NOW + 900_000).await.unwrap(), None);
    let why = longer.why(kept(1).id, Vec::new(), NOW + 900_000).await.unwrap();
    assert!(matches!(why, Why::Kept { until, .. } if until == NOW + 1_200_000), "{why:?}");
    for seconds in [120, 0] {
        let shorter = home.open_with(Limits { patience: patience(seconds), ..limits() }).await;
        assert!(shorter.claim(ask(&format!("s{seconds}")), NOW + 121_000).await.unwrap().is_some(), "{seconds}");
    }
}

pub(super) async fn what_comes_due_again_is_kept_for_its_home_before_anybody_asks(home: Home) {
    let patience = placement::Patience { worker: Duration::from_secs(600), ..limits().patience };
    let store = home.open_with(Limits { patience, ..limits() }).await;
    let far = placement::Home::Worker("far".into());
    with_jobs(&store, vec![Job { home: Some(far.clone()), ..job(0, 0, 1, 1) }]).await;
    let (asked, due) = (NOW + 601_000, NOW + 700_000);
    let given = store.claim(ask("r1"), asked).await.unwrap().expect("its home had its time");
    let (id, fence) = (given.job.id.clone(), given.fence().unwrap().clone());
    assert_eq!(store.give_back(id.clone(), fence, due, asked).await.unwrap(), Settled::Accepted);
    let kept = Why::Kept { home: far, until: due + 600_000 };
    let rows = [(due - 1, Why::NotDue { at: due }), (due, kept.clone()), (due + 599_999, kept)];
    for (now, why) in rows.into_iter().chain([(due + 600_000, Why::Ready { ahead: 0 })]) {
        assert_eq!(store.why(id.clone(), Vec::new(), now).await.unwrap(), why, "{}", now - due);
    }
}

/// In parts, as sessions would come.
pub(super) async fn ten_thousand_jobs_of_one_tenant_delay_anothers_first_by_one_turn_at_most(home: Home) {
    // The embedded store reads its queue whole for each claim, and is for one machine.
    let many: u32 = if matches!(home, Home::Server(_)) { 10_000 } else { 500 };
    let store = home.open_with(Limits { fleet: 3, ..Limits::default() }).await;
    for part in 0..10 {
        let id = SessionId::new(format!("flood-{part}"));
        let of_flood = |number: u32| Job {
            id: JobId::new(format!("{id}/c{number}/1/implement")),
            session: id.clone(),
            tenant: Tenant::new("flood"),
            ..numbered(number)
        };
        with_jobs(&store, (0..many / 10).map(of_flood).collect()).await;
    }
    let (first, fence) = claim(&store, "r0").await;
    for request in ["r1", "r2"] {
        assert!(claim(&store, request).await.0.as_str().starts_with("flood"));
    }
    let late = with_jobs(&store, vec![job(1, 0, 1, 1), job(1, 0, 2, 1)]).await;
    let waiting = job(1, 0, 1, 1).id;
    let line = store.line(&waiting, Vec::new(), NOW).await.unwrap().unwrap();
    assert_eq!((line.ahead(), line.held.of_others), (0, 3), "{line:?}");
    let last = JobId::new(format!("flood-9/c{}/1/implement", many / 10 - 1));
    let line = store.line(&last, Vec::new(), NOW).await.unwrap().unwrap();
    assert_eq!(line.ahead(), many - 3 - 1 + 2, "all that the flood has, and the two of the other one: {line:?}");
    let of = SessionId::new(first.as_str().split('/').next().unwrap());
    let settle = Transition { settle: Some((first, fence)), ..transition(&of, 1) };
    store.commit(settle).await.unwrap();
    assert!(claim(&store, "next").await.0.as_str().starts_with(late.as_str()));
}

pub(super) async fn what_has_ended_is_taken_away_whole_and_what_has_not_is_not(home: Home) {
    let store = home.open().await;
    let old = with_jobs(&store, vec![job(0, 0, 1, 1), job(0, 0, 2, 1)]).await;
    let other = with_jobs(&store, vec![job(1, 0, 1, 1)]).await;
    assert!(!store.prune(&old).await.unwrap(), "it runs");
    let over = Transition {
        cancel: Some(Cancel { engines_only: false }),
        status: "cancelled".into(),
        feed: vec![told("ended")],
        ..transition(&old, 1)
    };
    store.commit(over).await.unwrap();
    let before = kept(&store, &other).await;
    assert!(store.prune(&old).await.unwrap());
    assert!(!store.prune(&old).await.unwrap(), "it is not there any more");
    assert!(matches!(store.record(&old).await, Err(StoreError::NotFound(_))));
    assert!(matches!(store.resolve("t0").await, Err(StoreError::NotFound(_))));
    assert_eq!((store.jobs(&old).await.unwrap(), store.feed(&old, 0, 9).await.unwrap()), (Vec::new(), Vec::new()));
    let after = kept(&store, &other).await;
    assert_eq!((after.0, after.1, after.2), (before.0, before.1, before.2));
    assert_eq!(store.sessions().await.unwrap().len(), 1);
    assert_eq!(store.sweep().await.unwrap(), Vec::<String>::new());
    if let Home::Server(server) = &home {
        let keys = server.says(&["KEYS", "*t0-s0*"]);
        assert!(!keys.contains("t0-s0"), "{keys}");
    }
}

#[tokio::test]
async fn whoever_only_comes_back_to_its_server_keeps_the_limits_that_another_one_set() {
    let Some(server) = Server::start("limits") else { return };
    let of = |fleet| Limits { fleet, ..Limits::default() };
    let first = server.store(server.settings(), of(5)).await.unwrap();
    create(&first, "t0-s0").await.unwrap();
    let holds = || server.says(&["HGET", "arena:{c0}:limits", "fleet"]);
    let second = server.store(server.settings(), of(2)).await.unwrap();
    assert_eq!(holds(), "2");
    server.says(&["CLIENT", "KILL", "TYPE", "normal"]);
    for (store, id) in [(&first, "t0-s1"), (&second, "t0-s2"), (&first, "t0-s3")] {
        create(store, id).await.unwrap();
    }
    assert_eq!(holds(), "2");
    server.store(server.settings(), of(7)).await.unwrap();
    assert_eq!(holds(), "7", "whoever starts sets its own");
}

#[tokio::test]
async fn what_engines_print_does_not_fill_the_server_and_pushes_nothing_else_out() {
    let Some(server) = Server::start("logs") else { return };
    let store = server.store(server.settings(), roomy()).await.unwrap();
    let id = session(0, 0);
    create(&store, id.as_str()).await.unwrap();
    store.publish(&id, told("first")).await.unwrap();
    let print = |number: usize| v1::FeedItem { kind: "log:stdout".into(), text: number.to_string(), ..told("") };
    for number in 0..3_000 {
        store.publish(&id, print(number)).await.unwrap();
    }
    store.publish(&id, told("last")).await.unwrap();
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let page = store.feed(&id, after, 7).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.seq;
        all.extend(page);
    }
    assert!(all.is_sorted_by_key(|item| item.seq) && all.len() < 1_300, "{}", all.len());
    let (first, last) = (all.first().unwrap(), all.last().unwrap());
    assert_eq!((first.text.as_str(), last.text.as_str()), ("first", "last"));
    assert_eq!(all[all.len() - 2].text, "2999");
    let left: i64 = server.says(&["PTTL", "arena:{c0}:lg:t0-s0"]).parse().unwrap();
    assert!((1..=3_600_000).contains(&left), "they go by themselves: {left}");
}

#[tokio::test]
async fn a_claim_costs_the_same_beside_a_thousand_jobs_that_nobody_can_run() {
    let Some(server) = Server::start("classes") else { return };
    let store = server.store(server.settings(), roomy()).await.unwrap();
    // Commands that Redis is given within, which no noise changes.
    let cost = async |turn: &str| {
        let asked = async || {
            for number in 0..50 {
                assert!(store.claim(ask(&format!("{turn}-{number}")), NOW).await.unwrap().is_none());
            }
        };
        super::lists::commands(&server, asked).await
    };
    let before = cost("before").await;
    for number in 0..1_000 {
        let id = SessionId::new(format!("many{number}"));
        create(&store, id.as_str()).await.unwrap();
        let needs = Needs { labels: BTreeSet::from([format!("rack={number}")]), ..Needs::default() };
        let job = Job { id: JobId::new(format!("{id}/a/1/implement")), session: id.clone(), needs, ..numbered(0) };
        store.commit(Transition { enqueue: vec![job], ..transition(&id, 0) }).await.unwrap();
    }
    let (kinds, none) =
        (store.kinds(&numbered(0).tenant).await.unwrap(), store.kinds(&Tenant::new("none")).await.unwrap());
    assert_eq!((kinds, none), (1_000, 0));
    let after = cost("after").await;
    assert!(before >= 50 && after <= before, "{before} and then {after} commands");
    let folder = tempfile::tempdir().unwrap();
    let coordinator =
        crate::dispatch::Coordinator::new(store.clone(), crate::blobs::Blobs::new(folder.path().join("blobs")));
    let packet = arena_proto::packet::parse_anywhere(crate::dispatch::tests::PACKET).unwrap().packet;
    let refused = coordinator.admit(&numbered(0).tenant, &packet).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
    assert!(refused.message().contains("1000 kinds of workers"), "{refused}");
    coordinator.admit(&Tenant::new("another"), &packet).await.unwrap();
}
