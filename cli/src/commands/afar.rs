//! `arena run` on a team's fleet: the base travels from this checkout, and what comes back is as it would be here.

use super::packet::Loaded;
use super::waits::Waits;
use super::{Done, finish, run};
use crate::args::Common;
use crate::failure::{AGAIN, Failure, INTERRUPTED, UNREACHABLE};
use crate::home::Home;
use crate::output;
use crate::progress::Progress;
use crate::session::Known;
use crate::userrepo::UserRepo;
use arena_domain::id::{Commit, SessionId};
use arena_domain::packet::History;
use arena_domain::session::Phase;
use arena_domain::text::sanitise_line;
use arena_proto::v1::{CancelRequest, DecideRequest, FeedItem, SubmitRequest, WatchRequest};
use arena_runtime::clock::Stopwatch;
use arena_runtime::token;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_stream::StreamExt;
use tonic::{Code, Status, Streaming};

/// How long a watcher looks for a coordinator before it gives up; the session goes on without it.
const PATIENCE: Duration = Duration::from_secs(120);
/// For a submission to be taken: by another coordinator, or when Redis has a primary again.
const TAKEN: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(500);
/// For the fleet to end a session that was cancelled.
const ENDING: Duration = Duration::from_secs(60);

/// Ctrl-C, and what only takes this terminal away.
struct Signals {
    interrupt: Signal,
    hangup: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Sign {
        tokio::select! {
            _ = self.interrupt.recv() => Sign::Interrupt,
            _ = self.hangup.recv() => Sign::Away,
            _ = self.terminate.recv() => Sign::Away,
        }
    }
}

enum Sign {
    Interrupt,
    /// Nobody watches any more: the session goes on.
    Away,
}

pub(super) async fn submit(common: &Common, home: &Home, loaded: Loaded, repository: &UserRepo, base: &Commit) -> Done {
    let files = loaded.files()?;
    let mut signals = Signals::listen()?;
    let files = if files.is_empty() { String::new() } else { home.put(&files).await? };
    let (bundle, shallow) = match loaded.packet.sandbox.history {
        History::None => (repository.bundle_base(base)?, vec![base.to_string()]),
        History::Base => repository.bundle_history(base)?,
    };
    let id = SessionId::new(token::hex(12));
    let mut head = run::head(&loaded, repository, base, &id, files)?;
    // Of the token's own tenant.
    head.tenant = String::new();
    head.base_bundle = home.put(&bundle).await?;
    head.shallow = shallow;
    drop(bundle);
    submitted(home, SubmitRequest { head: Some(head), yes: common.yes }).await?;
    output::note(&format!("session {id}: {}", sanitise_line(&loaded.packet.title, 100)));
    follow(common, home, &id, &mut signals).await
}

/// Asks one coordinator after the other; the same submission twice is one session.
async fn submitted(home: &Home, wish: SubmitRequest) -> Result<(), Failure> {
    let begun = Stopwatch::start();
    let mut told = false;
    loop {
        let mut request = tonic::Request::new(wish.clone());
        crate::watched::tell(request.metadata_mut());
        let status = match home.sessions().submit(request).await {
            Ok(_) => return Ok(()),
            Err(status) => status,
        };
        if !goes_on(home, &status) || begun.elapsed() >= TAKEN {
            return Err(status.into());
        }
        if !std::mem::replace(&mut told, true) {
            output::note(&format!("not taken yet, and tried again: {}", sanitise_line(status.message(), 200)));
        }
        elsewhere(home).await;
    }
}

/// To its end, or to where it waits for an answer.
async fn follow(common: &Common, home: &Home, id: &SessionId, signals: &mut Signals) -> Done {
    let (mut after, mut waits) = (0, Waits::new(common));
    loop {
        let known = load(home, id).await?;
        match &known.session.phase {
            Phase::Ended(_) => return finish::finish(common, home, &known).await,
            Phase::Asking(question) => {
                let Some(answer) = run::answer(common, id, question, &mut super::signals::Signals::listen()?).await?
                else {
                    return Ok(run::waiting(common, id, question, "watch"));
                };
                home.sessions().decide(DecideRequest { id: id.to_string(), answer }).await?;
            }
            Phase::New | Phase::Running => {
                let names: Vec<String> =
                    known.session.contestants.iter().map(|one| one.competitor.name.to_string()).collect();
                let mut progress = Progress::start(common.json, &names);
                let sign = tokio::select! {
                    watched = watch(home, id, &mut after, &mut progress, &mut waits) => { watched?; None },
                    sign = signals.next() => Some(sign),
                };
                progress.finish();
                match sign {
                    None => {}
                    Some(Sign::Away) => return Ok(left(common, id)),
                    Some(Sign::Interrupt) => return cancelled(common, home, id, signals).await,
                }
            }
        }
    }
}

