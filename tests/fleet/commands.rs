//! What those who run a fleet ask it: who is there, what waits and for what, who may do what.

use serde_json::Value;
use support::{Fleet, Packet, Service, ready, run, soon};

/// Engines that take their time.
fn slow(seconds: u32) -> Packet {
    Packet::lower(&[("low", &format!("sleep {seconds}; echo 2 > value"))])
}

/// The only job that is in this state.
fn job(fleet: &Fleet, token: &str, state: &str, kind: &str) -> Option<Value> {
    let queue = fleet.ask(token, &["queue", "--json"]).document();
    let is_it = |one: &&Value| one["state"] == state && one["job"].as_str().is_some_and(|id| id.ends_with(kind));
    queue.as_array()?.iter().find(is_it).cloned()
}

fn await_job(fleet: &Fleet, token: &str, state: &str, kind: &str) -> Value {
    let mut found = None;
    soon(|| {
        found = job(fleet, token, state, kind);
        found.is_some()
    });
    found.unwrap_or_else(|| panic!("no {kind} is {state}: {:?}", fleet.ask(token, &["queue"])))
}

/// One coordinator whose fleet runs one job at a time, one worker with room for more.
fn narrow(fleet: &mut Fleet) -> [Service; 2] {
    fleet.env = vec![("ARENA_LIMITS_FLEET".into(), "1".into())];
    let coordinator = fleet.coordinator();
    let worker = fleet.worker("one", None);
    [coordinator, worker]
}

#[test]
fn a_waiting_job_says_which_limit_who_holds_the_slot_and_what_would_free_it() {
    if !ready("a_waiting_job_says_which_limit") {
        return;
    }
    let mut fleet = Fleet::new();
    let _services = narrow(&mut fleet);
    let (ann, eve) = (fleet.token("ann", "submitter", "blue"), fleet.token("eve", "submitter", "red"));
    fleet.await_workers(&ann, 1);
    let first = fleet.submit(&ann, &slow(15));
    let held = await_job(&fleet, &ann, "leased", "/implement");
    let second = fleet.submit(&eve, &slow(0));
    let waits = await_job(&fleet, &eve, "queued", "/evaluate");
    let runs = |token: &str| fleet.ask(token, &["workers", "--json"]).document()[0]["running"].clone();
    assert!(
        soon(|| runs(&ann) == serde_json::json!([held["job"]])),
        "one's own job on a shared worker: {}",
        runs(&ann)
    );
    assert_eq!(runs(&eve), serde_json::json!(["a job"]), "and not another tenant's");
    let why = fleet.ask(&eve, &["why", waits["job"].as_str().expect("a job"), "--json"]).document();
    assert_eq!(why["kind"], "limit", "{why}");
    assert_eq!(why["holders"], serde_json::json!(["a job of another tenant"]), "{why}");
    assert!(why["frees"].as_str().is_some_and(|frees| frees.contains("`fleet` under [limits]")), "{why}");
    assert_eq!(why["line"]["held_by_others"], 1, "{why}");
    assert_eq!(why["line"]["tenant"]["name"], "red", "nothing of the other tenant is told: {why}");
    assert_eq!(why["line"]["ahead_of_other_tenants"], 0, "whoever runs nothing goes first: {why}");
    // Whoever may see both is told which job it is, and where it runs.
    let own = run(&mut fleet.as_holder(
        "coordinator",
        &fleet.team(),
        &["why", waits["job"].as_str().expect("a job"), "--json"],
    ));
    let holder = own.document()["holders"][0].as_str().expect("a holder").to_owned();
    assert!(holder.starts_with(held["job"].as_str().expect("a job")) && holder.contains(" on one/"), "{holder}");
    for mut one in [first, second] {
        one.await_word("\"winner\":\"low\"");
    }
    assert_eq!(fleet.ask(&ann, &["queue", "--json"]).document(), serde_json::json!([]));
}

