//! The port to content-addressed bytes (bundles, logs, bases), in a folder or in S3-compatible storage. A blob is whole and
//! durable before its name is given, what comes back is what was stored, and neither way holds more than some pieces of it.

mod aside;
mod error;
mod incoming;
mod outgoing;
mod parts;
mod settings;

pub(crate) use aside::{Lying, Owners, What};
pub use error::BlobError;
pub use incoming::Incoming;
pub use outgoing::Outgoing;
pub use settings::{BlobSettings, Credentials};

use arena_domain::id::Tenant;
use arena_domain::job::Millis;
use arena_proto::BLOB_CHUNK;
use arena_runtime::clock;
use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// A blob that was written longer ago is written again by whoever stores it, so that it counts as one of now.
pub(crate) const FRESH: Millis = 3_600_000;
/// What a place is tried with; it stays there as a blob.
const CHECK: &[u8] = b"arena";

/// Clones are the same blobs.
#[derive(Debug, Clone)]
pub struct Blobs {
    place: Place,
    /// Below the place; a tenant's blobs lie below one of their own.
    below: Path,
}

/// What is there under the name of a blob that is stored again.
enum Held {
    Whole,
    Stale,
    Not,
}

#[derive(Debug, Clone)]
enum Place {
    Folder(Arc<Folder>),
    Store(Arc<dyn ObjectStore>),
}

/// Made with its first blob, so that looking makes nothing.
#[derive(Debug)]
struct Folder {
    root: PathBuf,
    opened: OnceLock<Arc<dyn ObjectStore>>,
}

impl Blobs {
    /// In a folder, which need not be there yet.
    pub fn new(root: PathBuf) -> Self {
        Self { place: Place::Folder(Arc::new(Folder { root, opened: OnceLock::new() })), below: Path::default() }
    }

    /// In any store that replaces an object at once and whole.
    pub fn over(store: Arc<dyn ObjectStore>, below: Path) -> Self {
        Self { place: Place::Store(store), below }
    }

    /// Where the settings say. Nothing is asked yet: see [`Blobs::check`].
    pub fn connect(settings: &BlobSettings) -> Result<Self, BlobError> {
        settings.open()
    }

    /// Those of one tenant; the name is one that was let through before.
    pub fn of(&self, tenant: &Tenant) -> Self {
        if *tenant == Tenant::local() {
            return self.clone();
        }
        Self { place: self.place.clone(), below: self.below.clone().join("tenants").join(tenant.as_str()) }
    }

    /// Does all that a blob needs, so that a wrong key or a missing bucket is told at the start and not after an engine was
    /// paid: writes one, renames it, lists, reads it.
    pub async fn check(&self) -> Result<(), BlobError> {
        let store = self.store(true)?;
        let (scratch, name) = (self.scratch(), arena_runtime::digest::sha256(CHECK));
        let written = async {
            store.put(&scratch, PutPayload::from_static(CHECK)).await?;
            store.rename(&scratch, &self.at(&name)?).await?;
            Ok(())
        };
        match written.await {
            // What is not there is the bucket: what was just written is.
            Err(BlobError::NotFound) => Err(BlobError::Settings {
                key: "[blobs] url",
                reason: "there is no such bucket".into(),
                mend: "make the bucket, or name another one",
            }),
            Err(error) => Err(error),
            // Whoever may not list may not look for what is not there either.
            Ok(()) => self.bring_back(&name).await.and(self.get(&name).await).map(drop),
        }
    }

    /// One that comes in pieces.
    pub fn begin(&self) -> Incoming {
        Incoming::new(self.clone())
    }

    /// The digest; storing the same bytes twice is one blob.
    pub async fn put(&self, bytes: &[u8]) -> Result<String, BlobError> {
        let mut incoming = self.begin();
        for piece in bytes.chunks(BLOB_CHUNK) {
            incoming.write(Bytes::copy_from_slice(piece)).await?;
        }
        incoming.finish().await
    }

