//! The laws that hold on every implementation.

use super::*;
pub(super) use lists::*;
pub(super) use tenants::*;

/// Jobs of the tenant that has many.
const MANY: u32 = 10_000;

pub(super) async fn a_report_under_a_stale_fence_changes_nothing(home: Home) {
    let store = home.open().await;
    let id = with_jobs(&store, vec![job(0, 0, 1, 1), job(0, 0, 2, 1)]).await;
    let (claimed, held) = claim(&store, "r1").await;
    let before = kept(&store, &id).await;
    for (job, fence) in [(claimed, "old"), (job(0, 0, 2, 1).id, held.as_str()), (JobId::new("nothing"), held.as_str())]
    {
        let stale = everything(&id, 1, Some((job.clone(), Fence::new(fence))));
        assert_eq!(store.commit(stale).await.unwrap(), Committed::Stale);
        assert_eq!(store.give_back(job.clone(), Fence::new(fence), NOW, NOW).await.unwrap(), Settled::Stale);
        assert_eq!(store.renew(vec![(job.clone(), Fence::new(fence))], NOW).await.unwrap(), vec![job.clone()]);
        assert!(!store.accepted(&job, &Fence::new(fence)).await.unwrap());
        assert_eq!(kept(&store, &id).await, before);
    }
}

pub(super) async fn a_transition_decided_on_an_old_version_changes_nothing(home: Home) {
    let store = home.open().await;
    let id = with_jobs(&store, vec![job(0, 0, 1, 1)]).await;
    let (claimed, fence) = claim(&store, "r1").await;
    let before = kept(&store, &id).await;
    for version in [0, 2, 99] {
        let late = everything(&id, version, Some((claimed.clone(), fence.clone())));
        assert_eq!(store.commit(late).await.unwrap(), Committed::Conflict);
        assert_eq!(kept(&store, &id).await, before);
    }
}

pub(super) async fn a_repeated_result_is_answered_the_same_and_changes_nothing(home: Home) {
    let store = home.open().await;
    let id = with_jobs(&store, vec![job(0, 0, 1, 1)]).await;
    let (claimed, fence) = claim(&store, "r1").await;
    let settle = || Some((claimed.clone(), fence.clone()));
    let first = Transition { settle: settle(), ..transition(&id, 1) };
    assert_eq!(store.commit(first).await.unwrap(), Committed::Done { stop: Vec::new() });
    let before = kept(&store, &id).await;
    for version in [1, 2] {
        assert_eq!(store.commit(everything(&id, version, settle())).await.unwrap(), Committed::Repeated);
        assert_eq!(kept(&store, &id).await, before);
    }
    assert!(store.accepted(&claimed, &fence).await.unwrap());
}

pub(super) async fn a_transition_of_a_session_that_is_not_there_is_an_error(home: Home) {
    let store = home.open().await;
    let refused = store.commit(transition(&SessionId::new("none"), 0)).await;
    assert!(matches!(refused, Err(StoreError::NotFound(id)) if id == "none"));
}

pub(super) async fn two_handles_share_the_limits(home: Home) {
    let (one, two) = (home.open().await, home.open().await);
    let version = two.data_version().await.unwrap();
    with_jobs(&one, (0..9).map(|which| job(0, 0, which, 1)).collect()).await;
    assert_ne!(two.data_version().await.unwrap(), version, "the other handle sees that there is something to do");
    assert!(one.claim(ask("r1"), NOW).await.unwrap().is_some());
    let (second, fence) = claim(&two, "r2").await;
    assert_eq!(one.claim(ask("r3"), NOW).await.unwrap(), None, "two of this session run, whoever claimed them");
    assert_eq!(two.claim(ask("r4"), NOW).await.unwrap(), None);
    let waiting = job(0, 0, 8, 1).id;
    let why = Why::Limit { dimension: "session", name: "t0-s0".into(), running: 2, limit: 2 };
    assert_eq!(one.why(waiting, Vec::new(), NOW).await.unwrap(), why);
    assert_eq!(one.give_back(second, fence, NOW, NOW).await.unwrap(), Settled::Accepted);
    assert!(two.claim(ask("r5"), NOW).await.unwrap().is_some());
}

