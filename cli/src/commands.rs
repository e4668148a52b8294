//! One file per command; this one only says which.

mod act;
mod adopt;
mod afar;
mod archive;
mod certs;
mod check;
mod coordinator;
mod doctor;
mod dry_run;
mod engines;
mod finish;
mod fleet;
mod init;
mod look;
mod packet;
mod plan;
mod resume;
mod run;
mod sessions;
mod signals;
mod tokens;
mod waits;
mod watch;
mod why;
mod worker;

pub(crate) use fleet::Head;

use crate::args::{Args, Command};
use crate::failure::Failure;
use crate::home::Home;
use crate::output;
use clap::CommandFactory;
use std::process::ExitCode;

pub(crate) type Done = Result<ExitCode, Failure>;

pub(crate) async fn run(args: Args) -> Done {
    let Args { common, command } = args;
    match command {
        Command::Init { repository, output, force, dry_run } => {
            init::init(&common, &repository, &output, force, dry_run)
        }
        Command::Check { packet } => check::check(&common, &packet),
        Command::Plan { packet, briefs } => plan::plan(&common, &packet, briefs),
        Command::Run { packet, dry_run: true, priority: _ } => plan::plan(&common, &packet, false),
        Command::Run { packet, dry_run: false, priority } => run::run(&common, &packet, priority).await,
        Command::Sessions(wish) => sessions::sessions(&common, &wish).await,
        Command::Show { id } => look::show(&common, &Home::existing(&common).await?, &id).await,
        Command::Watch { id, wait, logs } => {
            watch::watch(&common, &Home::existing(&common).await?, &id, watch::Wish { wait, logs }).await
        }
        Command::Report { id, html, continuation } => {
            look::report(&common, &Home::existing(&common).await?, &id, html, continuation).await
        }
        Command::Diff { id, competitor, stat } => {
            look::diff(&common, &Home::existing(&common).await?, &id, &competitor, stat).await
        }
        Command::Logs { id, competitor, round, raw } => {
            look::logs(&common, &Home::existing(&common).await?, &id, &competitor, round, raw).await
        }
        Command::Why { job } => why::why(&common, &Home::existing(&common).await?, &job).await,
        Command::Decide { id, answer, dry_run } => {
            act::decide(&common, &Home::existing(&common).await?, &id, &answer, dry_run).await
        }
        Command::Cancel { id, dry_run } => act::cancel(&common, &Home::existing(&common).await?, &id, dry_run).await,
        Command::Resume { id, dry_run } => resume::resume(&common, &id, dry_run).await,
        Command::Adopt { id, competitors, undo, push, allow_failing, clean, dry_run } => {
            let wish = adopt::Wish { competitors, undo, push, allow_failing, clean, dry_run };
            adopt::adopt(&common, &Home::existing(&common).await?, &id, &wish).await
        }
        Command::Archive { id, dir, dry_run } => {
            archive::archive(&common, &Home::existing(&common).await?, &id, &dir, dry_run).await
        }
        Command::Engines { action, verify, packet } => engines::engines(&common, action, verify, packet.as_deref()),
        Command::Doctor => doctor::doctor(&common).await,
        Command::Certs { action } => certs::certs(&common, action),
        Command::Coordinator { listen } => coordinator::coordinator(&common, listen).await,
        Command::Worker => worker::worker(&common).await,
        Command::Workers => fleet::workers(&common, &Home::existing(&common).await?).await,
        Command::Drain { worker, dry_run } => fleet::drain(&common, &worker, dry_run).await,
        Command::Queue => fleet::queue(&common, &Home::existing(&common).await?).await,
        Command::Dead { requeue, all, dry_run } => fleet::dead(&common, requeue, all, dry_run).await,
        Command::Audit { expect } => fleet::audit(&common, &Home::existing(&common).await?, expect).await,
        Command::Tokens { action } => tokens::tokens(&common, action).await,
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
