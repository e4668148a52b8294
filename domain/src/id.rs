//! Identifiers as types, so that a session is never taken for a job.

use std::fmt;

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl $type {
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// One run of one packet: twelve lower-case hexadecimal digits, made by whoever submits.
    SessionId
}
name! {
    /// Derived from session, competitor, round and kind, so that a repeated transition enqueues nothing twice.
    JobId
}
name! {
    /// As in the packet; letters, digits, `.`, `_` and `-`.
    CompetitorName
}
name! {
    /// Unique for each boot of a worker.
    WorkerId
}
name! {
    /// Whose work this is.
    Tenant
}
name! {
    /// The token of one lease; every report must carry it, and it is accepted by equality only.
    Fence
}
name! {
    /// Of one claim, made by chance by whoever asks: asked again, it is answered the same. Without a dot.
    Request
}
name! {
    /// A commit id in hexadecimal.
    Commit
}

impl Fence {
    /// Generation, counter, nonce. The counter tells the order of leases to people; the generation is raised when a store
    /// may have lost its latest writes, so that a counter that went back makes no old fence again; the nonce is the
    /// request of the claim.
    pub fn of(generation: u64, counter: u64, request: &Request) -> Self {
        Self(format!("{generation}.{counter}.{request}"))
    }

    /// Whether the claim of this request made it.
    pub fn answers(&self, request: &Request) -> bool {
        self.0.rsplit_once('.').is_some_and(|(_, nonce)| nonce == request.as_str())
    }
}

impl Tenant {
    /// The only tenant of a machine of one's own.
    pub fn local() -> Self {
        Self::new("local")
    }
}
