//! The right that a stream was opened by. A stream may outlive it, so that it is looked at again while the stream is open.

use super::gate::Gate;
use super::papers::{Papers, Stranger};
use super::{Caller, Rpc, Scope};
use arena_domain::id::Tenant;
use arena_runtime::clock;
use std::time::Duration;
use tonic::Status;

/// Between two looks: so long a token that was revoked, or a certificate that was, may be good for a stream that is open. The
/// end of a certificate is known before, and is kept to the second.
const LOOK: Duration = Duration::from_secs(3);
const ENDED: &str = "; what was open was ended";

#[derive(Clone)]
pub(crate) struct Right {
    pub(crate) caller: Caller,
    gate: Gate,
    rpc: Rpc,
    /// Whose work the stream shows or changes.
    scope: Scope,
    /// Nothing: in this very process, where it has no end.
    papers: Option<Papers>,
}

impl Right {
    pub(super) fn of(gate: Gate, papers: Papers, caller: Caller, rpc: Rpc) -> Self {
        Self { scope: caller.scope(), caller, gate, rpc, papers: Some(papers) }
    }

    pub(crate) fn without_end(gate: Gate, caller: Caller, rpc: Rpc) -> Self {
        Self { scope: caller.scope(), caller, gate, rpc, papers: None }
    }

    /// The stream is about this tenant alone: what else the caller may see or not does not touch it.
    pub(crate) fn within(self, tenant: &Tenant) -> Self {
        Self { scope: Scope::Only(tenant.clone()), ..self }
    }

    /// The certificate that it stands on, as the log has it.
    pub(crate) fn certificate(&self) -> String {
        self.papers.as_ref().map(Papers::certificate).unwrap_or_default()
    }

    /// Waits until it holds no more. Without an end it waits for ever.
    pub(crate) async fn lost(self) -> Box<Lost> {
        let Some(papers) = &self.papers else { return std::future::pending().await };
        let (who, why, status) = loop {
            let left = papers.end().map(|end| Duration::from_millis(end.saturating_sub(clock::now_millis())));
            tokio::time::sleep(left.map_or(LOOK, |left| left.min(LOOK))).await;
            // In a box while it lasts: whoever waits, waits for its time nearly always, and there are many.
            if let Some(lost) = Box::pin(self.look(papers)).await {
                break lost;
            }
        };
        Box::new(Lost { right: self, who, why, status })
    }

    async fn look(&self, papers: &Papers) -> Option<(String, String, Status)> {
        match self.gate.knows(papers).await {
            // Whoever cannot be looked up now is not refused for it: the next look is soon.
            Err(unavailable) => {
                tracing::debug!(%unavailable, "a right cannot be looked at now");
                None
            }
            Ok(Err(Stranger { who, why, mend })) => {
                let status = Status::unauthenticated(format!("{why}; {mend}"));
                Some((who, why, status))
            }
            Ok(Ok(caller)) if !caller.may(self.rpc) || !caller.scope().covers(&self.scope) => {
                let why = format!("{} may not {} this any more", caller.label(), self.rpc.as_str());
                Some((caller.label(), why.clone(), Status::permission_denied(why)))
            }
            Ok(Ok(_)) => None,
        }
    }
}

/// A right that holds no more. Whoever has it ends what was open first: to write down why may take as long as a store takes.
pub(crate) struct Lost {
    right: Right,
    who: String,
    why: String,
    status: Status,
}

impl Lost {
    /// Writes it down; what the other side is told.
    pub(crate) async fn told(self) -> Status {
        let Right { gate, rpc, scope, .. } = &self.right;
        gate.refused(&self.who, rpc.as_str(), "", &scope.named(), &format!("{}{ENDED}", self.why)).await;
        self.status
    }
}
