//! Lists of sessions: by age and in pages, and by themselves those that have not ended.

use super::*;

async fn made(store: &Store, id: &str, created: Millis) {
    let head = v1::SessionHead { id: id.into(), created, tenant: format!("of {id}"), ..v1::SessionHead::default() };
    store.create(head, format!("title of {id}")).await.unwrap();
}

async fn becomes(store: &Store, id: &str, version: u64, status: &str) {
    let next = Transition { status: status.into(), ..transition(&SessionId::new(id), version) };
    assert_eq!(store.commit(next).await.unwrap(), Committed::Done { stop: Vec::new() });
}

fn ids(all: &[v1::Summary]) -> Vec<&str> {
    all.iter().map(|one| one.id.as_str()).collect()
}

fn at(one: &v1::Summary) -> Option<(Millis, SessionId)> {
    Some((one.created, SessionId::new(&one.id)))
}

pub(super) async fn a_list_comes_in_pages_each_session_once_by_its_age(home: Home) {
    let store = home.open().await;
    // Many of one moment, and not made in the order of their age.
    for (number, age) in [3, 1, 3, 0, 3, 2, 3].into_iter().enumerate() {
        made(&store, &format!("s{number}"), NOW - age).await;
    }
    let whole = ["s3", "s1", "s5", "s6", "s4", "s2", "s0"];
    let all = store.sessions().await.unwrap();
    assert_eq!(ids(&all), whole);
    assert_eq!((all[0].tenant.as_str(), all[0].title.as_str()), ("of s3", "title of s3"));
    for most in 1..=8 {
        let (mut than, mut pages) = (None, Vec::new());
        for _ in 0..9 {
            let page = store.older(than, most).await.unwrap();
            assert!(page.len() <= most as usize);
            let Some(last) = page.last() else { break };
            than = at(last);
            pages.extend(page);
        }
        assert_eq!(pages, all, "in pages of {most}");
    }
    // One that is not there any more is a place as good as before.
    becomes(&store, "s4", 0, "winner").await;
    assert!(store.prune(&SessionId::new("s4")).await.unwrap());
    assert_eq!(ids(&store.older(at(&all[4]), 9).await.unwrap()), ["s2", "s0"]);
    assert_eq!(ids(&store.older(Some((NOW - 1, SessionId::new(""))), 9).await.unwrap()), ["s5", "s6", "s2", "s0"]);
}

pub(super) async fn what_has_not_ended_is_listed_by_itself(home: Home) {
    let store = home.open().await;
    for (number, status) in ["", "running", "waiting", "winner", "failed", "cancelled"].into_iter().enumerate() {
        let id = format!("s{number}");
        made(&store, &id, NOW + number as Millis).await;
        if !status.is_empty() {
            becomes(&store, &id, 0, "running").await;
            becomes(&store, &id, 1, status).await;
        }
    }
    assert_eq!(ids(&store.under_way().await.unwrap()), ["s2", "s1", "s0"]);
    becomes(&store, "s2", 2, "running").await;
    becomes(&store, "s1", 2, "no_winner").await;
    let again = home.open().await;
    for store in [&store, &again] {
        assert_eq!(ids(&store.under_way().await.unwrap()), ["s2", "s0"]);
    }
    assert_eq!(store.sweep().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_list_is_whole_though_it_names_what_is_no_session() {
    let Some(server) = Server::start("ghosts of a list") else { return };
    let store = server.store(server.settings(), limits()).await.unwrap();
    let many = u64::from(crate::store::PAGE) + 44;
    for number in 0..many {
        made(&store, &format!("s{number:03}"), NOW + number / 3).await;
    }
    // Among the newest, in between, and many of one moment.
    let ghosts = format!(
        "for n = 1, 600 do redis.call('ZADD', KEYS[1], {}, 'ghost' .. n) end \
         redis.call('ZADD', KEYS[1], {}, 'zzz') redis.call('ZADD', KEYS[1], {}, 'a') return 'done'",
        NOW + 50,
        NOW + many,
        NOW + many / 3 - 1
    );
    assert_eq!(server.says(&["EVAL", &ghosts, "1", "arena:{c0}:sessions"]), "done");
    let all = store.sessions().await.unwrap();
    assert_eq!(all.len() as u64, many);
    assert!(all.is_sorted_by(|one, next| (one.created, &one.id) > (next.created, &next.id)));
    for most in [1, 7, 100] {
        let (mut than, mut pages) = (None, Vec::new());
        loop {
            let page = store.older(than, most).await.unwrap();
            let Some(last) = page.last() else { break };
            than = at(last);
            pages.extend(page);
        }
        assert_eq!(pages, all, "in pages of {most}");
    }
    // Some of what is there each time.
    for _ in 0..60 {
        store.sweep().await.unwrap();
    }
    assert_eq!(server.says(&["ZCARD", "arena:{c0}:sessions"]), many.to_string());
    assert_eq!(store.sweep().await.unwrap(), Vec::<String>::new());
}

/// The commands that a server was given for it.
pub(super) async fn commands(server: &Server, work: impl AsyncFnOnce()) -> u64 {
    let given = || {
        let info = server.says(&["INFO", "commandstats"]);
        let calls = |line: &str| line.split("calls=").nth(1)?.split(',').next()?.parse::<u64>().ok();
        info.lines().filter(|line| !line.starts_with("cmdstat_info")).filter_map(calls).sum::<u64>()
    };
    let before = given();
    work().await;
    given() - before
}

#[tokio::test]
async fn what_is_under_way_costs_what_it_is_however_much_has_ended() {
    let Some(server) = Server::start("under way") else { return };
    let store = server.store(server.settings(), limits()).await.unwrap();
    with_jobs(&store, vec![job(0, 0, 1, 1), job(0, 0, 2, 1)]).await;
    let cost = async || {
        let asked = async || {
            assert_eq!(store.under_way().await.unwrap().len(), 1);
            assert_eq!(store.live().await.unwrap().len(), 2);
            assert_eq!(store.older(None, 2).await.unwrap().len(), 2);
        };
        commands(&server, asked).await
    };
    made(&store, "e", NOW).await;
    becomes(&store, "e", 0, "winner").await;
    let few = cost().await;
    for number in 0..2_000 {
        let id = format!("e{number}");
        made(&store, &id, NOW + number).await;
        becomes(&store, &id, 0, "winner").await;
    }
    let many = cost().await;
    assert!(few >= 5 && many <= few, "{few} commands, and {many} when 2,000 have ended");
}

#[tokio::test]
async fn the_sweeper_mends_what_is_under_way() {
    let Some(server) = Server::start("under way") else { return };
    let store = server.store(server.settings(), limits()).await.unwrap();
    for number in 0..60 {
        let id = format!("s{number}");
        made(&store, &id, NOW + number).await;
        if number % 3 > 0 {
            becomes(&store, &id, 0, "winner").await;
        }
    }
    assert_eq!(store.under_way().await.unwrap().len(), 20);
    // By hand: one too few, one that is not there, and one that has ended.
    server.says(&["SREM", "arena:{c0}:under_way", "s57"]);
    server.says(&["SADD", "arena:{c0}:under_way", "ghost", "s1"]);
    assert_eq!(store.under_way().await.unwrap().len(), 19, "what has ended, or is not there, is none");
    let mended = store.sweep().await.unwrap();
    assert_eq!(mended.len(), 3, "{mended:?}");
    assert_eq!((store.under_way().await.unwrap().len(), store.sweep().await.unwrap()), (20, Vec::new()));
    assert_eq!(server.says(&["SCARD", "arena:{c0}:under_way"]), "20");
}
