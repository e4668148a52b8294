//! `arena adopt`: merge, verify by the gates, land; or take it back.

use super::Done;
use crate::adopting::{self, Landed, Merged, Undone};
use crate::args::Common;
use crate::embedded::Embedded;
use crate::failure::{Failure, GENERAL, NO_WINNER, NOT_FOUND, UNREACHABLE};
use crate::home::Home;
use crate::output;
use crate::session::Known;
use crate::userrepo::UserRepo;
use arena_domain::id::{Commit, CompetitorName, SessionId};
use arena_domain::outcome::{Failure as JobFailure, GateResult, Outcome};
use arena_domain::report::Report;
use arena_proto::v1::SessionHead;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

pub(super) struct Wish {
    pub competitors: Vec<String>,
    pub undo: bool,
    pub push: bool,
    pub allow_failing: bool,
    pub clean: bool,
    pub dry_run: bool,
}

pub(super) async fn adopt(common: &Common, home: &Home, id: &str, wish: &Wish) -> Done {
    let known = Known::load(home, id).await?;
    let session = known.session.id.to_string();
    let repository = known.repository()?;
    if wish.undo {
        return undo(common, &repository, &session, wish.dry_run);
    }
    let report = known.report()?;
    let picks = picks(home, &known, &repository, &report, wish).await?;
    let (subject, body) = message(&known, &report, &picks);
    let merged = adopting::plan_merge(&repository, &session, &known.session.base, &picks, &subject, &body)?;
    let names: Vec<&str> = picks.iter().map(|(name, _)| name.as_str()).collect();
    adopting::check_room(&repository, &merged)?;
    if wish.dry_run {
        would_adopt(common, &session, &names, &merged);
        return Ok(ExitCode::SUCCESS);
    }
    output::note(&format!("verifying the merge of {} by the gates", names.join(" + ")));
    let gates = verify(common, home, &known, &merged.commit).await?;
    let failed: Vec<&GateResult> = gates.iter().filter(|gate| gate.required && !gate.passed()).collect();
    if let Some(gate) = failed.first().filter(|_| !wish.allow_failing) {
        let what = format!(
            "gate {} fails on the merged tree ({}); nothing was changed\n{}",
            gate.name,
            gate.exit.describe(),
            gate.tail
        );
        let mend = format!("look: `git diff HEAD {}`, or adopt all the same: `--allow-failing`", merged.commit);
        return Err(Failure::new(GENERAL, what, mend));
    }
    let landed = adopting::land(&repository, &merged, &session)?;
    tell(common, &session, &landed, &merged, &gates, &names);
    if wish.clean {
        let cleaned = adopting::clean(&repository, &session, &[])?;
        output::note(&format!("{} branches removed, {} kept as refs", cleaned.removed.len(), cleaned.losers.len()));
        for (branch, place) in &cleaned.in_use {
            output::note(&format!("{branch} stays: it is checked out in {}", place.display()));
        }
    }
    if wish.push {
        let pushed = adopting::push(&repository, None)?;
        output::note(&format!("pushed to {} {}", pushed.remote, pushed.branch));
    }
    Ok(ExitCode::SUCCESS)
}

fn would_adopt(common: &Common, session: &str, names: &[&str], merged: &Merged) {
    if common.json {
        output::json(&serde_json::json!({ "session": session, "would_adopt": names, "files": merged.changed }));
    } else {
        output::line(&format!("would merge {} and change: {}", names.join(" + "), merged.changed.join(", ")));
    }
}