#[test]
fn a_tenant_at_its_limit_waits_and_holds_up_nobody_else() {
    if !ready("a_tenant_at_its_limit_waits") {
        return;
    }
    let mut fleet = Fleet::new();
    fleet.env = vec![("ARENA_LIMITS_TENANT".into(), "1".into())];
    let _coordinator = fleet.coordinator();
    let _worker = fleet.worker("one", None);
    let (ann, eve) = (fleet.token("ann", "submitter", "blue"), fleet.token("eve", "submitter", "red"));
    fleet.await_workers(&ann, 1);
    let mut first = fleet.submit(&ann, &slow(15));
    await_job(&fleet, &ann, "leased", "/implement");
    let mut second = fleet.submit(&ann, &slow(0));
    let waits = await_job(&fleet, &ann, "queued", "/evaluate");
    assert!(waits["why"].as_str().is_some_and(|why| why.contains("the tenant limit of blue")), "{waits}");
    let mut others = fleet.submit(&eve, &slow(0));
    others.await_word("\"winner\":\"low\"");
    assert!(!second.said().contains("\"phase\":\"engine\""), "blue's slot is still taken: {}", second.said());
    first.await_word("\"winner\":\"low\"");
    second.await_word("\"winner\":\"low\"");
}

#[test]
fn a_worker_that_is_drained_ends_what_it_runs_and_then_itself() {
    if !ready("a_worker_that_is_drained") {
        return;
    }
    let mut fleet = Fleet::new();
    let _coordinator = fleet.coordinator();
    let mut one = fleet.worker("one", None);
    let (ann, op) = (fleet.token("ann", "submitter", "blue"), fleet.token("op", "operator", "blue"));
    fleet.await_workers(&ann, 1);
    let mut run_of_ann = fleet.submit(&ann, &slow(5));
    await_job(&fleet, &ann, "leased", "/implement");
    assert_eq!(fleet.ask(&ann, &["drain", "one"]).code, 77, "a submitter drains nobody");
    let beyond = fleet.ask(&op, &["drain", "one"]);
    assert_eq!(beyond.code, 77, "nor one tenant's operator what serves all");
    assert!(beyond.stderr.contains("mend: ") && beyond.stderr.contains("--role operator --every-tenant"), "{beyond:?}");
    let drain = |args: &[&str]| run(&mut fleet.as_holder("coordinator", &fleet.team(), &[&["drain"], args].concat()));
    let would = drain(&["one", "--dry-run", "--json"]).document();
    assert_eq!((&would[0]["worker"], &would[0]["dry_run"]), (&"one".into(), &true.into()), "{would}");
    assert_eq!(drain(&["nobody", "--dry-run"]).code, 5);
    for token in [&ann, &op] {
        let (tried, done) = (fleet.ask(token, &["drain", "one", "--dry-run"]), fleet.ask(token, &["drain", "one"]));
        assert_eq!((tried.code, &tried.stderr), (77, &done.stderr), "{tried:?}");
    }
    assert_eq!(fleet.ask(&ann, &["workers", "--json"]).document()[0]["draining"], false, "it goes on");
    let all = drain(&["one", "--json"]);
    assert_eq!(all.code, 0, "{all:?}");
    let none = run(&mut fleet.as_holder("coordinator", &fleet.team(), &["drain", "nobody"]));
    assert_eq!(none.code, 5, "{none:?}");
    assert!(soon(|| fleet.ask(&ann, &["workers", "--json"]).document()[0]["draining"] == true), "it is listed so");
    assert_eq!(one.running.child.wait().expect("its end").code(), Some(0), "{}", one.said());
    let held = await_job(&fleet, &ann, "queued", "/evaluate");
    assert!(held["job"].as_str().is_some_and(|id| id.contains("/low/")), "the engine's end was heard: {held}");
    fleet.await_workers(&ann, 0);
    // The next boot of the same name is not drained.
    let mut again = fleet.worker_again("one");
    run_of_ann.await_word("\"winner\":\"low\"");
    assert_eq!(again.stop(), Some(0));
    fleet.assert_clean();
}

