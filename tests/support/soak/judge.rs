//! What the store has on record when all is over, and what is still in it.

use super::book::{Bounds, Kept};
use super::camp::{Camp, TENANTS};
use super::crowd::Crowd;
use super::{ENGINE, FLEET, LEASE_S, MARGIN_S, TENANT};
use arena_coordinator::store::{RedisSettings, Store, StoreError};
use arena_domain::id::SessionId;
use arena_domain::schedule::{Limits, Terms};
use arena_proto::v1::{Summary, session_event};
use std::collections::BTreeMap;
use std::time::Duration;

/// Jobs of a session of two: the base, and of each an engine's run and its evaluation.
const JOBS: usize = 5;

pub(crate) fn bounds() -> Bounds {
    let count = |limit: u32| limit as usize;
    Bounds { fleet: count(FLEET), tenant: count(TENANT), session: 2, engine: (ENGINE.0, count(ENGINE.1)) }
}

/// As the coordinators have them, so that whoever looks changes nothing.
fn limits() -> Limits {
    Limits {
        fleet: FLEET,
        tenant: TENANT,
        engine: BTreeMap::from([(ENGINE.0.to_owned(), ENGINE.1)]),
        terms: Terms { lease: Duration::from_secs(LEASE_S.into()), margin: Duration::from_secs(MARGIN_S.into()) },
        ..Limits::default()
    }
}

fn asked<T>(camp: &Camp, ask: impl AsyncFnOnce(Store) -> Result<T, StoreError>) -> Result<T, StoreError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let settings = RedisSettings::server(camp.cell.socket_url());
    runtime.block_on(async { ask(Store::connect(settings, limits()).await?).await })
}

/// Whether each session has ended, and is there if somebody was answered for it; not when Redis does not answer. What was
/// refused midway is ended by the coordinators, after minutes.
pub(crate) fn has_ended(camp: &Camp, crowd: &Crowd) -> bool {
    let read = asked(camp, async |store| Ok((store.sessions().await?, store.under_way().await?)));
    let Ok((all, under_way)) = read else { return false };
    under_way.is_empty() && crowd.answered.keys().all(|id| all.iter().any(|one| one.id == *id))
}

pub(crate) fn kept(camp: &Camp, crowd: &Crowd) -> Vec<Kept> {
    let read = asked(camp, async |store| {
        let all = store.sessions().await?;
        let mut kept = Vec::new();
        for (id, tenant) in &crowd.answered {
            let settled = match store.record(&SessionId::new(id)).await {
                Ok(record) => settled(&record.events),
                Err(StoreError::NotFound(_)) => BTreeMap::new(),
                Err(error) => return Err(error),
            };
            let wrong = wrong(all.iter().find(|one| one.id == *id), settled.len());
            kept.push(Kept { id: id.clone(), tenant: TENANTS[*tenant].to_owned(), wrong, settled });
        }
        Ok(kept)
    });
    read.expect("the records, when nothing is wrong with Redis any more")
}

fn settled(events: &[arena_proto::v1::SessionEvent]) -> BTreeMap<String, Vec<u64>> {
    let mut settled: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for event in events {
        if let Some(session_event::Event::Settled(one)) = &event.event {
            settled.entry(one.job.clone()).or_default().push(event.at);
        }
    }
    settled
}

fn wrong(summary: Option<&Summary>, jobs: usize) -> Option<String> {
    let Some(summary) = summary else { return Some("it is not on record".into()) };
    let good = summary.winner == "low" && jobs == JOBS;
    (!good).then(|| format!("{}, winner '{}', {jobs} jobs", summary.status, summary.winner))
}

/// Slots that are held, leases, what waits, and indexes that do not agree with the jobs.
pub(crate) fn left_in_redis(camp: &Camp) -> Vec<String> {
    let mut left = Vec::new();
    let primary = camp.cell.primary().unwrap_or(0);
    let keys = camp.cell.asked(primary, &["--scan", "--pattern", "arena:{c0}:*"]);
    let indexes = ["lease", "due", "dead"];
    let is_index =
        |name: &str| indexes.contains(&name) || ["in:", "q:", "tq:", "rq:"].iter().any(|kind| name.starts_with(kind));
    left.extend(
        keys.lines().filter(|key| is_index(key.trim_start_matches("arena:{c0}:"))).map(|key| format!("redis: {key}")),
    );
    match asked(camp, async |store| {
        let mut found = Vec::new();
        // Each looks at a part.
        for _ in 0..16 {
            found.extend(store.sweep().await?.into_iter().map(|what| format!("mended: {what}")));
        }
        found.extend(store.under_way().await?.into_iter().map(|one| format!("redis: {} is {}", one.id, one.status)));
        Ok(found)
    }) {
        Ok(found) => left.extend(found),
        Err(error) => left.push(format!("redis: {error}")),
    }
    left
}
