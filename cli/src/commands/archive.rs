//! `arena archive`: the session as files, with `reproduce.sh`.

use super::Done;
use super::look::logs_of;
use crate::archiving::{self, Archive, ArchiveError, Entry, Recorded};
use crate::args::Common;
use crate::failure::Failure;
use crate::home::Home;
use crate::output;
use crate::render;
use crate::session::Known;
use crate::sudo;
use arena_domain::report::Report;
use arena_domain::session::Contestant;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub(super) async fn archive(common: &Common, home: &Home, id: &str, dir: &Path, dry_run: bool) -> Done {
    let known = Known::load(home, id).await?;
    let report = known.report()?;
    if dry_run {
        let (id, dir) = (&known.session.id, dir.display().to_string());
        if common.json {
            output::json(&serde_json::json!({ "session": id.as_str(), "would_write": dir }));
        } else {
            output::line(&format!("would write session {id} to {dir}"));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let standing = &report.standing;
    let mut competitors = Vec::new();
    for entry in &standing.entries {
        let Some(contestant) = known.session.contestants.iter().find(|one| one.competitor.name == entry.competitor)
        else {
            continue;
        };
        let bundle =
            if entry.bundle.is_empty() { Vec::new() } else { home.blob(&known.head.tenant, &entry.bundle).await? };
        competitors.push(Entry {
            name: entry.competitor.clone(),
            commit: entry.commit.clone(),
            bundle,
            logs: logs(home, &known, contestant, &report).await?,
            recorded: Recorded::of(entry),
        });
    }
    let path = home.folder(&known.session.id).join("report.html").display().to_string();
    let base_bundle = known.repository()?.bundle_base(&known.session.base)?;
    let archive = Archive {
        session: known.session.id.as_str(),
        packet_text: &known.head.packet,
        base: &known.session.base,
        repository: &known.head.repository,
        report_md: &render::markdown::report(&report),
        report_html: &render::html::report(&report),
        result_json: &output::tame(&render::json::result(known.session.id.as_str(), &report, &path).to_string()),
        continuation: &render::markdown::continuation(&report),
        competitors,
        winner: standing.winner.as_ref().map(|winner| winner.as_str()),
        base_bundle,
    };
    let written = written(&archive, dir)?;
    if common.json {
        let files: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
        output::json(&serde_json::json!({ "session": known.session.id.as_str(), "files": files }));
    } else {
        output::line(&format!(
            "{} files in {}; reproduce the best score: {}",
            written.len(),
            dir.display(),
            dir.join("reproduce.sh").display()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// The paths as they are called from here, whoever writes and wherever the folder is held.
fn written(archive: &Archive<'_>, dir: &Path) -> Result<Vec<PathBuf>, ArchiveError> {
    let write = |place: &Path| -> Result<Vec<PathBuf>, ArchiveError> {
        let files = archiving::write(archive, place)?;
        Ok(files.iter().map(|file| dir.join(file.strip_prefix(place).unwrap_or(file))).collect())
    };
    sudo::writing(dir, write).map_err(|error| ArchiveError::of(dir, &error))?
}

/// What was printed in each round, by file name.
async fn logs(
    home: &Home,
    known: &Known,
    contestant: &Contestant,
    report: &Report,
) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut logs = Vec::new();
    let mine = report.bundles.iter().find(|one| one.competitor == contestant.competitor.name);
    if let Some(submission) = mine {
        logs.push(("submission.md".to_owned(), render::markdown::submission(report, submission).into_bytes()));
    }
    for round in &contestant.rounds {
        for (what, digest) in logs_of(round.implemented.as_ref(), round.evaluated.as_ref()) {
            let name = format!("round-{}-{}.log", round.number, what.replace(' ', "-"));
            logs.push((name, home.blob(&known.head.tenant, &digest).await?));
        }
    }
    Ok(logs)
}