fn undo(common: &Common, repository: &UserRepo, session: &str, dry_run: bool) -> Done {
    if dry_run {
        adopting::check_undo(repository, session)?;
        if common.json {
            output::json(&serde_json::json!({ "session": session, "would_undo": true }));
        } else {
            output::line(&format!("would take the adoption of session {session} back"));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let (how, commit) = match adopting::undo(repository, session)? {
        Undone::Restored(commit) => ("restored", commit),
        Undone::Reverted(commit) => ("reverted", commit),
    };
    if common.json {
        output::json(&serde_json::json!({ "session": session, "undone": how, "head": commit.as_str() }));
    } else {
        output::line(&format!("session {session}: {how}; HEAD is {commit}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// The named ones, else the winner; their commits are brought into the repository.
async fn picks(
    home: &Home,
    known: &Known,
    repository: &UserRepo,
    report: &Report,
    wish: &Wish,
) -> Result<Vec<(CompetitorName, Commit)>, Failure> {
    let names: Vec<CompetitorName> = if wish.competitors.is_empty() {
        report.standing.winner.iter().cloned().collect()
    } else {
        wish.competitors.iter().map(CompetitorName::new).collect()
    };
    if names.is_empty() {
        let id = &report.session;
        let mend = format!("`arena report {id}` shows why; name one to adopt it all the same: `arena adopt {id} NAME`");
        return Err(Failure::new(NO_WINNER, format!("session {id} has no winner"), mend));
    }
    let mut picks = Vec::new();
    for name in names {
        let entry = report.standing.entries.iter().find(|entry| entry.competitor == name);
        let Some((entry, commit)) = entry.and_then(|entry| Some((entry, entry.commit.clone()?))) else {
            let mend = format!("`arena report {}` lists who left what", report.session);
            return Err(Failure::new(NOT_FOUND, format!("{name} left nothing to adopt"), mend));
        };
        if !entry.qualified() {
            let why = arena_domain::text::sanitise_line(&entry.disqualified_for.join("; "), 300);
            let why = if entry.judged { format!("disqualified: {why}") } else { why };
            if !wish.allow_failing {
                let what = format!("{name} is {why}");
                return Err(Failure::new(NO_WINNER, what, "adopt it all the same: `--allow-failing`"));
            }
            output::note(&format!("warning: {name} is {why}"));
        }
        let bundle = home.blob(&known.head.tenant, &entry.bundle).await?;
        repository.import_bundle(&bundle, &commit, &format!("refs/heads/{}", entry.branch))?;
        picks.push((name, commit));
    }
    Ok(picks)
}

fn message(known: &Known, report: &Report, picks: &[(CompetitorName, Commit)]) -> (String, String) {
    let names: Vec<&str> = picks.iter().map(|(name, _)| name.as_str()).collect();
    let subject = format!("Adopt {}: {}", names.join(" + "), known.session.packet.title);
    let mut body = vec![report.standing.reason.clone()];
    for (name, commit) in picks {
        let Some(entry) = report.standing.entries.iter().find(|entry| &entry.competitor == name) else { continue };
        body.push(String::new());
        body.push(format!("{name} ({}), {commit}", entry.engine));
        for kpi in &entry.kpis {
            body.push(format!(
                "- {}: {:.4} -> {:.4} {} ({:.3} of the base, {})",
                kpi.name,
                kpi.baseline,
                kpi.best,
                kpi.unit,
                kpi.ratio,
                kpi.verdict.as_str()
            ));
        }
        for gate in &entry.gates {
            body.push(format!("- gate {}: {}", gate.name, if gate.passed() { "passed" } else { "failed" }));
        }
    }
    body.push(String::new());
    body.push(format!("Arena-Session: {}", known.session.id));
    (subject, body.join("\n"))
}

/// The gates in fresh containers on the merged commit.
async fn verify(common: &Common, home: &Home, known: &Known, commit: &Commit) -> Result<Vec<GateResult>, Failure> {
    if known.session.packet.gates.is_empty() {
        return Ok(Vec::new());
    }
    // The merge is in this very repository, so it is verified here, by a worker of this process.
    let own;
    let embedded = match home.here() {
        Some(embedded) => embedded,
        None => {
            own = Embedded::open(common).await?;
            &own
        }
    };
    let worker = embedded.worker(&SessionId::new("verify"), 1).await.map_err(|failure| unverified(failure, commit))?;
    let repository = known.repository()?.root().to_string_lossy().into_owned();
    let head = SessionHead {
        base: commit.to_string(),
        base_bundle: String::new(),
        shallow: Vec::new(),
        repository,
        ..known.head.clone()
    };
    let cancel = CancellationToken::new();
    let outcome = tokio::select! {
        outcome = worker.verify(head, cancel.clone()) => Some(outcome),
        _ = tokio::signal::ctrl_c() => None,
    };
    worker.close().await;
    match outcome {
        Some(Ok(Outcome::Evaluated(evaluated))) => Ok(evaluated.gates),
        Some(Ok(Outcome::Failed(JobFailure::Setup { reason, mend }))) => Err(Failure::new(GENERAL, reason, mend)),
        Some(Ok(Outcome::Failed(JobFailure::Infrastructure(reason)))) => {
            Err(Failure::new(GENERAL, reason, "`arena doctor`"))
        }
        Some(Ok(Outcome::Implemented(_) | Outcome::Failed(JobFailure::Cancelled)) | Err(_)) => {
            Err(Failure::new(GENERAL, "the gates gave no answer", "`arena doctor`"))
        }
        None => Err(Failure::new(crate::failure::INTERRUPTED, "interrupted; nothing was changed", "")),
    }
}

/// The merge is made, and lies in the repository; whoever cannot run the gates here may still take it.
fn unverified(failure: Failure, commit: &Commit) -> Failure {
    if failure.code != UNREACHABLE {
        return failure;
    }
    let mend = format!("{}; or take the merge without its gates: `git merge --ff-only {commit}`", failure.mend);
    Failure { mend, ..failure }
}

fn tell(common: &Common, session: &str, landed: &Landed, merged: &Merged, gates: &[GateResult], names: &[&str]) {
    let failed = gates.iter().filter(|gate| !gate.passed()).count();
    if common.json {
        let rows: Vec<_> =
            gates.iter().map(|gate| serde_json::json!({ "name": gate.name, "passed": gate.passed() })).collect();
        output::json(&serde_json::json!({
            "session": session, "adopted": names, "before": landed.before.as_str(), "commit": landed.after.as_str(),
            "branch": landed.branch, "files": landed.files, "gates": rows,
        }));
        return;
    }
    let place = landed.branch.as_deref().unwrap_or("a detached HEAD");
    let names = names.join(" + ");
    let files = if merged.changed.len() == 1 { "1 file".to_owned() } else { format!("{} files", merged.changed.len()) };
    output::line(&format!("adopted {names} on {place}: {} ({files})", landed.after));
    output::line(&format!("gates on the merged tree: {} passed, {failed} failed", gates.len() - failed));
    output::line(&format!("take it back: arena adopt {session} --undo"));
}
