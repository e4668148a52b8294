//! A primary, a replica and a sentinel: what is lost when one of them is, and what is not.

use super::*;

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
async fn a_primary_that_was_cut_off_and_comes_back_has_no_say() {
    if !Server::there("cut off") {
        return;
    }
    let fleet = Fleet::start().await;
    let store = fleet.primary.store(fleet.settings.clone(), roomy()).await.unwrap();
    let id = with_jobs(&store, (0..20).map(numbered).collect()).await;
    let mut leases = Vec::new();
    for number in 0..10 {
        leases.push(claim(&store, &format!("r{number}")).await);
    }
    fleet.primary.pause();
    let refused = store.commit(transition(&id, 1)).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    until(async || fleet.replica.says(&["ROLE"]).contains("master")).await;
    fleet.primary.go_on();
    // The same handle finds the one that was promoted, and is answered when the old one follows it.
    until(async || {
        let Ok(record) = store.record(&id).await else { return false };
        matches!(store.commit(transition(&id, record.version)).await, Ok(Committed::Done { .. }))
    })
    .await;
    assert!(fleet.primary.says(&["ROLE"]).contains("slave"), "{}", fleet.primary.says(&["ROLE"]));
    assert_eq!(store.renew(leases, NOW).await.unwrap(), [], "every lease is there");
    let after = claim(&store, "after").await;
    assert!(after.1.as_str().starts_with("2."), "another generation: {}", after.1);
    assert_eq!(store.jobs(&id).await.unwrap().len(), 20);
    assert_eq!(store.sweep().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn what_no_replica_has_is_no_answer() {
    if !Server::there("replica behind") {
        return;
    }
    let fleet = Fleet::start().await;
    let store = fleet.primary.store(fleet.settings.clone(), roomy()).await.unwrap();
    let id = with_jobs(&store, vec![numbered(1)]).await;
    fleet.replica.pause();
    let refused = store.claim(ask("r1"), NOW).await.unwrap_err();
    assert!(refused.to_string().contains("0 of 1 replicas have the write"), "{refused}");
    let jobs = store.jobs(&id).await.unwrap();
    assert_eq!((jobs[0].state.as_str(), jobs[0].attempt), ("queued", 1), "nobody was given it, and it waits again");
    // It comes back while the call is asked again: that is answered as the first time would have been, and is no conflict.
    let asked = || fleet.primary.says(&["HGET", "arena:{c0}:cell", "repeated"]);
    let before = asked();
    let comes_back = async {
        until(async || asked() != before).await;
        fleet.replica.go_on();
    };
    let (answer, ()) = tokio::join!(store.commit(transition(&id, 1)), comes_back);
    assert_eq!(answer.unwrap(), Committed::Done { stop: Vec::new() });
    assert_eq!(store.record(&id).await.unwrap().version, 2, "it happened once");
}
