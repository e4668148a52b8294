//! Rows of those who have jobs of several classes, on a real Redis: there are never more than a claim may look at, and what the
//! functions remember of them is of one cell.

use super::*;

/// In tests; `MOST_ROWS` of the library.
const MOST: usize = 3;

/// Every two of six engines.
fn pairs() -> impl Iterator<Item = [u8; 2]> {
    (0..6).flat_map(|first| (first + 1..6).map(move |second| [first, second]))
}

/// A session of four jobs of these two engines, of which one may run at once.
fn of_two(tenant: u8, number: u8, engines: [u8; 2]) -> Vec<Job> {
    let one = |which: u8| {
        let engine = format!("e{}", engines[usize::from(which) % 2]);
        let id = JobId::new(format!("t{tenant}-s{number}/n{which}/1/implement"));
        Job { id, engine: Some(engine), session_limit: 1, needs: Needs::default(), ..job(tenant, number, 1, 0) }
    };
    (0..4).map(one).collect()
}

/// How many joint rows there are at a level, by the keys of the lines.
fn joint(server: &Server, level: &str) -> usize {
    let all = format!("return #redis.call('KEYS', 'arena:{{c0}}:{level}:*%2b*')");
    let said = server.says(&["EVAL", &all, "0"]);
    said.parse().unwrap_or_else(|_| panic!("{said}"))
}

/// All that can be claimed.
async fn claim_all(store: &Store, turn: &str) -> Vec<(JobId, Fence)> {
    let mut all = Vec::new();
    while let Some(place) = store.claim(ask(&format!("{turn}{}", all.len())), NOW).await.unwrap() {
        all.push((place.job.id.clone(), place.fence().unwrap().clone()));
    }
    all
}

async fn give_back(store: &Store, all: Vec<(JobId, Fence)>) {
    for (id, fence) in all {
        assert_eq!(store.let_go(id, fence, NOW, NOW).await.unwrap(), Settled::Accepted);
    }
}

#[tokio::test]
async fn sessions_that_come_back_from_their_limit_are_in_few_rows() {
    let Some(server) = Server::start("rows of sessions") else { return };
    let store = server.store(server.settings(), roomy()).await.unwrap();
    let mut all = Vec::new();
    for (number, pair) in pairs().enumerate() {
        with_jobs(&store, of_two(0, u8::try_from(number).unwrap(), pair)).await;
        // At its limit it is in no row when the next one comes.
        all.extend(claim_all(&store, &format!("{number}-")).await);
    }
    assert_eq!(all.len(), pairs().count(), "each session runs one");
    give_back(&store, all).await;
    assert_eq!(joint(&server, "tq:t0"), MOST);
    assert_eq!(store.sweep().await.unwrap(), Vec::<String>::new());
    assert_eq!(claim_all(&store, "again").await.len(), pairs().count());
}

#[tokio::test]
async fn tenants_that_come_back_from_their_limit_are_in_few_rows() {
    let Some(server) = Server::start("rows of tenants") else { return };
    let store = server.store(server.settings(), Limits { tenant: 1, ..roomy() }).await.unwrap();
    let mut all = Vec::new();
    for (tenant, pair) in pairs().enumerate() {
        // Its session goes on to stand in the line of the tenant.
        let jobs = of_two(u8::try_from(tenant).unwrap(), 0, pair);
        with_jobs(&store, jobs.into_iter().map(|job| Job { session_limit: 9, ..job }).collect()).await;
        all.extend(claim_all(&store, &format!("{tenant}-")).await);
        // A sweep takes away the rows in which nobody stands meanwhile.
        assert_eq!(store.sweep().await.unwrap(), Vec::<String>::new());
    }
    assert_eq!(all.len(), pairs().count(), "each tenant runs one");
    give_back(&store, all).await;
    assert_eq!(joint(&server, "rq"), MOST);
    assert_eq!(claim_all(&store, "again").await.len(), pairs().count());
}

#[tokio::test]
async fn rows_of_one_class_take_no_place_of_joint_ones() {
    let Some(server) = Server::start("rows of one class") else { return };
    let store = server.store(server.settings(), roomy()).await.unwrap();
    for tenant in 0..6 {
        with_jobs(&store, of_two(tenant, 0, [tenant, tenant])).await;
    }
    with_jobs(&store, of_two(7, 0, [0, 1])).await;
    assert_eq!((joint(&server, "rq"), joint(&server, "tq:t7")), (1, 1));
}

