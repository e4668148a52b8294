//! `arena run`: the whole session here, from the packet to the report.

use super::signals::Signals;
use super::{Done, finish, packet};
use crate::args::Common;
use crate::embedded::{Embedded, Hold, state_folder, worker_failure};
use crate::failure::{self, Failure};
use crate::home::{self, Home};
use crate::output;
use crate::progress::Progress;
use crate::session::Known;
use crate::team::Team;
use crate::userrepo::UserRepo;
use arena_coordinator::SweepError;
use arena_domain::id::{Commit, SessionId};
use arena_domain::session::{Phase, Question};
use arena_proto::v1::{DecideRequest, FeedItem, SessionHead, SubmitRequest, WatchRequest};
use arena_runtime::{tasks, token};
use arena_worker::link::LinkError;
use arena_worker::run::Lost;
use arena_worker::space::Reserve;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;

/// For the containers of a worker that was stopped at once.
const LOOKS: u32 = 100;
const QUIET_LOOKS: u32 = 4;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

pub(super) async fn run(common: &Common, path: &Path, priority: Option<u32>) -> Done {
    let mut loaded = packet::load_to_run(common, path)?;
    loaded.packet.priority = priority.unwrap_or(loaded.packet.priority);
    let team = Team::named(common, state_folder).await?;
    if team.is_none() {
        // A team's workers have engines and processors of their own.
        loaded.check_engines()?;
    }
    let files = loaded.files()?;
    let (repository, base) = loaded.base()?;
    beside_the_base(&repository, &base)?;
    loaded.warn(&repository, &base)?;
    loaded.packet.found.codebase = repository.codebase(&base, loaded.packet.holdout())?;
    loaded.briefs(&base)?;
    // Nothing is made before all that can be refused has been looked at.
    let home = match team {
        Some(team) => Home::Team(team),
        None => Home::Here(Box::new(Embedded::open(common).await?)),
    };
    let Home::Here(embedded) = &home else {
        return super::afar::submit(common, &home, loaded, &repository, &base).await;
    };
    loaded.check_machine()?;
    let docker = embedded.docker().await?;
    image(&docker, &loaded.packet.sandbox.image).await?;
    // Before anything is made: a disk without room is refused, not filled.
    Reserve::hold(&embedded.state)?;
    if embedded.config.blobs.url.is_some() {
        embedded.coordinator.stands_at_its_blobs().await.map_err(|error| match error {
            SweepError::Blob(error) => home::unreached(&embedded.config, error),
            SweepError::Session(error) => error.into(),
        })?;
    }
    let mut signals = Signals::listen()?;
    let files = if files.is_empty() { String::new() } else { home.put(&files).await? };
    let id = SessionId::new(token::hex(12));
    let head = head(&loaded, &repository, &base, &id, files)?;
    let hold = embedded.hold(&id)?;
    let mut request = tonic::Request::new(SubmitRequest { head: Some(head), yes: common.yes });
    crate::watched::tell(request.metadata_mut());
    home.sessions().submit(request).await?;
    output::note(&format!("session {id}: {}", arena_domain::text::sanitise_line(&loaded.packet.title, 100)));
    drive(common, &home, &id, hold, &mut signals).await
}

/// What does not change in a session after it was submitted.
pub(super) fn head(
    loaded: &packet::Loaded,
    repository: &UserRepo,
    base: &Commit,
    id: &SessionId,
    files: String,
) -> Result<SessionHead, Failure> {
    Ok(SessionHead {
        id: id.to_string(),
        tenant: "local".into(),
        packet: loaded.text.clone(),
        base: base.to_string(),
        repository: repository.root().to_string_lossy().into_owned(),
        packet_dir: loaded.folder.to_string_lossy().into_owned(),
        arena_version: env!("CARGO_PKG_VERSION").into(),
        files,
        contextual: loaded.packet.found.contextual.iter().cloned().collect(),
        codebase: loaded.packet.found.codebase.clone(),
        priority: Some(loaded.packet.priority),
        ..SessionHead::default()
    })
}

