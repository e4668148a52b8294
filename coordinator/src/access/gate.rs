//! From a request to its caller: the certificate that was shown, or the bearer token; and what is refused is written down.

use super::audit::{self, Act};
use super::papers::{Papers, Stranger};
use super::right::Right;
use super::{Caller, Rpc};
use crate::rates::{Measured, Meter};
use crate::store::Store;
use arena_runtime::clock;
use arena_runtime::config::Rates;
use arena_runtime::tls::{Server, Shown};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tonic::{Extensions, Status, metadata::MetadataMap};

/// Refusals that are written down in a minute; a flood of more is told in a number.
const REFUSALS: u32 = 120;
const MINUTE: u64 = 60_000;
/// What was refused before there was a caller.
pub(crate) const HANDSHAKE: &str = "handshake";

/// Who is at the other end of a connection, as the handshake found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    pub address: SocketAddr,
    /// Its certificate, verified; nothing when none was shown.
    pub shown: Option<Shown>,
}

/// What stands before every rpc.
#[derive(Clone)]
pub struct Gate(Mode);

#[derive(Clone)]
enum Mode {
    /// Callers are in this very process. What they change in a team's fleet is written down too.
    Local(Store),
    Team(Arc<Team>),
}

struct Team {
    store: Store,
    floods: Mutex<Floods>,
    measured: Measured,
    turns: audit::Turns,
    /// What is revoked is known there.
    tls: Arc<Server>,
}

/// Whoever cannot even shake hands must not keep from the log what a caller tried, so each has a number of its own.
#[derive(Debug, Default)]
struct Floods {
    handshakes: Flood,
    calls: Flood,
}

/// Refusals of this minute.
#[derive(Debug, Default)]
struct Flood {
    minute: u64,
    written: u32,
    silent: u32,
}

impl Flood {
    /// Whether one more is written, and how many were not since the last one that was.
    fn next(&mut self, now: u64) -> Option<u32> {
        if now / MINUTE != self.minute {
            self.minute = now / MINUTE;
            self.written = 0;
        }
        if self.written >= REFUSALS {
            self.silent += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.silent))
    }
}

impl Gate {
    pub fn local(store: Store) -> Self {
        Self(Mode::Local(store))
    }

    pub fn team(store: Store, rates: Rates, tls: Arc<Server>) -> Self {
        Self(Mode::Team(Arc::new(Team {
            store,
            floods: Mutex::default(),
            measured: Measured::new(rates),
            turns: audit::Turns::default(),
            tls,
        })))
    }

    pub fn is_local(&self) -> bool {
        match &self.0 {
            Mode::Local(_) => true,
            Mode::Team(_) => false,
        }
    }

    /// Who asks, when they may ask this at all.
    pub(crate) async fn admit(
        &self,
        metadata: &MetadataMap,
        extensions: &Extensions,
        rpc: Rpc,
    ) -> Result<Caller, Status> {
        Ok(self.enter(metadata, extensions, rpc).await?.caller)
    }

