//! One stream to one coordinator, from the greeting on.

use crate::offer;
use crate::run::Context;
use arena_domain::schedule::Terms;
use arena_proto::v1::workers_client::WorkersClient;
use arena_proto::v1::{self, down, up};
use arena_proto::{MAX_MESSAGE, OLDEST_PROTOCOL, PROTOCOL};
use arena_runtime::clock::Stopwatch;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

/// Messages on their way up.
const WAITING: usize = 256;

pub(super) struct Line {
    pub(super) up: mpsc::Sender<v1::Up>,
    pub(super) down: Streaming<v1::Down>,
    /// When the greeting was sent, from which its leases count.
    pub(super) greeted: Stopwatch,
    /// How long leases hold that this coordinator gives and renews.
    pub(super) lease: Duration,
}

/// Opens it; the coordinator has welcomed this worker.
pub(super) async fn open(context: &Context, leases: Vec<v1::Lease>) -> Result<Line, Status> {
    let settings = &context.settings;
    let channel = context.blobs.0.stream().ok_or_else(|| Status::failed_precondition("no coordinator is named"))?;
    let (up, outgoing) = mpsc::channel(WAITING);
    let hello = v1::Hello {
        worker: context.boot.id.clone(),
        slots: settings.slots,
        only_session: settings.only_session.clone(),
        leases,
        protocol: PROTOCOL,
        oldest: OLDEST_PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        labels: settings.labels.clone(),
        measure_cores: settings.measure_cores.clone(),
        offer: Some(offer::of(context)),
    };
    let greeted = Stopwatch::start();
    let _ = up.send(v1::Up { up: Some(up::Up::Hello(hello)) }).await;
    let mut client =
        WorkersClient::new(channel).max_decoding_message_size(MAX_MESSAGE).max_encoding_message_size(MAX_MESSAGE);
    let mut down = client.attach(ReceiverStream::new(outgoing)).await?.into_inner();
    match down.next().await {
        Some(Ok(v1::Down { down: Some(down::Down::Welcome(welcome)) })) => {
            tracing::info!(worker = %welcome.worker, coordinator = %welcome.version, "attached");
            Ok(Line { up, down, greeted, lease: lease(&welcome) })
        }
        Some(Ok(_)) => Err(Status::failed_precondition("the coordinator did not greet this worker; update it")),
        Some(Err(status)) => Err(status),
        None => Err(Status::unavailable("the coordinator broke off")),
    }
}

fn lease(welcome: &v1::Welcome) -> Duration {
    match welcome.lease_ms {
        0 => Terms::default().lease,
        said => Duration::from_millis(said),
    }
}

/// It would be refused by every coordinator, and by this one again.
pub(super) fn is_final(status: &Status) -> bool {
    [Code::PermissionDenied, Code::Unauthenticated, Code::FailedPrecondition, Code::InvalidArgument]
        .contains(&status.code())
}
