//! The commands of those who run a fleet: `workers drain queue dead audit`.

use super::Done;
use crate::args::Common;
use crate::failure::{Failure, GENERAL, NOT_FOUND, USAGE};
use crate::home::Home;
use crate::output;
use arena_coordinator::access::audit::Chain;
use arena_domain::text::sanitise_line;
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
    let home = Home::existing(common).await?;
    if dry_run {
        return would_drain(common, &home, worker).await;
    }
    let request = DrainWorkerRequest { worker: worker.to_owned() };
    let told = home
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

async fn would_drain(common: &Common, home: &Home, worker: &str) -> Done {
    let mut workers = home.fleet().workers(WorkersRequest {}).await?.into_inner().workers;
    workers.retain(|one| one.name == worker);
    if workers.is_empty() {
        let what = format!("no worker {worker} is attached");
        return Err(Failure::new(NOT_FOUND, what, "`arena workers` lists them"));
    }
    if common.json {
        output::json(&workers.iter().map(document).map(would).collect());
    } else {
        for one in &workers {
            let jobs = one.running.len();
            output::line(&format!(
                "worker {} would begin nothing more, and end with its {jobs} jobs; nothing was changed",
                one.name
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What a command that acts would have answered, marked as what did not happen.
pub(super) fn would(mut said: Value) -> Value {
    said["dry_run"] = true.into();
    said
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
    let home = Home::existing(common).await?;
    match again {
        Some(jobs) => requeue(common, &home, (jobs, all), dry_run).await,
        None => list_dead(common, &home).await,
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

async fn requeue(common: &Common, home: &Home, (jobs, all): (Vec<String>, bool), dry_run: bool) -> Done {
    if jobs.is_empty() && !all {
        let mend = "`arena dead` lists them; `arena dead --requeue JOB`, or `--requeue --all`";
        return Err(Failure::new(USAGE, "no job is named", mend));
    }
    if dry_run {
        return would_requeue(common, home, &jobs).await;
    }
    let answer = home
        .fleet()
        .requeue(RequeueRequest { jobs, all })
        .await
        .map_err(|status| Failure::from(status).listed_by("`arena dead` lists them"))?;
    let jobs = answer.into_inner().jobs;
    if common.json {
        let row = |one: &Requeued| json!({ "job": one.id, "requeued": one.done, "why": Some(&one.why).filter(|why| !why.is_empty()) });
        output::json(&Value::Array(jobs.iter().map(row).collect()));
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

/// Without jobs: every one that is held.
async fn would_requeue(common: &Common, home: &Home, jobs: &[String]) -> Done {
    let known = home.fleet().dead(DeadRequest {}).await?.into_inner().jobs;
    if let Some(strange) = jobs.iter().find(|job| !known.iter().any(|one| one.id == **job)) {
        return Err(Failure::new(NOT_FOUND, format!("job {strange} is not among the dead"), "`arena dead` lists them"));
    }
    let meant: Vec<&DeadJob> =
        known.iter().filter(|one| if jobs.is_empty() { one.held } else { jobs.contains(&one.id) }).collect();
    if common.json {
        let row = |one: &&DeadJob| would(json!({ "job": one.id, "requeued": one.held }));
        output::json(&meant.iter().map(row).collect());
    } else if meant.is_empty() {
        output::line("no job is held");
    } else {
        for one in &meant {
            let what = if one.held { "would wait again" } else { "would not: its session was told that it is dead" };
            output::line(&format!("{}: {what}; nothing was changed", one.id));
        }
    }
    Ok(if meant.iter().all(|one| one.held) { ExitCode::SUCCESS } else { ExitCode::from(GENERAL) })
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
