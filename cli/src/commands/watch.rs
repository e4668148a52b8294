//! `arena watch`: a session from its beginning to its end, or to where nobody moves it any more.

use super::look::show_known;
use super::{Done, afar, finish};
use crate::args::Common;
use crate::failure::{Failure, INTERRUPTED, WAITING};
use crate::home::Home;
use crate::output;
use crate::progress::Progress;
use crate::session::Known;
use arena_domain::session::Phase;
use arena_domain::text::sanitise_line;
use arena_proto::v1::WatchRequest;
use std::process::ExitCode;
use std::time::Duration;
use tokio_stream::StreamExt;

/// How long nothing is heard before the watcher looks whether anybody moves the session still.
const QUIET: Duration = Duration::from_secs(2);

/// How the feed came to its end.
enum Fed {
    Ended,
    /// Nobody moves the session.
    Quiet,
    Interrupted,
}

/// What is to be seen, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    pub wait: bool,
    pub logs: bool,
}

/// Ends with the result, or with what has to be done when nobody moves the session, unless it shall `wait` for that.
pub(super) async fn watch(common: &Common, home: &Home, id: &str, wish: Wish) -> Done {
    let known = Known::load(home, id).await?;
    let names: Vec<String> = known.session.contestants.iter().map(|one| one.competitor.name.to_string()).collect();
    let mut progress = Progress::start(common.json, &names);
    let mut after = 0;
    let fed = match unmoved(home, &known) {
        Some(_) if !wish.wait => Fed::Quiet,
        idle => {
            if let Some(failure) = idle {
                progress.say(&format!("{}: {}", failure.what, failure.mend));
            }
            follow(home, &known, &mut after, &mut progress, wish).await?
        }
    };
    match fed {
        Fed::Interrupted => return Ok(ExitCode::from(INTERRUPTED)),
        Fed::Ended => {}
        Fed::Quiet => recorded(home, &known, &mut after, &mut progress, wish).await?,
    }
    progress.finish();
    let known = Known::load(home, known.session.id.as_str()).await?;
    match unmoved(home, &known) {
        Some(failure) => Err(failure),
        None if home.here().is_none() && known.session.standing().is_some() => {
            // Whoever submitted it may have left before its end: branches and reports come with it.
            finish::finish(common, home, &known).await?;
            Ok(ExitCode::SUCCESS)
        }
        None => show_known(common, home, &known, output::json_line),
    }
}

/// What has to be done before anything more will be seen of a session that no process moves.
fn unmoved(home: &Home, known: &Known) -> Option<Failure> {
    let id = &known.session.id;
    let here = home.here().is_some();
    if here && home.is_running(id) {
        return None;
    }
    match &known.session.phase {
        Phase::Ended(_) => None,
        Phase::Asking(question) => {
            let what = format!("session {id} waits for an answer: {}", sanitise_line(&question.text, 300));
            let next = if here { "resume" } else { "watch" };
            let mend = format!("`arena decide {id} {}`, then `arena {next} {id}`", question.options.join("|"));
            Some(Failure::new(WAITING, what, mend))
        }
        Phase::New | Phase::Running if !here => None,
        Phase::New | Phase::Running => {
            let what = format!("session {id} was interrupted, and nobody moves it");
            Some(Failure::new(WAITING, what, format!("`arena resume {id}`, or wait for somebody to: `--wait`")))
        }
    }
}

/// Shows what comes until the session ends, or until it is quiet and nobody moves it.
async fn follow(
    home: &Home,
    known: &Known,
    after: &mut u64,
    progress: &mut Progress,
    wish: Wish,
) -> Result<Fed, Failure> {
    let id = &known.session.id;
    let feed = async |after| {
        afar::feed(home, &WatchRequest { id: id.to_string(), after, recorded: false, logs: wish.logs }).await
    };
    let mut items = feed(*after).await?;
    loop {
        let item = tokio::select! {
            item = items.next() => item,
            () = tokio::time::sleep(QUIET), if !wish.wait => {
                let still = home.here().is_some() && home.is_running(id);
                if !still && unmoved(home, &Known::load(home, id.as_str()).await?).is_some() {
                    return Ok(Fed::Quiet);
                }
                continue;
            },
            _ = tokio::signal::ctrl_c() => return Ok(Fed::Interrupted),
        };
        let Some(item) = item else { return Ok(Fed::Ended) };
        let item = match item {
            Err(status) if afar::goes_on(home, &status) => {
                items = feed(*after).await?;
                continue;
            }
            item => item?,
        };
        *after = item.seq;
        progress.show(&item);
    }
}

/// Shows what is on record and has not been shown.
async fn recorded(
    home: &Home,
    known: &Known,
    after: &mut u64,
    progress: &mut Progress,
    wish: Wish,
) -> Result<(), Failure> {
    let request = WatchRequest { id: known.session.id.to_string(), after: *after, recorded: true, logs: wish.logs };
    let mut items = home.sessions().watch(request).await?.into_inner();
    while let Some(item) = items.next().await {
        let item = item?;
        *after = item.seq;
        progress.show(&item);
    }
    Ok(())
}
