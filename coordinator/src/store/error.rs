//! What a store answers when it cannot do what it was asked.

use arena_proto::convert::Malformed;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("no session '{0}'")]
    NotFound(String),
    #[error("'{0}' is the beginning of several sessions: {1}")]
    Ambiguous(String, String),
    #[error("the disk of the state directory is full")]
    Full,
    #[error("the state directory cannot be written: {0}")]
    ReadOnly(String),
    #[error("the store: {0}")]
    Sql(rusqlite::Error),
    #[error("the store's record: {0}")]
    Record(String),
    /// It may be asked again: it is down, moves to another node, or has no room for now.
    #[error("the store cannot be used now: {0}")]
    Unavailable(String),
    /// It answers, and must not be used like this.
    #[error("the store is not fit: {0}; {1}")]
    Unfit(String, String),
}

impl StoreError {
    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Full => true,
            Self::NotFound(_)
            | Self::Ambiguous(..)
            | Self::ReadOnly(_)
            | Self::Sql(_)
            | Self::Record(_)
            | Self::Unfit(..) => false,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::Full,
            Some(
                rusqlite::ErrorCode::ReadOnly | rusqlite::ErrorCode::CannotOpen | rusqlite::ErrorCode::PermissionDenied,
            ) => Self::ReadOnly(error.to_string()),
            Some(_) | None => Self::Sql(error),
        }
    }
}

impl From<Malformed> for StoreError {
    fn from(error: Malformed) -> Self {
        Self::Record(error.to_string())
    }
}

impl From<prost::DecodeError> for StoreError {
    fn from(error: prost::DecodeError) -> Self {
        Self::Record(error.to_string())
    }
}
