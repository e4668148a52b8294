//! Sessions from a plain checkout, run by workers that have never seen the repository.

use std::process::Command;
use support::{Fleet, Packet, Service, Witness, git, ready};

/// Two competitors at a time on workers of one slot each: both are needed.
fn two_workers(fleet: &mut Fleet) -> (Service, [Service; 2], [Witness; 2]) {
    let coordinator = fleet.coordinator();
    fleet.env.push(("ARENA_WORKER_ENGINE_SLOTS".into(), "1".into()));
    let witnesses = ["one", "two"].map(|name| {
        let state = fleet.worker_state(name);
        std::fs::create_dir_all(&state).expect("a folder");
        Witness::watch(&state.canonicalize().expect("a folder"))
    });
    let workers = ["one", "two"].map(|name| fleet.worker(name, None));
    (coordinator, workers, witnesses)
}

fn engines_seen(witness: &Witness) -> usize {
    let seen = witness.seen();
    seen.iter().filter(|one| one.action == "create" && one.job.ends_with("/implement")).count()
}

#[test]
fn a_session_from_a_plain_checkout_runs_on_two_workers() {
    if !ready("a_session_from_a_plain_checkout_runs_on_two_workers") {
        return;
    }
    let mut fleet = Fleet::new();
    let (mut coordinator, mut workers, witnesses) = two_workers(&mut fleet);
    let token = fleet.token("ann", "submitter", "blue");
    fleet.await_workers(&token, 2);
    let low = "sleep 3; sh /arena/files/lower.sh";
    let packet = Packet::lower(&[("low", low), ("mid", "sleep 3; echo mid prints this; echo 7 > value")]);
    std::fs::write(fleet.world.repo.join("../lower.sh"), "echo 2 > value\n").expect("a file");
    fleet.world.packet(&packet);
    // The engine's file travels with the session too.
    let place = fleet.world.repo.join("../arena.toml");
    let text = std::fs::read_to_string(&place).expect("the packet");
    std::fs::write(&place, text.replace("[engine.low]\n", "[engine.low]\nfiles = [\"lower.sh\"]\n")).expect("a packet");
    let output = fleet.ask(&token, &["run", "arena.toml", "--json"]);
    assert_eq!(output.code, 0, "{output:?}");
    let result = output.result();
    assert_eq!(result["winner"], "low", "{result}");
    let branch = output.entry("low")["branch"].as_str().expect("a branch").to_owned();
    assert_eq!(git(&fleet.world.repo, &["show", &format!("{branch}:value")]), "2");
    let engines = witnesses.each_ref().map(engines_seen);
    assert_eq!(engines, [1, 1], "each worker ran one engine");

    let id = result["session"].as_str().expect("an id").to_owned();
    // The commands that look work on a team's session as on one's own.
    for (args, word) in [
        (vec!["report", &id], "low"),
        (vec!["diff", &id, "mid"], "+7"),
        (vec!["logs", &id, "mid"], "mid prints this"),
        (vec!["show", &id], "low"),
        (vec!["watch", &id], "low"),
        (vec!["archive", &id, "archive"], "archive"),
        (vec!["sessions"], "Lower the value"),
    ] {
        let said = fleet.ask(&token, &args);
        assert!(said.code == 0 && format!("{}{}", said.stdout, said.stderr).contains(word), "{args:?}: {said:?}");
    }
    assert!(fleet.world.repo.with_file_name("archive").join("reproduce.sh").exists());
    let adopted = fleet.ask(&token, &["adopt", &id]);
    assert_eq!(adopted.code, 0, "{adopted:?}");
    assert_eq!(git(&fleet.world.repo, &["show", "HEAD:value"]), "2");

    // Somebody else of the team adopts it into a checkout of their own.
    let theirs = fleet.world.repo.with_file_name("theirs");
    git(&fleet.world.repo, &["clone", "-q", ".", theirs.to_str().expect("a path")]);
    git(&theirs, &["reset", "-q", "--hard", result["base"].as_str().expect("a base")]);
    std::fs::rename(&fleet.world.repo, fleet.world.repo.with_file_name("elsewhere")).expect("it moves");
    let viewer = fleet.token("bob", "viewer", "blue");
    let adopted = support::run(fleet.person(&viewer, &["adopt", &id]).current_dir(&theirs));
    assert_eq!(adopted.code, 0, "{adopted:?}");
    assert_eq!(git(&theirs, &["show", "HEAD:value"]), "2");

    let codes = [workers[0].stop(), workers[1].stop(), coordinator.stop()];
    assert_eq!(codes, [Some(0); 3]);
    fleet.assert_clean();
    fleet.world.assert_clean();
}

