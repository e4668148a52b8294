//! `arena run`: the whole session here, from the packet to the report.

use super::{Done, finish, packet};
use crate::args::Common;
use crate::embedded::{Embedded, Hold, worker_failure};
use crate::failure::{self, Failure};
use crate::output;
use crate::progress::Progress;
use crate::session::Known;
use crate::userrepo::UserRepo;
use arena_domain::id::{Commit, SessionId};
use arena_domain::session::{Phase, Question};
use arena_proto::BLOB_CHUNK;
use arena_proto::v1::{BlobChunk, DecideRequest, FeedItem, SessionHead, SubmitRequest, WatchRequest};
use arena_runtime::{tasks, token};
use arena_worker::run::Lost;
use arena_worker::space::Reserve;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;

pub(super) async fn run(common: &Common, path: &Path) -> Done {
    let loaded = packet::load(path)?;
    loaded.check_engines()?;
    let files = loaded.files()?;
    let (repository, base) = loaded.base()?;
    beside_the_base(&repository, &base)?;
    if let Some(warning) = loaded.shown_holdout(&repository, &base) {
        output::note(&format!("warning: {warning}"));
    }
    let embedded = Embedded::open(common).await?;
    let docker = embedded.docker().await?;
    image(&docker, &loaded.packet.sandbox.image).await?;
    let files = if files.is_empty() { String::new() } else { put(&embedded, &files).await? };
    let id = SessionId::new(token::hex(12));
    let head = SessionHead {
        id: id.to_string(),
        tenant: "local".into(),
        packet: loaded.text.clone(),
        base: base.to_string(),
        repository: repository.root().to_string_lossy().into_owned(),
        packet_dir: loaded.folder.to_string_lossy().into_owned(),
        created: 0,
        arena_version: env!("CARGO_PKG_VERSION").into(),
        files,
    };
    let hold = embedded.hold(&id)?;
    embedded.sessions().submit(SubmitRequest { head: Some(head), yes: common.yes }).await?;
    for warning in loaded.warnings.iter().filter(|_| !common.json) {
        output::note(&format!("warning: {warning}"));
    }
    output::note(&format!("session {id}: {}", arena_domain::text::sanitise_line(&loaded.packet.title, 100)));
    drive(common, &embedded, &id, hold).await
}

