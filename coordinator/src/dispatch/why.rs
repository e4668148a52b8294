//! What waits, what it waits for, who holds the slots that it waits for, what would free one, and where it stands beside
//! others.

mod lacks;

use super::Coordinator;
use crate::access::Caller;
use crate::api::store_status;
use arena_domain::id::{JobId, SessionId, Tenant};
use arena_domain::job::Millis;
use arena_domain::placement::Home;
use arena_domain::schedule::{Held, Holder, Line, Standing, Why};
use arena_proto::v1;
use arena_runtime::clock;
use lacks::{Lacking, Workers};
use tonic::Status;

/// One live job of the whole store.
struct Live {
    state: v1::JobState,
    tenant: Tenant,
}

impl Live {
    fn is_leased(&self) -> bool {
        self.state.state == "leased"
    }
}

async fn live(coordinator: &Coordinator) -> Result<Vec<Live>, Status> {
    let mut all = Vec::new();
    for one in coordinator.store.under_way().await.map_err(store_status)? {
        if one.status != "running" {
            continue;
        }
        let (session, tenant) = (SessionId::new(one.id), Tenant::new(one.tenant));
        for state in coordinator.store.jobs(&session).await.map_err(store_status)? {
            if state.state == "queued" || state.state == "leased" {
                all.push(Live { state, tenant: tenant.clone() });
            }
        }
    }
    Ok(all)
}

/// Everything that waits or runs, as far as the caller may see it. `listed`: whether workers are, as those of a team.
pub(crate) async fn queue(
    coordinator: &Coordinator,
    caller: &Caller,
    listed: bool,
) -> Result<Vec<v1::QueuedJob>, Status> {
    let (mut jobs, mut workers) = (Vec::new(), Workers::new(listed));
    for one in live(coordinator).await?.into_iter().filter(|one| caller.sees(&one.tenant)) {
        let why = match one.is_leased() {
            true => String::new(),
            false => {
                let id = JobId::new(&one.state.id);
                let now = clock::now_millis();
                let why = coordinator.store.why(id.clone(), Vec::new(), now).await.map_err(store_status)?;
                let lacking = workers.lack(coordinator, &id, &why).await?;
                lacking.map_or_else(|| told(&why).1, |lacking| lacking.text)
            }
        };
        let Live { state, tenant } = one;
        let v1::JobState { id, state, worker, attempt } = state;
        jobs.push(v1::QueuedJob { id, tenant: tenant.to_string(), state, worker, attempt, why });
    }
    // What runs first; then in the order of the names, which is that of the sessions.
    jobs.sort_by(|one, other| one.state.cmp(&other.state).reverse().then_with(|| one.id.cmp(&other.id)));
    jobs.sort_by_key(|one| one.state != "leased");
    Ok(jobs)
}

/// In a word and in a sentence.
fn told(why: &Why) -> (&'static str, String) {
    match why {
        Why::Unknown => ("unknown", "no such job".to_owned()),
        Why::Runs { worker } => ("runs", format!("it runs on {worker}")),
        Why::Suspect { worker, until } => {
            let from = clock::rfc3339(*until);
            ("suspect", format!("{worker} runs it and was not heard of lately; from {from} on another gets it"))
        }
        Why::Dead { reason } => ("dead", format!("it is tried no more: {reason}")),
        Why::Ended => ("ended", "it has ended".to_owned()),
        Why::Ready { ahead } => ("ready", format!("it waits for a free slot of a worker; {ahead} jobs are ahead")),
        Why::Kept { home: Home::Worker(name), until } => {
            let until = clock::rfc3339(*until);
            ("kept", format!("worker {name} has its repository ready and may have it first, until {until}"))
        }
        Why::Kept { home: Home::Hardware(class), until } => {
            let until = clock::rfc3339(*until);
            (
                "kept",
                format!("only workers of hardware {class}, where its base was measured, may have it until {until}"),
            )
        }
        Why::NotDue { at } => ("not_due", format!("it is tried again at {}", clock::rfc3339(*at))),
        Why::Limit { dimension, name, running, limit } => {
            ("limit", format!("the {dimension} limit of {name} is reached: {running} of {limit} run"))
        }
    }
}

