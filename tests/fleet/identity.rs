//! Workers whose certificate ends, is revoked or is of another authority: they say why, once and with the mend, and end where
//! nothing but another certificate helps.

use arena_coordinator::store::Store;
use arena_domain::id::SessionId;
use arena_domain::schedule::Limits;
use arena_runtime::tls::{Authority, Kind, Name, Reach, Wanted};
use std::path::Path;
use std::time::Duration;
use support::{Fleet, Packet, Service, ready, run, soon};

const REFUSED: &str = "this worker is refused";

/// A worker of this name, by a certificate that was issued before.
fn begin(fleet: &mut Fleet, name: &str) -> Service {
    fleet.worker_again(name)
}

/// How it ends by itself, and what it said last.
fn ending(service: &mut Service) -> (Option<i32>, String) {
    let ended = soon(|| matches!(service.running.child.try_wait(), Ok(Some(_))));
    assert!(ended, "it goes on: {}", service.said());
    (service.running.child.wait().expect("its end").code(), service.said())
}

fn issue(folder: &Path, name: &str, holds: Duration) {
    let name = Name::new(Kind::Worker, name, Reach::Every).expect("a name");
    Authority::open(folder)
        .expect("an authority")
        .issue(&Wanted { name, hosts: Vec::new(), holds })
        .expect("a certificate");
}

#[test]
fn a_worker_whose_certificate_ends_or_is_revoked_ends_with_the_command_that_mends_it() {
    if !ready("a_worker_whose_certificate_ends_or_is_revoked") {
        return;
    }
    let mut fleet = Fleet::new();
    let _coordinator = fleet.coordinator();
    let ann = fleet.token("ann", "viewer", "blue");
    issue(&fleet.certs_dir(), "short", Duration::from_secs(20));
    let (mut short, mut lost) = (begin(&mut fleet, "short"), fleet.worker("lost", None));
    fleet.await_workers(&ann, 2);
    let dir = format!("--dir={}", fleet.certs_dir().display());
    let certs = |args: &[&str]| {
        run(&mut fleet.as_holder("coordinator", &fleet.team(), &[&["certs"], args, &["--json", &dir]].concat()))
    };
    assert_eq!(certs(&["init", "--dry-run"]).code, 2, "there is an authority");
    let would = certs(&["issue", "worker", "lost", "--dry-run"]).document();
    assert_eq!((&would["replaces"], &would["dry_run"]), (&true.into(), &true.into()), "{would}");
    let would = certs(&["revoke", "lost", "--dry-run"]).document();
    assert_eq!((&would["revoked"][0]["name"], &would["dry_run"]), (&"lost".into(), &true.into()), "{would}");
    let revoked = certs(&["revoke", "lost"]);
    assert_eq!((revoked.code, &revoked.document()["revoked"][0]["before"]), (0, &false.into()), "{revoked:?}");
    assert_eq!(revoked.document()["revoked"][0]["name"], "lost");
    for (service, name, why) in [(&mut lost, "lost", "was revoked"), (&mut short, "short", "ended")] {
        let (code, said) = ending(service);
        assert_eq!(code, Some(77), "{said}");
        let mend = format!("arena certs issue worker {name}");
        assert!(said.contains(why) && said.contains("mend: ") && said.contains(&mend), "{said}");
        assert!(said.matches(REFUSED).count() <= 1, "{said}");
        let (code, said) = ending(&mut begin(&mut fleet, name));
        assert_eq!(code, Some(77), "nor does it begin again: {said}");
        assert!(said.matches(&mend).count() >= 2, "{said}");
    }
    fleet.await_workers(&ann, 0);
    let audit = run(&mut fleet.as_holder("coordinator", &fleet.team(), &["audit", "--json"]));
    for word in ["of worker lost was revoked", "of worker short ended at", "Revoked", "xpired"] {
        assert!(audit.stdout.contains(word), "no '{word}' in {}", audit.stdout);
    }
    // Another certificate in its place, and it serves again.
    fleet.certs(&["issue", "worker", "lost"]);
    let mut lost = begin(&mut fleet, "lost");
    fleet.await_workers(&ann, 1);
    assert_eq!(lost.stop(), Some(0));
    fleet.assert_clean();
}

