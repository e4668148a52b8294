//! Indexes of a real Redis that lie, as after a damage by hand: what a job itself says counts, and the sweeper mends.

use super::*;
use arena_domain::placement::Home as Near;

/// A job of a session of its own that waits for another worker than the one that asks.
fn kept_for_another() -> Job {
    Job { home: Some(Near::Worker("far".into())), ..job(0, 0, 1, 1) }
}

#[tokio::test]
async fn what_was_damaged_by_hand_is_mended_and_said() {
    let Some(server) = Server::start("sweep") else { return };
    let store = server.store(server.settings(), limits()).await.unwrap();
    with_jobs(&store, vec![job(0, 0, 1, 1), job(0, 0, 2, 1), job(0, 0, 3, 1)]).await;
    let (held, fence) = claim(&store, "r1").await;
    assert_eq!(store.sweep().await.unwrap(), Vec::<String>::new());
    server.says(&["ZREM", "arena:{c0}:lease", &format!("{held} {fence}")]);
    server.says(&["DEL", "arena:{c0}:in:w:w"]);
    // How many run is the third number of an account.
    let miscounted = "string.sub(a, 1, 16) .. struct.pack('>I4', 7) .. string.sub(a, 21)";
    let of_tenant =
        format!("local a = redis.call('GET', KEYS[1]) redis.call('SET', KEYS[1], {miscounted}) return 'done'");
    assert_eq!(server.says(&["EVAL", &of_tenant, "1", "arena:{c0}:t:t0"]), "done");
    let of_session = of_tenant.replace("KEYS[1]", "KEYS[1], 'account'").replace("GET", "HGET").replace("SET", "HSET");
    assert_eq!(server.says(&["EVAL", &of_session, "1", "arena:{c0}:s:t0-s0"]), "done");
    let keys = "return table.concat(redis.call('KEYS', ARGV[1]), '\\n')";
    let lines = server.says(&["EVAL", keys, "0", "arena:{c0}:q:t0-s0:*"]);
    assert_eq!(lines.lines().count(), 2, "each of the waiting jobs has a class of its own: {lines}");
    for line in lines.lines() {
        server.says(&["DEL", line]);
    }
    // One is not even asked for after a look.
    assert_eq!(store.claim(ask("r3"), NOW).await.unwrap(), None);
    server.says(&["ZADD", "arena:{c0}:lease", "1", "ghost"]);
    server.says(&["SADD", "arena:{c0}:in:p:p", job(0, 0, 2, 1).id.as_str()]);
    let mended = store.sweep().await.unwrap().join("\n");
    for part in [
        "t0: 7 of it were counted as running, and 1 run",
        "t0-s0: 7 of it were counted as running, and 1 run",
        "was not in what runs of its worker",
        "was not in the leases",
        "was not in the line",
        "ghost: was in",
        "was in what runs of its provider",
    ] {
        assert!(mended.contains(part), "{part}: {mended}");
    }
    assert_eq!(store.sweep().await.unwrap(), Vec::<String>::new(), "once is enough");
    claim(&store, "r2").await;
}

#[tokio::test]
async fn a_job_that_stands_in_two_lines_is_given_once() {
    let Some(server) = Server::start("two lines") else { return };
    for swept in [false, true] {
        server.says(&["FLUSHDB"]);
        let store = server.store(server.settings(), limits()).await.unwrap();
        with_jobs(&store, vec![kept_for_another()]).await;
        assert_eq!(store.claim(ask("r0"), NOW).await.unwrap(), None, "it is kept for another");
        let copy = "local kept = redis.call('KEYS', 'arena:{c0}:q:*%40*')[1] \
                    redis.call('ZADD', string.match(kept, '^(.*)%%40'), 0, redis.call('ZRANGE', kept, 0, 0)[1]) return 'done'";
        assert_eq!(server.says(&["EVAL", copy, "0"]), "done");
        if swept {
            assert!(store.sweep().await.unwrap().join("\n").contains("was in another line"));
        }
        let mut given = 0;
        for turn in 1..6 {
            let later = NOW + 10_000;
            given += usize::from(store.claim(ask(&format!("r{turn}")), later).await.unwrap().is_some());
        }
        assert_eq!(given, 1, "swept: {swept}");
    }
}