#[test]
fn a_job_that_ends_its_workers_is_held_among_the_dead_and_lives_again_when_it_is_requeued() {
    if !ready("a_job_that_ends_its_workers") {
        return;
    }
    let mut fleet = Fleet::new();
    fleet.env = vec![("ARENA_COORDINATOR_HOLD_DEAD_S".into(), "3600".into())];
    let _coordinator = fleet.coordinator();
    let (ann, eve) = (fleet.token("ann", "submitter", "blue"), fleet.token("eve", "submitter", "red"));
    let vic = fleet.token("vic", "viewer", "blue");
    let mut packet = slow(0);
    packet.gates = packet.gates.replace("run = \"", "run = \"sleep 60; ");
    packet.gates = packet.gates.replace("30s", "90s");
    let mut worker = fleet.worker("one", None);
    fleet.await_workers(&ann, 1);
    let mut run_of_ann = fleet.submit(&ann, &packet);
    let dead = |fleet: &Fleet, token: &str| fleet.ask(token, &["dead", "--json"]).document();
    let mut kills = 0;
    while soon(|| job(&fleet, &ann, "leased", "/evaluate").is_some() || dead(&fleet, &ann) != serde_json::json!([])) {
        if dead(&fleet, &ann) != serde_json::json!([]) {
            break;
        }
        worker.kill();
        kills += 1;
        assert!(kills < 30, "{}", run_of_ann.said());
        let killed = job(&fleet, &ann, "leased", "/evaluate").map(|one| one["attempt"].clone());
        worker = fleet.worker_again("one");
        // The next boot says at once that the one before it is dead.
        soon(|| job(&fleet, &ann, "leased", "/evaluate").map(|one| one["attempt"].clone()) != killed);
    }
    let listed = dead(&fleet, &ann);
    assert_eq!((listed.as_array().map(Vec::len), &listed[0]["held"]), (Some(1), &true.into()), "{listed}");
    assert_eq!(listed[0]["tenant"], "blue");
    let reason = format!("{kills} workers were killed, or died, while they ran it");
    assert!(listed[0]["reason"].as_str().is_some_and(|said| said.contains(&reason)), "{listed}");
    let id = listed[0]["job"].as_str().expect("a job");
    assert_eq!(dead(&fleet, &eve), serde_json::json!([]));
    assert_eq!(fleet.ask(&eve, &["dead", "--requeue", id]).code, 5, "another tenant's is not there");
    assert_eq!(fleet.ask(&vic, &["dead", "--requeue", id]).code, 77, "a viewer looks");
    assert_eq!(fleet.ask(&ann, &["dead", "--requeue"]).code, 2, "none is named");
    let would = fleet.ask(&ann, &["dead", "--requeue", "--all", "--dry-run", "--json"]).document();
    assert_eq!((&would[0]["job"], &would[0]["dry_run"]), (&id.into(), &true.into()), "{would}");
    assert_eq!(fleet.ask(&ann, &["dead", "--requeue", "no-such", "--dry-run"]).code, 5);
    assert_eq!(fleet.ask(&eve, &["dead", "--requeue", id, "--dry-run"]).code, 5);
    for named in [id, "--all"] {
        assert_eq!(fleet.ask(&vic, &["dead", "--requeue", named, "--dry-run"]).code, 77, "{named}");
    }
    let again = fleet.ask(&ann, &["dead", "--requeue", "--all", "--json"]);
    assert_eq!((again.code, &again.document()[0]["requeued"]), (0, &true.into()), "{again:?}");
    assert_eq!(dead(&fleet, &ann), serde_json::json!([]));
    await_job(&fleet, &ann, "leased", "/evaluate");
    for more in [&["--dry-run"][..], &[]] {
        let late = fleet.ask(&ann, &[&["dead", "--requeue", id, "--json"], more].concat());
        assert!(late.code == 1 && late.stdout.contains("it is not dead"), "{late:?}");
    }
    assert_eq!(fleet.ask(&ann, &["cancel", id.split('/').next().expect("a session")]).code, 0);
    run_of_ann.await_word("\"ended\"");
    assert_eq!(worker.stop(), Some(0));
    fleet.assert_clean();
}

