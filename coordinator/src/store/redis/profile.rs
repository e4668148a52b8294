//! What a server must be for the store: one that drops or loses writes is refused, with the line that mends it.

use super::settings::Replicas;
use crate::store::StoreError;
use std::time::Duration;

/// The oldest version whose scripts know the flags that are used.
const OLDEST: u64 = 7;

/// As `INFO` says it.
pub(super) struct Info(String);

impl Info {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }

    fn number(&self, name: &str) -> u64 {
        self.field(name).and_then(|text| text.parse().ok()).unwrap_or(0)
    }
}

/// Of every server that is written to.
pub(super) fn check(info: &Info) -> Result<(), StoreError> {
    let unfit = |what: String, mend: &str| Err(StoreError::Unfit(what, mend.to_owned()));
    let version = info.field("redis_version").unwrap_or("unknown");
    if version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0) < OLDEST {
        return unfit(format!("redis is {version}"), "use redis 7.0 or newer");
    }
    let policy = info.field("maxmemory_policy").unwrap_or("unknown");
    if policy != "noeviction" {
        let what = format!("redis drops keys when its memory is full (maxmemory-policy {policy})");
        return unfit(what, "set `maxmemory-policy noeviction`");
    }
    if info.field("aof_enabled") != Some("1") {
        return unfit("redis forgets its latest writes when it ends".into(), "set `appendonly yes`");
    }
    Ok(())
}

/// Of the server that is there at the start, when replicas are asked for. Later ones come and go.
pub(super) fn check_replicas(info: &Info, asked: Replicas) -> Result<(), StoreError> {
    if asked.count == 0 {
        return Ok(());
    }
    let there = info.number("connected_slaves");
    if there < u64::from(asked.count) {
        let what = format!("{} replicas are asked for and redis has {there}", asked.count);
        return Err(StoreError::Unfit(what, "start them with `replicaof`, or ask for fewer".into()));
    }
    // The field is there only where the server holds writes back.
    if info.field("min_slaves_good_slaves").is_none() {
        let what = "redis goes on writing when it has lost its replicas".to_owned();
        return Err(StoreError::Unfit(what, "set `min-replicas-to-write 1`".into()));
    }
    Ok(())
}

/// A primary that is cut off renews leases until it misses its replicas. By then the one that was promoted must not have given
/// the jobs to others: it waits for a lease and the margin.
pub(super) fn check_lag(seconds: Option<u64>, margin: Duration) -> Result<(), StoreError> {
    match seconds {
        None => Ok(()),
        Some(lag) if lag > 0 && lag < margin.as_secs() => Ok(()),
        Some(lag) => {
            let margin = margin.as_secs();
            let what = format!(
                "redis goes on writing for {lag} s when it has lost its replicas, and jobs are given to others after a \
                 margin of {margin} s"
            );
            let mend =
                format!("set `min-replicas-max-lag {}`, or a longer `margin_s` under [queue]", margin.max(2) - 1);
            Err(StoreError::Unfit(what, mend))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIT: &str = "redis_version:7.0.15\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\nconnected_slaves:1\r\n\
                       min_slaves_good_slaves:1\r\n";

    fn refused(text: String, count: u32) -> String {
        let (info, asked) = (Info::new(text), Replicas { count, timeout: std::time::Duration::from_secs(1) });
        check(&info)
            .and_then(|()| check_replicas(&info, asked))
            .map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn a_primary_that_writes_on_by_itself_for_as_long_as_the_margin_is_refused() {
        let rows =
            [(None, true), (Some(10), true), (Some(14), true), (Some(15), false), (Some(60), false), (Some(0), false)];
        for (lag, fits) in rows {
            let said = check_lag(lag, Duration::from_secs(15)).map_err(|error| error.to_string());
            assert_eq!(said.is_ok(), fits, "{lag:?}: {said:?}");
            assert!(fits || said.unwrap_err().contains("set `min-replicas-max-lag 14`"));
        }
    }

    #[test]
    fn a_server_that_would_lose_or_drop_writes_is_refused_with_the_line_that_mends_it() {
        let rows = [
            (("7.0.15", "7.0.15"), 1, ""),
            (("7.0.15", "6.2.1"), 0, "use redis 7.0 or newer"),
            (("noeviction", "allkeys-lru"), 0, "set `maxmemory-policy noeviction`"),
            (("aof_enabled:1", "aof_enabled:0"), 0, "set `appendonly yes`"),
            (("connected_slaves:1", "connected_slaves:0"), 0, ""),
            (("connected_slaves:1", "connected_slaves:0"), 1, "start them with `replicaof`"),
            (("min_slaves_good_slaves:1", ""), 1, "set `min-replicas-to-write 1`"),
        ];
        for ((from, to), count, expected) in rows {
            let said = refused(FIT.replace(from, to), count);
            assert!(said.contains(expected) && said.is_empty() == expected.is_empty(), "{to}: {said}");
        }
    }
}
