//! A command line that cannot be read: said with what helps, also to scripts.

use crate::args::Args;
use crate::failure::{Failure, USAGE};
use clap::CommandFactory;
use std::ffi::OsString;
use std::process::ExitCode;

/// Help and versions go to standard output; a mistake is a failure like any other.
pub(crate) fn refused(error: &clap::Error, words: &[OsString]) -> ExitCode {
    // A closed pipe is no reason to fail.
    let _ = error.print();
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    let mend = format!("`arena help{}`", command(words).map(|name| format!(" {name}")).unwrap_or_default());
    crate::output::note(&format!("  mend: {mend}"));
    if words.iter().take_while(|word| *word != "--").any(|word| word == "--json") {
        let said = error.to_string();
        let what = said.lines().next().unwrap_or_default();
        let what = what.strip_prefix("error: ").unwrap_or(what);
        crate::output::line(&Failure::new(USAGE, what, mend).document().to_string());
    }
    ExitCode::from(USAGE)
}

/// The command that was meant, where there is one of that name.
fn command(words: &[OsString]) -> Option<String> {
    let known = Args::command();
    let named = |word: &OsString| word.to_str().and_then(|word| known.find_subcommand(word)).is_some();
    words.iter().find(|word| named(word)).map(|word| word.to_string_lossy().into_owned())
}