pub(crate) async fn answer(
    coordinator: &Coordinator,
    caller: &Caller,
    id: JobId,
    idle: Vec<SessionId>,
    listed: bool,
) -> Result<v1::WhyResponse, Status> {
    let (store, now) = (&coordinator.store, clock::now_millis());
    let why = store.why(id.clone(), idle.clone(), now).await.map_err(store_status)?;
    if why == Why::Unknown {
        return Err(Status::not_found(format!("no job '{id}'")));
    }
    let line = store.line(&id, idle, now).await.map_err(store_status)?;
    if let Some(Lacking { kind, text, frees }) = Workers::new(listed).lack(coordinator, &id, &why).await? {
        let line = line.map(|line| wire(line, now));
        return Ok(v1::WhyResponse { kind: kind.into(), text, holders: Vec::new(), frees, line });
    }
    let (kind, mut text) = told(&why);
    if let (Why::Ready { .. }, Some(line)) = (&why, &line) {
        text = format!("it waits for a free slot of a worker; {} jobs are served before it", line.ahead());
    }
    let tenant = line.as_ref().map_or("", |line| &line.tenant.name);
    let frees = match &why {
        Why::Limit { dimension, name, .. } => remedy(dimension, name, tenant),
        Why::Ready { .. } => "one of these jobs ends, or another worker is attached (`arena workers`)".into(),
        Why::Kept { .. } => "such a worker has a free slot, or that time passes".into(),
        Why::NotDue { .. } => "its time: an attempt failed, and the next one waits a little".into(),
        Why::Suspect { .. } => "its worker comes back, or that time passes".into(),
        Why::Dead { .. } => format!("`arena dead --requeue {id}`, as long as its session was not told"),
        Why::Runs { .. } | Why::Ended | Why::Unknown => String::new(),
    };
    let holders = line.as_ref().map(|line| holders(&line.held, tenant, caller)).unwrap_or_default();
    Ok(v1::WhyResponse { kind: kind.into(), text, holders, frees, line: line.map(|line| wire(line, now)) })
}

/// Those that the caller may see by their names; of all others only how many they are.
fn holders(held: &Held, tenant: &str, caller: &Caller) -> Vec<String> {
    let shown = |one: &Holder| format!("{} on {} since {}", one.job, one.worker, clock::rfc3339(one.since));
    let seen: Vec<&Holder> = held.named.iter().filter(|one| caller.sees(&one.tenant)).collect();
    let own = seen.iter().filter(|one| one.tenant.as_str() == tenant).count();
    let mut all: Vec<String> = seen.iter().map(|one| shown(one)).collect();
    match (held.of_tenant as usize).saturating_sub(own) {
        0 => {}
        more => all.push(format!("{more} more of tenant {tenant}")),
    }
    match (held.of_others as usize).saturating_sub(seen.len() - own) {
        0 => {}
        1 => all.push("a job of another tenant".into()),
        many => all.push(format!("{many} jobs of other tenants")),
    }
    all
}

fn wire(line: Line, now: Millis) -> v1::Line {
    let Line { tenant, session, of_session, of_sessions, of_tenants, sessions_ahead, tenants_ahead, held } = line;
    let standing = |one: Standing| v1::Standing {
        used_ms: one.used(now),
        head_start_ms: one.head_start,
        name: one.name,
        running: one.running,
        weight: one.weight,
        waiting: one.waiting,
    };
    v1::Line {
        tenant: Some(standing(tenant)),
        session: Some(standing(session)),
        of_session,
        of_sessions,
        of_tenants,
        sessions_ahead: sessions_ahead.into_iter().map(standing).collect(),
        tenants_ahead,
        held_by_tenant: held.of_tenant,
        held_by_others: held.of_others,
    }
}

fn remedy(dimension: &str, name: &str, tenant: &str) -> String {
    let raised = match dimension {
        "fleet" => "`fleet` under [limits] of the coordinators is raised".to_owned(),
        "tenant" => format!("`running` under [limits.tenants.{tenant}] of the coordinators is raised"),
        "session" => "the packet says a larger `parallel`".to_owned(),
        "engine" => format!("`{name}` under [limits.engine] is raised"),
        _ => format!("`running` under [limits.provider.{name}] is raised"),
    };
    format!("one of these jobs ends, or {raised}")
}