#[tokio::test]
async fn an_index_that_lies_ends_no_lease_that_is_good() {
    let Some(server) = Server::start("lies") else { return };
    let store = server.store(server.settings(), limits()).await.unwrap();
    with_jobs(&store, vec![job(0, 0, 1, 1)]).await;
    let (id, fence) = claim(&store, "r1").await;
    let lease = [(id.clone(), fence.clone())];
    server.says(&["ZREM", "arena:{c0}:lease", &format!("{id} {fence}")]);
    assert_eq!(store.renew(lease.to_vec(), NOW).await.unwrap(), [], "it is put back");
    assert_eq!(server.says(&["ZCARD", "arena:{c0}:lease"]), "1");
    server.says(&["HSET", "arena:{c0}:in:w:gone", "r", id.as_str()]);
    assert_eq!(store.bury(vec![WorkerId::new("gone")], NOW).await.unwrap(), []);
    server.says(&["ZADD", "arena:{c0}:lease", "1", &format!("{id} 1.1.old")]);
    assert_eq!(store.expire(NOW).await.unwrap(), []);
    assert_eq!(store.renew(lease.to_vec(), NOW).await.unwrap(), [], "it is held as before");
    assert_eq!(server.says(&["ZCARD", "arena:{c0}:lease"]), "1", "and what was none is gone");
}

#[tokio::test]
async fn whoever_stands_in_line_and_is_nobody_holds_up_no_one() {
    let Some(server) = Server::start("ghosts") else { return };
    let store = server.store(server.settings(), limits()).await.unwrap();
    with_jobs(&store, vec![job(0, 0, 1, 1)]).await;
    for (line, name) in [("rq", "ghost"), ("tq:t0", "ghost"), ("rq", "t0"), ("tq:t0", "t0-s0")] {
        let first = format!(
            "for _, key in ipairs(redis.call('KEYS', 'arena:{{c0}}:{line}:*')) do \
             redis.call('ZADD', key, 0, string.rep('\\0', 20) .. '{name}') end return 'done'"
        );
        assert_eq!(server.says(&["EVAL", &first, "0"]), "done");
    }
    let mut given = 0;
    for turn in 0..6 {
        given += usize::from(store.claim(ask(&format!("r{turn}")), NOW).await.unwrap().is_some());
    }
    assert_eq!(given, 1);
}

#[tokio::test]
async fn a_line_whose_first_job_is_misremembered_goes_on_and_is_mended() {
    let Some(server) = Server::start("heads") else { return };
    let store = server.store(server.settings(), limits()).await.unwrap();
    with_jobs(&store, vec![job(0, 0, 1, 1), job(0, 0, 2, 1), job(0, 0, 3, 1)]).await;
    let misremember = |how: &str| {
        // Behind the numbers and the key is each class with the arrival of its first job.
        let lie = format!(
            "local a = redis.call('HGET', KEYS[1], 'account') \
             local from = 33 + 20 * (struct.unpack('I1', string.sub(a, 33, 33)) % 2) \
             local line, at = string.sub(a, 1, from), from + 1 \
             while at < #a do \
               local first, size = struct.unpack('>I8I2', a, at) \
               line = line .. struct.pack('>I8I2', {how}, size) .. string.sub(a, at + 10, at + 9 + size) \
               at = at + 10 + size end \
             redis.call('HSET', KEYS[1], 'account', line) return 'done'"
        );
        assert_eq!(server.says(&["EVAL", &lie, "1", "arena:{c0}:s:t0-s0"]), "done");
    };
    // The first of them came before all, so it is not said to have come later than it did.
    for (lie, wrong) in [("first + 100", 3), ("0", 2)] {
        misremember(lie);
        let mended = store.sweep().await.unwrap();
        assert_eq!(mended.len(), wrong, "{mended:?}");
        assert!(mended.iter().all(|one| one.contains("said to be the first of its class")), "{mended:?}");
        assert_eq!(store.sweep().await.unwrap(), Vec::<String>::new(), "once is enough");
    }
    misremember("100 - first");
    assert_eq!(claim(&store, "r1").await.0, job(0, 0, 3, 1).id, "another one comes first until it is mended");
}