pub(super) async fn whatever_was_answered_is_there_after_opening_again(home: Home) {
    let store = home.open().await;
    let id = with_jobs(&store, vec![job(0, 0, 1, 1), job(0, 0, 2, 1), job(0, 0, 3, 1)]).await;
    let (claimed, fence) = claim(&store, "r1").await;
    store.publish(&id, told("progress")).await.unwrap();
    let before = kept(&store, &id).await;
    drop(store);

    let store = home.open().await;
    assert_eq!(kept(&store, &id).await, before);
    let lease = vec![(claimed.clone(), fence.clone())];
    assert_eq!(store.not_held(lease.clone()).await.unwrap(), [], "a lease outlives the process that gave it");
    assert_eq!(store.renew(lease.clone(), NOW).await.unwrap(), []);
    let settle = Transition { settle: lease.into_iter().next(), ..transition(&id, 1) };
    assert_eq!(store.commit(settle).await.unwrap(), Committed::Done { stop: Vec::new() });
}

pub(super) async fn the_feed_is_in_the_order_of_the_transitions_and_resumes_after_any_item(home: Home) {
    let store = home.open().await;
    let (one, two) = (session(0, 0), session(0, 1));
    create(&store, one.as_str()).await.unwrap();
    create(&store, two.as_str()).await.unwrap();
    for version in 0..5 {
        for id in [&one, &two] {
            let feed = ["a", "b"].map(|part| told(&format!("{id} {version}{part}"))).to_vec();
            store.commit(Transition { feed, ..transition(id, version) }).await.unwrap();
        }
        store.publish(&one, told(&format!("{one} {version}c"))).await.unwrap();
    }
    let feed = store.feed(&one, 0, 1000).await.unwrap();
    let texts: Vec<&str> = feed.iter().map(|item| item.text.as_str()).collect();
    let expected: Vec<String> =
        (0..5).flat_map(|version| ["a", "b", "c"].map(|part| format!("{one} {version}{part}"))).collect();
    assert_eq!(texts, expected);
    assert!(feed.windows(2).all(|pair| pair[0].seq < pair[1].seq));
    for (index, item) in feed.iter().enumerate() {
        assert_eq!(store.feed(&one, item.seq, 1000).await.unwrap(), feed[index + 1..]);
    }
    assert_eq!(store.feed(&one, 0, 4).await.unwrap(), feed[..4]);
}

pub(super) async fn the_beginning_of_an_id_finds_its_session(home: Home) {
    let store = home.open().await;
    for id in ["abc1", "abc2", "abc", "d%", "e_f"] {
        create(&store, id).await.unwrap();
    }
    let rows: [(&str, Result<&str, &str>); 10] = [
        ("abc1", Ok("abc1")),
        ("abc", Ok("abc")),
        ("d", Ok("d%")),
        ("e_", Ok("e_f")),
        ("ab", Err("'ab' is the beginning of several sessions: abc, abc1, abc2")),
        ("x", Err("no session 'x'")),
        ("%", Err("no session '%'")),
        ("_", Err("no session '_'")),
        ("abc1x", Err("no session 'abc1x'")),
        ("ABC1", Err("no session 'ABC1'")),
    ];
    for (prefix, expected) in rows {
        let found = store.resolve(prefix).await;
        assert_eq!(
            found.map(|id| id.to_string()).map_err(|e| e.to_string()),
            expected.map(Into::into).map_err(Into::into)
        );
    }
    assert!(matches!(store.resolve("").await, Err(StoreError::Ambiguous(..))));
}

pub(super) async fn the_same_session_is_not_made_twice(home: Home) {
    let store = home.open().await;
    create(&store, "abc").await.unwrap();
    assert!(create(&store, "abc").await.is_err());
    assert_eq!(store.sessions().await.unwrap().len(), 1);
}

pub(super) async fn who_moves_a_session_leaves_the_time_and_never_an_earlier_one(home: Home) {
    let store = home.open().await;
    let (id, other) = (session(0, 0), session(0, 1));
    create(&store, id.as_str()).await.unwrap();
    create(&store, other.as_str()).await.unwrap();
    store.commit(transition(&id, 0)).await.unwrap();
    assert_eq!(store.touched(&id).await.unwrap(), NOW);
    for (now, expected) in [(NOW + 5, NOW + 5), (NOW + 3, NOW + 5)] {
        store.touch(vec![id.clone()], now).await.unwrap();
        assert_eq!(store.touched(&id).await.unwrap(), expected);
    }
    assert_eq!(store.touched(&other).await.unwrap(), 0);
}

