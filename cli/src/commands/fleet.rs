//! The commands of those who run a fleet: `workers drain queue dead audit`.

use super::Done;
use super::dry_run::{self, would};
use crate::args::Common;
use crate::failure::{Failure, GENERAL, NOT_FOUND, USAGE};
use crate::home::Home;
use crate::output;
use arena_coordinator::access::audit::Chain;
use arena_domain::text::sanitise_line;
use arena_proto::v1::dry_run_request::Call;
use arena_proto::v1::{
    AuditEntry, AuditRequest, DeadJob, DeadRequest, DrainWorkerRequest, QueueRequest, RequeueRequest, Requeued, Scope,
    WorkerState, WorkersRequest,
};
use arena_runtime::clock;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::str::FromStr;
use tokio_stream::StreamExt;

pub(super) async fn workers(common: &Common, home: &Home) -> Done {
    let workers = home.fleet().workers(WorkersRequest {}).await?.into_inner().workers;
    if common.json {
        output::json(&Value::Array(workers.iter().map(document).collect()));
        return Ok(ExitCode::SUCCESS);
    }
    if workers.is_empty() {
        output::line("no worker is attached: arena worker");
    }
    for one in &workers {
        let labels = sanitise_line(&one.labels.join(" "), 60);
        let draining = if one.draining { "draining" } else { "" };
        output::line(&format!(
            "{:<24} {:>3} of {:<3} slots  {:<16} arena {} {draining} {labels}",
            one.name,
            one.running.len(),
            one.slots,
            whose(one.scope.as_ref()),
            sanitise_line(&one.version, 20),
        ));
        for line in has(one) {
            output::line(&format!("  {line}"));
        }
        for job in &one.running {
            output::line(&format!("  {}", sanitise_line(job, 120)));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What it offers to jobs, in lines.
fn has(one: &WorkerState) -> Vec<String> {
    let Some(offer) = &one.offer else { return Vec::new() };
    let cores = match one.measure_cores.as_slice() {
        [] => "on shared cores".to_owned(),
        sets => format!("on cores {}", sets.join(" ")),
    };
    let free = |free: u32, all: u32, what: &str| format!("{free} of {all} MiB {what} free");
    let able = if offer.abilities.is_empty() { "no engine of its own".to_owned() } else { offer.abilities.join(", ") };
    let slots = format!("{} engines, {} measurements {cores}", one.slots, offer.measure_slots);
    let memory = free(one.free_memory_mib, offer.memory_mib, "memory");
    let disk = free(one.free_disk_mib, offer.disk_mib, "disk");
    let hardware = format!("hardware {}: {}", offer.hardware, offer.machine);
    let lines = [format!("{slots}; {memory}, {disk}"), hardware, able];
    lines.iter().map(|line| sanitise_line(line, 200)).collect()
}

fn document(one: &WorkerState) -> Value {
    let offer = one.offer.clone().unwrap_or_default();
    json!({
        "worker": one.name, "id": one.id, "tenant": whose(one.scope.as_ref()), "slots": one.slots,
        "running": one.running, "draining": one.draining, "labels": one.labels, "measure_cores": one.measure_cores,
        "version": one.version, "since": clock::rfc3339(one.since), "heard": clock::rfc3339(one.heard),
        "measure_slots": offer.measure_slots, "abilities": offer.abilities, "hardware": offer.hardware,
        "machine": offer.machine, "runtime": offer.runtime,
        "memory_mib": offer.memory_mib, "free_memory_mib": one.free_memory_mib,
        "disk_mib": offer.disk_mib, "free_disk_mib": one.free_disk_mib,
    })
}

/// Whose sessions.
pub(super) fn whose(scope: Option<&Scope>) -> String {
    match scope {
        Some(scope) if scope.every => "every tenant".into(),
        Some(scope) => sanitise_line(&scope.tenant, 64),
        None => "nobody".into(),
    }
}

pub(super) async fn drain(common: &Common, worker: &str, dry_run: bool) -> Done {
    let request = DrainWorkerRequest { worker: worker.to_owned() };
    if dry_run {
        return would_drain(common, request).await;
    }
    let told = Home::existing(common)
        .await?
        .fleet()
        .drain_worker(request)
        .await
        .map_err(|status| Failure::from(status).listed_by("`arena workers` lists them"))?;
    let workers = told.into_inner().workers;
    if common.json {
        output::json(&Value::Array(workers.iter().map(document).collect()));
    } else {
        for one in &workers {
            let jobs = one.running.len();
            output::line(&format!("worker {} begins nothing more; it ends when its {jobs} jobs have ended", one.name));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn would_drain(common: &Common, request: DrainWorkerRequest) -> Done {
    let home = dry_run::home(common).await?;
    let asked = dry_run::asked(&home, Call::DrainWorker(request.clone())).await;
    let workers = match asked.map_err(|failure| failure.listed_by("`arena workers` lists them"))? {
        Some(answer) => answer.workers,
        None => attached(&home, &request.worker).await?,
    };
    if common.json {
        output::json(&workers.iter().map(document).map(would).collect());
    } else {
        for one in &workers {
            let (name, jobs) = (&one.name, one.running.len());
            let now = "begins nothing more already, and ends";
            let what = if one.draining { now } else { "would begin nothing more, and end" };
            output::line(&format!("worker {name} {what} with its {jobs} jobs; nothing was changed"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Those of this name or id, as far as can be seen from here.
async fn attached(home: &Home, worker: &str) -> Result<Vec<WorkerState>, Failure> {
    let mut workers = home.fleet().workers(WorkersRequest {}).await?.into_inner().workers;
    workers.retain(|one| one.name == worker || one.id == worker);
    if workers.is_empty() {
        let what = format!("no worker '{worker}' is attached");
        return Err(Failure::new(NOT_FOUND, what, "`arena workers` lists them"));
    }
    Ok(workers)
}

pub(super) async fn queue(common: &Common, home: &Home) -> Done {
    let jobs = home.fleet().queue(QueueRequest {}).await?.into_inner().jobs;
    if common.json {
        let row = |one: &arena_proto::v1::QueuedJob| {
            json!({
                "job": one.id, "tenant": one.tenant, "state": one.state, "attempt": one.attempt,
                "worker": Some(&one.worker).filter(|worker| !worker.is_empty()),
                "why": Some(&one.why).filter(|why| !why.is_empty()),
            })
        };
        output::json(&Value::Array(jobs.iter().map(row).collect()));
        return Ok(ExitCode::SUCCESS);
    }
    if jobs.is_empty() {
        output::line("nothing runs and nothing waits");
    }
    for one in &jobs {
        let what =
            if one.state == "leased" { format!("runs on {}", one.worker) } else { format!("waits: {}", one.why) };
        output::line(&format!("{:<44} {:<16} {}", one.id, one.tenant, sanitise_line(&what, 120)));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn dead(common: &Common, again: Option<Vec<String>>, all: bool, dry_run: bool) -> Done {
    match again {
        Some(jobs) => requeue(common, RequeueRequest { jobs, all }, dry_run).await,
        None => list_dead(common, &Home::existing(common).await?).await,
    }
}

async fn list_dead(common: &Common, home: &Home) -> Done {
    let jobs = home.fleet().dead(DeadRequest {}).await?.into_inner().jobs;
    if common.json {
        let row = |one: &DeadJob| {
            json!({
                "job": one.id, "tenant": one.tenant, "reason": one.reason, "at": clock::rfc3339(one.at),
                "held": one.held, "until": (one.until > 0).then(|| clock::rfc3339(one.until)),
            })
        };
        output::json(&Value::Array(jobs.iter().map(row).collect()));
        return Ok(ExitCode::SUCCESS);
    }
    if jobs.is_empty() {
        output::line("no job was given up");
    }
    for one in &jobs {
        let reason = sanitise_line(&one.reason, 200);
        output::line(&format!("{:<44} {:<16} {}  {reason}", one.id, one.tenant, clock::rfc3339(one.at)));
        let held = match (one.held, one.until) {
            (false, _) => continue,
            (true, 0) => format!("  held: arena dead --requeue {}", one.id),
            (true, until) => format!("  held until {}: arena dead --requeue {}", clock::rfc3339(until), one.id),
        };
        output::line(&held);
    }
    Ok(ExitCode::SUCCESS)
}

async fn requeue(common: &Common, request: RequeueRequest, dry_run: bool) -> Done {
    if request.jobs.is_empty() && !request.all {
        let mend = "`arena dead` lists them; `arena dead --requeue JOB`, or `--requeue --all`";
        return Err(Failure::new(USAGE, "no job is named", mend));
    }
    if dry_run {
        return would_requeue(common, request).await;
    }
    let answer = Home::existing(common)
        .await?
        .fleet()
        .requeue(request)
        .await
        .map_err(|status| Failure::from(status).listed_by("`arena dead` lists them"))?;
    let jobs = answer.into_inner().jobs;
    if common.json {
        output::json(&Value::Array(jobs.iter().map(requeued).collect()));
    } else if jobs.is_empty() {
        output::line("no job is held");
    } else {
        for one in &jobs {
            let what = if one.done { "waits again".to_owned() } else { sanitise_line(&one.why, 300) };
            output::line(&format!("{}: {what}", one.id));
        }
    }
    Ok(if jobs.iter().all(|one| one.done) { ExitCode::SUCCESS } else { ExitCode::from(GENERAL) })
}

fn requeued(one: &Requeued) -> Value {
    json!({ "job": one.id, "requeued": one.done, "why": Some(&one.why).filter(|why| !why.is_empty()) })
}

async fn would_requeue(common: &Common, request: RequeueRequest) -> Done {
    let home = dry_run::home(common).await?;
    let asked = dry_run::asked(&home, Call::Requeue(request.clone())).await;
    let jobs = match asked.map_err(|failure| failure.listed_by("`arena dead` lists them"))? {
        Some(answer) => answer.jobs,
        None => among_the_dead(&home, &request).await?,
    };
    if common.json {
        output::json(&jobs.iter().map(requeued).map(would).collect());
    } else if jobs.is_empty() {
        output::line("no job is held");
    } else {
        for one in &jobs {
            let why = || format!("would not wait again: {}", sanitise_line(&one.why, 300));
            let what = if one.done { "would wait again".to_owned() } else { why() };
            output::line(&format!("{}: {what}; nothing was changed", one.id));
        }
    }
    Ok(if jobs.iter().all(|one| one.done) { ExitCode::SUCCESS } else { ExitCode::from(GENERAL) })
}

/// Those that are meant, as far as can be seen from here.
async fn among_the_dead(home: &Home, RequeueRequest { jobs, all }: &RequeueRequest) -> Result<Vec<Requeued>, Failure> {
    let known = home.fleet().dead(DeadRequest {}).await?.into_inner().jobs;
    if let Some(strange) = jobs.iter().find(|job| !all && !known.iter().any(|one| one.id == **job)) {
        let what = format!("job '{strange}' is not among the dead");
        return Err(Failure::new(NOT_FOUND, what, "`arena dead` lists them"));
    }
    let meant = known.into_iter().filter(|one| if *all { one.held } else { jobs.contains(&one.id) });
    let told = |held: bool| if held { String::new() } else { "its session was told that it is dead".to_owned() };
    Ok(meant.map(|one| Requeued { id: one.id, done: one.held, why: told(one.held) }).collect())
}

pub(super) async fn audit(common: &Common, home: &Home, expect: Option<Head>) -> Done {
    let mut entries = home.fleet().audit(AuditRequest { after: 0 }).await?.into_inner();
    let mut chain = Chain::default();
    while let Some(entry) = entries.next().await {
        let entry = entry?;
        if let Err(error) = chain.follow(&entry) {
            return Err(broken(&error.to_string()));
        }
        if let Some(Head { seq, digest }) = &expect
            && entry.seq == *seq
            && entry.digest != *digest
        {
            return Err(broken(&format!("entry {seq} is not the one that was noted")));
        }
        told(common, &entry);
    }
    if let Some(Head { seq, .. }) = &expect
        && chain.entries < *seq
    {
        return Err(broken(&format!("it ends at entry {}, and {seq} was noted", chain.entries)));
    }
    output::note(&format!("{} entries, unbroken; head {}:{}", chain.entries, chain.entries, chain.head));
    Ok(ExitCode::SUCCESS)
}

fn broken(what: &str) -> Failure {
    let mend = "compare it with the backups of the store; whoever can write the store can have changed it";
    Failure::new(GENERAL, format!("the audit log is broken: {what}"), mend)
}

/// The end of the log as somebody noted it: an end that is taken away later is missed by nobody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    seq: u64,
    digest: String,
}

impl FromStr for Head {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let head = text.split_once(':').and_then(|(seq, digest)| {
            let seq = seq.parse().ok().filter(|seq| *seq > 0)?;
            (digest.len() == 64).then(|| Self { seq, digest: digest.to_owned() })
        });
        head.ok_or_else(|| "write NUMBER:DIGEST, as `arena audit` says at its end".to_owned())
    }
}

fn told(common: &Common, entry: &AuditEntry) {
    let AuditEntry { seq, at, who, action, subject, tenant, allowed, detail, before: _, digest, nonce: _ } = entry;
    let at = clock::rfc3339(*at);
    if common.json {
        return output::json_line(&json!({
            "seq": seq, "at": at, "who": who, "action": action, "subject": subject, "tenant": tenant,
            "allowed": allowed, "detail": detail, "digest": digest,
        }));
    }
    let word = if *allowed { "did" } else { "was refused" };
    output::line(&sanitise_line(&format!("{seq:>6} {at} {who} {word}: {action} {subject} {tenant} {detail}"), 400));
}