/// As by a hand that takes away what a job says of itself.
fn lose(server: &Server, job: &JobId) {
    assert_eq!(server.says(&["DEL", &format!("arena:{{c0}}:j:{job}")]), "1");
}

/// Of a worker that has room for what needs none.
fn without_room(request: &str) -> Ask {
    let mut ask = ask(request);
    ask.offer.free = Room { memory: 10, disk: 10 };
    ask
}

#[tokio::test]
async fn a_lost_job_that_there_is_no_room_for_leaves_the_line() {
    let Some(server) = Server::start("lost in line") else { return };
    for swept in [false, true] {
        server.says(&["FLUSHDB"]);
        let store = server.store(server.settings(), limits()).await.unwrap();
        let large = job(0, 0, 1, 1);
        assert!(large.needs.room.memory > 10);
        with_jobs(&store, vec![large.clone()]).await;
        let small = Job { needs: Needs::default(), ..job(1, 0, 1, 1) };
        with_jobs(&store, vec![small.clone()]).await;
        lose(&server, &large.id);
        if swept {
            assert_eq!(store.sweep().await.unwrap()[0], format!("{}: was lost", large.id));
        } else {
            assert_eq!(store.claim(without_room("r0"), NOW).await.unwrap(), None, "it stands first, and goes");
        }
        assert_eq!(server.says(&["EVAL", "return #redis.call('KEYS', 'arena:{c0}:q:t0-*')", "0"]), "0");
        store.sweep().await.unwrap();
        assert_eq!(store.sweep().await.unwrap(), Vec::<String>::new(), "once is enough");
        let given = store.claim(without_room("r1"), NOW).await.unwrap().map(|place| place.job.id.clone());
        assert_eq!(given, Some(small.id), "swept: {swept}");
    }
}

#[tokio::test]
async fn the_slots_of_a_lost_job_are_free_again() {
    let Some(server) = Server::start("lost slots") else { return };
    let one = Provider { running: 1, ..provider() };
    let few = Limits { engine: BTreeMap::from([("e0".to_owned(), 1)]), ..limits() };
    let few = Limits { provider: BTreeMap::from([("p".to_owned(), one)]), ..few };
    let store = server.store(server.settings(), few).await.unwrap();
    let of_one = |which| Job { session_limit: 1, ..job(0, 0, which, 0) };
    let id = with_jobs(&store, vec![of_one(1)]).await;
    let (lost, _) = claim(&store, "r1").await;
    lose(&server, &lost);
    let mended = store.sweep().await.unwrap().join("\n");
    for part in
        ["was in arena:{c0}:in:e:", "was in arena:{c0}:in:p:p", "t0-s0: 1 of it were counted as running, and 0 run"]
    {
        assert!(mended.contains(part), "{part}: {mended}");
    }
    assert_eq!(store.sweep().await.unwrap(), Vec::<String>::new(), "once is enough");
    let next = of_one(2);
    store.commit(Transition { enqueue: vec![next.clone()], ..transition(&id, 1) }).await.unwrap();
    let why = store.why(next.id.clone(), Vec::new(), NOW).await.unwrap();
    assert!(matches!(why, Why::Ready { .. }), "{why:?}");
    assert_eq!(claim(&store, "r2").await.0, next.id);
    assert_eq!(store.sweep().await.unwrap(), Vec::<String>::new(), "what runs keeps its slots");
    assert_eq!(server.says(&["HLEN", "arena:{c0}:in:w:w"]), "2");
    assert_eq!(store.bury(vec![WorkerId::new("w")], NOW).await.unwrap(), [next.id]);
    assert_eq!(server.says(&["EXISTS", "arena:{c0}:in:w:w"]), "0", "a dead boot has nothing");
}
