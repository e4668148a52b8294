//! `why`, `decide`, `cancel`.

use super::Done;
use crate::args::Common;
use crate::embedded::Embedded;
use crate::failure::{Failure, USAGE};
use crate::output;
use crate::session::Known;
use arena_domain::session::Phase;
use arena_proto::v1::{CancelRequest, DecideRequest, WhyRequest};
use std::process::ExitCode;

pub(super) async fn why(common: &Common, embedded: &Embedded, job: &str) -> Done {
    // The beginning of a session's id is enough here too.
    let (session, rest) = job.split_once('/').unwrap_or((job, ""));
    let known = Known::load(embedded, session).await?;
    let whole = format!("{}/{rest}", known.session.id);
    if rest.is_empty() || !known.jobs.iter().any(|one| one.id == whole) {
        let ids: Vec<&str> = known.jobs.iter().map(|one| one.id.as_str()).collect();
        let what = format!("no job '{job}'");
        return Err(Failure::new(crate::failure::NOT_FOUND, what, format!("jobs: {}", ids.join(", "))));
    }
    let answer = embedded.sessions().why(WhyRequest { job: whole.clone() }).await?.into_inner();
    if common.json {
        output::json(&serde_json::json!({ "job": whole, "kind": answer.kind, "why": answer.text }));
    } else {
        output::line(&format!("{whole}: {}", answer.text));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn decide(common: &Common, embedded: &Embedded, id: &str, answer: &str, dry_run: bool) -> Done {
    let known = Known::load(embedded, id).await?;
    let id = &known.session.id;
    let Phase::Asking(question) = &known.session.phase else {
        let mend = format!("`arena show {id}` says where it stands");
        return Err(Failure::new(USAGE, format!("session {id} waits for no answer"), mend));
    };
    if !question.options.iter().any(|option| option == answer) {
        let mend = format!("one of: {}", question.options.join(", "));
        return Err(Failure::new(USAGE, format!("'{answer}' is not an answer to: {}", question.text), mend));
    }
    if !dry_run {
        let request = DecideRequest { id: id.to_string(), answer: answer.to_owned() };
        embedded.sessions().decide(request).await?;
    }
    let known = Known::load(embedded, id.as_str()).await?;
    say(common, &known, &format!("answered '{answer}'"), &format!("arena resume {id}"));
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn cancel(common: &Common, embedded: &Embedded, id: &str, dry_run: bool) -> Done {
    let known = Known::load(embedded, id).await?;
    let id = known.session.id.clone();
    if known.session.standing().is_some() {
        let mend = format!("`arena report {id}` shows the result");
        return Err(Failure::new(USAGE, format!("session {id} has ended"), mend));
    }
    if !dry_run {
        embedded.sessions().cancel(CancelRequest { id: id.to_string() }).await?;
    }
    let known = Known::load(embedded, id.as_str()).await?;
    say(common, &known, "cancelled", &format!("arena report {id}"));
    Ok(ExitCode::SUCCESS)
}

fn say(common: &Common, known: &Known, what: &str, next: &str) {
    let id = &known.session.id;
    if common.json {
        let status = known.session.status();
        output::json(&serde_json::json!({ "session": id.as_str(), "status": status, "next": next }));
    } else {
        output::line(&format!("session {id}: {what}; next: {next}"));
    }
}
