//! The queue: claims, renewals and how leases end.

use super::{Again, Call, Redis, class, script, texts};
use crate::store::StoreError;
use crate::store::port::{Back, DeadLetter, Leases};
use arena_domain::id::{Fence, JobId, SessionId, Tenant, WorkerId};
use arena_domain::job::{Job, Millis, State, worn_out};
use arena_domain::schedule::{Ask, Held, Holder, Left, Line, MOST_NAMED, Place, Settled, Standing};
use arena_proto::convert::Wire;
use arena_proto::v1;
use async_trait::async_trait;
use prost::Message;

/// As `claim.lua` answers: id, body, attempt, failed, died, arrived, worker, fence, since, expires.
type Claimed = (String, Vec<u8>, u32, u32, u32, u64, String, String, Millis, Millis);

/// Leases that are renewed by one call: more arguments than a command there takes are an error.
const MOST_RENEWED: usize = 1_000;

/// Sessions of one tenant, and tenants, that are looked at from the head of a line.
const MOST_IN_LINE: &str = "200";

/// As `line.lua` answers: name, running, weight, mark, head start, served, waiting.
type Row = (String, u32, u32, Millis, Millis, u64, u32);
/// Ahead in its session, tenants, sessions, holders, how many of its tenant, how many of others.
type InLine = (u32, Vec<Row>, Vec<Row>, Vec<(String, String, String, Millis)>, u32, u32);

#[async_trait]
impl Leases for Redis {
    async fn claim(&self, ask: Ask, now: Millis) -> Result<Option<Place>, StoreError> {
        let only = ask.only.as_ref().map_or("", SessionId::as_str);
        let tenant = ask.tenant.as_ref().map_or("", Tenant::as_str);
        let mut args = texts([ask.worker.as_str(), ask.request.as_str(), only, tenant]);
        args.extend(class::offer(&ask.offer));
        let claimed: Result<Option<Claimed>, StoreError> = self.write(Call::new(&script::CLAIM, now, args)).await;
        if let Err(StoreError::Unavailable(_)) = &claimed {
            // Whatever came of it, nobody runs it: as far as the server can be reached its job waits again, at no cost.
            let undo = texts(["undo", ask.worker.as_str(), ask.request.as_str()]);
            let call = Call { again: Again::Never, ..Call::new(&script::REQUEUE, now, undo) };
            let _undone: Result<Vec<String>, StoreError> = self.read(call).await;
        }
        claimed?.map(place).transpose()
    }

    async fn renew(&self, leases: Vec<(JobId, Fence)>, now: Millis) -> Result<Vec<JobId>, StoreError> {
        let both = |(id, fence): &(JobId, Fence)| texts([id.as_str(), fence.as_str()]);
        let mut all = Vec::new();
        for part in leases.chunks(MOST_RENEWED) {
            let args = part.iter().flat_map(both).collect();
            let lost: Vec<String> = self.read(Call::new(&script::RENEW, now, args)).await?;
            all.extend(lost.into_iter().map(JobId::new));
        }
        Ok(all)
    }

    async fn hand_back(
        &self,
        (id, fence): (JobId, Fence),
        how: Back,
        due: Millis,
        now: Millis,
    ) -> Result<Settled, StoreError> {
        let how = match how {
            Back::Failed => "give_back",
            Back::LetGo => "let_go",
        };
        // How long, and not until when: the server has a clock of its own.
        let wait = due.saturating_sub(now).to_string();
        let back = self.requeue(now, texts([how, id.as_str(), fence.as_str(), &wait])).await?;
        Ok(if back.is_empty() { Settled::Stale } else { Settled::Accepted })
    }

    async fn expire(&self, now: Millis) -> Result<Vec<JobId>, StoreError> {
        self.requeue(now, texts(["expire"])).await
    }

    async fn abandon(&self, session: SessionId, left: Left, now: Millis) -> Result<Vec<JobId>, StoreError> {
        let left = match left {
            Left::Dead => "dead",
            Left::Politely => "politely",
        };
        let mut back = self.requeue(now, texts(["abandon", session.as_str(), left])).await?;
        back.sort();
        Ok(back)
    }

    async fn bury(&self, workers: Vec<WorkerId>, now: Millis) -> Result<Vec<JobId>, StoreError> {
        let mut args = texts(["bury"]);
        args.extend(workers.iter().map(|worker| worker.as_str().as_bytes().to_vec()));
        let mut back = self.requeue(now, args).await?;
        back.sort();
        Ok(back)
    }

    async fn dead(&self, of: Option<&SessionId>, most: u32) -> Result<Vec<DeadLetter>, StoreError> {
        let call = Call::new(&script::DEAD, 0, texts([&most.to_string(), of.map_or("", SessionId::as_str)]));
        let found: Vec<(String, String, u32, u32, Millis)> = self.read(call).await?;
        let letter = |(job, fence, failed, died, at): (String, String, u32, u32, Millis)| DeadLetter {
            job: JobId::new(job),
            fence: Fence::new(fence),
            reason: worn_out(failed, died).unwrap_or_default(),
            at,
        };
        Ok(found.into_iter().map(letter).collect())
    }

    async fn revive(&self, id: &JobId, now: Millis) -> Result<bool, StoreError> {
        self.write(Call::new(&script::REVIVE, now, texts([id.as_str()]))).await
    }

    /// Every session of a fleet is moved, so none is idle.
    async fn line(&self, id: &JobId, _: Vec<SessionId>, now: Millis) -> Result<Option<Line>, StoreError> {
        let args = texts([id.as_str(), &MOST_NAMED.to_string(), MOST_IN_LINE]);
        let found: Option<InLine> = self.read(Call::new(&script::LINE, now, args)).await?;
        Ok(found.and_then(line))
    }
}

impl Redis {
    async fn requeue(&self, now: Millis, args: Vec<Vec<u8>>) -> Result<Vec<JobId>, StoreError> {
        // Once more it would find the leases gone, and say that there were none.
        let call = Call { again: Again::Never, ..Call::new(&script::REQUEUE, now, args) };
        let back: Vec<String> = self.write(call).await?;
        Ok(back.into_iter().map(JobId::new).collect())
    }
}

fn place(claimed: Claimed) -> Result<Place, StoreError> {
    let (_, body, attempt, failed, died, arrived, worker, fence, since, expires) = claimed;
    let job = Job::from_wire(v1::Job::decode(body.as_slice())?)?;
    let (worker, fence) = (WorkerId::new(worker), Fence::new(fence));
    Ok(Place { job, state: State::Leased { worker, fence, since, expires }, attempt, failed, died, arrived })
}

/// Its own rows come first.
fn line((of_session, tenants, sessions, named, of_tenant, of_others): InLine) -> Option<Line> {
    let standings = |rows: Vec<Row>| -> Vec<Standing> { rows.into_iter().map(standing).collect() };
    let (tenants, sessions) = (standings(tenants), standings(sessions));
    let ((tenant, others), (session, siblings)) = (tenants.split_first()?, sessions.split_first()?);
    let holder = |(job, tenant, worker, since): (String, String, String, Millis)| Holder {
        job: JobId::new(job),
        tenant: Tenant::new(tenant),
        worker: WorkerId::new(worker),
        since,
    };
    let held = Held { named: named.into_iter().map(holder).collect(), of_tenant, of_others };
    Some(Line::new((tenant.clone(), session.clone(), of_session), others, siblings, held))
}

fn standing((name, running, weight, mark, head_start, served, waiting): Row) -> Standing {
    Standing { name, running, weight, mark, head_start, served, waiting }
}