pub(super) async fn the_same_request_is_answered_the_same_as_long_as_its_lease_is_held(home: Home) {
    let store = home.open().await;
    with_jobs(&store, vec![job(0, 0, 1, 1), job(0, 0, 2, 1)]).await;
    let first = store.claim(ask("r1"), NOW).await.unwrap();
    let (id, fence) = claim(&store, "r1").await;
    assert_eq!(first, store.claim(ask("r1"), NOW + 5).await.unwrap());
    assert!(fence.answers(&Request::new("r1")));
    store.give_back(id, fence, NOW + 1_000, NOW).await.unwrap();
    assert_eq!(claim(&store, "r1").await.0, job(0, 0, 2, 1).id, "its lease is over: it is a new claim");
}

pub(super) async fn a_suspect_keeps_its_job_until_the_margin_has_passed(home: Home) {
    let store = home.open().await;
    with_jobs(&store, vec![job(0, 0, 1, 1)]).await;
    let (id, fence) = claim(&store, "r1").await;
    let over = NOW + TERMS.lease_millis();
    let margin = TERMS.margin_millis();
    let suspect = Why::Suspect { worker: WorkerId::new("w"), until: over + margin };
    assert_eq!(store.why(id.clone(), Vec::new(), over).await.unwrap(), suspect);
    assert_eq!(store.expire(over + margin - 1).await.unwrap(), []);
    let lease = vec![(id.clone(), fence.clone())];
    assert_eq!(store.renew(lease.clone(), over + margin - 1).await.unwrap(), [], "it came back");
    assert_eq!(store.expire(over + margin).await.unwrap(), []);
    let late = over + 2 * margin + TERMS.lease_millis();
    assert_eq!(store.expire(late).await.unwrap(), vec![id.clone()]);
    assert_eq!(store.renew(lease, late).await.unwrap(), vec![id], "and now it has not");
}

pub(super) async fn a_dead_job_says_why_and_runs_again_when_it_is_requeued(home: Home) {
    let store = home.open().await;
    let id = with_jobs(&store, vec![job(0, 0, 1, 1)]).await;
    let mut last = (job(0, 0, 1, 1).id, Fence::new("none"));
    for turn in 0..MAX_ATTEMPTS {
        last = claim(&store, &format!("r{turn}")).await;
        assert_eq!(store.failures(&last.0, &last.1).await.unwrap(), Some(turn));
        assert_eq!(store.give_back(last.0.clone(), last.1.clone(), NOW, NOW).await.unwrap(), Settled::Accepted);
    }
    let reason = "3 attempts came to nothing; the last worker was not heard of again".to_owned();
    let letter = DeadLetter { job: last.0.clone(), fence: last.1.clone(), reason: reason.clone(), at: NOW };
    assert_eq!(store.dead(None, 9).await.unwrap(), vec![letter.clone()]);
    assert_eq!(store.dead(Some(&id), 9).await.unwrap(), vec![letter]);
    assert_eq!(store.dead(Some(&session(0, 1)), 9).await.unwrap(), []);
    assert_eq!(store.dead(None, 0).await.unwrap(), []);
    assert_eq!(store.why(last.0.clone(), Vec::new(), NOW).await.unwrap(), Why::Dead { reason });
    assert_eq!(store.claim(ask("none"), NOW).await.unwrap(), None);
    assert!(store.revive(&last.0, NOW).await.unwrap());
    assert!(!store.revive(&last.0, NOW).await.unwrap(), "it is not dead any more");
    let again = claim(&store, "again").await;
    let late = Transition { settle: Some(last), ..transition(&id, 1) };
    assert_eq!(store.commit(late).await.unwrap(), Committed::Stale);
    let settle = Transition { settle: Some(again), ..transition(&id, 1) };
    assert_eq!(store.commit(settle).await.unwrap(), Committed::Done { stop: Vec::new() });
    assert_eq!(store.dead(None, 9).await.unwrap(), []);
}

pub(super) async fn a_delayed_job_waits_until_it_is_due(home: Home) {
    let store = home.open().await;
    with_jobs(&store, vec![job(0, 0, 1, 1)]).await;
    let (id, fence) = claim(&store, "r1").await;
    store.give_back(id.clone(), fence, NOW + 500, NOW).await.unwrap();
    assert_eq!(store.why(id.clone(), Vec::new(), NOW).await.unwrap(), Why::NotDue { at: NOW + 500 });
    assert_eq!(store.claim(ask("r2"), NOW + 499).await.unwrap(), None);
    let due = store.claim(ask("r2"), NOW + 500).await.unwrap().unwrap();
    assert_eq!((due.job.id, due.attempt, due.failed), (id, 2, 1));
}

