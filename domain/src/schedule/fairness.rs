//! Fair share on the reference: who waits for whom, and for how long.

use super::*;
use crate::id::Tenant;
use crate::job::Work;
use crate::placement::{Needs, Offer};
use proptest::prelude::*;
use std::collections::BTreeSet;

const DAY: Millis = 86_400_000;

fn job(tenant: &str, session: &str, number: u32) -> Job {
    let session = SessionId::new(session);
    Job {
        id: JobId::new(format!("{session}/c{number}/1/implement")),
        tenant: Tenant::new(tenant),
        competitor: None,
        round: 1,
        work: Work::Implement { brief: String::new(), parent: None },
        session_limit: u32::MAX,
        session_weight: 1,
        priority: 0,
        engine: None,
        needs: Needs::default(),
        home: None,
        session,
        trace: crate::job::Mark::default(),
    }
}

fn queue(fleet: u32) -> Queue {
    Queue::new(Limits { fleet, ..Limits::default() })
}

fn claim(queue: &mut Queue, now: Millis) -> Place {
    let request = Request::new(format!("r{}", queue.counters().claims));
    queue.claim(&Ask::any(WorkerId::new("w"), request), now).unwrap()
}

fn settle(queue: &mut Queue, place: &Place, now: Millis) {
    assert_eq!(queue.settle(&place.job.id, place.fence().unwrap(), now), Settled::Accepted);
}

/// Whose jobs run after each of `turns` ends of a job that lasts a minute, and begins when another one ends.
fn served(queue: &mut Queue, slots: u32, turns: u32, whose: impl Fn(&Job) -> String) -> Vec<String> {
    let mut running: std::collections::VecDeque<Place> = (0..slots).map(|_| claim(queue, 1_000)).collect();
    let mut order = Vec::new();
    for turn in 0..turns {
        let now = 1_000 + Millis::from(turn + 1) * 60_000;
        let over = running.pop_front().unwrap();
        settle(queue, &over, now);
        let next = claim(queue, now);
        order.push(whose(&next.job));
        running.push_back(next);
    }
    order
}

#[test]
fn a_tenant_with_ten_thousand_jobs_delays_anothers_first_job_by_one_turn_at_most() {
    let mut queue = queue(2);
    for number in 0..10_000 {
        queue.enqueue(job("many", &format!("s{}", number % 10), number), 0, 0);
    }
    let mut running = vec![claim(&mut queue, 1), claim(&mut queue, 1)];
    queue.enqueue(job("one", "late", 0), 2, 2);
    settle(&mut queue, &running.remove(0), 60_000);
    assert_eq!(claim(&mut queue, 60_000).job.tenant.as_str(), "one");
}

#[test]
fn tenants_share_slots_by_their_weights_and_not_by_claims() {
    let heavy = TenantLimits { running: u32::MAX, weight: 3 };
    let tenants = BTreeMap::from([("heavy".to_owned(), heavy)]);
    let mut queue = Queue::new(Limits { fleet: 4, tenants, ..Limits::default() });
    for number in 0..100 {
        queue.enqueue(job("heavy", "h", number), 0, 0);
        queue.enqueue(job("light", "l", number), 0, 0);
    }
    let running: Vec<Place> = (0..4).map(|_| claim(&mut queue, 1)).collect();
    let heavy = running.iter().filter(|place| place.job.tenant.as_str() == "heavy").count();
    assert_eq!(heavy, 3);
}

#[test]
fn who_used_little_lately_goes_before_who_used_much() {
    let mut queue = queue(1);
    for number in 0..3 {
        queue.enqueue(job("long", "a", number), 0, 0);
        queue.enqueue(job("short", "b", number), 0, 0);
    }
    // "long" runs for ten minutes, then "short" for one: it is its turn again, though it was served last.
    let long = claim(&mut queue, 0);
    settle(&mut queue, &long, 600_000);
    let short = claim(&mut queue, 600_000);
    settle(&mut queue, &short, 660_000);
    assert_eq!((long.job.tenant.as_str(), short.job.tenant.as_str()), ("long", "short"));
    assert_eq!(claim(&mut queue, 660_000).job.tenant.as_str(), "short");
}

#[test]
fn what_was_used_is_forgotten_after_an_hour() {
    let mut queue = queue(1);
    queue.enqueue(job("busy", "a", 0), 0, 0);
    let day = claim(&mut queue, 0);
    settle(&mut queue, &day, DAY);
    let (busy, _) = queue.accounts(&day.job);
    assert_eq!(busy.mark, DAY + share::HORIZON);
}

#[test]
fn sessions_of_a_tenant_take_turns() {
    let mut queue = queue(1);
    for number in 0..5 {
        queue.enqueue(job("t", "a", number), 0, 0);
    }
    for number in 0..2 {
        queue.enqueue(job("t", "b", number), 0, 0);
    }
    let order = served(&mut queue, 1, 5, |job| job.session.to_string());
    assert_eq!(order, ["b", "a", "b", "a", "a"]);
}

