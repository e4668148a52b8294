//! Shelves in the cell: a hash of bodies, and their keys in order.

use super::{Call, Redis, script, texts};
use crate::store::port::Shelves;
use crate::store::{Shelf, StoreError};
use async_trait::async_trait;

#[async_trait]
impl Shelves for Redis {
    async fn keep(&self, shelf: Shelf, key: String, body: Vec<u8>) -> Result<(), StoreError> {
        self.put("keep", shelf, key, body).await.map(drop)
    }

    async fn keep_all(&self, shelf: Shelf, records: Vec<(String, Vec<u8>)>) -> Result<(), StoreError> {
        let mut args = texts(["keep", shelf.as_str()]);
        args.extend(records.into_iter().flat_map(|(key, body)| [key.into_bytes(), body]));
        let _: Vec<Vec<u8>> = self.read(Call::new(&script::SHELVE, 0, args)).await?;
        Ok(())
    }

    async fn keep_new(&self, shelf: Shelf, key: String, body: Vec<u8>) -> Result<bool, StoreError> {
        self.put("new", shelf, key, body).await
    }

    async fn kept(&self, shelf: Shelf, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.records_of(["get", shelf.as_str(), key, ""]).await?.pop().map(|(_, body)| body))
    }

    async fn shelf(&self, shelf: Shelf, after: &str, most: u32) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.records_of(["list", shelf.as_str(), after, &most.to_string()]).await
    }

    async fn last_kept(&self, shelf: Shelf) -> Result<Option<(String, Vec<u8>)>, StoreError> {
        Ok(self.records_of(["last", shelf.as_str(), "", ""]).await?.pop())
    }

    async fn discard(&self, shelf: Shelf, key: &str, only: Option<Vec<u8>>) -> Result<bool, StoreError> {
        let mut args = texts(["drop", shelf.as_str(), key]);
        args.extend(only);
        let gone: Vec<Vec<u8>> = self.write(Call::new(&script::SHELVE, 0, args)).await?;
        Ok(!gone.is_empty())
    }
}

impl Redis {
    /// Whether it is there now and was put there by this.
    async fn put(&self, how: &str, shelf: Shelf, key: String, body: Vec<u8>) -> Result<bool, StoreError> {
        let mut args = texts([how, shelf.as_str(), &key]);
        args.push(body);
        let put: Vec<Vec<u8>> = self.write(Call::new(&script::SHELVE, 0, args)).await?;
        Ok(!put.is_empty())
    }

    async fn records_of(&self, words: [&str; 4]) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let found: Vec<Vec<u8>> = self.read(Call::new(&script::SHELF, 0, texts(words))).await?;
        let record = |pair: &[Vec<u8>]| match pair {
            [key, body] => Ok((String::from_utf8_lossy(key).into_owned(), body.clone())),
            _ => Err(StoreError::Record("half a record of a shelf".into())),
        };
        found.chunks(2).map(record).collect()
    }
}
