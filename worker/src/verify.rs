//! The gates on one commit, outside of any session: what an adoption is verified by.

use crate::lease::Lease;
use crate::link::Worker;
use crate::run::{self, Task};
use crate::trace::Attempt;
use arena_domain::id::{Commit, Fence, SessionId, Tenant};
use arena_domain::job::{Job, Mark, Work};
use arena_domain::outcome::Outcome;
use arena_proto::packet;
use arena_proto::v1::SessionHead;
use arena_runtime::token;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

impl Worker {
    /// Runs the packet's gates on the head's base commit; no harness, no queue.
    pub async fn verify(&self, head: SessionHead, cancel: CancellationToken) -> Result<Outcome, String> {
        let parsed = packet::recall(&head.packet)
            .map_err(|problems| problems.first().map(ToString::to_string).unwrap_or_default())?;
        let session = SessionId::new(&head.id);
        let job = Job {
            id: Job::derive_id(&session, None, 0, "verify"),
            session,
            tenant: Tenant::local(),
            competitor: None,
            round: 0,
            work: Work::Evaluate { tree: None, holdout: false },
            session_limit: 1,
            session_weight: 1,
            needs: arena_domain::placement::Needs::default(),
            home: None,
            priority: 0,
            engine: None,
            trace: Mark::default(),
        };
        let mut packet = parsed.packet;
        packet.harness = None;
        packet.kpis.clear();
        // Nobody follows this one; its phases go nowhere.
        let (progress, _) = mpsc::channel(1);
        let base = Commit::new(&head.base);
        let task = Task {
            job,
            fence: Fence::new(token::nonce()),
            packet,
            base,
            head,
            cancel,
            lease: Lease::without_end(),
            progress,
            trace: Attempt::unfollowed(),
        };
        Ok(run::run(self.context(), &task).await)
    }

    /// Takes away what this worker has made.
    pub async fn close(self) {
        self.context().end().await;
    }
}
