//! How many bytes of blobs each tenant has. A sweep counts them, and each coordinator writes down what came by it since, so
//! that no two write the same record; what is counted outlives all of them.

use crate::blobs::{Blobs, What};
use crate::dispatch::Coordinator;
use crate::store::{Shelf, Store, StoreError};
use crate::sweep::SweepError;
use arena_domain::id::Tenant;
use arena_domain::job::Millis;
use arena_runtime::{clock, token};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_stream::StreamExt;
use tonic::Status;

/// Tenants, and coordinators of one tenant, that are looked through.
const MOST: u32 = 100_000;

/// Bytes, as they were counted at this moment or came since.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counted {
    at: Millis,
    bytes: u64,
}

impl Counted {
    fn read(body: &[u8]) -> Option<Self> {
        let (at, bytes) = std::str::from_utf8(body).ok()?.split_once(' ')?;
        Some(Self { at: at.parse().ok()?, bytes: bytes.parse().ok()? })
    }

    fn written(self) -> Vec<u8> {
        format!("{} {}", self.at, self.bytes).into_bytes()
    }
}

#[derive(Debug)]
pub(crate) struct Usage {
    /// Names what came by this coordinator.
    boot: String,
    here: Mutex<BTreeMap<Tenant, Here>>,
}

#[derive(Debug, Default)]
struct Here {
    /// What came, since the count of this moment.
    came: Counted,
    /// On its way: nobody knows yet whether it becomes a blob.
    coming: u64,
    /// Became blobs since this coordinator began: whoever looked at its room before has less of it.
    landed: u64,
}

/// Room that an upload takes while it comes, and until it is written down that it came.
#[derive(Debug)]
pub(crate) struct Coming {
    usage: Arc<Usage>,
    tenant: Tenant,
    bytes: u64,
    /// What it may have beside all else that comes, and what had landed before that was looked at; nothing: it is not bounded.
    room: Option<(u64, u64)>,
    full: String,
}

impl Default for Usage {
    fn default() -> Self {
        Self { boot: token::hex(12), here: Mutex::default() }
    }
}

impl Usage {
    fn landed(&self, tenant: &Tenant) -> u64 {
        self.here.lock().unwrap_or_else(PoisonError::into_inner).get(tenant).map_or(0, |here| here.landed)
    }

    fn of(&self, tenant: &Tenant, change: impl FnOnce(&mut Here) -> Counted) -> Counted {
        let mut here = self.here.lock().unwrap_or_else(PoisonError::into_inner);
        change(here.entry(tenant.clone()).or_default())
    }

    /// Of every tenant, as they lie there now.
    pub(crate) async fn counted(
        &self,
        store: &Store,
        bytes: &BTreeMap<Tenant, u64>,
        now: Millis,
    ) -> Result<(), StoreError> {
        for (key, _) in store.shelf(Shelf::Usage, "", MOST).await? {
            let of = key.split('/').next().unwrap_or_default();
            if key.contains('/') {
                store.discard(Shelf::Usage, &key).await?;
            } else if !bytes.contains_key(&Tenant::new(of)) {
                store.keep(Shelf::Usage, key, Counted { at: now, bytes: 0 }.written()).await?;
            }
        }
        for (tenant, bytes) in bytes {
            let counted = Counted { at: now, bytes: *bytes };
            store.keep(Shelf::Usage, tenant.to_string(), counted.written()).await?;
        }
        Ok(())
    }
}

impl Coordinator {
    /// Bytes of this tenant's blobs: exact after a count, and near it later.
    pub async fn stored_by(&self, tenant: &Tenant) -> Result<u64, SweepError> {
        let counted = self.count_of(tenant).await?;
        let prefix = format!("{tenant}/");
        let since = self.store.shelf(Shelf::Usage, &prefix, MOST).await?;
        let since = since.iter().take_while(|(key, _)| key.starts_with(&prefix));
        let since = since.filter_map(|(_, body)| Counted::read(body)).filter(|since| since.at == counted.at);
        Ok(counted.bytes + since.map(|since| since.bytes).sum::<u64>())
    }

