//! `why`, `decide`, `cancel`.

use super::Done;
use crate::args::Common;
use crate::failure::{Failure, USAGE};
use crate::home::Home;
use crate::output;
use crate::session::Known;
use arena_domain::id::SessionId;
use arena_domain::session::Phase;
use arena_proto::v1::{CancelRequest, DecideRequest, ListRequest, WhyRequest, WhyResponse};
use std::process::ExitCode;

pub(super) async fn why(common: &Common, home: &Home, job: &str) -> Done {
    // The beginning of a session's id is enough here too.
    let (session, rest) = job.split_once('/').unwrap_or((job, ""));
    let known = Known::load(home, session).await?;
    let whole = format!("{}/{rest}", known.session.id);
    if rest.is_empty() || !known.jobs.iter().any(|one| one.id == whole) {
        let ids: Vec<&str> = known.jobs.iter().map(|one| one.id.as_str()).collect();
        let what = format!("no job '{job}'");
        return Err(Failure::new(crate::failure::NOT_FOUND, what, format!("jobs: {}", ids.join(", "))));
    }
    let mut answer =
        home.sessions().why(WhyRequest { job: whole.clone(), idle: idle(home).await? }).await?.into_inner();
    let id = &known.session.id;
    if answer.kind != "ended" && known.status(home) == "interrupted" {
        answer = WhyResponse {
            kind: "interrupted".into(),
            text: format!("interrupted: `arena resume {id}`"),
            ..WhyResponse::default()
        };
    }
    if common.json {
        let mut document = serde_json::json!({ "job": whole, "kind": answer.kind, "why": answer.text });
        if let Some(map) = document.as_object_mut().filter(|_| !answer.frees.is_empty()) {
            map.insert("holders".into(), answer.holders.into());
            map.insert("frees".into(), answer.frees.into());
        }
        output::json(&document);
    } else {
        output::line(&format!("{whole}: {}", answer.text));
        for holder in &answer.holders {
            output::line(&format!("  held by {holder}"));
        }
        if !answer.frees.is_empty() {
            output::line(&format!("  free when: {}", answer.frees));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The sessions that no process moves: their jobs wait for a person, and nobody waits for them.
async fn idle(home: &Home) -> Result<Vec<String>, Failure> {
    let listed = home.sessions().list(ListRequest {}).await?.into_inner().sessions;
    Ok(listed.into_iter().map(|one| one.id).filter(|id| !home.is_running(&SessionId::new(id))).collect())
}

pub(super) async fn decide(common: &Common, home: &Home, id: &str, answer: &str, dry_run: bool) -> Done {
    let known = Known::load(home, id).await?;
    let id = &known.session.id;
    let Phase::Asking(question) = &known.session.phase else {
        let mend = format!("`arena show {id}` says where it stands");
        return Err(Failure::new(USAGE, format!("session {id} waits for no answer"), mend));
    };
    if !question.options.iter().any(|option| option == answer) {
        let mend = format!("one of: {}; `arena decide {id} {}`", question.options.join(", "), question.recommended);
        return Err(Failure::new(USAGE, format!("'{answer}' is not an answer to: {}", question.text), mend));
    }
    if !dry_run {
        let request = DecideRequest { id: id.to_string(), answer: answer.to_owned() };
        home.sessions().decide(request).await?;
    }
    let known = Known::load(home, id.as_str()).await?;
    let next = if home.here().is_some() { "resume" } else { "watch" };
    say(common, home, &known, &format!("answered '{answer}'"), &format!("arena {next} {id}"));
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn cancel(common: &Common, home: &Home, id: &str, dry_run: bool) -> Done {
    let known = Known::load(home, id).await?;
    let id = known.session.id.clone();
    if known.session.standing().is_some() {
        let mend = format!("`arena report {id}` shows the result");
        return Err(Failure::new(USAGE, format!("session {id} has ended"), mend));
    }
    if !dry_run {
        home.sessions().cancel(CancelRequest { id: id.to_string() }).await?;
    }
    let known = Known::load(home, id.as_str()).await?;
    say(common, home, &known, "cancelled", &format!("arena report {id}"));
    Ok(ExitCode::SUCCESS)
}

fn say(common: &Common, home: &Home, known: &Known, what: &str, next: &str) {
    let id = &known.session.id;
    if common.json {
        let status = known.status(home);
        output::json(&serde_json::json!({ "session": id.as_str(), "status": status, "next": next }));
    } else {
        output::line(&format!("session {id}: {what}; next: {next}"));
    }
}