    /// The same of whoever opens a stream, with the right that it stays open by.
    pub(crate) async fn enter(
        &self,
        metadata: &MetadataMap,
        extensions: &Extensions,
        rpc: Rpc,
    ) -> Result<Right, Status> {
        let Mode::Team(team) = &self.0 else { return Ok(Right::without_end(self.clone(), Caller::Local, rpc)) };
        let measured = &team.measured;
        let Some(peer) = extensions.get::<Peer>() else { return Err(Status::unauthenticated("no connection")) };
        let papers = Papers::of(metadata, peer);
        let caller = match self.knows(&papers).await? {
            Ok(caller) => caller,
            Err(Stranger { who, why, mend }) => {
                self.refused(&who, rpc.as_str(), "", "", &format!("{why}; from {}", peer.address)).await;
                measured.stranger(&peer.address.ip().to_string())?;
                return Err(Status::unauthenticated(format!("{why}; {mend}")));
            }
        };
        if !caller.may(rpc) {
            let why = format!("{} may not {}", caller.label(), rpc.as_str());
            self.refused(&caller.label(), rpc.as_str(), "", &caller.scope().named(), "its role does not allow it")
                .await;
            return Err(Status::permission_denied(why));
        }
        let who = measured_as(&caller);
        let within = match rpc {
            // A worker's one stream; how many there are is for the limits of connections and handshakes.
            Rpc::Attach => Ok(()),
            Rpc::Submit => measured.call(&who).and_then(|()| measured.submit(&who)),
            Rpc::Get
            | Rpc::List
            | Rpc::Watch
            | Rpc::Decide
            | Rpc::Cancel
            | Rpc::Why
            | Rpc::PutBlob
            | Rpc::GetBlob
            | Rpc::HasBlob
            | Rpc::Workers
            | Rpc::DrainWorker
            | Rpc::Queue
            | Rpc::Dead
            | Rpc::Requeue
            | Rpc::CreateToken
            | Rpc::ListTokens
            | Rpc::RevokeToken
            | Rpc::Audit => measured.call(&who),
        };
        if let Err(refused) = within {
            self.refused(&caller.label(), rpc.as_str(), "", &caller.scope().named(), refused.message()).await;
            return Err(refused);
        }
        Ok(Right::of(self.clone(), papers, caller, rpc))
    }

    /// Whose these papers are now. In one process nobody shows any.
    pub(super) async fn knows(&self, papers: &Papers) -> Result<Result<Caller, Stranger>, Status> {
        match &self.0 {
            Mode::Local(_) => Ok(Ok(Caller::Local)),
            Mode::Team(team) => papers.caller(&team.store, &team.tls, clock::now_millis()).await,
        }
    }

    /// For the bytes of one blob.
    pub(crate) async fn meter(&self, caller: &Caller, rpc: Rpc) -> Result<Meter, Status> {
        let Mode::Team(team) = &self.0 else { return Ok(Meter::none()) };
        let metered = team.measured.meter(&measured_as(caller));
        if let Err(refused) = &metered {
            self.refused(&caller.label(), rpc.as_str(), "", &caller.scope().named(), refused.message()).await;
        }
        metered
    }

    /// Writes down what was done, where it changes anything.
    pub(crate) async fn done(&self, caller: &Caller, rpc: Rpc, subject: &str, tenant: &str) {
        self.did(caller, rpc, (subject, tenant), "").await;
    }

    /// The same, with more to say of it.
    pub(crate) async fn did(&self, caller: &Caller, rpc: Rpc, (subject, tenant): (&str, &str), detail: &str) {
        let written = if self.is_local() { rpc.is_of_a_team() } else { rpc.changes() };
        if written {
            let act = Act {
                who: caller.label(),
                action: rpc.as_str().to_owned(),
                subject: subject.to_owned(),
                tenant: tenant.to_owned(),
                allowed: true,
                detail: detail.to_owned(),
            };
            self.write(act).await;
        }
    }

    /// Writes down what was refused.
    pub(crate) async fn refused(&self, who: &str, action: &str, subject: &str, tenant: &str, why: &str) {
        let Mode::Team(team) = &self.0 else { return };
        let silent = {
            let mut floods = team.floods.lock().unwrap_or_else(PoisonError::into_inner);
            let flood = if action == HANDSHAKE { &mut floods.handshakes } else { &mut floods.calls };
            flood.next(clock::now_millis())
        };
        let Some(silent) = silent else { return };
        let more =
            if silent > 0 { format!("; {silent} refusals before it are not written down") } else { String::new() };
        let act = Act {
            who: who.to_owned(),
            action: action.to_owned(),
            subject: subject.to_owned(),
            tenant: tenant.to_owned(),
            allowed: false,
            detail: format!("{why}{more}"),
        };
        self.write(act).await;
    }

    async fn write(&self, act: Act) {
        let written = match &self.0 {
            Mode::Local(store) => audit::write(store, act).await,
            Mode::Team(team) => team.turns.write(&team.store, act).await,
        };
        if let Err(error) = written {
            tracing::error!(%error, "the audit log could not be written");
        }
    }
}

/// Two of one name in two tenants are two callers.
fn measured_as(caller: &Caller) -> String {
    format!("{} of {}", caller.label(), caller.scope().named())
}
