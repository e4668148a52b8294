//! Why no worker can run a job, with the figures and what would mend it.

use crate::api::store_status;
use crate::dispatch::Coordinator;
use crate::fleet;
use arena_domain::id::{JobId, Tenant};
use arena_domain::job::Job;
use arena_domain::placement::{Lack, Needs, Offer, Room, lack};
use arena_domain::schedule::Why;
use std::collections::BTreeMap;
use tonic::Status;

/// What keeps a job from every worker: in a word, in a sentence, and what would mend it.
pub(super) struct Lacking {
    pub kind: &'static str,
    pub text: String,
    pub frees: String,
}

/// The workers that each tenant has, looked up once.
pub(super) struct Workers {
    known: BTreeMap<Tenant, Vec<Offer>>,
    /// On one machine each session has a worker of its own, which is nowhere listed.
    listed: bool,
}

impl Workers {
    pub(super) fn new(listed: bool) -> Self {
        Self { known: BTreeMap::new(), listed }
    }

    /// Of a job that only waits for a worker; nothing when one will have it.
    pub(super) async fn lack(
        &mut self,
        coordinator: &Coordinator,
        id: &JobId,
        why: &Why,
    ) -> Result<Option<Lacking>, Status> {
        match why {
            Why::Ready { .. } | Why::Kept { .. } => {}
            Why::Runs { .. }
            | Why::Suspect { .. }
            | Why::Ended
            | Why::Dead { .. }
            | Why::Unknown
            | Why::NotDue { .. }
            | Why::Limit { .. } => return Ok(None),
        }
        let Some(job) = coordinator.store.job(id).await.map_err(store_status)? else { return Ok(None) };
        if !self.known.contains_key(&job.tenant) {
            let offers = fleet::offers(&coordinator.store, &job.tenant).await.map_err(store_status)?;
            self.known.insert(job.tenant.clone(), offers);
        }
        let offers = self.known.get(&job.tenant).map(Vec::as_slice).unwrap_or_default();
        if offers.is_empty() && !self.listed {
            return Ok(None);
        }
        Ok(lack(&job.needs, offers).map(|lack| of(&lack, &job.needs)).or_else(|| room(&job, offers)))
    }
}

fn of(lack: &Lack, needs: &Needs) -> Lacking {
    let (text, frees) = match lack {
        Lack::Nobody => {
            ("no worker is attached that serves its tenant".to_owned(), "`arena worker` on a machine that does".into())
        }
        Lack::Ability(ability) => (format!("no attached worker has {ability}"), brings(ability)),
        Lack::Label(label) => (
            format!("no attached worker carries the label {label}"),
            format!("\"{label}\" among `labels` under [worker] of one, or a packet without it under [placement]"),
        ),
        Lack::Memory(wants, most) => (
            format!("it needs {wants} MiB of memory, and the largest attached worker has {most} MiB for jobs"),
            "a larger worker, or less `memory` under [sandbox] of the packet".into(),
        ),
        Lack::Disk(wants, most) => (
            format!("it needs {wants} MiB of disk, and the largest attached worker has {most} MiB for jobs"),
            "a worker with more room, or less `disk` under [sandbox] of the packet".into(),
        ),
        Lack::Together => (
            format!("no attached worker has all that it needs: {}", whole(needs)),
            "one that has it all; `arena workers` shows what each has".into(),
        ),
    };
    Lacking { kind: "placement", text, frees }
}

fn brings(ability: &str) -> String {
    match ability.split_once(' ') {
        Some(("engine", name)) => {
            format!("`arena engines install {name}` and its key on a worker's machine, then start that worker again")
        }
        Some((_, name)) => {
            format!("a key for [provider.{name}] in a worker's configuration, then start that worker again")
        }
        None => "a worker that has it".into(),
    }
}

fn whole(needs: &Needs) -> String {
    let Needs { ability, labels, room: Room { memory, disk } } = needs;
    let labels = labels.iter().map(|label| format!("label {label}"));
    let room = [format!("{memory} MiB of memory"), format!("{disk} MiB of disk")];
    ability.iter().cloned().chain(labels).chain(room).collect::<Vec<_>>().join(", ")
}

/// Those that could run it are too full at the moment.
fn room(job: &Job, offers: &[Offer]) -> Option<Lacking> {
    let able: Vec<&Offer> = offers.iter().filter(|offer| offer.can(&job.needs)).collect();
    if able.is_empty() || able.iter().any(|offer| offer.free.holds(job.needs.room)) {
        return None;
    }
    let Room { memory, disk } = job.needs.room;
    let most = |part: fn(&Room) -> u32| able.iter().map(|offer| part(&offer.free)).max().unwrap_or(0);
    let (free_memory, free_disk) = (most(|room| room.memory), most(|room| room.disk));
    let text = format!(
        "it needs {memory} MiB of memory and {disk} MiB of disk; of the workers that could run it none has more free than \
         {free_memory} and {free_disk}"
    );
    Some(Lacking { kind: "room", text, frees: "jobs that end there, or another worker like them".into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lack_ends_with_what_mends_it() {
        let needs = Needs {
            ability: Some("engine codex".into()),
            labels: ["gpu".to_owned()].into(),
            room: Room { memory: 4096, disk: 10 },
        };
        let rows = [
            (Lack::Nobody, "no worker is attached", "`arena worker`"),
            (Lack::Ability("engine codex".into()), "has engine codex", "`arena engines install codex`"),
            (Lack::Ability("provider own".into()), "has provider own", "[provider.own]"),
            (Lack::Label("gpu".into()), "carries the label gpu", "[placement]"),
            (
                Lack::Memory(4096, 2048),
                "needs 4096 MiB of memory, and the largest attached worker has 2048",
                "`memory`",
            ),
            (Lack::Disk(10, 9), "needs 10 MiB of disk", "`disk`"),
            (Lack::Together, "engine codex, label gpu, 4096 MiB of memory, 10 MiB of disk", "`arena workers`"),
        ];
        for (lack, text, frees) in rows {
            let told = of(&lack, &needs);
            assert!(told.text.contains(text) && told.frees.contains(frees), "{} / {}", told.text, told.frees);
        }
    }
}
