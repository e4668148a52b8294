//! The log of who did what and who was refused. Append-only; each entry carries the digest of the one before it, so
//! that what was changed or taken out shows.

use crate::store::{Shelf, Store, StoreError};
use arena_proto::v1::AuditEntry;
use arena_runtime::{clock, digest, token};
use prost::Message;
use std::sync::atomic::{AtomicU64, Ordering};

/// Characters of any text in it.
const LONGEST: usize = 300;
pub(crate) const PAGE: u32 = 256;

/// What is to be written.
#[derive(Debug, Clone, Default)]
pub struct Act {
    pub who: String,
    pub action: String,
    pub subject: String,
    pub tenant: String,
    pub allowed: bool,
    pub detail: String,
}

/// Where a chain breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {seq} {what}")]
pub struct Broken {
    pub seq: u64,
    pub what: &'static str,
}

/// Follows a chain entry by entry.
#[derive(Debug, Clone, Default)]
pub struct Chain {
    pub entries: u64,
    /// The digest of the last entry; empty before the first.
    pub head: String,
}

impl Chain {
    pub fn follow(&mut self, entry: &AuditEntry) -> Result<(), Broken> {
        let broken = |what| Broken { seq: entry.seq, what };
        if entry.seq != self.entries + 1 {
            return Err(broken("does not follow the one before it: entries are missing"));
        }
        if entry.before != self.head {
            return Err(broken("does not carry the digest of the one before it"));
        }
        if entry.digest != sealed(entry) {
            return Err(broken("was changed after it was written"));
        }
        self.entries = entry.seq;
        self.head.clone_from(&entry.digest);
        Ok(())
    }
}

fn sealed(entry: &AuditEntry) -> String {
    digest::sha256(&AuditEntry { digest: String::new(), ..entry.clone() }.encode_to_vec())
}

/// Keys sort as their numbers do.
fn key(seq: u64) -> String {
    format!("{seq:020}")
}

/// Whose turn it is to write in this process: of many at once, each would find its number taken and try again.
#[derive(Debug, Default)]
pub struct Turns {
    turn: tokio::sync::Mutex<()>,
    failed: AtomicU64,
}

impl Turns {
    /// Appends. When the store fails, so does it for all that waited meanwhile: none of them waits for it again.
    pub async fn write(&self, store: &Store, act: Act) -> Result<AuditEntry, StoreError> {
        let seen = self.failed.load(Ordering::Acquire);
        let _turn = self.turn.lock().await;
        if self.failed.load(Ordering::Acquire) != seen {
            return Err(StoreError::Unavailable("it did not take an entry just now".into()));
        }
        let written = write(store, act).await;
        if written.is_err() {
            self.failed.fetch_add(1, Ordering::AcqRel);
        }
        written
    }
}

/// Appends; of several coordinators each gets a number of its own.
pub async fn write(store: &Store, act: Act) -> Result<AuditEntry, StoreError> {
    let short = |text: &str| arena_domain::text::sanitise_line(text, LONGEST);
    loop {
        let last = match store.last_kept(Shelf::Audit).await? {
            Some((_, body)) => AuditEntry::decode(body.as_slice())?,
            None => AuditEntry::default(),
        };
        let mut entry = AuditEntry {
            seq: last.seq + 1,
            at: clock::now_millis(),
            who: short(&act.who),
            action: short(&act.action),
            subject: short(&act.subject),
            tenant: act.tenant.clone(),
            allowed: act.allowed,
            detail: short(&act.detail),
            before: last.digest,
            digest: String::new(),
            nonce: token::nonce(),
        };
        entry.digest = sealed(&entry);
        if store.keep_new(Shelf::Audit, key(entry.seq), entry.encode_to_vec()).await? {
            return Ok(entry);
        }
    }
}

/// In their order, after a number.
pub async fn read(store: &Store, after: u64) -> Result<Vec<AuditEntry>, StoreError> {
    let page = store.shelf(Shelf::Audit, &key(after), PAGE).await?;
    page.into_iter().map(|(_, body)| Ok(AuditEntry::decode(body.as_slice())?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arena_domain::schedule::Limits;

    async fn written() -> (tempfile::TempDir, Store, Vec<AuditEntry>) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Limits::default()).unwrap();
        let other = Store::open(folder.path(), Limits::default()).unwrap();
        for (number, store) in [&store, &other, &store, &other].into_iter().enumerate() {
            let act = Act { who: "ann".into(), action: format!("act {number}"), allowed: true, ..Act::default() };
            write(store, act).await.unwrap();
        }
        let entries = read(&store, 0).await.unwrap();
        (folder, store, entries)
    }

    fn followed(entries: &[AuditEntry]) -> Result<Chain, Broken> {
        let mut chain = Chain::default();
        entries.iter().try_for_each(|entry| chain.follow(entry)).map(|()| chain)
    }

    #[tokio::test]
    async fn what_two_coordinators_write_is_one_chain() {
        let (_folder, store, entries) = written().await;
        let chain = followed(&entries).unwrap();
        assert_eq!((chain.entries, chain.head), (4, entries[3].digest.clone()));
        assert_eq!(read(&store, 2).await.unwrap(), entries[2..]);
    }

    #[tokio::test]
    async fn many_that_write_at_once_are_one_chain_and_a_store_that_fails_fails_all_that_waited() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Limits::default()).unwrap();
        let turns = Turns::default();
        let act = |number: u32| Act { who: "ann".into(), action: number.to_string(), ..Act::default() };
        let all = futures_util::future::join_all((0..50).map(|number| turns.write(&store, act(number)))).await;
        assert!(all.iter().all(Result::is_ok));
        assert_eq!(followed(&read(&store, 0).await.unwrap()).unwrap().entries, 50);
        let held = turns.turn.lock().await;
        let waiting = turns.write(&store, act(50));
        tokio::pin!(waiting);
        assert!(futures_util::poll!(&mut waiting).is_pending());
        turns.failed.fetch_add(1, Ordering::AcqRel);
        drop(held);
        assert!(matches!(waiting.await, Err(StoreError::Unavailable(_))));
        assert_eq!(turns.write(&store, act(51)).await.unwrap().seq, 51, "whoever comes later tries anew");
    }

    #[tokio::test]
    async fn what_was_changed_or_taken_out_shows() {
        let (_folder, _store, entries) = written().await;
        let mut changed = entries.clone();
        changed[1].who = "bob".into();
        assert_eq!(followed(&changed).unwrap_err().what, "was changed after it was written");
        changed[1].digest = sealed(&changed[1]);
        assert_eq!(
            followed(&changed).unwrap_err(),
            Broken { seq: 3, what: "does not carry the digest of the one before it" }
        );
        let mut without = entries.clone();
        without.remove(1);
        assert_eq!(followed(&without).unwrap_err().seq, 3);
        assert_eq!(followed(&entries[1..]).unwrap_err().seq, 2, "the first ones are missing");
    }
}