    pub async fn open(&self, digest: &str) -> Result<Outgoing, BlobError> {
        match self.here(digest).await {
            Err(BlobError::NotFound) if self.comes_back(digest).await? => self.here(digest).await,
            found => found,
        }
    }

    /// As long as it was not set aside.
    async fn here(&self, digest: &str) -> Result<Outgoing, BlobError> {
        let at = self.at(digest)?;
        let found = self.store(false)?.get(&at).await?;
        Ok(Outgoing::new(digest, found))
    }

    pub(crate) async fn comes_back(&self, digest: &str) -> Result<bool, BlobError> {
        match self.bring_back(digest).await {
            Err(BlobError::NotFound) => Ok(false),
            back => back,
        }
    }

    pub async fn get(&self, digest: &str) -> Result<Vec<u8>, BlobError> {
        let mut outgoing = self.open(digest).await?;
        let mut bytes = Vec::new();
        while let Some(piece) = outgoing.next(BLOB_CHUNK).await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    /// Whether there is one of this name; only reading it tells whether it is whole. One that is stays for a day at least.
    pub async fn has(&self, digest: &str) -> Result<bool, BlobError> {
        Ok(self.lies_here(digest).await? || self.comes_back(digest).await?)
    }

    /// As long as it was not set aside.
    pub(crate) async fn lies_here(&self, digest: &str) -> Result<bool, BlobError> {
        Ok(self.lies_since(digest).await?.is_some())
    }

    /// When it was written last, as long as it was not set aside.
    pub(crate) async fn lies_since(&self, digest: &str) -> Result<Option<Millis>, BlobError> {
        let found = async { Ok(self.store(false)?.head(&self.at(digest)?).await?) };
        match found.await {
            Ok(found) => Ok(Some(aside::written(&found))),
            Err(BlobError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads it to its end; one that is damaged, of another length or old is written anew by whoever has the right bytes.
    async fn held(&self, digest: &str, length: u64) -> Result<Held, BlobError> {
        let read = async {
            let mut outgoing = self.here(digest).await?;
            let is_old = outgoing.written().saturating_add(FRESH) < clock::now_millis();
            if outgoing.length() != length || is_old {
                return Ok(Held::Stale);
            }
            while outgoing.next(BLOB_CHUNK).await?.is_some() {}
            Ok(Held::Whole)
        };
        match read.await {
            Err(BlobError::NotFound) => Ok(Held::Not),
            Err(BlobError::Damaged(_)) => Ok(Held::Stale),
            other => other,
        }
    }

    /// Refuses what is no digest, so that a name cannot leave the place.
    fn at(&self, digest: &str) -> Result<Path, BlobError> {
        let plain = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !plain {
            return Err(BlobError::NoDigest);
        }
        Ok(self.below.clone().join(&digest[..2]).join(&digest[2..]))
    }

    /// What lies below starts with it, so it is a name that no digest has.
    fn scratch(&self) -> Path {
        self.below.clone().join("incoming").join(arena_runtime::token::hex(16))
    }

    fn store(&self, to_write: bool) -> Result<Arc<dyn ObjectStore>, BlobError> {
        match &self.place {
            Place::Store(store) => Ok(store.clone()),
            Place::Folder(folder) => folder.open(to_write),
        }
    }
}

impl Folder {
    fn open(&self, to_write: bool) -> Result<Arc<dyn ObjectStore>, BlobError> {
        if let Some(store) = self.opened.get() {
            return Ok(store.clone());
        }
        if to_write {
            std::fs::create_dir_all(&self.root).map_err(BlobError::of_folder)?;
        } else if !self.root.try_exists()? {
            return Err(BlobError::NotFound);
        }
        let store: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new_with_prefix(&self.root)?.with_fsync(true));
        Ok(self.opened.get_or_init(|| store).clone())
    }
}
