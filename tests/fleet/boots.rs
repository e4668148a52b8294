//! Workers beside what is not as it should be: another of the same name, a coordinator of another version, a clock that jumps.

use crate::cut::{first, watched};
use crate::faults::HASTY;
use support::{Day, Fleet, Older, Packet, REFUSAL, Service, Witness, ready, skip, soon};

const COMPETITORS: [&str; 2] = ["low", "mid"];

/// Both engines take their time.
fn packet(seconds: u32) -> Packet {
    let engine = |value: u32| format!("sleep {seconds}; echo {value} > value");
    Packet::lower(&[("low", &engine(2)), ("mid", &engine(7))])
}

fn engines(witness: &Witness) -> [usize; 2] {
    let seen = witness.seen();
    COMPETITORS.map(|name| {
        let job = format!("/{name}/1/implement");
        seen.iter().filter(|one| one.action == "create" && one.job.ends_with(&job)).count()
    })
}

fn told(fleet: &mut Fleet, all: &[(&str, &str)]) {
    fleet.env.extend(all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
}

#[test]
fn of_two_workers_of_one_name_one_that_comes_back_takes_nothing_from_the_other() {
    if !ready("of_two_workers_of_one_name") {
        return;
    }
    let mut fleet = Fleet::new();
    told(&mut fleet, &[("ARENA_WORKER_ENGINE_SLOTS", "1")]);
    let mut coordinator = fleet.coordinator();
    let witnesses = ["one", "twin"].map(|place| watched(&fleet, place));
    let mut one = fleet.worker("one", None);
    let mut twin = fleet.worker_elsewhere("one", "twin");
    let token = fleet.token("ann", "submitter", "blue");
    fleet.await_workers(&token, 2);
    let mut run = fleet.submit(&token, &packet(6));
    assert!(soon(|| witnesses.iter().all(|one| engines(one).iter().sum::<usize>() == 1)), "{}", run.said());
    let [held, lost] = witnesses.each_ref().map(|one| engines(one).iter().position(|made| *made == 1).expect("one"));
    twin.kill();
    twin = fleet.worker_elsewhere("one", "twin");
    run.await_word("\"winner\":\"low\"");
    let ran = |which: usize| witnesses.iter().map(|one| engines(one)[which]).sum::<usize>();
    assert_eq!([ran(held), ran(lost)], [1, 2], "what the boot that died held ran again, and nothing else");
    assert_eq!([one.stop(), twin.stop(), coordinator.stop()], [Some(0); 3]);
    fleet.assert_clean();
}

#[test]
fn a_worker_that_one_coordinator_refuses_goes_to_another_and_one_that_all_refuse_ends_and_says_why() {
    if !ready("a_worker_that_one_coordinator_refuses") {
        return;
    }
    let mut fleet = Fleet::new();
    let mut coordinator = fleet.coordinator();
    let older = [Older::start(&fleet.certs_dir()), Older::start(&fleet.certs_dir())];
    let own = std::mem::replace(&mut fleet.urls, older.each_ref().map(Older::url).to_vec());
    let mut refused = fleet.worker("none", None);
    let mut ended = None;
    soon(|| {
        ended = refused.running.child.try_wait().expect("a state");
        ended.is_some()
    });
    let code = ended.and_then(|status| status.code());
    assert!(code.is_some_and(|code| code != 0) && refused.said().contains(REFUSAL), "{code:?}: {}", refused.said());
    let before = older.each_ref().map(Older::asked);
    // Each of the others before the one that takes it.
    fleet.urls.extend(own.clone());
    let mut worker = fleet.worker("one", None);
    fleet.urls = own;
    let token = fleet.token("ann", "submitter", "blue");
    fleet.await_workers(&token, 1);
    let asked = [older[0].asked() - before[0], older[1].asked() - before[1]];
    assert_eq!(asked, [1, 1], "each was asked once: {}", worker.said());
    assert_eq!(worker.said().matches(REFUSAL).count(), 1, "and why is said once: {}", worker.said());
    assert_eq!([worker.stop(), coordinator.stop()], [Some(0); 2]);
    fleet.assert_clean();
}

/// One session on two coordinators and a worker, of which those have another day that `of` names; it jumps while an engine is
/// at work.
fn jumps(test: &str, mut fleet: Fleet, of: [bool; 3]) {
    let day = match Day::build(fleet.world.repo.parent().expect("a folder")) {
        Ok(day) => day,
        Err(reason) => return skip(test, &reason),
    };
    told(&mut fleet, &HASTY);
    let usual = fleet.env.clone();
    let as_of = |fleet: &mut Fleet, jumps: bool| {
        fleet.env.clone_from(&usual);
        fleet.env.extend(day.env().into_iter().filter(|_| jumps));
    };
    let mut services: Vec<Service> = Vec::new();
    for jumps in [of[0], of[1]] {
        as_of(&mut fleet, jumps);
        services.push(fleet.coordinator());
    }
    as_of(&mut fleet, of[2]);
    let witness = watched(&fleet, "one");
    services.push(fleet.worker("one", None));
    as_of(&mut fleet, false);
    let token = fleet.token("ann", "submitter", "blue");
    fleet.await_workers(&token, 1);
    let mut run =
        fleet.submit(&token, &Packet::lower(&[("low", "sleep 16; echo 2 > value"), ("mid", "echo 7 > value")]));
    assert!(soon(|| first(&witness, "low", "start").is_some()), "{}", run.said());
    let admin = fleet.token("ada", "admin", "blue");
    let one =
        |url: &str, args: &[&str]| support::run(fleet.person(&admin, args).env("ARENA_COORDINATOR", url)).document();
    // Day and hour, as the first coordinator says.
    let hour = || {
        let made = one(&fleet.urls[0], &["tokens", "create", "bob", "--role", "viewer", "--tenant", "blue", "--json"]);
        made["created"].as_str().expect("a time").get(..13).map(str::to_owned)
    };
    let before = hour();
    // For long enough that a heartbeat comes, and leases are looked through.
    for hours in [2, -2] {
        day.is_ahead(hours * 3_600);
        std::thread::sleep(std::time::Duration::from_secs(4));
        assert_ne!(hour(), before, "the day has not jumped");
        for url in &fleet.urls {
            let listed = one(url, &["workers", "--json"]);
            assert_eq!(listed.as_array().map(Vec::len), Some(1), "{hours} h, at {url}: {listed}");
        }
    }
    run.await_word("\"winner\":\"low\"");
    assert_eq!(engines(&witness), [1, 1], "each engine ran once: {}", run.said());
    // The day is what it was, or certificates are of another time.
    day.is_ahead(0);
    services.iter_mut().rev().for_each(|one| assert_eq!(one.stop(), Some(0), "{}", one.said()));
    fleet.assert_clean();
}

#[test]
fn a_day_that_jumps_on_a_whole_machine_ends_no_engine() {
    const TEST: &str = "a_day_that_jumps_on_a_whole_machine";
    if ready(TEST) {
        jumps(TEST, Fleet::new(), [true; 3]);
    }
}

#[test]
fn a_day_that_jumps_on_one_coordinator_and_a_worker_beside_redis_ends_no_engine() {
    const TEST: &str = "a_day_that_jumps_on_one_coordinator";
    if ready(TEST) {
        let (fleet, _redis) = Fleet::on_redis();
        jumps(TEST, fleet, [true, false, true]);
    }
}
