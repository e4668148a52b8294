//! What holds of the embedded store alone: its files, its schema, its threads.

use super::*;
use rusqlite::Connection;

fn fresh() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), limits()).unwrap();
    (folder, store)
}

#[tokio::test]
async fn a_transition_that_fails_midway_changes_nothing() {
    let (folder, store) = fresh();
    let id = with_jobs(&store, vec![job(0, 0, 1, 1)]).await;
    let lease = claim(&store, "r1").await;
    let before = kept(&store, &id).await;
    // The event's place is taken, as if a damaged store had kept an event without its version.
    let other = Connection::open(folder.path().join("arena.db")).unwrap();
    other.execute("INSERT INTO events (session, n, body) VALUES (?1, 2, x'')", [id.as_str()]).unwrap();
    let refused = store.commit(everything(&id, 1, Some(lease))).await;
    assert!(matches!(refused, Err(StoreError::Sql(_))), "{refused:?}");
    other.execute("DELETE FROM events WHERE n = 2", []).unwrap();
    assert_eq!(kept(&store, &id).await, before);
}

#[test]
fn eight_first_openings_at_the_same_time_work() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep").join("state");
    std::thread::scope(|scope| {
        let opened: Vec<_> = (0..8).map(|_| scope.spawn(|| Store::open(&path, limits()).map(drop))).collect();
        for handle in opened {
            handle.join().unwrap().unwrap();
        }
    });
}

#[test]
fn handles_in_many_threads_claim_every_job_once() {
    let (folder, store) = fresh();
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let limits = Limits { fleet: 64, ..Limits::default() };
    runtime().block_on(with_jobs(&store, (0..16).map(|n| Job { session_limit: 64, ..job(0, 0, n, 1) }).collect()));
    let claims: Vec<JobId> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let (path, limits) = (folder.path(), limits.clone());
                scope.spawn(move || {
                    let store = Store::open(path, limits).unwrap();
                    runtime().block_on(async {
                        let mut claimed = Vec::new();
                        while let Some(place) =
                            store.claim(ask(&format!("{thread}-{}", claimed.len())), NOW).await.unwrap()
                        {
                            claimed.push(place.job.id);
                        }
                        claimed
                    })
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let mut once = claims.clone();
    once.sort();
    once.dedup();
    assert_eq!((claims.len(), once.len()), (16, 16));
}

#[test]
fn a_folder_that_cannot_be_written_is_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    // Not even root makes files in these.
    for path in [file.join("state"), "/proc/self/fdinfo".into(), "/proc/arena".into()] {
        let error = Store::open(&path, limits()).map(drop).unwrap_err();
        assert!(matches!(error, StoreError::ReadOnly(_)), "{path:?}: {error:?}");
        assert!(error.to_string().starts_with("the state directory cannot be written: "), "{error}");
    }
}

#[test]
fn a_store_of_a_newer_version_is_left_alone_and_says_what_to_do() {
    let (folder, store) = fresh();
    drop(store);
    let database = Connection::open(folder.path().join("arena.db")).unwrap();
    database.pragma_update(None, "user_version", 9).unwrap();
    let error = Store::open(folder.path(), limits()).map(drop).unwrap_err().to_string();
    assert!(error.contains("a newer arena (schema 9, known 4); update arena"), "{error}");
    let version: i64 = database.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 9);
}

#[tokio::test]
async fn a_store_of_the_first_version_is_brought_up_with_all_that_is_in_it() {
    let (folder, store) = fresh();
    let id = with_jobs(&store, vec![job(0, 0, 1, 1)]).await;
    let before = kept(&store, &id).await;
    drop(store);
    let database = Connection::open(folder.path().join("arena.db")).unwrap();
    database
        .execute_batch(
            "DROP INDEX dead; DROP TABLE cell; DROP TABLE tenants;
             DROP INDEX by_age; DROP INDEX under_way; ALTER TABLE sessions DROP COLUMN tenant;
             ALTER TABLE sessions DROP COLUMN touched; ALTER TABLE sessions DROP COLUMN mark;
             ALTER TABLE sessions DROP COLUMN served; ALTER TABLE jobs DROP COLUMN failed;
             ALTER TABLE jobs DROP COLUMN died; ALTER TABLE jobs DROP COLUMN since; ALTER TABLE jobs DROP COLUMN reason;
             ALTER TABLE jobs ADD COLUMN claimed INTEGER NOT NULL DEFAULT 0; PRAGMA user_version = 1;",
        )
        .unwrap();
    drop(database);
    for _ in 0..2 {
        let store = Store::open(folder.path(), limits()).unwrap();
        assert_eq!(kept(&store, &id).await, before);
        assert_eq!(store.touched(&id).await.unwrap(), 0, "nobody wrote that down then");
    }
}

#[test]
fn a_file_that_is_no_store_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("arena.db"), "this is no database, and it is long enough to be told".repeat(9))
        .unwrap();
    assert!(Store::open(folder.path(), limits()).is_err());
}