pub(super) async fn a_tenant_with_many_jobs_delays_anothers_first_job_by_one_turn_at_most(home: Home) {
    let store = home.open().await;
    let many = (0..MANY).map(|n| Job { id: JobId::new(format!("t0-s0/m{n}/1/evaluate")), ..job(0, 0, 0, 1) });
    with_jobs(&store, many.collect()).await;
    let (first, fence) = claim(&store, "r1").await;
    claim(&store, "r2").await;
    let one = with_jobs(&store, vec![job(1, 0, 0, 1)]).await;
    let settle = Transition { settle: Some((first, fence)), ..transition(&session(0, 0), 1) };
    store.commit(settle).await.unwrap();
    assert!(claim(&store, "r3").await.0.as_str().starts_with(one.as_str()));
}

pub(super) async fn a_worker_of_one_tenant_gets_no_job_of_another(home: Home) {
    let store = home.open().await;
    let theirs = with_jobs(&store, vec![job(0, 0, 1, 1)]).await;
    let of = |name: &str| Some(Tenant::new(name));
    let mine = Ask { tenant: of("t1"), ..ask("r1") };
    assert_eq!(store.claim(mine.clone(), NOW).await.unwrap(), None);
    let by_name = Ask { only: Some(theirs.clone()), ..mine.clone() };
    assert_eq!(store.claim(by_name, NOW).await.unwrap(), None, "not even when it names the session");
    with_jobs(&store, vec![job(1, 0, 1, 1)]).await;
    assert_eq!(store.claim(mine, NOW).await.unwrap().unwrap().job, job(1, 0, 1, 1));
    let rightful = Ask { tenant: of("t0"), only: Some(theirs), ..ask("r2") };
    assert_eq!(store.claim(rightful, NOW).await.unwrap().unwrap().job, job(0, 0, 1, 1));
}

pub(super) async fn room_for_what_a_worker_may_not_have_is_no_room_for_the_rest(home: Home) {
    let store = home.open().await;
    let small = |engine: &str| Needs { ability: Some(engine.into()), ..Needs::default() };
    let large = job(0, 0, 1, 0);
    assert!(large.needs.room.memory > 10);
    with_jobs(&store, vec![large, Job { needs: small("e1"), ..job(0, 0, 5, 1) }]).await;
    let fits = Job { needs: small("e0"), ..job(1, 0, 5, 0) };
    with_jobs(&store, vec![fits.clone()]).await;
    let mut ask = ask("r1");
    ask.offer.abilities = Some(BTreeSet::from(["e0".to_owned()]));
    ask.offer.free = Room { memory: 10, disk: 10 };
    let claimed = store.claim(ask, NOW).await.unwrap().map(|place| place.job.id.clone());
    assert_eq!(claimed, Some(fits.id));
}

pub(super) async fn names_that_look_like_patterns_or_keys_harm_nobody(home: Home) {
    let store = home.open().await;
    for (n, name) in ["*", "a:b", "{c0}", "%2a", "ü", "a b"].into_iter().enumerate() {
        let id = SessionId::new(format!("s{name}"));
        create(&store, id.as_str()).await.unwrap();
        let job = Job {
            id: JobId::new(format!("{id}/x/1/implement")),
            tenant: Tenant::new(name),
            engine: Some(name.into()),
            session: id.clone(),
            ..job(0, 0, 1, 0)
        };
        store.commit(Transition { enqueue: vec![job.clone()], ..transition(&id, 0) }).await.unwrap();
        let request = format!("r{n}");
        let place = store.claim(ask(&request), NOW).await.unwrap().unwrap();
        assert_eq!(place.job, job);
        let settle = Some((job.id.clone(), place.fence().unwrap().clone()));
        store.commit(Transition { settle, ..transition(&id, 1) }).await.unwrap();
        assert_eq!(store.jobs(&id).await.unwrap().len(), 1);
    }
}

pub(super) async fn news_is_heard_of_while_one_waits_for_it(home: Home) {
    let (one, two) = (home.open().await, home.open().await);
    let seen = two.data_version().await.unwrap();
    assert_eq!(two.news(seen, Duration::from_millis(50)).await.unwrap().version, seen, "nothing happened");
    // Several wait on one handle, and all hear of it.
    let waits = || async { two.news(seen, Duration::from_secs(20)).await.unwrap().version };
    let (first, second, made) = tokio::join!(waits(), waits(), create(&one, "abc"));
    made.unwrap();
    assert!(first != seen && second != seen, "{first} and {second} after {seen}");
}

