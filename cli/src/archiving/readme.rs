//! What is what in an archive.

use super::{Archive, Entry};
use arena_domain::text::sanitise_line;

const FILES: &str = "\
| file | is |
|---|---|
| `report.md`, `report.html` | the report, to read |
| `result.json` | the result, for programs |
| `continuation.md` | the brief for whoever goes on |
| `packet.toml` | what was asked for, as it was run |
| `base.bundle` | the base without its history, as a git bundle |
| `bundles/NAME.bundle` | the submission of NAME, as a git bundle on top of the base |
| `logs/NAME/` | what NAME was told and what it said, raw: do not print it on a terminal unseen |
| `reproduce.sh` | measures the recorded result again |
| `reproduce/packet.toml` | the packet it runs: the same harness, gates, KPIs and sandbox, one competitor |
| `reproduce/winner.tar` | the files that this competitor changed, as they are afterwards |
| `reproduce/deleted` | the paths that it removed, each ended by a zero byte |
| `reproduce/apply.sh` | puts both into a working tree, inside the sandbox |
";

pub(super) fn text(archive: &Archive<'_>, best: Option<&Entry>) -> String {
    let Archive { session, base, repository, competitors, winner, .. } = archive;
    let repository = sanitise_line(repository, 300);
    let names: Vec<&str> = competitors.iter().map(|one| one.name.as_str()).collect();
    let rank = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
    let winner = winner.unwrap_or("none");
    let reproduce = match best {
        Some(best) => format!(
            "`./reproduce.sh [REPOSITORY]` measures {} again in REPOSITORY (default: the current folder), any clone \
             that has the base. It needs `arena`, git and Docker, and ends with 0 when the verdict is the same and \
             the intervals overlap, with 3 when they do not.",
            best.name
        ),
        None => "No competitor left a commit, so there is nothing to measure again: `./reproduce.sh` says so and \
                 ends with 3."
            .to_owned(),
    };
    format!(
        "# Session {session}\n\nRepository: {repository}\nBase: {base}\nWinner: {winner}\nStanding: {rank}\n\n{FILES}\n\
         ## Reproduce\n\n{reproduce}\n\n## Take a submission\n\nIn a clone that has the base:\n\n```sh\n\
         git fetch bundles/NAME.bundle 'refs/*:refs/heads/arena-archive/*'\n```\n"
    )
}
