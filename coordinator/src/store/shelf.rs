//! What a team keeps beside its sessions: small records by key, each shelf in the order of its keys.

use super::{Store, StoreError};
use rusqlite::OptionalExtension;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shelf {
    /// Of people, by id.
    Tokens,
    /// The log of who did what, by its number.
    Audit,
    /// Those that are attached to some coordinator, by id.
    Workers,
    /// Workers that were told to begin nothing more, by id.
    Drains,
    /// Jobs that were given up, by id.
    Dead,
}

impl Shelf {
    fn as_str(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::Audit => "audit",
            Self::Workers => "workers",
            Self::Drains => "drains",
            Self::Dead => "dead",
        }
    }
}

impl Store {
    /// Puts it there, whatever was there before.
    pub async fn keep(&self, shelf: Shelf, key: String, body: Vec<u8>) -> Result<(), StoreError> {
        self.write(move |transaction, _| {
            transaction.execute(
                "INSERT INTO shelf (name, key, body) VALUES (?1, ?2, ?3)
                 ON CONFLICT (name, key) DO UPDATE SET body = ?3",
                (shelf.as_str(), key, body),
            )?;
            Ok(())
        })
        .await
    }

    /// Puts it there unless something is there; `false`: something was.
    pub async fn keep_new(&self, shelf: Shelf, key: String, body: Vec<u8>) -> Result<bool, StoreError> {
        self.write(move |transaction, _| {
            let added = transaction.execute(
                "INSERT INTO shelf (name, key, body) VALUES (?1, ?2, ?3) ON CONFLICT (name, key) DO NOTHING",
                (shelf.as_str(), key, body),
            )?;
            Ok(added == 1)
        })
        .await
    }

    pub async fn kept(&self, shelf: Shelf, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let key = key.to_owned();
        self.call(move |connection| {
            let mut query = connection.prepare_cached("SELECT body FROM shelf WHERE name = ?1 AND key = ?2")?;
            Ok(query.query_row((shelf.as_str(), key), |row| row.get(0)).optional()?)
        })
        .await
    }

    /// At most `most` records whose keys come after `after`.
    pub async fn shelf(&self, shelf: Shelf, after: &str, most: u32) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let after = after.to_owned();
        self.call(move |connection| {
            let mut query = connection
                .prepare_cached("SELECT key, body FROM shelf WHERE name = ?1 AND key > ?2 ORDER BY key LIMIT ?3")?;
            let rows = query.query_map((shelf.as_str(), after, most), |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// The record with the greatest key.
    pub async fn last_kept(&self, shelf: Shelf) -> Result<Option<(String, Vec<u8>)>, StoreError> {
        self.call(move |connection| {
            let mut query =
                connection.prepare_cached("SELECT key, body FROM shelf WHERE name = ?1 ORDER BY key DESC LIMIT 1")?;
            Ok(query.query_row([shelf.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
        })
        .await
    }

    /// Takes it away; `false`: nothing was there.
    pub async fn discard(&self, shelf: Shelf, key: &str) -> Result<bool, StoreError> {
        let key = key.to_owned();
        self.write(move |transaction, _| {
            let gone = transaction.execute("DELETE FROM shelf WHERE name = ?1 AND key = ?2", (shelf.as_str(), key))?;
            Ok(gone == 1)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arena_domain::schedule::Limits;

    #[tokio::test]
    async fn a_shelf_keeps_its_order_and_what_is_new_never_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Limits::default()).unwrap();
        for key in ["b", "a", "c"] {
            assert!(store.keep_new(Shelf::Audit, key.into(), key.into()).await.unwrap());
        }
        assert!(!store.keep_new(Shelf::Audit, "a".into(), b"other".to_vec()).await.unwrap());
        store.keep(Shelf::Tokens, "a".into(), b"elsewhere".to_vec()).await.unwrap();
        store.keep(Shelf::Audit, "b".into(), b"B".to_vec()).await.unwrap();
        let page = store.shelf(Shelf::Audit, "a", 9).await.unwrap();
        assert_eq!(page, [("b".to_owned(), b"B".to_vec()), ("c".to_owned(), b"c".to_vec())]);
        assert_eq!(store.last_kept(Shelf::Audit).await.unwrap().unwrap().0, "c");
        assert_eq!(store.kept(Shelf::Tokens, "a").await.unwrap().unwrap(), b"elsewhere");
        assert!(store.discard(Shelf::Audit, "c").await.unwrap());
        assert!(!store.discard(Shelf::Audit, "c").await.unwrap());
        assert_eq!(store.kept(Shelf::Audit, "c").await.unwrap(), None);
    }
}
