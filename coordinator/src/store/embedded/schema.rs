//! Opening the store: tables, durability, and one process at a time while it is made.

use crate::store::StoreError;
use rusqlite::{Connection, OpenFlags};
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;
use std::time::Duration;

const VERSION: i64 = 4;

/// As the first version made them; what came later is added by [`STEPS`].
const TABLES: &str = "
CREATE TABLE IF NOT EXISTS sessions (
  id TEXT PRIMARY KEY, version INTEGER NOT NULL, created INTEGER NOT NULL, status TEXT NOT NULL, winner TEXT NOT NULL,
  title TEXT NOT NULL, repository TEXT NOT NULL, head BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS events (
  session TEXT NOT NULL, n INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (session, n)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS jobs (
  id TEXT PRIMARY KEY, session TEXT NOT NULL, tenant TEXT NOT NULL, body BLOB NOT NULL, state TEXT NOT NULL,
  worker TEXT NOT NULL, fence TEXT NOT NULL, time INTEGER NOT NULL, attempt INTEGER NOT NULL, arrived INTEGER NOT NULL,
  claimed INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS live ON jobs (state) WHERE state IN ('queued', 'leased');
CREATE INDEX IF NOT EXISTS by_session ON jobs (session);
CREATE TABLE IF NOT EXISTS feed (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, session TEXT NOT NULL, body BLOB NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS feed_of ON feed (session, seq);
";

/// From each version to the next. `touched`: when a process last moved the session. `failed`, `died`: how often attempts
/// at the job came to nothing. `since`, `reason`: when a lease began, why a job is dead. `mark`, `served`: the accounts of
/// fair share; `cell` is one row. `shelf`: what a team keeps beside its sessions. `under_way`, `by_age`: lists cost what they
/// hold; `tenant` of sessions, '' where only the head says it.
const STEPS: [&str; 4] = [
    "
ALTER TABLE sessions ADD COLUMN touched INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN failed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN died INTEGER NOT NULL DEFAULT 0;
",
    "
CREATE TABLE cell (generation INTEGER NOT NULL, claims INTEGER NOT NULL, arrivals INTEGER NOT NULL) STRICT;
INSERT INTO cell SELECT 1, COALESCE(MAX(claimed), 0), COALESCE(MAX(arrived) + 1, 0) FROM jobs;
CREATE TABLE tenants (name TEXT PRIMARY KEY, mark INTEGER NOT NULL, served INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO tenants SELECT tenant, 0, MAX(claimed) FROM jobs GROUP BY tenant;
ALTER TABLE sessions ADD COLUMN mark INTEGER;
ALTER TABLE sessions ADD COLUMN served INTEGER NOT NULL DEFAULT 0;
UPDATE sessions SET mark = 0, served = (SELECT MAX(claimed) FROM jobs WHERE session = sessions.id)
  WHERE EXISTS (SELECT 1 FROM jobs WHERE session = sessions.id);
ALTER TABLE jobs ADD COLUMN since INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN reason TEXT NOT NULL DEFAULT '';
CREATE INDEX dead ON jobs (time) WHERE state = 'dead';
ALTER TABLE jobs DROP COLUMN claimed;
",
    "
CREATE TABLE IF NOT EXISTS shelf (
  name TEXT NOT NULL, key TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (name, key)) STRICT, WITHOUT ROWID;
",
    "
ALTER TABLE sessions ADD COLUMN tenant TEXT NOT NULL DEFAULT '';
UPDATE sessions SET tenant = COALESCE((SELECT tenant FROM jobs WHERE session = sessions.id LIMIT 1), '');
CREATE INDEX by_age ON sessions (created, id);
CREATE INDEX under_way ON sessions (created, id) WHERE status IN ('new', 'waiting', 'running');
",
];

pub(super) const DATABASE: &str = "arena.db";

pub(super) fn open(folder: &Path) -> Result<Connection, StoreError> {
    fs::create_dir_all(folder).map_err(refused)?;
    // Turning a new file to WAL needs it alone: two first openings at the same time would fail one of them.
    let gate = OpenOptions::new().create(true).append(true).open(folder.join("store.lock")).map_err(refused)?;
    flock(&gate, FlockOperation::LockExclusive).map_err(|error| refused(error.into()))?;
    let mut connection = Connection::open(folder.join(DATABASE))?;
    connection.busy_timeout(Duration::from_secs(30))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let version = version(&connection)?;
    if version < VERSION {
        bring_up(&mut connection, version)?;
    }
    Ok(connection)
}

/// Writes nothing, not even a lock. Without the files that writers share, which cannot be made here, what is in the
/// database is all there is: then it is read as one that nobody changes.
pub(super) fn look(folder: &Path) -> Result<Connection, StoreError> {
    let path = folder.join(DATABASE);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let open = |query: &str| {
        let connection = Connection::open_with_flags(format!("file:{}?{query}", escaped(&path)), flags)?;
        connection.busy_timeout(Duration::from_secs(30))?;
        version(&connection).map(|version| (connection, version))
    };
    let (connection, version) = open("mode=ro").or_else(|_| open("immutable=1"))?;
    if version < VERSION {
        let reason = format!("schema {version} has to be brought to {VERSION}");
        return Err(StoreError::ReadOnly(reason));
    }
    Ok(connection)
}

/// As a URI has it.
fn escaped(path: &Path) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte);
    let bytes = path.as_os_str().as_encoded_bytes();
    bytes.iter().map(|byte| if plain(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Of the tables; one that is not known is refused.
fn version(connection: &Connection) -> Result<i64, StoreError> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version > VERSION {
        return Err(StoreError::Record(format!(
            "the state directory was written by a newer arena (schema {version}, known {VERSION}); update arena"
        )));
    }
    Ok(version)
}

/// A new file is brought up as an old one is: one way for all.
fn bring_up(connection: &mut Connection, version: i64) -> Result<(), StoreError> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(TABLES)?;
    for step in STEPS.iter().skip(usize::try_from(version - 1).unwrap_or(0)) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", VERSION)?;
    Ok(transaction.commit()?)
}

fn refused(error: io::Error) -> StoreError {
    if arena_runtime::files::is_full(&error) { StoreError::Full } else { StoreError::ReadOnly(error.to_string()) }
}
