//! What a team keeps beside its sessions: small records by key, each shelf in the order of its keys.

use super::{Store, StoreError};

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
    /// Of the place of the blobs: whose it is, and when it was swept last.
    Blobs,
    /// Bytes of blobs: as they were counted, by tenant, and those that came since, by tenant and coordinator.
    Usage,
}

impl Shelf {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::Audit => "audit",
            Self::Workers => "workers",
            Self::Drains => "drains",
            Self::Dead => "dead",
            Self::Blobs => "blobs",
            Self::Usage => "usage",
        }
    }
}

impl Store {
    /// Puts it there, whatever was there before.
    pub async fn keep(&self, shelf: Shelf, key: String, body: Vec<u8>) -> Result<(), StoreError> {
        self.shelves.keep(shelf, key, body).await
    }

    /// Puts all of them there, as `keep` does. They are said again soon: nothing waits for replicas.
    pub async fn keep_all(&self, shelf: Shelf, records: Vec<(String, Vec<u8>)>) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        self.shelves.keep_all(shelf, records).await
    }

    /// Puts it there unless something is there; `false`: something was.
    pub async fn keep_new(&self, shelf: Shelf, key: String, body: Vec<u8>) -> Result<bool, StoreError> {
        self.shelves.keep_new(shelf, key, body).await
    }

    pub async fn kept(&self, shelf: Shelf, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.shelves.kept(shelf, key).await
    }

    /// At most `most` records whose keys come after `after`.
    pub async fn shelf(&self, shelf: Shelf, after: &str, most: u32) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.shelves.shelf(shelf, after, most).await
    }

    /// The record with the greatest key.
    pub async fn last_kept(&self, shelf: Shelf) -> Result<Option<(String, Vec<u8>)>, StoreError> {
        self.shelves.last_kept(shelf).await
    }

    /// Takes it away; `false`: nothing was there.
    pub async fn discard(&self, shelf: Shelf, key: &str) -> Result<bool, StoreError> {
        self.shelves.discard(shelf, key, None).await
    }

    /// Takes it away if it is this; `false`: it is not, or not any more.
    pub async fn discard_same(&self, shelf: Shelf, key: &str, body: Vec<u8>) -> Result<bool, StoreError> {
        self.shelves.discard(shelf, key, Some(body)).await
    }
}
