//! What a real Redis does to the store: it is killed, forgets scripts, has no memory left, fails over.

use super::*;
use arena_domain::job::State;

/// Until it holds, for at most a minute.
async fn until(mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..600 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it did not come to hold within a minute");
}

fn roomy() -> Limits {
    Limits { fleet: 100_000, ..Limits::default() }
}

fn numbered(number: u32) -> Job {
    Job { id: JobId::new(format!("t0-s0/n{number}/1/implement")), session_limit: 100_000, ..job(0, 0, 1, 7) }
}

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
async fn a_redis_that_forgets_the_scripts_is_given_them_again() {
    let Some(server) = Server::start("script flush") else { return };
    let store = server.store(server.settings(), limits()).await.unwrap();
    let id = with_jobs(&store, vec![job(0, 0, 1, 1)]).await;
    for turn in 0..3 {
        assert_eq!(server.says(&["SCRIPT", "FLUSH"]), "OK");
        claim(&store, "r1").await;
        assert_eq!(server.says(&["SCRIPT", "FLUSH"]), "OK");
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
    assert_eq!(store.renew(vec![lease.clone()], NOW).await.unwrap(), []);
    let settle = Transition { settle: Some(lease), ..transition(&id, 1) };
    assert_eq!(store.commit(settle).await.unwrap(), Committed::Done { stop: Vec::new() });
    assert_eq!(server.says(&["CONFIG", "SET", "maxmemory", "0"]), "OK");
    assert_eq!(claim(&store, "r2").await.0, job(0, 0, 2, 1).id);
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
async fn what_was_damaged_by_hand_is_mended_and_said() {
    let Some(server) = Server::start("sweep") else { return };
    let store = server.store(server.settings(), limits()).await.unwrap();
    with_jobs(&store, vec![job(0, 0, 1, 1), job(0, 0, 2, 1), job(0, 0, 3, 1)]).await;
    let (held, _) = claim(&store, "r1").await;
    assert_eq!(store.sweep().await.unwrap(), Vec::<String>::new());
    server.says(&["SREM", "arena:{c0}:in", held.as_str()]);
    server.says(&["ZREM", "arena:{c0}:lease", held.as_str()]);
    server.says(&["DEL", "arena:{c0}:q:t0-s0:%3de1"]);
    server.says(&["ZADD", "arena:{c0}:lease", "1", "ghost"]);
    let mended = store.sweep().await.unwrap().join("\n");
    for part in ["was not in what runs", "was not in the leases", "was not in the line", "ghost: was in"] {
        assert!(mended.contains(part), "{part}: {mended}");
    }
    assert_eq!(store.sweep().await.unwrap(), Vec::<String>::new(), "once is enough");
    claim(&store, "r2").await;
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
    assert_eq!(expires - since, LEASE.as_millis() as Millis);
    assert_eq!(store.expire(u64::MAX / 2).await.unwrap(), []);
}

/// A primary, a replica and a sentinel that promotes it when the primary was not heard of for a second.
struct Fleet {
    primary: Server,
    replica: Server,
    settings: RedisSettings,
    _sentinel: Sentinel,
}

struct Sentinel(std::process::Child, #[expect(dead_code, reason = "kept until the process has ended")] TempDir);

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Fleet {
    async fn start() -> Self {
        let (primary, port) = Server::on_port(&["--min-replicas-to-write", "1", "--repl-diskless-sync-delay", "0"]);
        let of = port.to_string();
        let (replica, _) = Server::on_port(&["--replicaof", "127.0.0.1", &of, "--min-replicas-to-write", "0"]);
        until(async || replica.says(&["INFO", "replication"]).contains("master_link_status:up")).await;
        let (folder, listens) = (tempfile::tempdir().unwrap(), server::free_port());
        let config = folder.path().join("sentinel.conf");
        let text = format!(
            "port {listens}\nbind 127.0.0.1\ndir {}\nsentinel monitor cell 127.0.0.1 {port} 1\n\
             sentinel down-after-milliseconds cell 1000\nsentinel failover-timeout cell 5000\n",
            folder.path().display()
        );
        std::fs::write(&config, text).unwrap();
        let mut command = std::process::Command::new("redis-server");
        command.arg(&config).arg("--sentinel").stdout(std::process::Stdio::null());
        let sentinel = Sentinel(command.spawn().unwrap(), folder);
        let settings = RedisSettings {
            nodes: Nodes::Sentinel { master: "cell".into(), sentinels: vec![format!("127.0.0.1:{listens}")] },
            replicas: Replicas { count: 1, timeout: Duration::from_millis(500) },
            timeout: Duration::from_secs(2),
            ..RedisSettings::server("")
        };
        let client = ::redis::Client::open(format!("redis://127.0.0.1:{listens}")).unwrap();
        // It has to know of the replica before the primary is lost.
        until(async || {
            let Ok(mut open) = client.get_connection() else { return false };
            let mut ask = ::redis::cmd("SENTINEL");
            let replicas: Result<Vec<::redis::Value>, _> = ask.arg("replicas").arg("cell").query(&mut open);
            replicas.is_ok_and(|found| !found.is_empty())
        })
        .await;
        Self { primary, replica, settings, _sentinel: sentinel }
    }
}

#[tokio::test]
async fn no_answered_write_is_lost_when_the_primary_is() {
    if !Server::there("failover") {
        return;
    }
    let mut fleet = Fleet::start().await;
    let store = fleet.primary.store(fleet.settings.clone(), roomy()).await.unwrap();
    assert_eq!(store.durability(), Durability::Replicated { replicas: 1 });
    let id = session(0, 0);
    create(&store, id.as_str()).await.unwrap();
    let mut leases = Vec::new();
    for number in 0..200 {
        let more = Transition { enqueue: vec![numbered(number)], ..transition(&id, u64::from(number)) };
        store.commit(more).await.unwrap();
        leases.push(claim(&store, &format!("r{number}")).await);
    }
    fleet.primary.kill();
    until(async || fleet.replica.says(&["ROLE"]).contains("master")).await;
    // The replica has none of its own: what is asked to reach one is not answered as if it had.
    let refused = store.commit(transition(&id, 200)).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    let alone = RedisSettings { replicas: Replicas { count: 0, ..fleet.settings.replicas }, ..fleet.settings.clone() };
    until(async || fleet.primary.store(alone.clone(), roomy()).await.is_ok()).await;
    let after = fleet.primary.store(alone, roomy()).await.unwrap();
    assert_eq!(after.not_held(leases.clone()).await.unwrap(), [], "every lease is there");
    assert!(after.record(&id).await.unwrap().version >= 200);
    assert_eq!(after.jobs(&id).await.unwrap().len(), 200);
    assert_eq!(after.renew(leases, NOW).await.unwrap(), []);
    assert_eq!(after.sweep().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_claim_that_no_replica_has_is_no_answer() {
    if !Server::there("replica gone") {
        return;
    }
    let mut fleet = Fleet::start().await;
    let store = fleet.primary.store(fleet.settings.clone(), roomy()).await.unwrap();
    with_jobs(&store, vec![numbered(1)]).await;
    fleet.replica.kill();
    let refused = store.claim(ask("r1"), NOW).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    let jobs = store.jobs(&session(0, 0)).await.unwrap();
    assert_eq!(jobs[0].state, "queued", "nobody was given it, and it waits again");
}
