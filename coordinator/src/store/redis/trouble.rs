//! What Redis answers when it cannot: what heals by itself, what needs another connection, what a person must mend.

use crate::store::StoreError;
use redis::{ErrorKind, RedisError};

/// Codes of a server that is not the one to write to, or not yet, or that lost everything: whoever dials it anew begins anew.
const ELSEWHERE: [&str; 7] = ["NOCELL", "READONLY", "MOVED", "MASTERDOWN", "LOADING", "CLUSTERDOWN", "UNBLOCKED"];

/// Codes of a server that cannot write now and will again.
const LATER: [&str; 5] = ["OOM", "NOREPLICAS", "MISCONF", "TRYAGAIN", "BUSY"];

/// The connection leads to the wrong server, or nowhere: the next call finds the right one anew.
pub(super) fn leads_nowhere(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.is_unrecoverable_error()
        || error.code().is_some_and(|code| ELSEWHERE.contains(&code))
}

/// It has no code of its own.
pub(super) fn is_unknown_function(error: &RedisError) -> bool {
    error.code() == Some("ERR") && error.detail().is_some_and(|detail| detail.contains("Function not found"))
}

/// While a connection is made: whatever a person need not mend may be tried again.
pub(super) fn of_dialing(address: &str, error: &RedisError) -> StoreError {
    if is_refusal(error) { of(error) } else { StoreError::Unavailable(format!("{address}: {error}")) }
}

/// Of the user, the password, or what the user asks for.
fn is_refusal(error: &RedisError) -> bool {
    error.kind() == ErrorKind::AuthenticationFailed
        || error.code().is_some_and(|code| ["NOAUTH", "WRONGPASS", "NOPERM"].contains(&code))
}

pub(super) fn of(error: &RedisError) -> StoreError {
    if is_refusal(error) {
        let mend = "give the user and the password of an ACL user that may use the cell's keys and load functions";
        return StoreError::Unfit(error.to_string(), mend.into());
    }
    if error.code() == Some("LAYOUT") {
        let mend = "let its sessions end with that version, then name another `cell` in [store]";
        return StoreError::Unfit(error.detail().unwrap_or_default().to_owned(), mend.into());
    }
    if leads_nowhere(error) || is_unknown_function(error) || error.code().is_some_and(|code| LATER.contains(&code)) {
        let hint = match error.code() {
            Some("OOM") => ": redis has no memory left for more; raise its maxmemory, or let jobs end",
            Some("NOREPLICAS") => ": redis has too few replicas in reach to write safely",
            Some("MISCONF") => ": redis cannot write to its disk; make room there",
            Some(_) | None => "",
        };
        return StoreError::Unavailable(format!("{error}{hint}"));
    }
    StoreError::Record(format!("redis: {error}"))
}
