//! What a real Redis does to the store: it is killed, forgets functions, has no memory left, fails over.

use super::*;
use arena_domain::job::State;

#[tokio::test]
async fn a_redis_that_is_killed_comes_back_with_all_that_was_answered() {
    let Some(mut server) = Server::with("redis killed", &["--appendfsync", "always"]) else { return };
    let store = server.store(server.settings(), limits()).await.unwrap();
    let id = with_jobs(&store, vec![job(0, 0, 1, 1), job(0, 0, 2, 1), job(0, 0, 3, 1)]).await;
    let lease = claim(&store, "r1").await;
    let before = kept(&store, &id).await;
    server.kill();
    let down = store.claim(ask("r2"), NOW).await;
    assert!(matches!(&down, Err(error @ StoreError::Unavailable(_)) if error.is_transient()), "{down:?}");
    server.start_again();
    assert_eq!(kept(&store, &id).await, before, "the same handle finds it again");
    assert_eq!(store.renew(vec![lease.clone()], NOW).await.unwrap(), []);
    let second = claim(&store, "r2").await;
    assert!(second.1.as_str().starts_with("2."), "another generation: {}", second.1);
    let settle = Transition { settle: Some(lease), ..transition(&id, 1) };
    assert_eq!(store.commit(settle).await.unwrap(), Committed::Done { stop: Vec::new() });
    assert_eq!(store.sweep().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn after_a_restart_every_lease_is_whole_again() {
    let Some(mut server) = Server::start("whole leases") else { return };
    let store = Store::connect(server.settings(), limits()).await.unwrap();
    with_jobs(&store, vec![job(0, 0, 1, 1)]).await;
    let expires = async || {
        let place = store.claim(ask("r1"), NOW).await.unwrap().unwrap();
        let State::Leased { expires, .. } = place.state else { panic!("{place:?}") };
        expires
    };
    let before = expires().await;
    assert_eq!(expires().await, before, "asking again is no renewal");
    // The write is on the disk within a second.
    until(async || server.says(&["INFO", "persistence"]).contains("aof_pending_bio_fsync:0")).await;
    server.kill();
    server.start_again();
    assert!(expires().await > before, "a renewal may have been lost with the server's last second");
}

#[tokio::test]
async fn after_a_restart_leases_are_whole_by_the_longest_of_all_coordinators() {
    let Some(mut server) = Server::start("mixed terms") else { return };
    let of = |lease| Terms { lease: Duration::from_secs(lease), margin: Duration::from_secs(5) };
    let connect =
        async |lease| Store::connect(server.settings(), Limits { terms: of(lease), ..limits() }).await.unwrap();
    let (long, short) = (connect(500).await, connect(20).await);
    with_jobs(&long, vec![job(0, 0, 1, 1), job(0, 0, 2, 1)]).await;
    let expires = async |store: &Store, request: &str| {
        let place = store.claim(ask(request), NOW).await.unwrap().unwrap();
        let State::Leased { since, expires, .. } = place.state else { panic!("{place:?}") };
        expires - since
    };
    assert_eq!([expires(&long, "r1").await, expires(&short, "r2").await], [500_000, 20_000], "each gives its own");
    until(async || server.says(&["INFO", "persistence"]).contains("aof_pending_bio_fsync:0")).await;
    server.kill();
    server.start_again();
    // Whoever comes first: it does not know by whom a lease was renewed last.
    for request in ["r1", "r2"] {
        let left = expires(&short, request).await;
        assert!(left >= 500_000, "{request}: {left} ms");
    }
    // Another one that comes back to the same server changes nothing.
    let before = expires(&short, "r2").await;
    expires(&long, "r1").await;
    assert_eq!(expires(&short, "r2").await, before);
}

#[tokio::test]
async fn a_redis_that_forgets_the_functions_is_given_them_again() {
    let Some(server) = Server::start("function flush") else { return };
    let store = server.store(server.settings(), limits()).await.unwrap();
    let id = with_jobs(&store, vec![job(0, 0, 1, 1)]).await;
    for turn in 0..3 {
        assert_eq!(server.says(&["FUNCTION", "FLUSH"]), "OK");
        claim(&store, "r1").await;
        assert_eq!(server.says(&["FUNCTION", "FLUSH"]), "OK");
        let told = Transition { feed: vec![told("more")], ..transition(&id, turn + 1) };
        assert_eq!(store.commit(told).await.unwrap(), Committed::Done { stop: Vec::new() });
    }
}

#[tokio::test]
async fn without_memory_nothing_new_begins_and_what_runs_can_end() {
    let Some(server) = Server::start("out of memory") else { return };
    let store = server.store(server.settings(), limits()).await.unwrap();
    let id = with_jobs(&store, vec![job(0, 0, 1, 1), job(0, 0, 2, 1)]).await;
    let lease = claim(&store, "r1").await;
    assert_eq!(server.says(&["CONFIG", "SET", "maxmemory", "1"]), "OK");
    let refused = store.claim(ask("r2"), NOW).await.unwrap_err();
    assert!(refused.is_transient() && refused.to_string().contains("raise its maxmemory"), "{refused}");
    let more = Transition { enqueue: vec![job(0, 0, 4, 1)], ..transition(&id, 1) };
    assert!(matches!(store.commit(more).await, Err(StoreError::Unavailable(_))));
    // Also by a coordinator that comes only now.
    let other = server.store(server.settings(), limits()).await.unwrap();
    assert_eq!(other.record(&id).await.unwrap().version, 1);
    assert_eq!(other.kept(crate::store::Shelf::Drains, "w").await.unwrap(), None);
    assert_eq!(other.renew(vec![lease.clone()], NOW).await.unwrap(), []);
    let settle = Transition { settle: Some(lease), ..transition(&id, 1) };
    assert_eq!(other.commit(settle).await.unwrap(), Committed::Done { stop: Vec::new() });
    assert_eq!(server.says(&["CONFIG", "SET", "maxmemory", "0"]), "OK");
    assert_eq!(claim(&store, "r2").await.0, job(0, 0, 2, 1).id);
}

/// A file system of four megabytes.
struct Disk(TempDir);

impl Disk {
    fn new(test: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=4m", "arena-test"]).arg(folder.path());
        let mounted = mount.stderr(std::process::Stdio::null()).status().is_ok_and(|status| status.success());
        if !mounted {
            server::skip(test, "a file system cannot be mounted here");
        }
        mounted.then_some(Self(folder))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn with_a_full_disk_writes_are_refused_until_there_is_room() {
    let Some(disk) = Disk::new("redis disk full") else { return };
    let folder = disk.0.path().display().to_string();
    let Some(server) = Server::with("redis disk full", &["--appendfsync", "everysec", "--dir", &folder]) else {
        return;
    };
    let store = server.store(server.settings(), limits()).await.unwrap();
    let id = with_jobs(&store, vec![job(0, 0, 1, 1)]).await;
    let lease = claim(&store, "r1").await;
    let filler = disk.0.path().join("filler");
    assert!(std::fs::write(&filler, vec![0; 8 << 20]).is_err(), "the disk is full");
    let mut version = 1;
    let refused = loop {
        match store.commit(transition(&id, version)).await {
            Ok(committed) => assert_eq!(committed, Committed::Done { stop: Vec::new() }),
            Err(error) => break error,
        }
        version += 1;
    };
    assert!(refused.is_transient() && refused.to_string().contains("make room there"), "{refused}");
    assert_eq!(store.record(&id).await.unwrap().version, version, "what was refused has not happened");
    std::fs::remove_file(&filler).unwrap();
    let settle = || Transition { settle: Some(lease.clone()), ..transition(&id, version) };
    until(async || store.commit(settle()).await.is_ok()).await;
    assert_eq!(store.commit(settle()).await.unwrap(), Committed::Repeated);
}

#[tokio::test]
async fn nine_thousand_jobs_that_come_due_at_once_are_all_run() {
    let Some(server) = Server::start("due at once") else { return };
    let store = server.store(server.settings(), roomy()).await.unwrap();
    const ALL: u32 = 9_000;
    let id = with_jobs(&store, (0..ALL).map(numbered).collect()).await;
    for number in 0..ALL {
        let (job, fence) = claim(&store, &format!("a{number}")).await;
        store.give_back(job, fence, NOW + 1_000, NOW).await.unwrap();
    }
    assert_eq!(store.claim(ask("early"), NOW + 999).await.unwrap(), None);
    let mut run = BTreeSet::new();
    for number in 0..ALL {
        let place = store.claim(ask(&format!("b{number}")), NOW + 1_000).await.unwrap().unwrap();
        run.insert(place.job.id);
    }
    assert_eq!(run.len(), ALL as usize);
    assert_eq!(store.claim(ask("late"), NOW + 1_000).await.unwrap(), None);
    assert_eq!(store.jobs(&id).await.unwrap().len(), ALL as usize);
}

#[tokio::test]
async fn a_clock_that_jumps_takes_leases_in_parts() {
    let Some(server) = Server::start("clock jump") else { return };
    let store = server.store(server.settings(), roomy()).await.unwrap();
    with_jobs(&store, (0..250).map(numbered).collect()).await;
    for number in 0..250 {
        claim(&store, &format!("r{number}")).await;
    }
    let mut taken = Vec::new();
    for _ in 0..4 {
        taken.push(store.expire(NOW + 1_000_000).await.unwrap().len());
    }
    assert_eq!(taken, [100, 100, 50, 0]);
}

#[tokio::test]
async fn a_server_that_would_lose_writes_is_refused_with_the_line_that_mends_it() {
    let Some(server) = Server::start("profile") else { return };
    for (name, value, mend) in [
        ("maxmemory-policy", "allkeys-lru", "set `maxmemory-policy noeviction`"),
        ("appendonly", "no", "set `appendonly yes`"),
    ] {
        server.says(&["CONFIG", "SET", name, value]);
        let refused = Store::connect(server.settings(), limits()).await.map(drop).unwrap_err();
        assert!(matches!(refused, StoreError::Unfit(..)) && refused.to_string().contains(mend), "{refused}");
        server.says(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
        server.says(&["CONFIG", "SET", "appendonly", "yes"]);
    }
    let replicas = Replicas { count: 1, timeout: Duration::from_millis(200) };
    let alone = RedisSettings { replicas, ..server.settings() };
    let refused = Store::connect(alone, limits()).await.map(drop).unwrap_err();
    assert!(refused.to_string().contains("1 replicas are asked for and redis has 0"), "{refused}");
    let nowhere = RedisSettings::server("unix:///nowhere/redis.sock");
    let refused = Store::connect(nowhere, limits()).await.map(drop).unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    drop(Store::connect(server.settings(), limits()).await.unwrap());
    server.says(&["HDEL", "arena:{c0}:cell", "layout"]);
    let refused = Store::connect(server.settings(), limits()).await.map(drop).unwrap_err();
    let older = "the cell is laid out by another version of Arena (1, not 4)";
    assert!(matches!(&refused, StoreError::Unfit(what, mend) if what == older && mend.contains("name another `cell`")));
    let odd = RedisSettings { cell: "a b".into(), ..server.settings() };
    assert!(matches!(Store::connect(odd, limits()).await.map(drop), Err(StoreError::Unfit(..))));
}

#[tokio::test]
async fn the_server_has_a_clock_of_its_own() {
    let Some(server) = Server::start("own clock") else { return };
    let store = Store::connect(server.settings(), limits()).await.unwrap();
    with_jobs(&store, vec![job(0, 0, 1, 1)]).await;
    // What the caller says of the time does not count.
    let place = store.claim(ask("r1"), 5).await.unwrap().unwrap();
    let here = arena_runtime::clock::now_millis();
    let State::Leased { since, expires, .. } = place.state else { panic!("{place:?}") };
    assert!(since.abs_diff(here) < 60_000, "{since} and {here}");
    assert_eq!(expires - since, TERMS.lease_millis());
    assert_eq!(store.expire(u64::MAX / 2).await.unwrap(), []);
}
