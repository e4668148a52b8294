//! What somebody shows of who they are: a certificate, a token, or both; and whose that is at the moment.

use super::Caller;
use super::gate::Peer;
use super::tokens::{self, Refused};
use crate::store::Store;
use arena_domain::job::Millis;
use arena_runtime::clock;
use arena_runtime::tls::{Kind, Server, Shown};
use tonic::{Status, metadata::MetadataMap};

/// As a call brought them. A connection outlives the handshake, and a stream the call: what holds then may not hold now.
#[derive(Clone)]
pub(crate) struct Papers {
    secret: Option<String>,
    shown: Option<Shown>,
}

/// Who it said it was, why that does not hold, and what to do about it.
pub(super) struct Stranger {
    pub(super) who: String,
    pub(super) why: String,
    pub(super) mend: String,
}

impl Papers {
    pub(super) fn of(metadata: &MetadataMap, peer: &Peer) -> Self {
        let bearer = metadata.get("authorization").and_then(|value| value.to_str().ok());
        let secret = bearer.and_then(|text| text.strip_prefix("Bearer ")).map(str::to_owned);
        Self { secret, shown: peer.shown.clone() }
    }

    /// When the certificate ends, where one was shown.
    pub(super) fn end(&self) -> Option<Millis> {
        self.shown.as_ref().map(|shown| shown.ends)
    }

    /// The certificate, as the log has it.
    pub(super) fn certificate(&self) -> String {
        let told = |shown: &Shown| format!("certificate {} until {}", shown.serial, last(shown));
        self.shown.as_ref().map(told).unwrap_or_default()
    }

    pub(super) async fn caller(
        &self,
        store: &Store,
        tls: &Server,
        now: Millis,
    ) -> Result<Result<Caller, Stranger>, Status> {
        if let Some(lapsed) = self.shown.as_ref().and_then(|shown| lapsed(shown, tls, now)) {
            return Ok(Err(lapsed));
        }
        let Some(secret) = &self.secret else { return Ok(self.by_certificate()) };
        let checked = tokens::check(store, secret, now).await;
        let why = match checked.map_err(|error| Status::unavailable(error.to_string()))? {
            Ok(caller) => return Ok(Ok(caller)),
            Err(Refused::Unknown) => "the token is not known",
            Err(Refused::Expired) => "the token has expired",
            Err(Refused::Revoked) => "the token was revoked",
        };
        let id: String = secret.split('_').nth(1).unwrap_or_default().chars().take(12).collect();
        let mend = "ask for another: `arena tokens create`".to_owned();
        Ok(Err(Stranger { who: format!("token {id}"), why: why.to_owned(), mend }))
    }

    fn by_certificate(&self) -> Result<Caller, Stranger> {
        let stranger =
            |who: &str, why: &str, mend: &str| Stranger { who: who.into(), why: why.into(), mend: mend.into() };
        let Some(Shown { name, .. }) = &self.shown else {
            let mend = "give a token: ARENA_TOKEN, or [client] token_file; `arena tokens create` makes one";
            return Err(stranger("nobody", "neither a token nor a worker's certificate", mend));
        };
        match name.kind {
            Kind::Worker => Ok(Caller::Worker { name: name.name.clone(), scope: name.reach.clone().into() }),
            Kind::Client | Kind::Coordinator => {
                Err(stranger(&name.name, "no token", "give one: ARENA_TOKEN, or [client] token_file"))
            }
        }
    }
}

/// A certificate that was good when hands were shaken, and is not any more.
fn lapsed(shown: &Shown, tls: &Server, now: Millis) -> Option<Stranger> {
    let Shown { name, serial, .. } = shown;
    let (kind, holder) = (name.kind.as_str(), &name.name);
    let why = if shown.has_ended(now) {
        format!("the certificate of {kind} {holder} ended at {}", last(shown))
    } else if tls.is_revoked(serial) {
        format!("certificate {serial} of {kind} {holder} was revoked")
    } else {
        return None;
    };
    let mend = format!("put another one in its place and start again: `arena certs issue {kind} {holder}`");
    Some(Stranger { who: format!("{kind} {holder}"), why, mend })
}

/// The last second in which it holds.
fn last(shown: &Shown) -> String {
    clock::rfc3339(shown.ends.saturating_sub(1))
}