/// What the contest does not see is said before it begins.
fn beside_the_base(repository: &UserRepo, base: &Commit) -> Result<(), Failure> {
    let dirty = if repository.has_work_tree() { repository.is_dirty()?.len() } else { 0 };
    if dirty > 0 {
        let paths =
            if dirty == 1 { "1 uncommitted path is".to_owned() } else { format!("{dirty} uncommitted paths are") };
        output::note(&format!("note: {paths} not part of the contest; it begins at {base}"));
    }
    let modules = repository.submodules(base)?;
    if !modules.is_empty() {
        output::note(&format!("note: submodules are empty folders in the contest: {}", modules.join(", ")));
    }
    Ok(())
}

async fn image(docker: &arena_worker::sandbox::Docker, name: &str) -> Result<(), Failure> {
    docker.image_id(name).await.map(drop).map_err(|error| {
        let mend = match name {
            "arena/base" => "make it: `deploy/image`, or name another in [sandbox] image".to_owned(),
            name => format!("`docker pull {name}`, or name another in [sandbox] image"),
        };
        Failure::new(failure::GENERAL, error.to_string(), mend)
    })
}

/// How the moving of a session ended.
enum Ended {
    Session,
    Question,
    Interrupted,
    Lost(Lost),
}

/// Moves a session to its end, or to where it waits.
pub(super) async fn drive(common: &Common, home: &Home, id: &SessionId, hold: Hold, signals: &mut Signals) -> Done {
    let embedded = home.only_here("nothing to move", "`arena watch ID` follows it")?;
    loop {
        let known = Known::load(home, id.as_str()).await?;
        match &known.session.phase {
            Phase::Ended(_) => return finish::finish(common, home, &known).await,
            Phase::Asking(question) => {
                let Some(answer) = answer(common, id, question, signals).await? else {
                    return Ok(waiting(common, id, question, "resume"));
                };
                home.sessions().decide(DecideRequest { id: id.to_string(), answer }).await?;
            }
            Phase::New | Phase::Running => {
                let worked = work(common, home, embedded, id, &known, signals).await;
                if !matches!(worked, Ok(Ended::Session))
                    && let Err(error) = embedded.coordinator.put_down(id).await
                {
                    // Its leases run out by themselves.
                    tracing::warn!(%error, "the slots of this session are not free yet");
                }
                match worked.map_err(|failure| resumable(id, failure))? {
                    Ended::Session | Ended::Question => {}
                    Ended::Interrupted => {
                        drop(hold);
                        interrupted(common, id);
                        return Ok(ExitCode::from(failure::INTERRUPTED));
                    }
                    Ended::Lost(lost) => return Err(lost_failure(id, lost)),
                }
            }
        }
    }
}

/// Scripts are told as the last event.
fn interrupted(common: &Common, id: &SessionId) {
    let mend = format!("arena resume {id}");
    output::note(&format!("interrupted; what is paid for is kept: {mend}"));
    if common.json {
        let event = serde_json::json!({ "event": "interrupted", "session": id.as_str(), "mend": mend });
        output::line(&event.to_string());
    }
}

/// What stopped a session that is on record: the mend ends with its resumption.
fn resumable(id: &SessionId, failure: Failure) -> Failure {
    match failure.code {
        failure::AGAIN => lost_failure(id, Lost::Space),
        _ if failure.mend.is_empty() => Failure { mend: format!("`arena resume {id}`"), ..failure },
        _ => Failure { mend: format!("{}, then `arena resume {id}`", failure.mend), ..failure },
    }
}

fn lost_failure(id: &SessionId, lost: Lost) -> Failure {
    match lost {
        Lost::Docker(reason) => Failure::new(
            failure::UNREACHABLE,
            reason,
            format!("start Docker again (`docker version` must answer), then `arena resume {id}`"),
        ),
        Lost::Space => Failure::new(
            failure::AGAIN,
            "the disk of the state directory is almost full; the run was stopped, what is paid for is kept",
            format!("free some space, then `arena resume {id}`"),
        ),
    }
}

