//! How a worker is listed for whoever looks at the fleet, and how it hears that it shall drain.

use super::{Attached, Beat};
use crate::fleet;
use crate::sessions::SessionError;
use arena_proto::v1::{self, down};
use std::collections::BTreeSet;

impl Attached {
    /// How it is listed now; on one machine nobody lists it.
    pub(super) fn listed(&mut self) -> Option<v1::WorkerState> {
        if self.desk.gate.is_local() {
            return None;
        }
        self.state.running = self.running.keys().map(ToString::to_string).collect();
        let free = self.capacity.free();
        (self.state.free_memory_mib, self.state.free_disk_mib) = (free.memory, free.disk);
        Some(self.state.clone())
    }

    /// For whoever looks at the fleet: a store that takes nothing new is no reason to hear no results.
    pub(super) async fn register(&mut self) {
        let listed = self.listed().into_iter().collect();
        if let Err(error) = fleet::register(&self.desk.coordinator.store, listed).await {
            tracing::warn!(%error, worker = %self.worker, "a worker could not be listed");
        }
    }

    pub(super) async fn end(&self) {
        // Where it came back by another stream, that one has listed it.
        if self.desk.gate.is_local() || self.replaced {
            return;
        }
        // What was to be listed is, before it is taken off the list; when nobody writes any more, nothing was.
        let nothing = Beat { sessions: BTreeSet::new(), leases: Vec::new(), state: None };
        let _ = self.pulse.beat(nothing).await;
        if let Err(error) = fleet::leave_by(&self.desk.coordinator.store, &self.state, self.drains).await {
            tracing::warn!(%error, worker = %self.worker, "a worker that left is listed until its lease ends");
        }
    }

    /// Whether it was told to drain before it came here.
    pub(super) async fn check_drain(&mut self) -> Result<(), SessionError> {
        if !self.desk.gate.is_local() && fleet::is_drained(self.store(), &self.state.id).await? {
            self.drain().await?;
        }
        Ok(())
    }

    pub(super) async fn drain(&mut self) -> Result<(), SessionError> {
        if !self.desk.gate.is_local() && !self.state.draining {
            self.state.draining = true;
            self.register().await;
            self.send(down::Down::Drain(v1::Drain {})).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Caller, Gate, Right, Rpc, Scope};
    use crate::api::Desk;
    use crate::dispatch::Coordinator;
    use crate::dispatch::Told;
    use crate::dispatch::tests::submitted;
    use arena_proto::v1::up;
    use arena_runtime::config::Rates;
    use arena_runtime::tasks;
    use arena_runtime::tls::{Authority, Identity, Kind, Name, Reach, Server, Wanted};
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::sync::mpsc;
    use tokio::task::JoinHandle;
    use tokio_stream::wrappers::ReceiverStream;
    use tonic::Status;

    type Up = mpsc::Sender<Result<v1::Up, Status>>;

    fn of_a_team(coordinator: &Coordinator) -> Gate {
        let folder = tempfile::tempdir().unwrap();
        Authority::init(folder.path()).unwrap();
        let name = Name::new(Kind::Coordinator, "one", Reach::Every).unwrap();
        let wanted = Wanted { name, hosts: vec!["127.0.0.1".into()], holds: Duration::from_secs(60) };
        let issued = Authority::open(folder.path()).unwrap().issue(&wanted).unwrap();
        let read = |path: PathBuf| std::fs::read(path).unwrap();
        let ca = read(folder.path().join("ca.pem"));
        let who = Identity { ca, certificate: read(issued.certificate), key: read(issued.key) };
        let rates = Rates { calls: 1_000, submits: 1_000, blob_mib: 1_000, strangers: 1_000 };
        Gate::team(coordinator.store.clone(), rates, Arc::new(Server::new(&who, false, None).unwrap()))
    }

    /// A worker of a team whose stream has been welcomed; and what serves it.
    async fn comes(coordinator: &Coordinator) -> (Up, mpsc::Receiver<Told>, JoinHandle<()>) {
        let (up, incoming) = mpsc::channel(16);
        let (outgoing, mut down) = mpsc::channel(16);
        let gate = of_a_team(coordinator);
        let caller = Caller::Worker { name: "one".into(), scope: Scope::Every };
        let right = Right::without_end(gate.clone(), caller, Rpc::Attach);
        let desk = Desk { coordinator: coordinator.clone(), gate };
        let served = tasks::spawn(crate::dispatch::attach(desk, right, ReceiverStream::new(incoming), outgoing));
        let (protocol, oldest) = (arena_proto::PROTOCOL, arena_proto::OLDEST_PROTOCOL);
        let hello = v1::Hello { worker: "boot".into(), protocol, oldest, ..v1::Hello::default() };
        up.send(Ok(v1::Up { up: Some(up::Up::Hello(hello)) })).await.unwrap();
        let welcome = down.recv().await.unwrap().unwrap();
        assert!(matches!(welcome.down, Some(down::Down::Welcome(_))), "{welcome:?}");
        let listed = async || !fleet::seen_by(&coordinator.store, &Caller::Local).await.unwrap().is_empty();
        while !listed().await {
            tokio::task::yield_now().await;
        }
        (up, down, served)
    }

    fn another(coordinator: &Coordinator) -> Coordinator {
        Coordinator::new(coordinator.store.clone(), coordinator.blobs.clone())
    }

    #[tokio::test]
    async fn a_worker_that_went_to_another_stream_stays_on_the_list_when_its_older_one_ends() {
        let (_folder, here, _) = submitted().await;
        // With another coordinator, and with the same one.
        for there in [another(&here), here.clone()] {
            let (up, _down, served) = comes(&here).await;
            let before = fleet::seen_by(&here.store, &Caller::Local).await.unwrap();
            let (again, _heard, serves) = comes(&there).await;
            while fleet::seen_by(&here.store, &Caller::Local).await.unwrap()[0].stream == before[0].stream {
                tokio::task::yield_now().await;
            }
            drop(up);
            served.await.unwrap();
            assert_eq!(fleet::seen_by(&here.store, &Caller::Local).await.unwrap().len(), 1);
            drop(again);
            serves.await.unwrap();
            assert_eq!(fleet::seen_by(&here.store, &Caller::Local).await.unwrap(), [], "now it has left");
        }
    }

    #[tokio::test]
    async fn a_worker_that_has_not_heard_that_it_shall_drain_hears_it_when_it_comes_back() {
        let (_folder, here, _) = submitted().await;
        let (up, _down, served) = comes(&here).await;
        fleet::drain(&here.store, "one/boot").await.unwrap();
        drop(up);
        served.await.unwrap();
        let (up, mut down, served) = comes(&another(&here)).await;
        let told = tokio::time::timeout(Duration::from_secs(60), down.recv()).await.unwrap().unwrap().unwrap();
        assert!(matches!(told.down, Some(down::Down::Drain(_))), "{told:?}");
        // It knows: with its end nothing is kept of it.
        let beat = v1::Heartbeat { number: 1, draining: true, ..v1::Heartbeat::default() };
        up.send(Ok(v1::Up { up: Some(up::Up::Heartbeat(beat)) })).await.unwrap();
        drop(up);
        served.await.unwrap();
        assert_eq!(fleet::drains(&here.store).await.unwrap(), Vec::<String>::new());
    }
}
