//! The workers of a team, whichever coordinator they are attached to; what shall be drained; what was given up.

use crate::access::{Caller, Scope};
use crate::store::{Shelf, Store, StoreError};
use arena_domain::id::{JobId, Tenant};
use arena_domain::placement::{Offer, Room, Slot};
use arena_proto::v1::{DeadJob, WorkerState};
use prost::Message;
use std::collections::BTreeSet;

/// Most workers of one fleet, and most dead jobs that are listed.
const MOST: u32 = 100_000;

/// Writes down that these workers are attached, and were heard now, by a clock that every coordinator reads them by.
pub(crate) async fn register(store: &Store, mut states: Vec<WorkerState>) -> Result<(), StoreError> {
    if states.is_empty() {
        return Ok(());
    }
    let now = store.now().await?;
    states.iter_mut().for_each(|state| state.heard = now);
    let record = |state: WorkerState| (state.id.clone(), state.encode_to_vec());
    store.keep_all(Shelf::Workers, states.into_iter().map(record).collect()).await
}

/// Its stream has ended. When it came back before that was noticed, by another stream or to another coordinator, it stays
/// on the list; and that it shall be drained is kept until it was heard of, for it may come back without knowing.
pub(crate) async fn leave_by(store: &Store, state: &WorkerState, drains: bool) -> Result<(), StoreError> {
    let Some(body) = store.kept(Shelf::Workers, &state.id).await? else { return Ok(()) };
    let is_left = WorkerState::decode(body.as_slice())?.stream == state.stream
        && store.discard_same(Shelf::Workers, &state.id, body).await?;
    if is_left && drains {
        store.discard(Shelf::Drains, &state.id).await?;
    }
    Ok(())
}

/// It has ended, and the next boot of the same name is not drained by what was said of this one.
pub(crate) async fn leave(store: &Store, id: &str) -> Result<(), StoreError> {
    store.discard(Shelf::Workers, id).await?;
    store.discard(Shelf::Drains, id).await?;
    Ok(())
}

/// What a worker could give if nothing ran there. One of before workers said it can do all, and carries its labels.
pub(crate) fn offered(state: &WorkerState) -> Offer {
    let all = Offer { labels: state.labels.iter().cloned().collect(), ..Offer::everything(&state.name) };
    let Some(offer) = &state.offer else { return all };
    let whole = Room { memory: offer.memory_mib, disk: offer.disk_mib };
    let abilities = Some(offer.abilities.iter().cloned().collect());
    Offer { hardware: offer.hardware.clone(), abilities, whole, free: whole, ..all }
}

/// What the workers have to give that may run jobs of this tenant and take new ones.
pub(crate) async fn offers(store: &Store, tenant: &Tenant) -> Result<Vec<Offer>, StoreError> {
    let mut all = attached(store).await?;
    let serves =
        |one: &WorkerState| one.scope.as_ref().and_then(Scope::from_wire).is_some_and(|scope| scope.holds(tenant));
    all.retain(|one| !one.draining && serves(one));
    let now = |one: &WorkerState| {
        let whole = offered(one);
        let says = one.offer.is_some();
        let free = Room { memory: one.free_memory_mib, disk: one.free_disk_mib };
        let measures = one.offer.as_ref().is_none_or(|offer| offer.measure_slots > 0);
        let slots = [(one.slots > 0, Slot::Engine), (measures, Slot::Measure)];
        let slots = slots.into_iter().filter_map(|(has, slot)| has.then_some(slot)).collect();
        Offer { free: if says { free } else { whole.free }, slots, ..whole }
    };
    Ok(all.iter().map(now).collect())
}

/// Those that were heard within a lease; of what no coordinator heard for ten, nothing is kept.
async fn attached(store: &Store) -> Result<Vec<WorkerState>, StoreError> {
    let now = store.now().await?;
    let silent = |state: &WorkerState| now.saturating_sub(state.heard);
    let lease = store.terms().lease_millis();
    let mut all = Vec::new();
    for (id, body) in store.shelf(Shelf::Workers, "", MOST).await? {
        let state = WorkerState::decode(body.as_slice())?;
        if silent(&state) > 10 * lease {
            leave(store, &id).await?;
        } else if silent(&state) <= lease {
            all.push(state);
        }
    }
    Ok(all)
}

/// Those that serve the caller; of what others run there they learn only that it is something, and which job is their own.
pub(crate) async fn seen_by(store: &Store, caller: &Caller) -> Result<Vec<WorkerState>, StoreError> {
    let scope = caller.scope();
    let mut workers = attached(store).await?;
    workers.retain(|one| match (&scope, one.scope.as_ref().and_then(Scope::from_wire)) {
        (Scope::Every, _) | (_, Some(Scope::Every)) => true,
        (Scope::Only(own), Some(Scope::Only(tenant))) => *own == tenant,
        (Scope::Only(_), None) => false,
    });
    let shared = |one: &WorkerState| {
        scope != Scope::Every && one.scope.as_ref().and_then(Scope::from_wire) != Some(scope.clone())
    };
    if !workers.iter().any(|one| shared(one) && !one.running.is_empty()) {
        return Ok(workers);
    }
    let live = store.under_way().await?;
    let own: BTreeSet<&str> =
        live.iter().filter(|one| scope.holds(&Tenant::new(&one.tenant))).map(|one| one.id.as_str()).collect();
    for job in workers.iter_mut().filter(|one| shared(one)).flat_map(|one| &mut one.running) {
        if !own.contains(job.split('/').next().unwrap_or_default()) {
            "a job".clone_into(job);
        }
    }
    Ok(workers)
}

pub(crate) async fn drain(store: &Store, id: &str) -> Result<(), StoreError> {
    store.keep(Shelf::Drains, id.to_owned(), Vec::new()).await
}

pub(crate) async fn is_drained(store: &Store, id: &str) -> Result<bool, StoreError> {
    Ok(store.kept(Shelf::Drains, id).await?.is_some())
}

/// The ids of all that shall be drained.
pub(crate) async fn drains(store: &Store) -> Result<Vec<String>, StoreError> {
    Ok(store.shelf(Shelf::Drains, "", MOST).await?.into_iter().map(|(id, _)| id).collect())
}

/// Writes down that a job is dead, or that its session was told.
pub(crate) async fn bury(store: &Store, job: &DeadJob) -> Result<(), StoreError> {
    store.keep(Shelf::Dead, job.id.clone(), job.encode_to_vec()).await
}

/// What was written down of a dead job.
pub(crate) async fn buried(store: &Store, job: &JobId) -> Result<Option<DeadJob>, StoreError> {
    let body = store.kept(Shelf::Dead, job.as_str()).await?;
    body.map(|body| Ok(DeadJob::decode(body.as_slice())?)).transpose()
}

/// It lives again.
pub(crate) async fn unearth(store: &Store, job: &JobId) -> Result<(), StoreError> {
    store.discard(Shelf::Dead, job.as_str()).await.map(drop)
}

pub(crate) async fn dead(store: &Store) -> Result<Vec<DeadJob>, StoreError> {
    let page = store.shelf(Shelf::Dead, "", MOST).await?;
    page.into_iter().map(|(_, body)| Ok(DeadJob::decode(body.as_slice())?)).collect()
}