#[test]
fn a_priority_is_a_head_start_that_others_outlive() {
    let mut queue = queue(1);
    let at = |seconds: u64| DAY + seconds * 1_000;
    let mut enqueue = |job: Job, seconds: u64| queue.enqueue(job, at(seconds), at(seconds));
    enqueue(job("t", "early", 0), 0);
    let urgent = |number, session: &str| Job { priority: 3, ..job("t", session, number) };
    // It goes before whoever waited up to three minutes longer, and never before who waited more.
    enqueue(urgent(1, "urgent"), 179);
    enqueue(urgent(2, "too-late"), 181);
    let mut order = Vec::new();
    for _ in 0..3 {
        let place = claim(&mut queue, at(200));
        order.push(place.job.session.to_string());
        settle(&mut queue, &place, at(200));
    }
    assert_eq!(order, ["urgent", "early", "too-late"]);
    let highest = Job { priority: u32::MAX, ..job("t", "highest", 3) };
    queue.enqueue(job("t", "patient", 4), at(300), at(300));
    queue.enqueue(highest, at(901), at(901));
    assert_eq!(claim(&mut queue, at(2_000)).job.session.as_str(), "patient", "the head start is bounded");
}

#[test]
fn every_session_is_served_within_a_round_of_all() {
    let mut queue = queue(3);
    for number in 0..200 {
        queue.enqueue(job("t", &format!("s{:02}", number % 20), number), 0, 0);
    }
    let order = served(&mut queue, 3, 40, |job| job.session.to_string());
    let distinct: BTreeSet<&String> = order[..17].iter().collect();
    assert_eq!(distinct.len(), 17, "nobody a second time before all had their first: {order:?}");
}

#[test]
fn a_worker_gets_only_what_it_has_the_engine_for() {
    let mut queue = queue(9);
    let with = |number, engine: Option<&str>| Job {
        needs: Needs { ability: engine.map(str::to_owned), ..Needs::default() },
        ..job("t", "s", number)
    };
    for (number, engine) in [Some("a"), Some("b"), None].into_iter().enumerate() {
        queue.enqueue(with(number as u32, engine), 0, 0);
    }
    let offer = Offer { abilities: Some(BTreeSet::from(["b".to_owned()])), ..Offer::everything("w") };
    let ask = |request: &str| Ask { offer: offer.clone(), ..Ask::any(WorkerId::new("w"), Request::new(request)) };
    let given: Vec<Option<String>> =
        ["1", "2", "3"].map(|request| queue.claim(&ask(request), 0).map(|place| place.job.id.to_string())).into();
    assert_eq!(given, [Some("s/c1/1/implement".into()), Some("s/c2/1/implement".into()), None]);
}

proptest! {
    #[test]
    fn a_place_in_the_line_is_what_would_be_served_before(
        steps in proptest::collection::vec((0..4u8, 0..3u8, 0..3u8), 4..40)
    ) {
        let tenants = BTreeMap::from([("t2".to_owned(), TenantLimits { weight: 3, running: 4 })]);
        let mut queue = Queue::new(Limits { fleet: u32::MAX, tenants, ..Limits::default() });
        // Odd times, so that no two marks are the same.
        let mut now: Millis = DAY;
        for (number, (what, tenant, session)) in steps.into_iter().enumerate() {
            now += 1_009 * (number as Millis + 1);
            let name = format!("t{tenant}-s{session}");
            let job = Job {
                session_weight: 1 + u32::from(session),
                session_limit: 3 + u32::from(session),
                priority: u32::from(session),
                ..job(&format!("t{tenant}"), &name, number as u32)
            };
            queue.enqueue(job, now, now);
            let leased = queue.places().find(|place| place.fence().is_some()).cloned();
            match (what, leased) {
                (0, _) => drop(queue.claim(&Ask::any(WorkerId::new("w"), Request::new(format!("r{number}"))), now)),
                (1, Some(place)) => settle(&mut queue, &place, now),
                _ => {}
            }
        }
        let waiting: Vec<JobId> = queue.places().map(|place| place.job.id.clone()).collect();
        for id in waiting {
            let Some(line) = queue.line(&id, now) else { continue };
            if !matches!(queue.why(&id, now), Why::Ready { .. }) {
                continue;
            }
            let mut rest = queue.clone();
            let next = |rest: &mut Queue| {
                let request = Request::new(format!("n{}", rest.counters().claims));
                rest.claim(&Ask::any(WorkerId::new("w"), request), now).map(|place| place.job.id)
            };
            let served: Vec<JobId> = std::iter::from_fn(|| next(&mut rest)).collect();
            // One whose session or tenant comes to its limit first is not reached at all.
            if let Some(before) = served.iter().position(|one| *one == id) {
                prop_assert_eq!(line.ahead() as usize, before, "{}: {:?}", id, line);
            }
        }
    }
}