#[test]
fn a_token_opens_what_its_role_says_until_it_is_revoked() {
    let mut fleet = Fleet::new();
    let _coordinator = fleet.coordinator();
    let viewer = fleet.token("vic", "viewer", "blue");
    let admin = fleet.token("ada", "admin", "blue");
    fleet.world.packet(&slow(0));
    let refused = fleet.ask(&viewer, &["run", "arena.toml", "--json"]);
    assert_eq!(refused.code, 77, "{refused:?}");
    assert_eq!(fleet.ask(&viewer, &["sessions", "--json"]).document(), serde_json::json!([]));
    assert_eq!(fleet.ask("arena_0123456789ab_0", &["sessions"]).code, 77, "a forged one");
    assert_eq!(fleet.ask(&viewer, &["tokens", "list"]).code, 77);
    let beyond = fleet.ask(&admin, &["tokens", "create", "eve", "--tenant", "red"]);
    assert_eq!(beyond.code, 77, "an admin of one tenant makes none for another: {beyond:?}");
    let listed = fleet.ask(&admin, &["tokens", "list", "--json"]).document();
    let vic = listed.as_array().expect("a list").iter().find(|one| one["name"] == "vic").expect("vic").clone();
    assert_eq!(vic["role"], "viewer");
    let would = fleet.ask(&admin, &["tokens", "create", "bob", "--tenant", "blue", "--dry-run", "--json"]).document();
    assert_eq!((&would["name"], &would["dry_run"]), (&"bob".into(), &true.into()), "{would}");
    assert_eq!(
        fleet.ask(&admin, &["tokens", "create", "bob", "--role", "king", "--tenant", "blue", "--dry-run"]).code,
        2
    );
    for more in [&[][..], &["--dry-run"]] {
        let all = fleet.ask(&admin, &[&["tokens", "create", "bob", "--tenant", "*"], more].concat());
        assert!(all.code == 2 && all.stderr.contains("`--every-tenant` instead of `--tenant`"), "{all:?}");
    }
    let would = fleet.ask(&admin, &["tokens", "revoke", vic["id"].as_str().expect("an id"), "--dry-run"]);
    assert_eq!(would.code, 0, "{would:?}");
    assert_eq!(fleet.ask(&viewer, &["sessions"]).code, 0, "nothing was changed");
    assert_eq!(fleet.ask(&admin, &["tokens", "list", "--json"]).document(), listed, "nothing was made");
    let revoked = fleet.ask(&admin, &["tokens", "revoke", vic["id"].as_str().expect("an id")]);
    assert_eq!(revoked.code, 0, "{revoked:?}");
    let after = fleet.ask(&viewer, &["sessions"]);
    assert_eq!(after.code, 77, "{after:?}");
    assert!(after.stderr.contains("revoked") && after.stderr.contains("arena tokens create"), "{after:?}");
}

#[test]
fn what_cannot_be_a_service_says_what_is_wrong_and_how_to_mend_it() {
    let mut fleet = Fleet::new();
    fleet.certs(&["issue", "worker", "one"]);
    let state = fleet.worker_state("one");
    let rows: [(&str, &[&str], &str); 4] = [
        ("one", &["coordinator", "--listen", "127.0.0.1:0"], "arena certs issue coordinator NAME"),
        ("coordinator", &["worker", "--coordinator", "https://127.0.0.1:1"], "arena certs issue worker NAME"),
        ("one", &["worker"], "coordinators` under [worker]"),
        ("nobody", &["coordinator"], "arena certs issue"),
    ];
    for (holder, args, mend) in rows {
        let refused = run(&mut fleet.as_holder(holder, &state, args));
        assert!(refused.code == 2 && refused.stderr.contains(mend), "{holder} {args:?}: {refused:?}");
    }
    // A team's directory is no place for sessions of one machine, nor the other way round.
    let _coordinator = fleet.coordinator();
    fleet.world.packet(&slow(0));
    let inside = run(&mut fleet.as_holder("one", &fleet.team(), &["run", "arena.toml"]));
    assert!(inside.code == 2 && inside.stderr.contains("is a team's"), "{inside:?}");
    let unreachable = fleet.world.command(&["sessions", "--coordinator", "https://127.0.0.1:1"]);
    let mut unreachable = unreachable;
    unreachable.env("ARENA_TLS_CA", fleet.certs_dir().join("ca.pem"));
    assert_eq!(run(&mut unreachable).code, 69);
}

