//! From a request to its caller: the certificate that was shown, or the bearer token; and what is refused is written down.

use super::audit::{self, Act};
use super::tokens::{self, Refused};
use super::{Caller, Rpc};
use crate::rates::{Measured, Meter};
use crate::store::Store;
use arena_runtime::clock;
use arena_runtime::config::Rates;
use arena_runtime::tls::{Kind, Name};
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
    /// Of the certificate, verified; nothing when none was shown.
    pub name: Option<Name>,
}

/// What stands before every rpc.
#[derive(Clone)]
pub struct Gate(Mode);

#[derive(Clone)]
enum Mode {
    /// Callers are in this very process. What they change in a team's fleet is written down too.
    Local(Store),
    Team(Store, Arc<Mutex<Floods>>, Measured),
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

    pub fn team(store: Store, rates: Rates) -> Self {
        Self(Mode::Team(store, Arc::default(), Measured::new(rates)))
    }

    pub fn is_local(&self) -> bool {
        match &self.0 {
            Mode::Local(_) => true,
            Mode::Team(..) => false,
        }
    }

    /// Who asks, when they may ask this at all.
    pub(crate) async fn admit(
        &self,
        metadata: &MetadataMap,
        extensions: &Extensions,
        rpc: Rpc,
    ) -> Result<Caller, Status> {
        let Mode::Team(store, _, measured) = &self.0 else { return Ok(Caller::Local) };
        let Some(peer) = extensions.get::<Peer>() else { return Err(Status::unauthenticated("no connection")) };
        let caller = match caller(store, metadata, peer).await? {
            Ok(caller) => caller,
            Err((who, why, mend)) => {
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
        Ok(caller)
    }

    /// For the bytes of one blob.
    pub(crate) async fn meter(&self, caller: &Caller, rpc: Rpc) -> Result<Meter, Status> {
        let Mode::Team(_, _, measured) = &self.0 else { return Ok(Meter::none()) };
        let metered = measured.meter(&measured_as(caller));
        if let Err(refused) = &metered {
            self.refused(&caller.label(), rpc.as_str(), "", &caller.scope().named(), refused.message()).await;
        }
        metered
    }

    /// Writes down what was done, where it changes anything.
    pub(crate) async fn done(&self, caller: &Caller, rpc: Rpc, subject: &str, tenant: &str) {
        let written = if self.is_local() { rpc.is_of_a_team() } else { rpc.changes() };
        if written {
            let act = Act {
                who: caller.label(),
                action: rpc.as_str().to_owned(),
                subject: subject.to_owned(),
                tenant: tenant.to_owned(),
                allowed: true,
                detail: String::new(),
            };
            self.write(act).await;
        }
    }

    /// Writes down what was refused.
    pub(crate) async fn refused(&self, who: &str, action: &str, subject: &str, tenant: &str, why: &str) {
        let Mode::Team(_, flood, _) = &self.0 else { return };
        let silent = {
            let mut floods = flood.lock().unwrap_or_else(PoisonError::into_inner);
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
        let (Mode::Team(store, ..) | Mode::Local(store)) = &self.0;
        if let Err(error) = audit::write(store, act).await {
            tracing::error!(%error, "the audit log could not be written");
        }
    }
}

/// Two of one name in two tenants are two callers.
fn measured_as(caller: &Caller) -> String {
    format!("{} of {}", caller.label(), caller.scope().named())
}

/// What a caller is not, why, and what to do about it.
type Stranger = (String, String, &'static str);

async fn caller(store: &Store, metadata: &MetadataMap, peer: &Peer) -> Result<Result<Caller, Stranger>, Status> {
    let bearer = metadata.get("authorization").and_then(|value| value.to_str().ok());
    let Some(secret) = bearer.and_then(|text| text.strip_prefix("Bearer ")) else {
        return Ok(match &peer.name {
            Some(Name { kind: Kind::Worker, name, reach }) => {
                Ok(Caller::Worker { name: name.clone(), scope: reach.clone().into() })
            }
            Some(Name { kind: Kind::Client | Kind::Coordinator, name, .. }) => {
                Err((name.clone(), "no token".into(), "give one: ARENA_TOKEN, or [client] token_file"))
            }
            None => Err((
                "nobody".into(),
                "neither a token nor a worker's certificate".into(),
                "give a token: ARENA_TOKEN, or [client] token_file; `arena tokens create` makes one",
            )),
        });
    };
    let checked = tokens::check(store, secret, clock::now_millis()).await;
    let why = match checked.map_err(|error| Status::unavailable(error.to_string()))? {
        Ok(caller) => return Ok(Ok(caller)),
        Err(Refused::Unknown) => "the token is not known",
        Err(Refused::Expired) => "the token has expired",
        Err(Refused::Revoked) => "the token was revoked",
    };
    let id: String = secret.split('_').nth(1).unwrap_or_default().chars().take(12).collect();
    Ok(Err((format!("token {id}"), why.into(), "ask for another: `arena tokens create`")))
}