/// What the contest does not see is said before it begins.
fn beside_the_base(repository: &UserRepo, base: &Commit) -> Result<(), Failure> {
    let dirty = if repository.has_work_tree() { repository.is_dirty()?.len() } else { 0 };
    if dirty > 0 {
        output::note(&format!("note: {dirty} uncommitted paths are not part of the contest; it begins at {base}"));
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

async fn put(embedded: &Embedded, bytes: &[u8]) -> Result<String, Failure> {
    let chunks: Vec<BlobChunk> =
        bytes.chunks(BLOB_CHUNK).map(|chunk| BlobChunk { data: chunk.to_vec().into() }).collect();
    Ok(embedded.sessions().put_blob(tokio_stream::iter(chunks)).await?.into_inner().digest)
}

/// How the moving of a session ended.
enum Ended {
    Session,
    Question,
    Interrupted,
    Lost(Lost),
}

/// Moves a session to its end, or to where it waits.
pub(super) async fn drive(common: &Common, embedded: &Embedded, id: &SessionId, hold: Hold) -> Done {
    loop {
        let known = Known::load(embedded, id.as_str()).await?;
        match &known.session.phase {
            Phase::Ended(_) => return finish::finish(common, embedded, &known).await,
            Phase::Asking(question) => {
                let Some(answer) = answer(common, id, question).await? else {
                    return Ok(waiting(common, id, question));
                };
                embedded.sessions().decide(DecideRequest { id: id.to_string(), answer }).await?;
            }
            Phase::New | Phase::Running => match work(common, embedded, id, &known).await? {
                Ended::Session | Ended::Question => {}
                Ended::Interrupted => {
                    drop(hold);
                    output::note(&format!("interrupted; what is paid for is kept: arena resume {id}"));
                    return Ok(ExitCode::from(failure::INTERRUPTED));
                }
                Ended::Lost(lost) => return Err(lost_failure(id, lost)),
            },
        }
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

async fn work(common: &Common, embedded: &Embedded, id: &SessionId, known: &Known) -> Result<Ended, Failure> {
    let reserve = Reserve::hold(&embedded.state)?;
    let slots = known.session.packet.at_a_time().min(embedded.config.worker.engine_slots).max(1);
    let worker = embedded.worker(id, slots).await?;
    embedded.coordinator.take_up(id).await?;
    let stop = CancellationToken::new();
    let boot = worker.boot_id().to_owned();
    let mut running = tasks::spawn(worker.run(stop.clone()));
    let names: Vec<String> = known.session.contestants.iter().map(|one| one.competitor.name.to_string()).collect();
    let mut progress = Progress::start(common.json, &names);
    let watched = tokio::select! {
        watched = watch(embedded, id, &mut progress) => watched?,
        () = interrupted() => Ended::Interrupted,
        lost = &mut running => {
            progress.finish();
            return match lost {
                Ok(Ok(Some(lost))) => { give_up(&reserve); Ok(Ended::Lost(lost)) },
                Ok(Ok(None)) => Err(Failure::new(failure::GENERAL, "the worker stopped", format!("`arena resume {id}`"))),
                Ok(Err(error)) => Err(worker_failure(error)),
                Err(error) => Err(Failure::new(failure::GENERAL, error.to_string(), format!("`arena resume {id}`"))),
            };
        },
    };
    progress.finish();
    if matches!(watched, Ended::Interrupted) {
        progress.say("stopping; once more stops at once");
    }
    stop.cancel();
    tokio::select! {
        ended = &mut running => match ended {
            Ok(Ok(Some(lost))) => { give_up(&reserve); return Ok(Ended::Lost(lost)) },
            Ok(Ok(None)) => {},
            Ok(Err(error)) => return Err(worker_failure(error)),
            Err(error) => return Err(Failure::new(failure::GENERAL, error.to_string(), "")),
        },
        () = interrupted() => {
            at_once(embedded, &boot).await;
            return Ok(Ended::Interrupted);
        },
    }
    Ok(watched)
}

/// The reserve is what the last results are written into.
fn give_up(reserve: &Reserve) {
    if let Err(error) = reserve.give_up() {
        tracing::warn!(%error, "the reserve could not be given up");
    }
}

/// Follows the feed until the session ends or asks.
async fn watch(embedded: &Embedded, id: &SessionId, progress: &mut Progress) -> Result<Ended, Failure> {
    let request = WatchRequest { id: id.to_string(), after: 0 };
    let mut items = embedded.sessions().watch(request).await?.into_inner();
    while let Some(item) = items.next().await {
        let item: FeedItem = item?;
        progress.show(&item);
        match item.kind.as_str() {
            "ended" => return Ok(Ended::Session),
            "asked" => {
                let known = Known::load(embedded, id.as_str()).await?;
                if matches!(known.session.phase, Phase::Asking(_)) {
                    return Ok(Ended::Question);
                }
            }
            _ => {}
        }
    }
    Ok(Ended::Session)
}

/// Ctrl-C or a polite kill.
async fn interrupted() {
    let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
    match terminate {
        Ok(mut terminate) => tokio::select! {
            _ = tokio::signal::ctrl_c() => {},
            _ = terminate.recv() => {},
        },
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

/// Kills every container of this boot; what else it made, the next start takes away.
async fn at_once(embedded: &Embedded, boot: &str) {
    let Ok(docker) = embedded.docker().await else { return };
    let label = format!("{}={boot}", arena_worker::boot::LABEL_BOOT);
    for found in docker.list(&label).await.unwrap_or_default() {
        let _ = docker.remove(&found.id).await;
    }
}

/// From the person at the terminal, when there is one.
async fn answer(common: &Common, id: &SessionId, question: &Question) -> Result<Option<String>, Failure> {
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
        () = interrupted() => None,
    };
    Ok(line.map(|line| match line.trim() {
        "" => question.recommended.clone(),
        other => other.to_owned(),
    }))
}

fn waiting(common: &Common, id: &SessionId, question: &Question) -> ExitCode {
    let mend = format!("arena decide {id} {}, then: arena resume {id}", question.recommended);
    if common.json {
        let document = serde_json::json!({
            "event": "question", "session": id.as_str(), "question": question.text,
            "options": question.options, "recommended": question.recommended,
        });
        output::line(&document.to_string());
    }
    output::note(&format!("session {id} waits: {} ({})", question.text, question.options.join(", ")));
    output::note(&format!("  answer: {mend}"));
    ExitCode::from(failure::WAITING)
}