#[tokio::test]
async fn a_cell_that_is_made_anew_is_not_taken_for_the_one_before() {
    let Some(server) = Server::start("anew") else { return };
    let store = server.store(server.settings(), limits()).await.unwrap();
    with_jobs(&store, vec![job(0, 0, 1, 0)]).await;
    assert_eq!(claim(&store, "r1").await.0, job(0, 0, 1, 0).id);
    server.says(&["FLUSHALL"]);
    // Whoever is connected is told, and begins anew.
    let refused = store.claim(ask("r2"), NOW).await;
    assert!(matches!(refused, Ok(None) | Err(StoreError::Unavailable(_))), "{refused:?}");
    with_jobs(&store, vec![job(0, 0, 1, 1)]).await;
    assert_eq!(claim(&store, "r3").await.0, job(0, 0, 1, 1).id);
}

#[tokio::test]
async fn a_tenant_in_line_without_sessions_holds_up_no_other_and_is_mended() {
    let Some(server) = Server::start("nobody behind it") else { return };
    let store = server.store(server.settings(), limits()).await.unwrap();
    with_jobs(&store, vec![job(0, 0, 1, 1)]).await;
    with_jobs(&store, vec![job(1, 0, 1, 1)]).await;
    let delete =
        "for _, key in ipairs(redis.call('KEYS', 'arena:{c0}:tq:t0:*')) do redis.call('DEL', key) end return 'done'";
    assert_eq!(server.says(&["EVAL", delete, "0"]), "done");
    let mut given = Vec::new();
    for turn in 0..3 {
        given.extend(store.claim(ask(&format!("r{turn}")), NOW).await.unwrap().map(|place| place.job.id.clone()));
    }
    assert_eq!(given, [job(1, 0, 1, 1).id]);
    let mended = store.sweep().await.unwrap().join("\n");
    assert!(mended.contains("t0-s0: was not in the line of t0"), "{mended}");
    assert_eq!(store.sweep().await.unwrap(), Vec::<String>::new(), "once is enough");
    assert_eq!(claim(&store, "s").await.0, job(0, 0, 1, 1).id);
}

#[tokio::test]
async fn a_session_that_lost_a_job_is_listed_ends_and_is_said() {
    let Some(server) = Server::start("lost") else { return };
    let store = server.store(server.settings(), limits()).await.unwrap();
    let id = with_jobs(&store, vec![job(0, 0, 1, 1), job(0, 0, 2, 1)]).await;
    server.says(&["DEL", &format!("arena:{{c0}}:j:{}", job(0, 0, 1, 1).id)]);
    assert_eq!(store.jobs(&id).await.unwrap().len(), 1);
    assert!(store.sweep().await.unwrap().join("\n").contains("was lost"));
    let all = Transition { cancel: Some(Cancel { engines_only: false }), ..transition(&id, 1) };
    assert_eq!(store.commit(all).await.unwrap(), Committed::Done { stop: Vec::new() });
    assert_eq!(store.claim(ask("r"), NOW).await.unwrap(), None);
}

/// What the functions hold in the server's memory.
fn remembered(server: &Server) -> u64 {
    let info = server.says(&["INFO", "memory"]);
    let of = |line: &str| line.trim().strip_prefix("used_memory_vm_functions:")?.parse().ok();
    info.lines().find_map(of).unwrap_or_else(|| panic!("{info}"))
}

#[tokio::test]
async fn rows_are_not_remembered_by_each_offer() {
    let Some(server) = Server::start("rows of offers") else { return };
    let limited = Limits { engine: BTreeMap::from([("nobody".to_owned(), 5)]), ..roomy() };
    let store = server.store(server.settings(), limited).await.unwrap();
    let large = |number: u32| {
        let room = Room { memory: 1_000 + number, disk: 1 };
        Job { needs: Needs { room, ..Needs::default() }, ..numbered(number) }
    };
    with_jobs(&store, (0..500).map(large).collect()).await;
    let before = remembered(&server);
    for turn in 0..1_000 {
        // Its disk is another one each time, and some workers are others too.
        let mut ask = ask(&turn.to_string());
        ask.offer.whole = Room { memory: 10, disk: 90_000 };
        ask.offer.free = Room { memory: 10, disk: 80_000 + turn };
        ask.offer.name = format!("w{}", turn % 100);
        assert_eq!(store.claim(ask, NOW).await.unwrap(), None);
    }
    let after = remembered(&server);
    assert!(after < before + 8_000_000, "{before} and then {after} bytes");
}
