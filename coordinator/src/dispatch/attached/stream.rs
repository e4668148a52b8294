//! The life of a worker's stream: how it begins, what it waits for, how it ends.

use super::hello::introduced;
use super::{Attached, Capacity};
use crate::access::{Caller, Lost, Right, Rpc};
use crate::api::Desk;
use crate::dispatch::pulse::Pulse;
use crate::sessions::SessionError;
use crate::store::StoreError;
use arena_domain::id::{SessionId, WorkerId};
use arena_domain::schedule::Terms;
use arena_proto::v1::{self, down, up};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt};
use tonic::Status;

/// What a worker is told, or why its stream ends. In a box: a channel has room for many, and is empty most of the time.
pub(crate) type Told = Box<Result<v1::Down, Status>>;

/// Why a stream has to end before its worker wants it to.
type Losing = Pin<Box<dyn Future<Output = Box<Lost>> + Send>>;

/// Serves one worker until its stream ends. What it takes to begin is in a box of its own: there are many, and each lasts long.
pub(crate) fn attach<Ups>(
    desk: Desk,
    right: Right,
    up: Ups,
    down: mpsc::Sender<Told>,
) -> impl Future<Output = ()> + Send + use<Ups>
where
    Ups: Stream<Item = Result<v1::Up, Status>> + Send + Unpin,
{
    let begun = Box::pin(begun(desk, right, up, down));
    async move {
        let Some((mut attached, up, lost)) = begun.await else { return };
        let ended = attached.serve(up, lost).await;
        Box::pin(attached.finish(ended)).await;
    }
}

async fn begun<Ups>(
    desk: Desk,
    right: Right,
    mut up: Ups,
    down: mpsc::Sender<Told>,
) -> Option<(Box<Attached>, Ups, Losing)>
where
    Ups: Stream<Item = Result<v1::Up, Status>> + Unpin,
{
    let mut lost: Losing = Box::pin(right.clone().lost());
    let greeting = tokio::select! {
        greeting = up.next() => greeting,
        lost = &mut lost => {
            let _ = down.send(Box::new(Err(lost.told().await))).await;
            return None;
        },
    };
    let Some(Ok(v1::Up { up: Some(up::Up::Hello(hello)) })) = greeting else {
        let _ = down.send(Box::new(Err(Status::invalid_argument("the first message of a worker is Hello")))).await;
        return None;
    };
    let coordinator = desk.coordinator.clone();
    let pulse = coordinator.begin_watch().await;
    match Box::pin(Attached::begin(desk, right, hello, down.clone(), pulse)).await {
        Ok(attached) => Some((attached, up, lost)),
        Err(status) => {
            coordinator.end_watch().await;
            let _ = down.send(Box::new(Err(status))).await;
            None
        }
    }
}

/// What one message leads to, within this time; nothing: as long as it takes.
async fn within(
    patience: Option<Duration>,
    work: impl Future<Output = Result<(), SessionError>>,
) -> Result<(), SessionError> {
    let Some(patience) = patience else { return work.await };
    let late = |_| StoreError::Unavailable(format!("it has not answered within {} s", patience.as_secs_f32()));
    tokio::time::timeout(patience, work).await.map_err(late)?
}

impl Attached {
    async fn begin(
        desk: Desk,
        right: Right,
        hello: v1::Hello,
        down: mpsc::Sender<Told>,
        pulse: Pulse,
    ) -> Result<Box<Self>, Status> {
        let (protocol, state) = introduced(&right.caller, &hello)?;
        // With what names its certificate, for whoever has to revoke it and does not hold it.
        desk.gate.did(&right.caller, Rpc::Attach, (&state.id, ""), &right.certificate()).await;
        let caller = right.caller;
        // On one machine a run serves its own session; a team's worker, whoever's comes.
        let here = matches!(caller, Caller::Local) && !hello.only_session.is_empty();
        let only = here.then(|| SessionId::new(hello.only_session));
        let (worker, running) = (WorkerId::new(&state.id), BTreeMap::new());
        let (seat, capacity) =
            (desk.coordinator.roster.seat(worker.clone(), only.clone()), Capacity::of(&state, only.is_some()));
        if let Caller::Worker { .. } = caller {
            desk.coordinator.roster.replaces(&seat);
        }
        let (beat, freed, changed, replaced, drains) = (0, false, false, false, false);
        let mut attached = Box::new(Self {
            desk,
            caller,
            worker,
            only,
            capacity,
            running,
            freed,
            changed,
            replaced,
            down,
            beat,
            seat,
            pulse,
            state,
            drains,
        });
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let (worker, lease_ms) = (attached.worker.to_string(), attached.store().terms().lease_millis());
        attached.send(down::Down::Welcome(v1::Welcome { protocol, version, worker, lease_ms })).await;
        // Before anything is given: what it still runs takes up its slots.
        attached.renew(hello.leases, 0).await.map_err(|error| crate::api::status(&error))?;
        attached.register().await;
        attached.check_drain().await.map_err(|error| crate::api::status(&error))?;
        attached.weigh().await.map_err(|error| crate::api::status(&error))?;
        Ok(attached)
    }

    async fn serve(
        &mut self,
        mut up: impl Stream<Item = Result<v1::Up, Status>> + Unpin,
        mut lost: Losing,
    ) -> Result<(), Status> {
        let closing = self.desk.coordinator.closing_token();
        let bell = self.seat.bell.clone();
        let patience = self.patience();
        loop {
            let kind = self.kind();
            self.seat.stands(kind);
            let done = tokio::select! {
                message = up.next() => match message {
                    // Apart from the rest: a worker that says nothing does not keep room for all that it may say.
                    Some(Ok(message)) => Box::pin(within(patience, self.heard(message))).await,
                    Some(Err(_)) | None => return Ok(()),
                },
                () = bell.rung.notified() => Box::pin(within(patience, self.told(bell.heard()))).await,
                lost = &mut lost => return Err(Box::pin(lost.told()).await),
                () = closing.cancelled() => {
                    return Err(Status::unavailable("this coordinator is being stopped; go on with another one"));
                },
            };
            let done = match done {
                Ok(()) => Box::pin(self.go_on()).await,
                Err(error) => Err(error),
            };
            done.map_err(|error| crate::api::status(&error))?;
            if self.replaced {
                return Err(Status::aborted("this worker came back by another stream"));
            }
        }
    }

    async fn finish(self: Box<Self>, ended: Result<(), Status>) {
        if let Err(status) = ended {
            // Before anything else that the store has to hear: the worker goes on with another coordinator meanwhile.
            let _ = self.down.send(Box::new(Err(status))).await;
        }
        self.end().await;
        let Self { desk, seat, .. } = *self;
        // Nobody gives it anything from here on.
        drop(seat);
        desk.coordinator.end_watch().await;
    }

    /// A worker whose heartbeats are not answered ends what it runs. While its coordinator waits for a store that does not
    /// answer, it would hear nothing; let go within a beat, it finds another coordinator in time.
    fn patience(&self) -> Option<Duration> {
        (!self.desk.gate.is_local()).then(|| Terms::beat(self.store().terms().lease))
    }
}
