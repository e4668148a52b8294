//! What a session that has ended leaves: refs in the user's repository, reports, the result.

use super::Done;
use crate::args::Common;
use crate::failure::{self, Failure};
use crate::home::Home;
use crate::output;
use crate::render;
use crate::session::Known;
use arena_domain::report::Report;
use arena_domain::standing::Status;
use arena_runtime::files;
use std::path::PathBuf;
use std::process::ExitCode;

pub(super) async fn finish(common: &Common, home: &Home, known: &Known) -> Done {
    let report = known.report()?;
    if let Err(failure) = branches(home, known, &report).await {
        // The bundles are in the state directory: nothing is lost with the branches, and `adopt` needs none.
        unwritten(common, home, known, &failure);
    }
    let path = write(home, &report)?;
    let shown = path.display().to_string();
    if common.json {
        output::json_line(&render::json::result(known.session.id.as_str(), &report, &shown));
    } else {
        output::line(&render::terminal::scoreboard(&report, output::colour(), output::width()));
        output::line(&format!("report: {shown}"));
        if report.standing.winner.is_some() {
            output::line(&format!("adopt:  arena adopt {}", known.session.id));
        }
    }
    Ok(code(report.standing.status))
}

pub(super) fn code(status: Status) -> ExitCode {
    match status {
        Status::Winner => ExitCode::SUCCESS,
        Status::NoWinner | Status::Inconclusive => ExitCode::from(failure::NO_WINNER),
        Status::Failed => ExitCode::from(failure::GENERAL),
        Status::Cancelled => ExitCode::from(failure::NO_WINNER),
    }
}

/// `arena/<session>/variant-<name>` for every competitor that left a tree.
async fn branches(home: &Home, known: &Known, report: &Report) -> Result<(), Failure> {
    let repository = known.repository()?;
    for entry in &report.standing.entries {
        let Some(commit) = &entry.commit else { continue };
        let bundle = home.blob(&known.head.tenant, &entry.bundle).await?;
        repository.import_bundle(&bundle, commit, &format!("refs/heads/{}", entry.branch))?;
    }
    Ok(())
}

/// Who merges branches is told that some are not there: the exit says only who won.
fn unwritten(common: &Common, home: &Home, known: &Known, failure: &Failure) {
    let again = match home.here() {
        Some(_) => format!("; then `arena resume {}` writes them", known.session.id),
        None => String::new(),
    };
    let said = format!("not every branch of this session was written: {}", failure.what);
    output::note(&format!("warning: {said}; {}{again}", failure.mend));
    if common.json {
        output::json_line(
            &serde_json::json!({ "event": "warning", "warning": said, "mend": failure.mend.clone() + &again }),
        );
    }
}

/// The reports in the session's folder; the page's path.
pub(super) fn write(home: &Home, report: &Report) -> Result<PathBuf, Failure> {
    let folder = home.folder(&report.session);
    let page = folder.join("report.html");
    files::write_atomic(&folder.join("report.md"), render::markdown::report(report).as_bytes())?;
    files::write_atomic(&folder.join("continuation.md"), render::markdown::continuation(report).as_bytes())?;
    files::write_atomic(&page, render::html::report(report).as_bytes())?;
    let result = render::json::result(report.session.as_str(), report, &page.display().to_string());
    files::write_atomic(&folder.join("result.json"), output::tame(&result.to_string()).as_bytes())?;
    Ok(page)
}