#[test]
fn a_shallow_clone_is_enough_and_its_history_comes_as_far_as_it_goes() {
    if !ready("a_shallow_clone_is_enough") {
        return;
    }
    let mut fleet = Fleet::new();
    for number in 1..5 {
        fleet.world.commit(&format!("commit {number}"));
    }
    let (whole, shallow) = (fleet.world.repo.clone(), fleet.world.repo.with_file_name("shallow"));
    let url = format!("file://{}", whole.display());
    let cloned = Command::new("git").args(["clone", "-q", "--depth", "3", &url]).arg(&shallow).status().expect("git");
    assert!(cloned.success());
    std::fs::remove_dir_all(&whole).expect("it goes");
    std::fs::rename(&shallow, &whole).expect("the clone is the checkout");
    let (mut coordinator, mut workers, _) = two_workers(&mut fleet);
    let token = fleet.token("ann", "submitter", "blue");
    let count = "git rev-list --count HEAD > seen; echo 3 > value";
    for (history, commits) in [("none", "1"), ("base", "3")] {
        let mut packet = Packet::lower(&[("low", count)]);
        packet.sandbox += &format!("\nhistory = \"{history}\"");
        fleet.world.packet(&packet);
        let output = fleet.ask(&token, &["run", "arena.toml", "--json"]);
        assert_eq!(output.code, 0, "{output:?}");
        let branch = output.entry("low")["branch"].as_str().expect("a branch").to_owned();
        assert_eq!(git(&whole, &["show", &format!("{branch}:seen")]), commits, "{history}");
    }
    let codes = [workers[0].stop(), workers[1].stop(), coordinator.stop()];
    assert_eq!(codes, [Some(0); 3]);
    fleet.assert_clean();
}

#[test]
fn what_an_engine_prints_is_seen_through_any_coordinator_while_it_runs() {
    if !ready("what_an_engine_prints_is_seen") {
        return;
    }
    let mut fleet = Fleet::new();
    let _coordinators = [fleet.coordinator(), fleet.coordinator()];
    let urls = fleet.urls.clone();
    let _worker = fleet.worker("one", None);
    let token = fleet.token("ann", "submitter", "blue");
    fleet.await_workers(&token, 1);
    let mut run = fleet.submit(&token, &Packet::lower(&[("low", "echo word of low; sleep 12; echo 2 > value")]));
    run.await_word("\"event\":\"started\"");
    let id = fleet.ask(&token, &["sessions", "--json"]).document()[0]["session"].as_str().expect("an id").to_owned();
    fleet.urls.truncate(1);
    let near = fleet.watch(&token, &id);
    fleet.urls = vec![urls[1].clone()];
    let mut watchers = [near, fleet.watch(&token, &id)];
    for watcher in &mut watchers {
        watcher.await_word("\"stream\":\"stdout\"");
        assert!(!watcher.said().contains("\"phase\":\"collect\""), "while it runs: {}", watcher.said());
    }
    for mut watcher in watchers {
        watcher.await_word("\"winner\":\"low\"");
        assert!(watcher.said().contains("\"text\":\"word of low"), "{}", watcher.said());
        let seqs: Vec<u64> = watcher.said().lines().filter_map(seq).collect();
        assert!(seqs.is_sorted_by(|one, next| one < next), "in order, each once: {seqs:?}");
    }
    run.await_word("\"winner\":\"low\"");
    assert!(!run.said().contains("\"event\":\"log\""), "whoever did not ask for it is not sent it: {}", run.said());
}

