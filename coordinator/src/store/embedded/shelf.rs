//! Shelves in the store: one row a record.

use super::{Embedded, StoreError};
use crate::store::Shelf;
use crate::store::port::Shelves;
use async_trait::async_trait;
use rusqlite::OptionalExtension;

const PUT: &str = "INSERT INTO shelf (name, key, body) VALUES (?1, ?2, ?3)
                   ON CONFLICT (name, key) DO UPDATE SET body = ?3";

#[async_trait]
impl Shelves for Embedded {
    async fn keep(&self, shelf: Shelf, key: String, body: Vec<u8>) -> Result<(), StoreError> {
        self.keep_all(shelf, vec![(key, body)]).await
    }

    async fn keep_all(&self, shelf: Shelf, records: Vec<(String, Vec<u8>)>) -> Result<(), StoreError> {
        self.write(move |transaction, _| {
            let mut put = transaction.prepare_cached(PUT)?;
            for (key, body) in records {
                put.execute((shelf.as_str(), key, body))?;
            }
            Ok(())
        })
        .await
    }

    async fn keep_new(&self, shelf: Shelf, key: String, body: Vec<u8>) -> Result<bool, StoreError> {
        self.write(move |transaction, _| {
            let added = transaction.execute(
                "INSERT INTO shelf (name, key, body) VALUES (?1, ?2, ?3) ON CONFLICT (name, key) DO NOTHING",
                (shelf.as_str(), key, body),
            )?;
            Ok(added == 1)
        })
        .await
    }

    async fn kept(&self, shelf: Shelf, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let key = key.to_owned();
        self.call(move |connection| {
            let mut query = connection.prepare_cached("SELECT body FROM shelf WHERE name = ?1 AND key = ?2")?;
            Ok(query.query_row((shelf.as_str(), key), |row| row.get(0)).optional()?)
        })
        .await
    }

    async fn shelf(&self, shelf: Shelf, after: &str, most: u32) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let after = after.to_owned();
        self.call(move |connection| {
            let mut query = connection
                .prepare_cached("SELECT key, body FROM shelf WHERE name = ?1 AND key > ?2 ORDER BY key LIMIT ?3")?;
            let rows = query.query_map((shelf.as_str(), after, most), |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn last_kept(&self, shelf: Shelf) -> Result<Option<(String, Vec<u8>)>, StoreError> {
        self.call(move |connection| {
            let mut query =
                connection.prepare_cached("SELECT key, body FROM shelf WHERE name = ?1 ORDER BY key DESC LIMIT 1")?;
            Ok(query.query_row([shelf.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
        })
        .await
    }

    async fn discard(&self, shelf: Shelf, key: &str, only: Option<Vec<u8>>) -> Result<bool, StoreError> {
        let key = key.to_owned();
        self.write(move |transaction, _| {
            let gone = transaction.execute(
                "DELETE FROM shelf WHERE name = ?1 AND key = ?2 AND body = COALESCE(?3, body)",
                (shelf.as_str(), key, only),
            )?;
            Ok(gone == 1)
        })
        .await
    }
}