#[test]
fn whoever_only_makes_a_token_or_looks_leaves_the_limits_of_the_fleet_as_they_are() {
    if !ready("whoever_only_makes_a_token_or_looks_leaves_the_limits") {
        return;
    }
    let (mut fleet, redis) = Fleet::on_redis();
    let before = fleet.env.clone();
    fleet.env.push(("ARENA_LIMITS_FLEET".into(), "7".into()));
    let _coordinator = fleet.coordinator();
    let limit = || redis.says(&["HGET", "arena:{c0}:limits", "fleet"]);
    assert_eq!(limit(), "7");
    // On the coordinator's machine, without its configuration.
    fleet.env = before;
    fleet.token("ann", "submitter", "blue");
    let audit = run(&mut fleet.as_holder("coordinator", &fleet.team(), &["audit"]));
    assert_eq!((audit.code, limit().as_str()), (0, "7"), "{audit:?}");
}

#[test]
fn a_certificate_that_is_not_there_or_not_for_this_is_said_with_what_mends_it() {
    let mut fleet = Fleet::reached_as(&["arena.example".to_owned(), "127.0.0.1".to_owned()]);
    let _coordinator = fleet.coordinator();
    let token = fleet.token("ann", "submitter", "blue");
    let refused = |command: &mut std::process::Command, code: i32, words: &[&str]| {
        let output = run(command);
        assert_eq!(output.code, code, "{output:?}");
        let mend = output.stderr.split("mend: ").nth(1).unwrap_or_else(|| panic!("{output:?}"));
        words.iter().for_each(|word| assert!(mend.contains(word), "no '{word}': {output:?}"));
    };
    let certs = |args: &[&str]| {
        let mut command = std::process::Command::new(support::binary());
        command.arg("certs").args(args);
        command
    };
    let nowhere = fleet.certs_dir().with_file_name("nowhere").display().to_string();
    let init = format!("arena certs init --dir {nowhere}");
    refused(&mut certs(&["issue", "worker", "w1", "--dir", &nowhere]), 2, &[&init]);
    let own = fleet.certs_dir().display().to_string();
    let client = ["issue", "client", "ann", "--tenant", "blue", "--dir", &own];
    refused(&mut certs(&client), 2, &["arena tokens create NAME --tenant TENANT"]);
    assert!(!fleet.certs_dir().join("ann.pem").exists(), "none was made");
    // A person of a team has no authority, and shall make none.
    let mut without = fleet.person(&token, &["sessions"]);
    refused(without.env_remove("ARENA_TLS_CA"), 2, &["ask whoever runs the fleet for `ca.pem`", "ARENA_TLS_CA"]);
    let unnamed = fleet.urls[0].replace("127.0.0.1", "localhost");
    let mut elsewhere = fleet.person(&token, &["sessions"]);
    refused(elsewhere.env("ARENA_COORDINATOR", unnamed), 69, &["arena certs issue coordinator NAME --host HOST"]);
    // No storage answers there, and nobody has a key for it.
    let blobs = [("ARENA_BLOBS_URL", "s3://team/arena"), ("ARENA_BLOBS_ENDPOINT", "http://127.0.0.1:1")];
    let state = fleet.team().with_file_name("keyless");
    let mut keyless = fleet.as_holder("coordinator", &state, &["coordinator", "--listen", "127.0.0.1:0"]);
    keyless.envs(blobs).env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    keyless.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "");
    refused(&mut keyless, 75, &["`credentials` under [blobs]", "AWS_SECRET_ACCESS_KEY"]);
}
