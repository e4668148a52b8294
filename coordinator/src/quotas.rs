//! What a tenant may submit: sessions under way, waiting jobs, bytes of blobs, and the priority among its own.

use crate::dispatch::Coordinator;
use crate::store::StoreError;
use arena_domain::id::{SessionId, Tenant};
use arena_domain::packet::{Engine, Packet};
use arena_runtime::config::TenantLimits;
use tonic::Status;

/// Kinds of workers that the jobs of one tenant may wait for: whatever happens to one of its jobs costs by how many they are.
const MOST_KINDS: u32 = 256;

impl Coordinator {
    /// Refuses what the tenant's limits leave no room for. Coordinators that are asked at the same moment may let one more
    /// through than the limit each: it is what is asked for that is counted here, and what runs is counted by the store.
    pub(crate) async fn admit(&self, tenant: &Tenant, packet: &Packet) -> Result<(), Status> {
        let TenantLimits { running: _, weight: _, sessions, queued, priority, blobs } =
            self.quotas.of_tenant(tenant.as_str());
        let section = format!("[limits.tenants.{tenant}] of the coordinators");
        if packet.priority > priority {
            let asked = packet.priority;
            return Err(Status::permission_denied(format!(
                "a session of tenant {tenant} may ask for priority {priority} at most, and this one asks for {asked}; write \
                 `priority = {priority}`, or have `priority` under {section} raised"
            )));
        }
        self.counted(packet)?;
        let kinds = self.store.kinds(tenant).await.map_err(crate::api::store_status)?;
        if kinds >= MOST_KINDS {
            return Err(Status::resource_exhausted(format!(
                "jobs of tenant {tenant} wait for {kinds} kinds of workers, by their engines, labels and sizes, and it submits \
                 nothing more from {MOST_KINDS} on; wait until some run (`arena queue`), or ask for fewer different ones"
            )));
        }
        if let Some(quota) = blobs {
            self.room(tenant, quota).await?;
        }
        if sessions.is_none() && queued.is_none() {
            return Ok(());
        }
        let own = self.under_way(tenant).await.map_err(crate::api::store_status)?;
        if let Some(most) = sessions.filter(|most| own.len() >= *most as usize) {
            return Err(Status::resource_exhausted(format!(
                "tenant {tenant} has {} sessions under way and may have {most}; wait until one has ended (`arena sessions`), \
                 end one (`arena cancel ID`), or have `sessions` under {section} raised",
                own.len()
            )));
        }
        let Some(most) = queued else { return Ok(()) };
        let mut waiting = 0;
        for id in own {
            let jobs = self.store.jobs(&id).await.map_err(crate::api::store_status)?;
            waiting += jobs.iter().filter(|job| job.state == "queued").count();
        }
        if waiting >= most as usize {
            return Err(Status::resource_exhausted(format!(
                "{waiting} jobs of tenant {tenant} wait, and it submits nothing more from {most} on; wait until they run \
                 (`arena queue`), or have `queued` under {section} raised"
            )));
        }
        Ok(())
    }

    /// A limit of a provider holds for the engines that its section knows, so one that a packet makes up would go past it.
    fn counted(&self, packet: &Packet) -> Result<(), Status> {
        let asks = |(name, engine): (&String, &Engine)| {
            let provider = engine.provider.clone()?;
            let limit = self.quotas.provider.get(&provider)?;
            (!limit.engines.contains(name)).then(|| (name.clone(), provider, limit.running))
        };
        let Some((engine, provider, most)) = packet.engines.iter().find_map(asks) else { return Ok(()) };
        Err(Status::permission_denied(format!(
            "engine {engine} asks provider {provider}, of which {most} jobs may run at a time, and is not counted there; have \
             \"{engine}\" among `engines` under [limits.provider.{provider}] of the coordinators, or take an engine that is"
        )))
    }

    /// Its sessions that have not ended.
    async fn under_way(&self, tenant: &Tenant) -> Result<Vec<SessionId>, StoreError> {
        let all = self.store.under_way().await?;
        Ok(all.into_iter().filter(|one| one.tenant == tenant.as_str()).map(|one| SessionId::new(one.id)).collect())
    }
}
