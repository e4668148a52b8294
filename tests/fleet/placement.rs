//! Which worker gets which job: engines, labels, room, and hardware that measures alike.

use serde_json::Value;
use support::{Fleet, Packet, ready, soon};

fn slow(seconds: u32) -> Packet {
    Packet::lower(&[("low", &format!("sleep {seconds}; echo 2 > value"))])
}

/// Why the only waiting job of this kind waits, once it says this.
fn await_why(fleet: &Fleet, token: &str, kind: &str, word: &str) -> Value {
    let mut last = Value::Null;
    soon(|| {
        let queue = fleet.ask(token, &["queue", "--json"]).document();
        let waits = |one: &&Value| one["state"] == "queued" && one["job"].as_str().is_some_and(|id| id.ends_with(kind));
        let Some(job) = queue.as_array().and_then(|all| all.iter().find(waits)) else { return false };
        assert!(job["why"].is_string(), "{job}");
        last = fleet.ask(token, &["why", job["job"].as_str().expect("a job"), "--json"]).document();
        last["why"].as_str().is_some_and(|text| text.contains(word))
    });
    assert!(last["why"].as_str().is_some_and(|text| text.contains(word)), "no '{word}' in {last}");
    last
}

fn worker_with(fleet: &mut Fleet, name: &str, env: &[(&str, &str)]) -> support::Service {
    let before = fleet.env.clone();
    fleet.env.extend(env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let worker = fleet.worker(name, None);
    fleet.env = before;
    worker
}

#[test]
fn a_job_goes_to_the_worker_that_has_what_it_needs_and_says_what_nobody_has() {
    if !ready("a_job_goes_to_the_worker_that_has_what_it_needs") {
        return;
    }
    let (mut fleet, _redis) = Fleet::on_redis();
    let _coordinator = fleet.coordinator();
    let mut plain = worker_with(&mut fleet, "plain", &[("ARENA_WORKER_MEMORY_MIB", "100")]);
    let ann = fleet.token("ann", "submitter", "blue");
    fleet.await_workers(&ann, 1);
    let mut packet = slow(0);
    packet.rest = "[placement]\nlabels = [\"rack=7\"]".into();
    let mut labelled = fleet.submit(&ann, &packet);
    let why = await_why(&fleet, &ann, "/evaluate", "no attached worker carries the label rack=7");
    assert_eq!(why["kind"], "placement", "{why}");
    assert!(why["frees"].as_str().is_some_and(|frees| frees.contains("`labels` under [worker]")), "{why}");
    let has = [("ARENA_WORKER_LABELS", "rack=7"), ("ARENA_WORKER_MEMORY_MIB", "300")];
    let mut rack = worker_with(&mut fleet, "rack", &has);
    labelled.await_word("\"winner\":\"low\"");

    // Without a label the plain one might have it, but for its room; and an engine is nowhere.
    packet.rest = String::new();
    packet.engines[0].1 = "sleep 8; echo 2 > value".into();
    let mut first = fleet.submit(&ann, &packet);
    first.await_word("\"phase\":\"engine\"");
    packet.engines[0].1 = "echo 3 > value".into();
    let mut second = fleet.submit(&ann, &packet);
    let why = await_why(&fleet, &ann, "/evaluate", "none has more free than 44 ");
    assert_eq!(why["kind"], "room", "{why}");
    first.await_word("\"winner\":\"low\"");
    second.await_word("\"winner\":\"low\"");

    packet.engines.clear();
    packet.rest = "[[competitor]]\nengine = \"codex\"".into();
    let mut codex = fleet.submit(&ann, &packet);
    let why = await_why(&fleet, &ann, "/implement", "no attached worker has engine codex");
    assert!(why["frees"].as_str().is_some_and(|frees| frees.contains("`arena engines install codex`")), "{why}");
    codex.kill();

    let workers = fleet.ask(&ann, &["workers", "--json"]).document();
    let rack_says =
        workers.as_array().expect("a list").iter().find(|one| one["worker"] == "rack").expect("rack").clone();
    assert_eq!((&rack_says["memory_mib"], &rack_says["measure_slots"]), (&300.into(), &6.into()), "{rack_says}");
    assert!(rack_says["machine"].as_str().is_some_and(|said| said.contains("cores")), "{rack_says}");
    let shown = fleet.ask(&ann, &["workers"]).stdout;
    assert!(shown.contains("of 300 MiB memory free") && shown.contains("rack=7"), "{shown}");
    assert_eq!((plain.stop(), rack.stop()), (Some(0), Some(0)));
    fleet.assert_clean();
}

#[test]
fn a_figure_from_other_hardware_waits_first_and_is_then_marked_incomparable() {
    if !ready("a_figure_from_other_hardware") {
        return;
    }
    let mut fleet = Fleet::new();
    fleet.env = vec![("ARENA_PLACEMENT_EQUAL_HARDWARE_S".into(), "8".into())];
    let _coordinator = fleet.coordinator();
    let mut one = fleet.worker("one", None);
    let ann = fleet.token("ann", "submitter", "blue");
    fleet.await_workers(&ann, 1);
    let mut packet = slow(3);
    packet.harness = packet.harness.replace("better = \"lower\"", "better = \"lower\"\ntarget = 2.0");
    packet.budget = "rounds = 2".into();
    let mut run = fleet.submit(&ann, &packet);
    run.await_word("\"phase\":\"engine\"");
    // The worker that measured the base ends; one with cores of its own is of another class.
    let mut other = worker_with(&mut fleet, "other", &[("ARENA_WORKER_MEASURE_CORES", "0")]);
    assert_eq!(one.stop(), Some(0));
    let why = await_why(&fleet, &ann, "/evaluate", "where its base was measured");
    assert_eq!(why["kind"], "kept", "{why}");
    run.await_word("\"event\":\"result\"");
    let said = run.said();
    let result = said.lines().rev().find_map(|line| serde_json::from_str::<Value>(line).ok()).expect("a result");
    let entry = &result["standing"][0];
    assert_eq!((&result["winner"], &entry["incomparable"]), (&"low".into(), &true.into()), "{result}");
    assert_eq!(entry["rounds"], 2, "a target is a figure of the base's machine: {result}");
    assert!(result["reason"].as_str().is_some_and(|reason| reason.contains("another kind of machine")), "{result}");
    assert_eq!(other.stop(), Some(0));
    fleet.assert_clean();
}

#[test]
fn a_run_to_which_nothing_happens_says_what_it_waits_for_once_for_each_reason() {
    let mut fleet = Fleet::new();
    let _coordinator = fleet.coordinator();
    let ann = fleet.token("ann", "submitter", "blue");
    let mut packet = slow(0);
    packet.rest = "[placement]\nlabels = [\"rack=7\"]".into();
    fleet.world.packet(&packet);
    let mut shown = fleet.serve("shown", fleet.person(&ann, &["run", "arena.toml"]));
    shown.await_word("waiting: no worker is attached that serves its tenant; arena why ");
    let mut told = fleet.submit(&ann, &packet);
    told.await_word("\"event\":\"waits\"");
    let event = told.said().lines().find(|line| line.contains("\"waits\"")).map(str::to_owned).expect("the event");
    let event: Value = serde_json::from_str(&event).expect("one document on a line");
    assert_eq!(event["kind"], "placement", "{event}");
    let job = event["job"].as_str().expect("a job");
    assert_eq!(event["mend"], format!("arena why {job}"), "the same answer: {event}");
    // Another look finds the same, and another worker makes it another reason.
    std::thread::sleep(std::time::Duration::from_secs(35));
    assert_eq!(shown.said().matches("waiting: ").count(), 1, "{}", shown.said());
    let mut plain = fleet.worker("plain", None);
    shown.await_word("waiting: no attached worker carries the label rack=7; arena why ");
    assert_eq!(shown.said().matches("waiting: ").count(), 2, "{}", shown.said());
    let sessions = fleet.ask(&ann, &["sessions", "--json"]).document();
    for one in sessions.as_array().expect("a list") {
        assert_eq!(fleet.ask(&ann, &["cancel", one["session"].as_str().expect("an id")]).code, 0);
    }
    assert!(soon(|| shown.said().contains("cancelled")), "{}", shown.said());
    assert_eq!(plain.stop(), Some(0));
    fleet.assert_clean();
}
