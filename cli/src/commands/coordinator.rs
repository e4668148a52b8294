//! `arena coordinator`: a team's services on an address, over the store of one state directory.

use super::Done;
use super::signals::Signals;
use crate::args::Common;
use crate::embedded::state_folder;
use crate::failure::{Failure, GENERAL, INTERRUPTED, NOT_ALLOWED, USAGE};
use crate::home;
use crate::output;
use crate::team::{identity, tls_failure};
use arena_coordinator::Coordinator;
use arena_coordinator::serve::{ServeError, Service};
use arena_coordinator::store::{Durability, Store};
use arena_runtime::config::Config;
use arena_runtime::tasks;
use arena_runtime::tls::Kind;
use std::path::Path;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

pub(super) async fn coordinator(common: &Common, listen: Option<String>) -> Done {
    let mut engines = crate::engines::engines(common)?;
    let config = &mut engines.config;
    if let Some(listen) = listen {
        config.coordinator.listen = listen;
    }
    let (who, name) = identity(&config.tls, Kind::Coordinator)?;
    let state = state_folder(common)?;
    let store = home::store(&engines, &state, home::Part::Serves, Store::open).await?;
    take_for_a_team(&engines.config, &state, &store).await?;
    let mut signals = Signals::listen()?;
    let quotas = crate::limits::quotas(&engines.config, &engines.manifests);
    let config = engines.config;
    let blobs = home::blobs(&config, &state)?;
    blobs.check().await.map_err(|error| home::unreached(&config, error))?;
    let coordinator = Coordinator::new(store, blobs)
        .with_quotas(quotas)
        .holding_dead_jobs(config.coordinator.hold_dead)
        .keeping(config.store.keep);
    if config.tls.revoked.is_none() {
        output::note(
            "warning: no `revoked` under [tls]: what `arena certs revoke` takes back stays good for this coordinator",
        );
    }
    let service = Service::bind(coordinator, config.coordinator, &who, config.tls.revoked).await.map_err(failed)?;
    let address = service.address();
    output::note(&format!("coordinator {} listens on https://{address}", name.name));
    if common.json {
        output::json_line(&serde_json::json!({ "event": "listening", "address": address.to_string() }));
    }
    let stop = CancellationToken::new();
    let mut running = tasks::spawn(service.run(stop.clone()));
    tokio::select! {
        ended = &mut running => return over(ended),
        () = signals.next() => {},
    }
    output::note("handing over; once more stops at once");
    stop.cancel();
    tokio::select! {
        ended = &mut running => over(ended),
        () = signals.next() => Ok(ExitCode::from(INTERRUPTED)),
    }
}

fn over(ended: Result<Result<(), ServeError>, tokio::task::JoinError>) -> Done {
    ended.map_err(|error| Failure::new(GENERAL, error.to_string(), ""))?.map_err(failed)?;
    Ok(ExitCode::SUCCESS)
}

fn failed(error: ServeError) -> Failure {
    match error {
        ServeError::Tls(error) => tls_failure(error),
        ServeError::Listen { ref reason, .. } if reason.kind() == std::io::ErrorKind::PermissionDenied => {
            Failure::new(NOT_ALLOWED, error.to_string(), "take a port of 1024 or more: `--listen ADDRESS:PORT`")
        }
        ServeError::Listen { .. } => {
            Failure::new(USAGE, error.to_string(), "name an address and a free port of this machine: `--listen`")
        }
        ServeError::Transport(_) | ServeError::Reflection(_) => Failure::new(GENERAL, error.to_string(), ""),
    }
}

/// A team's workers know nothing of sessions that were begun on one machine, so the two do not share a directory.
async fn take_for_a_team(config: &Config, state: &Path, store: &Store) -> Result<(), Failure> {
    if home::is_a_teams(state) {
        return Ok(());
    }
    if store.durability() == Durability::Disk && !store.older(None, 1).await?.is_empty() {
        let what = format!("{} holds sessions of this machine alone", state.display());
        return Err(Failure::new(USAGE, what, "give the team a directory of its own: `--state DIR`"));
    }
    Ok(home::make_a_teams(state, config)?)
}
