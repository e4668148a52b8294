//! A session as files: report, packet, submissions, logs, and a script that measures the result again.
//!
//! The folder is whole or not there at all.

mod error;
mod names;
mod packet;
mod readme;
mod script;
mod staging;
mod tree;

pub(crate) use error::ArchiveError;

use arena_domain::id::{Commit, CompetitorName};
use arena_domain::measure::Verdict;
use arena_domain::standing;
use names::Names;
use staging::Staging;
use std::path::{Path, PathBuf};

/// Everything that goes into an archive. Texts are written as they are.
#[derive(Debug, Clone)]
pub(crate) struct Archive<'a> {
    pub(crate) session: &'a str,
    pub(crate) packet_text: &'a str,
    pub(crate) base: &'a Commit,
    /// Where the session's repository was: a path or a URL.
    pub(crate) repository: &'a str,
    pub(crate) report_md: &'a str,
    pub(crate) report_html: &'a str,
    pub(crate) result_json: &'a str,
    pub(crate) continuation: &'a str,
    /// In the order of the standing, best first.
    pub(crate) competitors: Vec<Entry>,
    pub(crate) winner: Option<&'a str>,
    /// The base without its history (`UserRepo::bundle_base`); needed as soon as any competitor has a commit.
    pub(crate) base_bundle: Vec<u8>,
}

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: CompetitorName,
    /// `None`: nothing was changed, or no round gave a tree.
    pub(crate) commit: Option<Commit>,
    /// On top of the base; empty when the commit is the base.
    pub(crate) bundle: Vec<u8>,
    /// Briefs and logs by file name.
    pub(crate) logs: Vec<(String, Vec<u8>)>,
    pub(crate) recorded: Recorded,
}

/// What a reproduction is compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Recorded {
    pub(crate) qualified: bool,
    /// Of the primary KPI; `None` in a session that measures nothing.
    pub(crate) figure: Option<Figure>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Figure {
    pub(crate) ratio: f64,
    pub(crate) ci: Option<(f64, f64)>,
    pub(crate) verdict: Verdict,
}

impl Recorded {
    pub(crate) fn of(entry: &standing::Entry) -> Self {
        let figure = |kpi: &standing::KpiResult| Figure { ratio: kpi.ratio, ci: kpi.ci, verdict: kpi.verdict };
        Self { qualified: entry.qualified(), figure: entry.kpis.first().map(figure) }
    }
}

impl Archive<'_> {
    /// Whom `reproduce.sh` measures again: the winner, or the best one that has a commit.
    fn best(&self) -> Option<&Entry> {
        let has_commit = |one: &&Entry| one.commit.is_some();
        let winner = self.competitors.iter().filter(has_commit).find(|one| Some(one.name.as_str()) == self.winner);
        winner.or_else(|| self.competitors.iter().find(has_commit))
    }
}

/// Writes the archive into a folder that is not there or empty; the paths of its files, in the order of writing.
pub(crate) fn write(archive: &Archive<'_>, dir: &Path) -> Result<Vec<PathBuf>, ArchiveError> {
    let mut staging = Staging::open(dir)?;
    let texts = [
        ("report.md", archive.report_md),
        ("report.html", archive.report_html),
        ("result.json", archive.result_json),
        ("packet.toml", archive.packet_text),
        ("continuation.md", archive.continuation),
    ];
    for (name, text) in texts {
        staging.write(name, text.as_bytes())?;
    }
    if !archive.base_bundle.is_empty() {
        staging.write("base.bundle", &archive.base_bundle)?;
    }
    submissions(archive, &mut staging)?;
    let best = archive.best();
    if let Some(best) = best {
        reproduction(archive, best, &mut staging)?;
    }
    staging.write("reproduce.sh", script::reproduce(archive, best).as_bytes())?;
    staging.make_executable("reproduce.sh")?;
    staging.write("README.md", readme::text(archive, best).as_bytes())?;
    staging.finish()
}

fn submissions(archive: &Archive<'_>, staging: &mut Staging) -> Result<(), ArchiveError> {
    let mut folders = Names::default();
    for entry in &archive.competitors {
        let Entry { name, commit: _, bundle, logs, recorded: _ } = entry;
        let folder = folders.fit(name.as_str());
        if !bundle.is_empty() {
            staging.write(&format!("bundles/{folder}.bundle"), bundle)?;
        }
        let mut files = Names::default();
        for (name, bytes) in logs {
            staging.write(&format!("logs/{folder}/{}", files.fit(name)), bytes)?;
        }
    }
    Ok(())
}

fn reproduction(archive: &Archive<'_>, best: &Entry, staging: &mut Staging) -> Result<(), ArchiveError> {
    let packet = packet::replaying(archive.packet_text, archive.base, &best.name)?;
    staging.write("reproduce/packet.toml", packet.as_bytes())?;
    let changes = tree::changes(archive, best, &staging.scratch("git"))?;
    staging.write("reproduce/winner.tar", &changes.tar)?;
    staging.write("reproduce/deleted", &changes.deleted())?;
    staging.write("reproduce/apply.sh", &script::apply(&changes))
}

#[cfg(test)]
mod tests;