/// Nobody is there at the moment.
fn away(status: &Status) -> bool {
    [Code::Unavailable, Code::Unknown].contains(&status.code())
}

/// Tries one coordinator after the other.
async fn load(home: &Home, id: &SessionId) -> Result<Known, Failure> {
    let begun = Stopwatch::start();
    loop {
        match Known::load(home, id.as_str()).await {
            Err(failure) if failure.code == UNREACHABLE && begun.elapsed() < PATIENCE => {
                elsewhere(home).await;
            }
            loaded => return loaded,
        }
    }
}

async fn elsewhere(home: &Home) {
    if let Home::Team(team) = home {
        team.next();
    }
    tokio::time::sleep(PAUSE).await;
}

/// Whether a feed that broke off goes on with another coordinator.
pub(super) fn goes_on(home: &Home, status: &Status) -> bool {
    home.here().is_none() && away(status)
}

/// The feed as it is wished for, with whichever coordinator answers.
pub(super) async fn feed(home: &Home, wish: &WatchRequest) -> Result<Streaming<FeedItem>, Failure> {
    let begun = Stopwatch::start();
    loop {
        match home.sessions().watch(wish.clone()).await {
            Ok(stream) => return Ok(stream.into_inner()),
            Err(status) if !goes_on(home, &status) => return Err(status.into()),
            Err(status) if begun.elapsed() >= PATIENCE => {
                let mend = format!("the session goes on without you: `arena watch {}` when one answers again", wish.id);
                return Err(Failure::new(AGAIN, format!("no coordinator answers: {}", status.message()), mend));
            }
            Err(status) => tracing::info!(%status, "no feed; another coordinator is asked"),
        }
        elsewhere(home).await;
    }
}

/// From the cursor on, until the session ends or asks.
async fn watch(
    home: &Home,
    id: &SessionId,
    after: &mut u64,
    progress: &mut Progress,
    waits: &mut Waits,
) -> Result<(), Failure> {
    loop {
        let wish = WatchRequest { id: id.to_string(), after: *after, recorded: false, logs: false };
        let mut items = feed(home, &wish).await?;
        let read = async {
            while let Some(item) = next(&mut items, home, id, progress, waits).await {
                let item = item?;
                *after = item.seq;
                progress.show(&item);
                if item.kind == "ended" || item.kind == "asked" {
                    break;
                }
            }
            Ok(())
        };
        match read.await {
            Ok(()) => return Ok(()),
            Err(status) if !away(&status) => return Err(status.into()),
            Err(status) => tracing::info!(%status, "the feed broke off; it goes on with another coordinator"),
        }
        elsewhere(home).await;
    }
}

/// What happens next; while nothing does, what the session waits for is told.
async fn next(
    items: &mut Streaming<FeedItem>,
    home: &Home,
    id: &SessionId,
    progress: &Progress,
    waits: &mut Waits,
) -> Option<Result<FeedItem, Status>> {
    loop {
        tokio::select! {
            item = items.next() => {
                waits.heard();
                return item;
            },
            () = tokio::time::sleep(waits.pause()) => waits.look(home, id, progress).await,
        }
    }
}

/// Only this terminal is gone.
fn left(common: &Common, id: &SessionId) -> ExitCode {
    let mend = format!("arena watch {id}");
    output::note(&format!("session {id} goes on without you: {mend}"));
    if common.json {
        output::json_line(&serde_json::json!({ "event": "left", "session": id.as_str(), "mend": mend }));
    }
    ExitCode::from(INTERRUPTED)
}

/// The fleet ends what runs and keeps what is paid for; a second Ctrl-C does not wait for it.
async fn cancelled(common: &Common, home: &Home, id: &SessionId, signals: &mut Signals) -> Done {
    output::note("cancelling the session on the fleet; once more does not wait for its end");
    home.sessions().cancel(CancelRequest { id: id.to_string() }).await?;
    let ended = async {
        loop {
            let known = load(home, id).await?;
            if known.session.standing().is_some() && known.jobs.iter().all(|job| job.state != "leased") {
                return Ok::<_, Failure>(known);
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    let known = tokio::select! {
        known = ended => Some(known?),
        _ = signals.next() => None,
        () = tokio::time::sleep(ENDING) => None,
    };
    if let Some(known) = known {
        // Reports and branches of what was measured; the exit says that it was interrupted.
        finish::finish(common, home, &known).await?;
    }
    let mend = format!("arena report {id}");
    output::note(&format!("interrupted; what is paid for is kept: {mend}"));
    if common.json {
        output::json_line(&serde_json::json!({ "event": "interrupted", "session": id.as_str(), "mend": mend }));
    }
    Ok(ExitCode::from(INTERRUPTED))
}
