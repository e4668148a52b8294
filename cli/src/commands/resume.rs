//! `arena resume`: carries on a session whose process was stopped or killed.

use super::signals::Signals;
use super::{Done, finish, run};
use crate::args::Common;
use crate::embedded::Embedded;
use crate::failure::Failure;
use crate::home::Home;
use crate::output;
use crate::session::Known;
use std::process::ExitCode;

pub(super) async fn resume(common: &Common, id: &str, dry_run: bool) -> Done {
    let home = Home::existing(common).await?;
    let embedded = home.only_here("nothing to resume", "`arena watch ID` follows it")?;
    let known = Known::load(&home, id).await?;
    let id = known.session.id.clone();
    if dry_run {
        let live = known.jobs.iter().filter(|job| job.state == "queued" || job.state == "leased").count();
        let status = known.status(&home);
        if common.json {
            output::json(&serde_json::json!({ "session": id.as_str(), "status": status, "jobs": live }));
        } else {
            let live = match known.session.standing() {
                Some(_) => "it has ended already, and nothing would go on".to_owned(),
                None => format!("{live} jobs would go on"),
            };
            output::line(&format!("session {id} is {status}; {live}"));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let hold = embedded.hold(&id)?;
    if known.session.standing().is_some() {
        tidy(embedded).await?;
        output::note(&format!("session {id} has ended already ({}); this is its result", known.session.status()));
        return finish::finish(common, &home, &known).await;
    }
    output::note(&format!("session {id} goes on"));
    run::drive(common, &home, &id, hold, &mut Signals::listen()?).await
}

/// A process that was killed after the end may have left containers and mounts: a dead boot's are taken away.
async fn tidy(embedded: &Embedded) -> Result<(), Failure> {
    let Ok(docker) = embedded.docker().await else { return Ok(()) };
    let reaped = arena_worker::boot::reap(&embedded.state.join("worker"), &docker)
        .await
        .map_err(|error| Failure::new(crate::failure::UNREACHABLE, error.to_string(), error.mend()))?;
    embedded.release(&reaped.boots).await
}
