//! The greeting of a worker: who it is by its certificate, and which wire both sides speak.

use crate::access::{Caller, is_name};
use arena_domain::id::WorkerId;
use arena_domain::placement::{MOST_LABEL, MOST_LABELS};
use arena_domain::text::sanitise_line;
use arena_proto::v1;
use arena_runtime::{clock, token};
use tonic::Status;

/// As the store calls a boot: a worker of a team by the name in its certificate, so that no other can take its place.
pub(super) fn named(caller: &Caller, boot: &str) -> WorkerId {
    match caller {
        Caller::Worker { name, .. } => WorkerId::new(format!("{name}/{boot}")),
        Caller::Local | Caller::Person { .. } => WorkerId::new(boot),
    }
}

/// The wire that is spoken, and how the worker is listed; or why it is refused.
pub(super) fn introduced(caller: &Caller, hello: &v1::Hello) -> Result<(u32, v1::WorkerState), Status> {
    let ours = env!("CARGO_PKG_VERSION");
    let Some(protocol) = arena_proto::common_protocol(hello.protocol, hello.oldest) else {
        let (newest, oldest) = (arena_proto::PROTOCOL, arena_proto::OLDEST_PROTOCOL);
        let theirs = if hello.version.is_empty() { "an old version" } else { hello.version.as_str() };
        let (older, what) = if hello.protocol < oldest { ("worker", ours) } else { ("coordinator", theirs) };
        return Err(Status::failed_precondition(format!(
            "this worker ({theirs}) speaks wire {} to {}, this coordinator ({ours}) {oldest} to {newest}; install arena \
             {what} for the {older}",
            hello.oldest, hello.protocol
        )));
    };
    if !is_name(&hello.worker) {
        return Err(Status::invalid_argument("the name of this boot is none"));
    }
    let id = named(caller, &hello.worker);
    let name = match caller {
        Caller::Worker { name, .. } | Caller::Person { name, .. } => name.clone(),
        Caller::Local => hello.worker.clone(),
    };
    let now = clock::now_millis();
    let state = v1::WorkerState {
        id: id.to_string(),
        name,
        scope: Some(caller.scope().to_wire()),
        labels: hello.labels.iter().take(MOST_LABELS).map(|label| sanitise_line(label, MOST_LABEL)).collect(),
        slots: hello.slots,
        measure_cores: hello.measure_cores.clone(),
        version: hello.version.clone(),
        since: now,
        heard: now,
        running: Vec::new(),
        draining: false,
        offer: hello.offer.clone(),
        free_memory_mib: hello.offer.as_ref().map_or(0, |offer| offer.memory_mib),
        free_disk_mib: hello.offer.as_ref().map_or(0, |offer| offer.disk_mib),
        stream: token::nonce(),
    };
    Ok((protocol, state))
}
