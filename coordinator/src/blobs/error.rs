//! What can be wrong with a blob. Callers ask; they never read the text.

use arena_runtime::files;
use std::error::Error;
use std::io;

#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    #[error("what was asked for is no digest")]
    NoDigest,
    #[error("no such blob")]
    NotFound,
    #[error("blob {0} is damaged")]
    Damaged(String),
    /// Disk, inodes or quota.
    #[error("the place of the blobs is full")]
    Full,
    /// The storage does not know the key, or the key may not do this.
    #[error("the storage of the blobs refuses the credentials: {0}")]
    Denied(String),
    #[error("{key}: {reason}")]
    Settings { key: &'static str, reason: String, mend: &'static str },
    #[error("the place of the blobs: {0}")]
    Io(io::Error),
    #[error("the storage of the blobs: {0}")]
    Storage(object_store::Error),
}

impl BlobError {
    /// Whether the same may go well a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Storage(_) | Self::Full => true,
            Self::NoDigest
            | Self::NotFound
            | Self::Damaged(_)
            | Self::Denied(_)
            | Self::Settings { .. }
            | Self::Io(_) => false,
        }
    }
}

impl BlobError {
    /// Of the folder itself: one that cannot be made is no blob that was not found.
    pub(super) fn of_folder(error: io::Error) -> Self {
        if files::is_full(&error) { Self::Full } else { Self::Io(error) }
    }

    /// What to do about it; empty where nothing is to be done.
    pub fn mend(&self) -> &'static str {
        match self {
            Self::NoDigest | Self::NotFound => "",
            Self::Settings { mend, .. } => mend,
            Self::Damaged(_) => "restore it from a copy, or store it again: `arena resume ID`",
            Self::Full => "free some space there, and try again",
            Self::Denied(_) => {
                "let the key read, write, copy, list and delete below the prefix, or name another: `[blobs] credentials`"
            }
            Self::Io(_) => "name a folder that this user can write: `[blobs] url`",
            Self::Storage(_) => "try again when it answers, or correct `[blobs] endpoint`",
        }
    }
}

impl From<object_store::Error> for BlobError {
    fn from(error: object_store::Error) -> Self {
        if matches!(error, object_store::Error::NotFound { .. }) {
            return Self::NotFound;
        }
        if matches!(error, object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. }) {
            return Self::Denied(error.to_string());
        }
        match cause(&error) {
            Some(cause) => Self::from(io::Error::new(cause.kind(), error.to_string())),
            None => Self::Storage(error),
        }
    }
}

impl From<io::Error> for BlobError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound { Self::NotFound } else { Self::of_folder(error) }
    }
}

/// What the operating system said about a file, below all that was said about it since. A connection is not a file: its
/// errors are the storage's.
fn cause(error: &object_store::Error) -> Option<&io::Error> {
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = next {
        if error.is::<object_store::client::HttpError>() {
            return None;
        }
        if let Some(found) = error.downcast_ref::<io::Error>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
