//! `arena init`: looks at the repository and writes a packet to start from.

use super::Done;
use crate::args::Common;
use crate::failure::{Failure, GENERAL, NOT_ALLOWED, USAGE};
use crate::output;
use crate::sudo;
use arena_domain::text::shell_quote;
use serde_json::json;
use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

pub(super) fn init(common: &Common, repository: &Path, target: &Path, force: bool, dry_run: bool) -> Done {
    let text = sudo::reading(repository, crate::init::packet).and_then(|text| text).map_err(|error| {
        Failure::new(USAGE, format!("{}: {error}", repository.display()), "give the folder of a repository")
    })?;
    if target == Path::new("-") {
        if common.json {
            output::json(&json!({ "packet": "-", "text": text }));
        } else {
            output::raw(text.as_bytes());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let beside = repository == Path::new(".") || target.is_absolute();
    let place = if beside { target.to_owned() } else { repository.join(target) };
    if place.exists() && !force {
        let what = format!("{} is there already", place.display());
        return Err(Failure::new(GENERAL, what, "replace it with `--force`, or choose another `--output FILE`"));
    }
    let shown = place.display().to_string();
    if !dry_run {
        let write = |place: &Path| arena_runtime::files::write_atomic(place, text.as_bytes());
        sudo::writing(&place, write).and_then(|written| written).map_err(|error| {
            let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let mend =
                format!("choose another `--output FILE`; `ls -ld {}`", shell_quote(&folder.display().to_string()));
            let code = if error.kind() == ErrorKind::PermissionDenied { NOT_ALLOWED } else { GENERAL };
            Failure::new(code, format!("{shown} cannot be written: {error}"), mend)
        })?;
    }
    if let Err(error) = crate::userrepo::UserRepo::open(repository) {
        let folder = shell_quote(&repository.display().to_string());
        output::note(&format!("warning: {error}; a session needs a git repository with a commit"));
        output::note(&format!(
            "  mend: git init {folder} && git -C {folder} add -A && git -C {folder} commit -m 'First version'"
        ));
    }
    match (common.json, dry_run) {
        (true, true) => output::json(&json!({ "would_write": shown })),
        (true, false) => output::json(&json!({ "packet": shown })),
        (false, true) => output::line(&format!("would write {shown}; see it: arena init --output -")),
        (false, false) => {
            output::line(&format!(
                "{shown} is written. Fill in what says EDIT (`arena run` refuses what does not), then: arena check {shown}"
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}
