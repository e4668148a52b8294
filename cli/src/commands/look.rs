//! The commands that look at one session: `show report diff logs`.

use super::Done;
use crate::args::Common;
use crate::failure::{Failure, NOT_ALLOWED, NOT_FOUND};
use crate::home::Home;
use crate::output;
use crate::render;
use crate::session::Known;
use arena_domain::outcome::{Evaluated, Implemented};
use arena_domain::session::{Contestant, Phase};
use arena_domain::text::{sanitise, sanitise_line};
use serde_json::Value;
use std::process::ExitCode;

pub(super) async fn show(common: &Common, home: &Home, id: &str) -> Done {
    let known = Known::load(home, id).await?;
    show_known(common, home, &known, output::json)
}

/// Scripts get the document by way of `document`: over many lines when it stands alone, in one after a stream of events.
pub(super) fn show_known(common: &Common, home: &Home, known: &Known, document: fn(&Value)) -> Done {
    if known.session.standing().is_some() {
        let report = known.report()?;
        let path = home.folder(&known.session.id).join("report.html").display().to_string();
        if common.json {
            document(&render::json::result(known.session.id.as_str(), &report, &path));
        } else {
            output::line(&render::terminal::scoreboard(&report, output::colour(), output::width()));
            output::line(&format!("report: {path}"));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let session = &known.session;
    let question = match &session.phase {
        Phase::Asking(question) => Some(question),
        Phase::New | Phase::Running | Phase::Ended(_) => None,
    };
    if common.json {
        let jobs: Vec<_> = known
            .jobs
            .iter()
            .map(|job| serde_json::json!({ "job": job.id, "state": job.state, "attempt": job.attempt }))
            .collect();
        document(&serde_json::json!({
            "session": session.id.as_str(), "status": known.status(home), "title": session.packet.title,
            "base": session.base.as_str(), "running_here": home.is_running(&session.id), "jobs": jobs,
            "question": question.map(|one| serde_json::json!({
                "text": one.text, "options": one.options, "recommended": one.recommended,
            })),
        }));
        return Ok(ExitCode::SUCCESS);
    }
    let title = sanitise_line(&session.packet.title, 100);
    output::line(&format!("session {} ({}): {title}", session.id, known.status(home)));
    if let Some(question) = question {
        output::line(&format!("asks: {}", question.text));
        output::line(&format!("answer: arena decide {} {}", session.id, question.options.join("|")));
    } else if !home.is_running(&session.id) {
        output::line(&format!("interrupted: arena resume {}", session.id));
    }
    for job in &known.jobs {
        output::line(&format!("{:<9} {}", job.state, job.id));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn report(common: &Common, home: &Home, id: &str, html: bool, continuation: bool) -> Done {
    let known = Known::load(home, id).await?;
    let report = known.report()?;
    let path = match super::finish::write(home, &report) {
        // Who may only look is shown what the one who ran it has written.
        Err(failure) if failure.code == NOT_ALLOWED => home.folder(&report.session).join("report.html"),
        written => written?,
    };
    if common.json {
        output::json(&render::json::result(known.session.id.as_str(), &report, &path.display().to_string()));
    } else if html {
        output::raw(render::html::report(&report).as_bytes());
    } else if continuation {
        output::raw(render::markdown::continuation(&report).as_bytes());
    } else {
        output::raw(render::markdown::report(&report).as_bytes());
    }
    Ok(ExitCode::SUCCESS)
}

fn contestant<'a>(known: &'a Known, name: &str) -> Result<&'a Contestant, Failure> {
    let all = &known.session.contestants;
    all.iter().find(|one| one.competitor.name.as_str() == name).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|one| one.competitor.name.as_str()).collect();
        let what = format!("no competitor '{name}' in session {}", known.session.id);
        Failure::new(NOT_FOUND, what, format!("competitors: {}", names.join(", ")))
    })
}

pub(super) async fn diff(common: &Common, home: &Home, id: &str, name: &str, stat: bool) -> Done {
    let known = Known::load(home, id).await?;
    let contestant = contestant(&known, name)?;
    let shown = contestant.best_round().or(contestant.rounds.last());
    let Some(tree) = shown.and_then(|round| round.tree()) else {
        let mend = format!("`arena logs {} {name}` shows what its engine said", known.session.id);
        return Err(Failure::new(NOT_FOUND, format!("{name} has changed nothing"), mend));
    };
    if common.json {
        let changes = shown.and_then(|round| round.implemented.as_ref()).map(|one| one.changes.clone());
        let rows: Vec<_> = changes
            .unwrap_or_default()
            .iter()
            .map(|one| {
                serde_json::json!({
                    "path": one.path, "added": one.added_lines, "removed": one.removed_lines,
                    "binary": one.binary,
                })
            })
            .collect();
        output::json(&serde_json::json!({ "competitor": name, "commit": tree.commit.as_str(), "files": rows }));
        return Ok(ExitCode::SUCCESS);
    }
    let repository = known.repository()?;
    let bundle = home.blob(&known.head.tenant, &tree.bundle).await?;
    let branch = format!("refs/heads/{}", contestant.competitor.branch(&known.session.id));
    repository.import_bundle(&bundle, &tree.commit, &branch)?;
    let bytes = repository.diff(&known.session.base, &tree.commit, false, stat)?;
    output::raw(sanitise(&bytes).as_bytes());
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn logs(common: &Common, home: &Home, id: &str, name: &str, only: Option<u32>, raw: bool) -> Done {
    let known = Known::load(home, id).await?;
    let contestant = contestant(&known, name)?;
    if let Some(round) = only.filter(|round| contestant.round(*round).is_none()) {
        let mend = format!("{name} has {} rounds", contestant.rounds.len());
        return Err(Failure::new(NOT_FOUND, format!("no round {round} of {name}"), mend));
    }
    let mut documents = Vec::new();
    for round in contestant.rounds.iter().filter(|round| only.is_none_or(|only| round.number == only)) {
        for (what, digest) in logs_of(round.implemented.as_ref(), round.evaluated.as_ref()) {
            let bytes = home.blob(&known.head.tenant, &digest).await?;
            if raw {
                output::raw(&bytes);
            } else if common.json {
                documents.push(serde_json::json!({ "round": round.number, "from": what, "text": sanitise(&bytes) }));
            } else if !bytes.is_empty() {
                output::line(&format!("--- round {}, {what} ---\n{}", round.number, sanitise(&bytes).trim_end()));
            }
        }
    }
    if common.json && !raw {
        output::json(&Value::Array(documents));
    }
    Ok(ExitCode::SUCCESS)
}

/// Name and digest of everything that was printed in a round.
pub(super) fn logs_of(implemented: Option<&Implemented>, evaluated: Option<&Evaluated>) -> Vec<(String, String)> {
    let streams = ["engine stdout", "engine stderr", "broker"].into_iter().map(str::to_owned);
    let engine = implemented.iter().flat_map(|one| streams.clone().zip(one.logs.iter().cloned()));
    let gates = evaluated.iter().flat_map(|one| &one.gates);
    engine.chain(gates.map(|gate| (format!("gate {}", gate.name), gate.log.clone()))).collect()
}