pub(super) async fn live_jobs_are_those_that_wait_or_run_each_as_it_was_put_in(home: Home) {
    let store = home.open().await;
    let trace = arena_domain::job::Mark { context: "00-a-b-01".into(), since: NOW };
    let jobs: Vec<Job> = (1..4).map(|which| Job { trace: trace.clone(), ..job(0, 0, which, 1) }).collect();
    let id = with_jobs(&store, jobs.clone()).await;
    let (done, fence) = claim(&store, "r1").await;
    let settled = Transition { settle: Some((done.clone(), fence)), ..transition(&id, 1) };
    assert_eq!(store.commit(settled).await.unwrap(), Committed::Done { stop: Vec::new() });
    let (runs, _) = claim(&store, "r2").await;
    let mut live = store.live().await.unwrap();
    live.sort_by_key(|(job, _)| job.id.clone());
    let state = |job: &Job| if job.id == runs { "leased" } else { "queued" };
    let left = jobs.into_iter().filter(|job| job.id != done);
    assert_eq!(live, left.map(|job| (job.clone(), state(&job))).collect::<Vec<_>>());
}

pub(super) async fn what_is_let_go_waits_again_and_nothing_is_counted(home: Home) {
    let store = home.open().await;
    with_jobs(&store, vec![job(0, 0, 1, 1)]).await;
    for turn in 0..2 * arena_domain::job::MAX_ATTEMPTS {
        let (id, fence) = claim(&store, &format!("r{turn}")).await;
        assert_eq!(store.failures(&id, &fence).await.unwrap(), Some(0));
        assert_eq!(store.let_go(id.clone(), Fence::new("old"), NOW, NOW).await.unwrap(), Settled::Stale);
        assert_eq!(store.let_go(id, fence, NOW, NOW).await.unwrap(), Settled::Accepted);
    }
}

pub(super) async fn a_shelf_keeps_its_order_and_what_is_new_never_replaces(home: Home) {
    let store = home.open().await;
    for key in ["b", "a", "c"] {
        assert!(store.keep_new(Shelf::Audit, key.into(), key.into()).await.unwrap());
    }
    assert!(!store.keep_new(Shelf::Audit, "a".into(), b"other".to_vec()).await.unwrap());
    store.keep(Shelf::Tokens, "a".into(), b"elsewhere".to_vec()).await.unwrap();
    store.keep(Shelf::Audit, "b".into(), b"\0B\xff".to_vec()).await.unwrap();
    let page = store.shelf(Shelf::Audit, "a", 9).await.unwrap();
    assert_eq!(page, [("b".to_owned(), b"\0B\xff".to_vec()), ("c".to_owned(), b"c".to_vec())]);
    assert_eq!(store.shelf(Shelf::Audit, "", 1).await.unwrap(), [("a".to_owned(), b"a".to_vec())]);
    assert_eq!(store.last_kept(Shelf::Audit).await.unwrap().unwrap().0, "c");
    assert_eq!(store.kept(Shelf::Tokens, "a").await.unwrap().unwrap(), b"elsewhere");
    assert!(!store.discard_same(Shelf::Audit, "c", b"other".to_vec()).await.unwrap());
    assert!(store.discard_same(Shelf::Tokens, "a", b"elsewhere".to_vec()).await.unwrap());
    assert!(!store.discard_same(Shelf::Tokens, "a", b"elsewhere".to_vec()).await.unwrap());
    assert!(store.discard(Shelf::Audit, "c").await.unwrap());
    assert!(!store.discard(Shelf::Audit, "c").await.unwrap());
    assert_eq!(store.kept(Shelf::Audit, "c").await.unwrap(), None);
}

pub(super) async fn an_engine_of_two_names_has_one_limit(home: Home) {
    let aliases = BTreeMap::from([("e0-cli".to_owned(), "e0".to_owned())]);
    let one = Limits { engine: BTreeMap::from([("e0".to_owned(), 1)]), aliases, ..roomy() };
    let store = home.open_with(one).await;
    let other = Job { engine: Some("e0-cli".into()), ..job(0, 0, 2, 0) };
    with_jobs(&store, vec![job(0, 0, 1, 0), other.clone()]).await;
    let (first, fence) = claim(&store, "r1").await;
    assert!(store.claim(ask("r2"), NOW).await.unwrap().is_none(), "one of the two runs");
    let why = store.why(other.id.clone(), Vec::new(), NOW).await.unwrap();
    assert!(matches!(why, Why::Limit { dimension: "engine", ref name, .. } if name == "e0"), "{why:?}");
    assert_eq!(store.let_go(first, fence, NOW + 9, NOW).await.unwrap(), Settled::Accepted);
    assert_eq!(claim(&store, "r3").await.0, other.id);
}
