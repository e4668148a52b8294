//! What waits, what it waits for, who holds the slots that it waits for, and what would free one.

mod lacks;

use super::{Coordinator, session_of};
use crate::access::Caller;
use crate::api::store_status;
use crate::sessions;
use arena_domain::id::{JobId, SessionId, Tenant};
use arena_domain::placement::Home;
use arena_domain::schedule::Why;
use arena_proto::v1;
use arena_runtime::clock;
use lacks::{Lacking, Workers};
use tonic::Status;

/// Holders that are named.
const NAMED: usize = 12;

/// One live job of the whole store.
struct Live {
    state: v1::JobState,
    session: SessionId,
    tenant: Tenant,
}

impl Live {
    fn is_leased(&self) -> bool {
        self.state.state == "leased"
    }

    fn competitor(&self) -> &str {
        self.state.id.split('/').nth(1).unwrap_or_default()
    }
}

async fn live(coordinator: &Coordinator) -> Result<Vec<Live>, Status> {
    let mut all = Vec::new();
    for one in coordinator.store.sessions().await.map_err(store_status)? {
        if one.status != "running" {
            continue;
        }
        let session = SessionId::new(one.id);
        let tenant = coordinator.tenant_of(&session).await.map_err(|error| crate::api::status(&error))?;
        for state in coordinator.store.jobs(&session).await.map_err(store_status)? {
            if state.state == "queued" || state.state == "leased" {
                all.push(Live { state, session: session.clone(), tenant: tenant.clone() });
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
        let Live { state, session: _, tenant } = one;
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
    let why = coordinator.store.why(id.clone(), idle, clock::now_millis()).await.map_err(store_status)?;
    if why == Why::Unknown {
        return Err(Status::not_found(format!("no job '{id}'")));
    }
    if let Some(Lacking { kind, text, frees }) = Workers::new(listed).lack(coordinator, &id, &why).await? {
        return Ok(v1::WhyResponse { kind: kind.into(), text, holders: Vec::new(), frees });
    }
    let (kind, mut text) = told(&why);
    let (mut holders, mut frees) = (Vec::new(), String::new());
    match &why {
        Why::Limit { dimension, name, .. } => {
            let all = live(coordinator).await?;
            let mut held = Vec::new();
            for one in all.iter().filter(|one| one.is_leased()) {
                if holds(coordinator, one, &id, dimension, name).await {
                    held.push(one);
                }
            }
            holders = named(&held, caller);
            let waiting = all.iter().filter(|one| !one.is_leased() && one.state.id != id.as_str()).count();
            text = format!("{text}; {waiting} other jobs wait too");
            frees = remedy(dimension, name);
        }
        Why::Ready { .. } => {
            holders = named(&live(coordinator).await?.iter().filter(|one| one.is_leased()).collect::<Vec<_>>(), caller);
            frees = "one of these jobs ends, or another worker is attached (`arena workers`)".into();
        }
        Why::Kept { .. } => frees = "such a worker has a free slot, or that time passes".into(),
        Why::NotDue { .. } => frees = "its time: an attempt failed, and the next one waits a little".into(),
        Why::Suspect { .. } => frees = "its worker comes back, or that time passes".into(),
        Why::Runs { .. } | Why::Ended | Why::Dead { .. } | Why::Unknown => {}
    }
    Ok(v1::WhyResponse { kind: kind.into(), text, holders, frees })
}

/// Whether this one takes up a slot of the limit that `waiting` meets.
async fn holds(coordinator: &Coordinator, one: &Live, waiting: &JobId, dimension: &str, name: &str) -> bool {
    match dimension {
        "tenant" => one.tenant.as_str() == name,
        "session" => session_of(waiting).is_some_and(|session| session == one.session),
        "engine" => {
            let engine = |session: &arena_domain::session::Session| {
                let mut all = session.contestants.iter().map(|contestant| &contestant.competitor);
                all.any(|rival| rival.name.as_str() == one.competitor() && rival.engine == name)
            };
            let loaded = sessions::load(&coordinator.store, &one.session).await;
            one.state.id.ends_with("/implement") && loaded.is_ok_and(|(_, session)| engine(&session))
        }
        _ => true,
    }
}

fn named(held: &[&Live], caller: &Caller) -> Vec<String> {
    let shown = |one: &&Live| match caller.sees(&one.tenant) {
        true => format!("{} on {}", one.state.id, one.state.worker),
        false => "a job of another tenant".to_owned(),
    };
    let mut names: Vec<String> = held.iter().take(NAMED).map(shown).collect();
    if held.len() > NAMED {
        names.push(format!("and {} more", held.len() - NAMED));
    }
    names
}

fn remedy(dimension: &str, name: &str) -> String {
    match dimension {
        "fleet" => "one of these jobs ends, or `fleet` under [limits] of the coordinators is raised".into(),
        "tenant" => "one of these jobs ends, or `tenant` under [limits] of the coordinators is raised".into(),
        "session" => "one of these jobs ends, or the packet says a larger `parallel`".into(),
        "engine" => format!("one of these jobs ends, or `{name}` under [limits.engine] is raised"),
        _ => "one of these jobs ends".into(),
    }
}
