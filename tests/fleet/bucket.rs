//! Coordinators that share a Redis and a bucket, and not a file.

use support::{Fleet, KEY, Packet, SECRET, Storage, git, ready, run};

fn on_storage(fleet: &mut Fleet, storage: &Storage) {
    let said = [
        ("ARENA_BLOBS_URL", "s3://team/arena"),
        ("ARENA_BLOBS_ENDPOINT", &storage.endpoint()),
        ("ARENA_BLOBS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
    ];
    fleet.env.extend(said.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn coordinators_without_a_file_in_common_run_a_session_over_a_bucket() {
    let name = "coordinators_without_a_file_in_common_run_a_session_over_a_bucket";
    if !ready(name) {
        return;
    }
    let Some(storage) = Storage::on(name) else { return };
    let (mut fleet, _redis) = Fleet::on_redis();
    on_storage(&mut fleet, &storage);
    let states = ["here", "there"].map(|place| fleet.team().with_file_name(place));
    refuses(&fleet, "there is no such bucket", 2, &[]);
    storage.make_bucket("team", "http");
    refuses(&fleet, "refuses the credentials", 77, &[("AWS_SECRET_ACCESS_KEY", "another")]);
    refuses(&fleet, "in the clear", 2, &[("ARENA_BLOBS_ENDPOINT", "http://storage.example")]);
    refuses(&fleet, "the place of the blobs", 1, &[("ARENA_BLOBS_URL", "file:///proc/blobs")]);

    let mut coordinators = states.each_ref().map(|state| fleet.coordinator_in(state));
    let urls = std::mem::take(&mut fleet.urls);
    // The worker knows one of them, and the person the other.
    fleet.urls = vec![urls[1].clone()];
    let mut worker = fleet.worker("one", None);
    fleet.urls = vec![urls[0].clone()];
    let token = fleet.token("ann", "submitter", "blue");
    fleet.await_workers(&token, 1);
    fleet.world.packet(&Packet::lower(&[("low", "echo low prints this; echo 2 > value")]));
    let output = fleet.ask(&token, &["run", "arena.toml", "--json"]);
    assert_eq!(output.code, 0, "{output:?}");
    let branch = output.entry("low")["branch"].as_str().expect("a branch").to_owned();
    assert_eq!(git(&fleet.world.repo, &["show", &format!("{branch}:value")]), "2");
    let id = output.result()["session"].as_str().expect("an id").to_owned();
    let logs = fleet.ask(&token, &["logs", &id, "low"]);
    assert!(logs.stdout.contains("low prints this"), "{logs:?}");

    for state in &states {
        assert!(!state.join("blobs").exists(), "nothing of it lies at {}", state.display());
    }
    let said: Vec<String> = coordinators.iter().chain([&worker]).map(|one| one.said()).collect();
    assert!(said.iter().all(|said| !said.contains(SECRET)), "{said:?}");
    let codes = [worker.stop(), coordinators[0].stop(), coordinators[1].stop()];
    assert_eq!(codes, [Some(0); 3]);
    fleet.assert_clean();
}

/// A coordinator that cannot keep what engines leave does not start, and says what to mend.
fn refuses(fleet: &Fleet, what: &str, code: i32, env: &[(&str, &str)]) {
    let state = fleet.team().with_file_name("refused");
    let mut command = fleet.as_holder("coordinator", &state, &["coordinator", "--listen", "127.0.0.1:0"]);
    let refused = run(command.envs(env.iter().copied()));
    assert_eq!(refused.code, code, "{refused:?}");
    assert!(refused.stderr.contains(what) && refused.stderr.contains("mend: "), "{refused:?}");
    assert!(!refused.stderr.contains(SECRET), "{refused:?}");
}
