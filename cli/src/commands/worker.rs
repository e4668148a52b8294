//! `arena worker`: this machine runs jobs of a team's coordinators.

use super::Done;
use super::signals::Signals;
use crate::args::Common;
use crate::embedded::{settings, state_folder, worker_failure};
use crate::failure::{AGAIN, Failure, GENERAL, INTERRUPTED, UNREACHABLE, USAGE};
use crate::output;
use crate::team::{self, identity};
use arena_domain::placement::{MOST_LABEL, MOST_LABELS, is_label};
use arena_domain::text::sanitise_line;
use arena_runtime::tasks;
use arena_runtime::tls::Kind;
use arena_worker::link::{LinkError, Worker};
use arena_worker::reach::Reach;
use arena_worker::run::Lost;
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::path::Path;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

pub(super) async fn worker(common: &Common) -> Done {
    let engines = crate::engines::engines(common)?;
    let config = engines.config.worker.clone();
    let urls = team::urls(common, &config.coordinators)?;
    if urls.is_empty() {
        let mend = "`--coordinator https://HOST:7443`, or `coordinators` under [worker]";
        return Err(Failure::new(USAGE, "no coordinator is named", mend));
    }
    can_be_asked_for(&config.labels)?;
    let (who, name) = identity(&engines.config.tls, Kind::Worker)?;
    let state = state_folder(common)?;
    let _alone = alone(&state)?;
    let settings = settings(&engines, &state, config.engine_slots)?;
    let reach = Reach::team(&urls, &who).map_err(|error| Failure::new(USAGE, team::causes(&error), team::PAIR))?;
    let mut signals = Signals::listen()?;
    let worker = Worker::start(settings, reach).await.map_err(worker_failure)?;
    output::note(&format!("worker {} serves {}", name.name, urls.join(", ")));
    let (drain, stop) = (CancellationToken::new(), CancellationToken::new());
    let mut running = tasks::spawn(worker.run_until(drain.clone(), stop.clone()));
    tokio::select! {
        ended = &mut running => return over(ended),
        () = signals.next() => {},
    }
    output::note("draining: nothing more is begun; once more gives back what runs");
    drain.cancel();
    let forced = tokio::select! {
        ended = &mut running => return over(ended),
        () = signals.next() => true,
        () = tokio::time::sleep(config.drain) => false,
    };
    stop.cancel();
    over(running.await)?;
    Ok(if forced { ExitCode::from(INTERRUPTED) } else { ExitCode::SUCCESS })
}

fn over(ended: Result<Result<Option<Lost>, LinkError>, tokio::task::JoinError>) -> Done {
    match ended.map_err(|error| Failure::new(GENERAL, error.to_string(), ""))?.map_err(worker_failure)? {
        None => Ok(ExitCode::SUCCESS),
        Some(Lost::Docker(reason)) => {
            let mend = "start Docker again (`docker version` must answer), then `arena worker`";
            Err(Failure::new(UNREACHABLE, reason, mend))
        }
        Some(Lost::Space) => {
            let what = "the disk of the state directory is almost full; what ran was given back";
            Err(Failure::new(AGAIN, what, "free some space, then `arena worker`"))
        }
    }
}

/// A label that no packet can ask for, or that no coordinator takes, would keep jobs waiting for ever.
fn can_be_asked_for(labels: &[String]) -> Result<(), Failure> {
    let refused = |what: String, mend: String| Err(Failure::new(USAGE, format!("[worker] labels: {what}"), mend));
    if let Some(label) = labels.iter().find(|label| !is_label(label)) {
        let mend = format!("write \"gpu\" or \"rack=7\": 1 to {MOST_LABEL} printable characters without blanks");
        return refused(format!("\"{}\" is none", sanitise_line(label, MOST_LABEL)), mend);
    }
    if labels.len() > MOST_LABELS {
        return refused(format!("there are {}", labels.len()), format!("name {MOST_LABELS} at most"));
    }
    Ok(())
}

/// Results that wait in a state directory are those of one worker.
fn alone(state: &Path) -> Result<File, Failure> {
    let file = File::options().create(true).append(true).open(state.join("worker.lock"))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let what = format!("another worker uses the state directory {}", state.display());
            Err(Failure::new(USAGE, what, "give each worker of a machine its own: `--state DIR`"))
        }
        Err(error) => Err(std::io::Error::from(error).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_that_no_packet_can_ask_for_is_refused_at_the_start() {
        let many: Vec<String> = (0..=MOST_LABELS).map(|number| format!("rack={number}")).collect();
        assert!(can_be_asked_for(&many[1..]).is_ok());
        let rows =
            [(many, "name 32 at most"), (vec!["big gpu".into()], "without blanks"), (vec![String::new()], "1 to 64")];
        for (labels, mend) in rows {
            let refused = can_be_asked_for(&labels).unwrap_err();
            assert!(refused.mend.contains(mend), "{refused:?}");
        }
    }
}
