//! The `arena` binary: arguments in, results out, exit codes as documented.

mod adopting;
mod advice;
mod archiving;
mod args;
mod commands;
mod doors;
mod embedded;
mod engines;
mod environment;
mod failure;
mod home;
mod init;
mod limits;
mod lineup;
mod machine;
mod output;
mod progress;
mod redis;
mod render;
mod session;
mod sudo;
mod team;
mod usage;
mod userrepo;
mod watched;

use args::Args;
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return usage::refused(&error, &std::env::args_os().skip(1).collect::<Vec<_>>()),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure::Failure::from(error).report(args.common.json),
    };
    let common = args.common.clone();
    environment::warn(&args);
    let watched = watched::start(&args, &runtime);
    let done = runtime.block_on(async {
        match commands::run(args).await {
            Ok(code) => Ok(code),
            Err(failure) => Err(team::Team::explained(&common, failure).await),
        }
    });
    watched.finish();
    // What still blocks (a read of standard input) must not keep the program.
    runtime.shutdown_background();
    match done {
        Ok(code) => code,
        Err(failure) => failure.report(common.json),
    }
}