#[test]
fn what_an_engine_earned_while_its_worker_was_refused_is_brought_by_the_next_start() {
    if !ready("what_an_engine_earned_while_its_worker_was_refused") {
        return;
    }
    let mut fleet = Fleet::new();
    let _coordinator = fleet.coordinator();
    let ann = fleet.token("ann", "submitter", "blue");
    let mut worker = fleet.worker("one", None);
    fleet.await_workers(&ann, 1);
    let mut session = fleet.submit(&ann, &Packet::lower(&[("low", "sleep 15; echo 2 > value")]));
    session.await_word("\"phase\":\"engine\"");
    fleet.certs(&["revoke", "one"]);
    let (code, said) = ending(&mut worker);
    assert!(code == Some(77) && said.contains("was revoked"), "{said}");
    fleet.certs(&["issue", "worker", "one"]);
    let mut again = begin(&mut fleet, "one");
    session.await_word("\"winner\":\"low\"");
    let sessions = fleet.ask(&ann, &["sessions", "--json"]).document();
    let id = SessionId::new(sessions[0]["session"].as_str().expect("a session"));
    let store = Store::open(&fleet.team(), Limits::default()).expect("the store of the team");
    let looking = tokio::runtime::Runtime::new().expect("a runtime");
    let jobs = looking.block_on(store.jobs(&id)).expect("the jobs");
    let engine = jobs.iter().find(|one| one.id.ends_with("/implement")).expect("the engine's job");
    assert_eq!((engine.state.as_str(), engine.attempt), ("done", 1), "nothing is tried twice: {jobs:?}");
    assert_eq!(again.stop(), Some(0));
    fleet.assert_clean();
}

#[test]
fn a_worker_of_another_authority_ends_and_one_that_does_not_know_the_coordinators_waits_at_a_slow_pace() {
    if !ready("a_worker_of_another_authority") {
        return;
    }
    let mut fleet = Fleet::new();
    let _coordinator = fleet.coordinator();
    let elsewhere = tempfile::tempdir().expect("a folder");
    Authority::init(elsewhere.path()).expect("another authority");
    for name in ["foreign", "blind"] {
        issue(elsewhere.path(), name, Duration::from_secs(3600));
        for ending in ["pem", "key"] {
            let file = format!("{name}.{ending}");
            std::fs::copy(elsewhere.path().join(&file), fleet.certs_dir().join(&file)).expect("a copy");
        }
    }
    let (code, said) = ending(&mut begin(&mut fleet, "foreign"));
    assert_eq!(code, Some(77), "{said}");
    let words = ["of an authority that it does not know", "mend: ", "arena certs issue worker foreign"];
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
    // It believes the other authority alone, so that it is the coordinator who is a stranger.
    let ca = elsewhere.path().join("ca.pem").display().to_string();
    fleet.env.push(("ARENA_TLS_CA".into(), ca));
    let mut blind = begin(&mut fleet, "blind");
    blind.await_word("is of another authority than `ca` under [tls]");
    std::thread::sleep(Duration::from_secs(20));
    let said = blind.said();
    assert_eq!(said.matches(REFUSED).count(), 1, "{said}");
    assert!(said.contains("name its authority, `ca` under [tls]"), "{said}");
    assert!(matches!(blind.running.child.try_wait(), Ok(None)), "a coordinator that is mended finds it: {said}");
    assert_eq!(blind.stop(), Some(0));
    fleet.assert_clean();
}

#[test]
fn who_is_asked_for_a_certificate_and_has_none_is_told_so() {
    if !ready("who_is_asked_for_a_certificate") {
        return;
    }
    let mut fleet = Fleet::new();
    fleet.env = vec![("ARENA_COORDINATOR_CLIENT_CERTIFICATES".into(), "required".into())];
    let mut coordinator = fleet.coordinator();
    let ann = fleet.token("ann", "viewer", "blue");
    for _ in 0..5 {
        let refused = fleet.ask(&ann, &["sessions"]);
        assert_eq!(refused.code, 77, "{refused:?}");
        for part in ["asks for a certificate", "arena certs issue client NAME"] {
            assert!(refused.stderr.contains(part), "{part}: {refused:?}");
        }
    }
    coordinator.kill();
    let gone = fleet.ask(&ann, &["sessions"]);
    assert_eq!(gone.code, 69, "{gone:?}");
    assert!(!gone.stderr.contains("certs issue"), "{gone:?}");
}
