//! One file per command; this one only says which.

mod act;
mod adopt;
mod archive;
mod check;
mod doctor;
mod engines;
mod finish;
mod look;
mod packet;
mod plan;
mod resume;
mod run;
mod signals;
mod watch;

use crate::args::{Args, Command, Common};
use crate::embedded::Embedded;
use crate::failure::{Failure, GENERAL, USAGE};
use crate::output;
use clap::CommandFactory;
use std::path::Path;
use std::process::ExitCode;

pub(crate) type Done = Result<ExitCode, Failure>;

pub(crate) async fn run(args: Args) -> Done {
    let Args { common, command } = args;
    match command {
        Command::Init { repository, output, force } => init(&common, &repository, &output, force),
        Command::Check { packet } => check::check(&common, &packet),
        Command::Plan { packet, briefs } => plan::plan(&common, &packet, briefs),
        Command::Run { packet, dry_run: true } => plan::plan(&common, &packet, false),
        Command::Run { packet, dry_run: false } => run::run(&common, &packet).await,
        Command::Sessions => look::sessions(&common, &Embedded::open(&common).await?).await,
        Command::Show { id } => look::show(&common, &Embedded::open(&common).await?, &id).await,
        Command::Watch { id, wait } => watch::watch(&common, &Embedded::open(&common).await?, &id, wait).await,
        Command::Report { id, html, continuation } => {
            look::report(&common, &Embedded::open(&common).await?, &id, html, continuation).await
        }
        Command::Diff { id, competitor, stat } => {
            look::diff(&common, &Embedded::open(&common).await?, &id, &competitor, stat).await
        }
        Command::Logs { id, competitor, round, raw } => {
            look::logs(&common, &Embedded::open(&common).await?, &id, &competitor, round, raw).await
        }
        Command::Why { job } => act::why(&common, &Embedded::open(&common).await?, &job).await,
        Command::Decide { id, answer, dry_run } => {
            act::decide(&common, &Embedded::open(&common).await?, &id, &answer, dry_run).await
        }
        Command::Cancel { id, dry_run } => act::cancel(&common, &Embedded::open(&common).await?, &id, dry_run).await,
        Command::Resume { id, dry_run } => resume::resume(&common, &id, dry_run).await,
        Command::Adopt { id, competitors, undo, push, allow_failing, clean, dry_run } => {
            let wish = adopt::Wish { competitors, undo, push, allow_failing, clean, dry_run };
            adopt::adopt(&common, &Embedded::open(&common).await?, &id, &wish).await
        }
        Command::Archive { id, dir, dry_run } => {
            archive::archive(&common, &Embedded::open(&common).await?, &id, &dir, dry_run).await
        }
        Command::Engines { action, packet } => engines::engines(&common, action, packet.as_deref()),
        Command::Doctor => doctor::doctor(&common).await,
        Command::Completions { shell } => {
            // Into memory first: the generator panics where it cannot write, as into a closed pipe.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "arena", &mut script);
            output::raw(&script);
            Ok(ExitCode::SUCCESS)
        }
        Command::Schema => {
            output::json(&arena_proto::packet::keys::json_schema());
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn init(common: &Common, repository: &Path, target: &Path, force: bool) -> Done {
    let text = crate::init::packet(repository).map_err(|error| {
        Failure::new(USAGE, format!("{}: {error}", repository.display()), "give the folder of a repository")
    })?;
    if target == Path::new("-") {
        output::raw(text.as_bytes());
        return Ok(ExitCode::SUCCESS);
    }
    let beside = repository == Path::new(".") || target.is_absolute();
    let place = if beside { target.to_owned() } else { repository.join(target) };
    if place.exists() && !force {
        let what = format!("{} is there already", place.display());
        return Err(Failure::new(GENERAL, what, "replace it with `--force`, or choose another `--output FILE`"));
    }
    arena_runtime::files::write_atomic(&place, text.as_bytes())?;
    if let Err(error) = crate::userrepo::UserRepo::open(repository) {
        let folder = arena_domain::text::shell_quote(&repository.display().to_string());
        output::note(&format!("warning: {error}; a session needs a git repository with a commit"));
        output::note(&format!(
            "  mend: git init {folder} && git -C {folder} add -A && git -C {folder} commit -m 'First version'"
        ));
    }
    let shown = place.display().to_string();
    if common.json {
        output::json(&serde_json::json!({ "packet": shown }));
    } else {
        output::line(&format!(
            "{shown} is written. Fill in what says EDIT (`arena run` refuses what does not), then: arena check {shown}"
        ));
    }
    Ok(ExitCode::SUCCESS)
}