#[test]
fn a_closed_terminal_leaves_the_session_to_the_fleet_and_an_interrupt_ends_it() {
    if !ready("a_closed_terminal_leaves_the_session") {
        return;
    }
    let mut fleet = Fleet::new();
    let _coordinator = fleet.coordinator();
    let mut worker = fleet.worker("one", None);
    let token = fleet.token("ann", "submitter", "blue");
    fleet.await_workers(&token, 1);
    let packet = Packet::lower(&[("low", "sleep 4; echo 2 > value")]);
    let newest = |fleet: &Fleet| {
        let listed = fleet.ask(&token, &["sessions", "--json"]).document();
        listed[0]["session"].as_str().expect("an id").to_owned()
    };
    let mut left = fleet.submit(&token, &packet);
    left.await_word("\"phase\":\"engine\"");
    assert_eq!(left.signalled("HUP"), Some(130), "{}", left.said());
    let id = newest(&fleet);
    let watched = fleet.ask(&token, &["watch", &id, "--json"]);
    assert_eq!((watched.code, &watched.result()["winner"]), (0, &"low".into()), "{watched:?}");
    let branch = watched.entry("low")["branch"].as_str().expect("a branch").to_owned();
    assert_eq!(git(&fleet.world.repo, &["show", &format!("{branch}:value")]), "2", "its branches came with it");

    let mut interrupted = fleet.submit(&token, &Packet::lower(&[("low", "sleep 50")]));
    interrupted.await_word("\"phase\":\"engine\"");
    assert_eq!(interrupted.signalled("INT"), Some(130), "{}", interrupted.said());
    let shown = fleet.ask(&token, &["show", &newest(&fleet), "--json"]).document();
    assert_eq!(shown["status"], "cancelled", "{shown}");
    assert_eq!(fleet.ask(&token, &["queue", "--json"]).document(), serde_json::json!([]));
    assert_eq!(worker.stop(), Some(0));
    fleet.assert_clean();
}

fn seq(line: &str) -> Option<u64> {
    serde_json::from_str::<serde_json::Value>(line).ok()?["seq"].as_u64()
}

#[test]
fn a_worker_of_another_tenant_is_given_nothing_and_other_tenants_see_nothing() {
    if !ready("a_worker_of_another_tenant_is_given_nothing") {
        return;
    }
    let mut fleet = Fleet::new();
    let _coordinator = fleet.coordinator();
    let mut red = fleet.worker("red", Some("red"));
    let (ann, eve) = (fleet.token("ann", "submitter", "blue"), fleet.token("eve", "admin", "red"));
    fleet.await_workers(&eve, 1);
    fleet.await_workers(&ann, 0);
    let mut run = fleet.submit(&ann, &Packet::lower(&[("low", "echo 2 > value")]));
    run.await_word("\"event\":\"started\"");
    let queue = || fleet.ask(&ann, &["queue", "--json"]).document();
    assert!(support::soon(|| queue()[0]["state"] == "queued"), "{}", queue());
    let id = queue()[0]["job"].as_str().expect("a job").split('/').next().expect("an id").to_owned();
    for args in [["show", &id], ["cancel", &id], ["watch", &id], ["report", &id]] {
        let refused = fleet.ask(&eve, &args);
        assert_eq!(refused.code, 5, "{args:?} {refused:?}");
    }
    assert_eq!(fleet.ask(&eve, &["queue", "--json"]).document(), serde_json::json!([]));
    assert_eq!(fleet.ask(&eve, &["sessions", "--json"]).document(), serde_json::json!([]));
    // A free slot of red's never took blue's job; a worker of everybody does.
    assert_eq!(queue()[0]["state"], "queued");
    let _any = fleet.worker("any", None);
    run.await_word("\"winner\":\"low\"");
    assert_eq!(red.stop(), Some(0));
    let audit = support::run(&mut fleet.as_holder("coordinator", &fleet.team(), &["audit", "--json"]));
    assert_eq!(audit.code, 0, "{audit:?}");
    let refused = |action: &str| {
        let events = audit.events();
        events.iter().any(|one| one["who"] == "eve" && one["action"] == action && one["allowed"] == false)
    };
    assert!(refused("get"), "{audit:?}");
    assert!(audit.stderr.contains("unbroken"), "{audit:?}");
}