    /// The last count; the first one is made when it is asked for.
    async fn count_of(&self, tenant: &Tenant) -> Result<Counted, SweepError> {
        let kept = async || Ok::<_, StoreError>(self.store.kept(Shelf::Usage, tenant.as_str()).await?);
        if let Some(counted) = kept().await?.and_then(|body| Counted::read(&body)) {
            return Ok(counted);
        }
        let first = Counted { at: clock::now_millis(), bytes: count(&self.blobs, tenant).await? };
        self.store.keep_new(Shelf::Usage, tenant.to_string(), first.written()).await?;
        Ok(kept().await?.and_then(|body| Counted::read(&body)).unwrap_or(first))
    }

    /// Room for what a person sends; refused when there is none. What workers bring is never refused: it was paid for.
    pub(crate) async fn coming(&self, tenant: &Tenant, bounded: bool) -> Result<Coming, Status> {
        let quota = self.quotas.of_tenant(tenant.as_str()).blobs.filter(|_| bounded);
        let room = match quota {
            None => None,
            Some(quota) => {
                let landed = self.usage.landed(tenant);
                Some((self.room(tenant, quota).await?, landed))
            }
        };
        let full = quota.map(|quota| full(tenant, quota)).unwrap_or_default();
        Ok(Coming { usage: self.usage.clone(), tenant: tenant.clone(), bytes: 0, room, full })
    }

    /// What the tenant may still have; refused when that is nothing.
    pub(crate) async fn room(&self, tenant: &Tenant, quota: u64) -> Result<u64, Status> {
        let has = self.stored_by(tenant).await.map_err(|error| {
            tracing::warn!(%tenant, %error, "the blobs of a tenant could not be counted");
            Status::unavailable("the blobs of the tenant cannot be counted now; try again")
        })?;
        match quota.checked_sub(has) {
            None | Some(0) => Err(Status::resource_exhausted(full(tenant, quota))),
            Some(room) => Ok(room),
        }
    }

    /// A blob of this length is there that was not.
    pub async fn came(&self, tenant: &Tenant, bytes: u64) -> Result<(), SweepError> {
        if bytes == 0 || self.quotas.of_tenant(tenant.as_str()).blobs.is_none() {
            return Ok(());
        }
        let at = self.count_of(tenant).await?.at;
        let came = self.usage.of(tenant, |here| {
            let before = if here.came.at == at { here.came.bytes } else { 0 };
            here.came = Counted { at, bytes: before + bytes };
            here.landed += bytes;
            here.came
        });
        let key = format!("{tenant}/{}", self.usage.boot);
        Ok(self.store.keep(Shelf::Usage, key, came.written()).await?)
    }
}

impl Coming {
    pub(crate) fn more(&mut self, bytes: u64) -> Result<(), Status> {
        self.bytes += bytes;
        let mut all = 0;
        self.usage.of(&self.tenant, |here| {
            here.coming += bytes;
            all = here.coming + here.landed;
            here.came
        });
        match self.room {
            Some((room, landed)) if all - landed > room => Err(Status::resource_exhausted(self.full.clone())),
            Some(_) | None => Ok(()),
        }
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        let bytes = self.bytes;
        self.usage.of(&self.tenant, |here| {
            here.coming = here.coming.saturating_sub(bytes);
            here.came
        });
    }
}

async fn count(blobs: &Blobs, tenant: &Tenant) -> Result<u64, SweepError> {
    let (mut lying, mut bytes) = (blobs.lying()?, 0);
    while let Some(one) = lying.next().await {
        let one = one?;
        match one.what {
            What::Blob(_) if one.tenant == *tenant => bytes += one.bytes,
            What::Blob(_) | What::Aside { .. } | What::Incoming => {}
        }
    }
    Ok(bytes)
}

fn full(tenant: &Tenant, quota: u64) -> String {
    format!(
        "the bundles and logs of tenant {tenant} have all of the {} MiB that they may have; wait until old sessions are taken \
         away (`keep_days` under [store]), or have `blobs` under [limits.tenants.{tenant}] of the coordinators raised",
        quota >> 20
    )
}
