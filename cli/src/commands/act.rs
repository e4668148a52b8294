//! `decide`, `cancel`.

use super::Done;
use super::dry_run::would;
use crate::args::Common;
use crate::failure::{Failure, USAGE};
use crate::home::Home;
use crate::output;
use crate::session::Known;
use arena_domain::session::Phase;
use arena_proto::v1::{CancelRequest, DecideRequest};
use std::process::ExitCode;

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
    let what = if dry_run { format!("would be answered '{answer}'") } else { format!("answered '{answer}'") };
    say(common, home, &known, (&what, dry_run), &format!("arena {next} {id}"));
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
    let what = if dry_run { "would be cancelled" } else { "cancelled" };
    say(common, home, &known, (what, dry_run), &format!("arena report {id}"));
    Ok(ExitCode::SUCCESS)
}

fn say(common: &Common, home: &Home, known: &Known, (what, dry_run): (&str, bool), next: &str) {
    let id = &known.session.id;
    if common.json {
        let status = known.status(home);
        let said = serde_json::json!({ "session": id.as_str(), "status": status, "next": next });
        output::json(&if dry_run { would(said) } else { said });
    } else if dry_run {
        output::line(&format!("session {id}: {what}; nothing was changed"));
    } else {
        output::line(&format!("session {id}: {what}; next: {next}"));
    }
}