async fn work(
    common: &Common,
    home: &Home,
    embedded: &Embedded,
    id: &SessionId,
    known: &Known,
    signals: &mut Signals,
) -> Result<Ended, Failure> {
    let slots = known.session.packet.at_a_time().min(embedded.config.worker.engine_slots).max(1);
    let worker = embedded.worker(id, slots).await?;
    embedded.coordinator.take_up(id).await?;
    let stop = CancellationToken::new();
    let boot = worker.boot_id().to_owned();
    let mut running = tasks::spawn(worker.run(stop.clone()));
    let names: Vec<String> = known.session.contestants.iter().map(|one| one.competitor.name.to_string()).collect();
    let mut progress = Progress::start(common.json, &names);
    let watched = tokio::select! {
        watched = watch(home, id, &mut progress) => watched,
        () = signals.next() => Ok(Ended::Interrupted),
        ended = &mut running => {
            progress.finish();
            return match stopped(ended)? {
                Some(lost) => Ok(Ended::Lost(lost)),
                None => Err(Failure::new(failure::GENERAL, "the worker stopped", "")),
            };
        },
    };
    progress.finish();
    if matches!(watched, Ok(Ended::Interrupted)) {
        progress.say("stopping; once more stops at once");
    }
    // Also when watching failed: what the worker has made is taken away on every way out.
    stop.cancel();
    tokio::select! {
        ended = &mut running => match stopped(ended)? {
            Some(lost) => Ok(Ended::Lost(lost)),
            None => watched,
        },
        () = signals.next() => {
            running.abort();
            at_once(embedded, &boot).await;
            Ok(Ended::Interrupted)
        },
    }
}

/// How the worker ended.
fn stopped(ended: Result<Result<Option<Lost>, LinkError>, tokio::task::JoinError>) -> Result<Option<Lost>, Failure> {
    match ended {
        Ok(Ok(lost)) => Ok(lost),
        Ok(Err(error)) => Err(worker_failure(error)),
        Err(error) => Err(Failure::new(failure::GENERAL, error.to_string(), "")),
    }
}

/// Follows the feed until the session ends or asks.
async fn watch(home: &Home, id: &SessionId, progress: &mut Progress) -> Result<Ended, Failure> {
    let request = WatchRequest { id: id.to_string(), after: 0, recorded: false, logs: false };
    let mut items = home.sessions().watch(request).await?.into_inner();
    while let Some(item) = items.next().await {
        let item: FeedItem = item?;
        progress.show(&item);
        match item.kind.as_str() {
            "ended" => return Ok(Ended::Session),
            "asked" => {
                let known = Known::load(home, id.as_str()).await?;
                if matches!(known.session.phase, Phase::Asking(_)) {
                    return Ok(Ended::Question);
                }
            }
            _ => {}
        }
    }
    Ok(Ended::Session)
}

/// Kills every container of this boot; what else it made, the next start takes away.
async fn at_once(embedded: &Embedded, boot: &str) {
    let Ok(docker) = embedded.docker().await else { return };
    let label = format!("{}={boot}", arena_worker::boot::LABEL_BOOT);
    let mut none = 0;
    // One that was asked for a moment ago shows a moment later, so an empty list counts when it stays empty.
    for _ in 0..LOOKS {
        let Ok(found) = docker.list(&label).await else { return };
        none = if found.is_empty() { none + 1 } else { 0 };
        if none == QUIET_LOOKS {
            return;
        }
        for container in found {
            let _ = docker.remove(&container.id).await;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

/// From the person at the terminal, when there is one.
pub(super) async fn answer(
    common: &Common,
    id: &SessionId,
    question: &Question,
    signals: &mut Signals,
) -> Result<Option<String>, Failure> {
    if common.yes {
        return Ok(Some(question.recommended.clone()));
    }
    if common.json || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(None);
    }
    output::note(&format!("session {id} asks: {}", question.text));
    output::note(&format!("answers: {} [{}]", question.options.join(", "), question.recommended));
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|read| (read > 0).then_some(line))
    });
    let line = tokio::select! {
        line = line => line.map_err(std::io::Error::other)??,
        () = signals.next() => None,
    };
    Ok(line.map(|line| match line.trim() {
        "" => question.recommended.clone(),
        other => other.to_owned(),
    }))
}

/// `next` is the command that goes on after the answer.
pub(super) fn waiting(common: &Common, id: &SessionId, question: &Question, next: &str) -> ExitCode {
    let mend = format!("arena decide {id} {}, then: arena {next} {id}", question.recommended);
    if common.json {
        let document = serde_json::json!({
            "event": "question", "session": id.as_str(), "question": question.text,
            "options": question.options, "recommended": question.recommended,
        });
        output::json_line(&document);
    }
    output::note(&format!("session {id} waits: {} ({})", question.text, question.options.join(", ")));
    output::note(&format!("  answer: {mend}"));
    ExitCode::from(failure::WAITING)
}
