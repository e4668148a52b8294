//! Who asks, and what they may. Every rpc passes here; what a caller may not see does not exist for them.

pub mod audit;
mod gate;
mod papers;
mod right;
pub mod tokens;

pub(crate) use gate::HANDSHAKE;
pub use gate::{Gate, Peer};
pub(crate) use right::{Lost, Right};

use arena_domain::id::Tenant;
use arena_proto::v1;
use arena_runtime::tls::Reach;

/// Whose work somebody may see or do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    Every,
    Only(Tenant),
}

impl Scope {
    pub fn holds(&self, tenant: &Tenant) -> bool {
        match self {
            Self::Every => true,
            Self::Only(own) => own == tenant,
        }
    }

    /// Whether all that `other` holds is held here too.
    pub fn covers(&self, other: &Self) -> bool {
        match other {
            Self::Every => *self == Self::Every,
            Self::Only(tenant) => self.holds(tenant),
        }
    }

    pub fn tenant(&self) -> Option<&Tenant> {
        match self {
            Self::Every => None,
            Self::Only(tenant) => Some(tenant),
        }
    }

    /// The tenant's name as the log has it; empty for every one.
    pub(crate) fn named(&self) -> String {
        self.tenant().map(ToString::to_string).unwrap_or_default()
    }

    pub(crate) fn to_wire(&self) -> v1::Scope {
        match self {
            Self::Every => v1::Scope { every: true, tenant: String::new() },
            Self::Only(tenant) => v1::Scope { every: false, tenant: tenant.to_string() },
        }
    }

    /// What says neither is nobody's.
    pub(crate) fn from_wire(scope: &v1::Scope) -> Option<Self> {
        match (scope.every, scope.tenant.as_str()) {
            (true, "") => Some(Self::Every),
            (false, name) if is_name(name) => Some(Self::Only(Tenant::new(name))),
            (true | false, _) => None,
        }
    }
}

impl From<Reach> for Scope {
    fn from(reach: Reach) -> Self {
        match reach {
            Reach::Every => Self::Every,
            Reach::One(name) => Self::Only(Tenant::new(name)),
        }
    }
}

/// Of a tenant or a person: it stands in paths, in keys and in tables.
pub fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.len() <= 64 && name.chars().all(fits)
}

/// Each may all that those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Viewer,
    Submitter,
    Operator,
    Admin,
}

impl Role {
    pub const ALL: [Role; 4] = [Self::Viewer, Self::Submitter, Self::Operator, Self::Admin];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Submitter => "submitter",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// In this very process: one machine's own user.
    Local,
    /// By a token.
    Person { name: String, role: Role, scope: Scope },
    /// By a certificate.
    Worker { name: String, scope: Scope },
}

impl Caller {
    pub fn scope(&self) -> Scope {
        match self {
            Self::Local => Scope::Every,
            Self::Person { scope, .. } | Self::Worker { scope, .. } => scope.clone(),
        }
    }

    pub fn sees(&self, tenant: &Tenant) -> bool {
        self.scope().holds(tenant)
    }

    /// As the log of who did what calls it.
    pub fn label(&self) -> String {
        match self {
            Self::Local => "local".to_owned(),
            Self::Person { name, .. } => name.clone(),
            Self::Worker { name, .. } => format!("worker {name}"),
        }
    }

    pub fn may(&self, rpc: Rpc) -> bool {
        match (self, rpc.needs()) {
            (Self::Local, _) => true,
            (Self::Person { role, .. }, Needs::Person(least)) => *role >= least,
            (Self::Person { role, .. }, Needs::PersonOrWorker(least)) => *role >= least,
            (Self::Worker { .. }, Needs::PersonOrWorker(_) | Needs::Worker) => true,
            (Self::Worker { .. }, Needs::Person(_)) | (Self::Person { .. }, Needs::Worker) => false,
        }
    }
}

/// Everything that can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rpc {
    Submit,
    Get,
    List,
    Watch,
    Decide,
    Cancel,
    Why,
    PutBlob,
    GetBlob,
    HasBlob,
    Attach,
    Workers,
    DrainWorker,
    Queue,
    Dead,
    Requeue,
    CreateToken,
    ListTokens,
    RevokeToken,
    Audit,
}

enum Needs {
    Person(Role),
    PersonOrWorker(Role),
    Worker,
}

impl Rpc {
    pub const ALL: [Rpc; 20] = [
        Self::Submit,
        Self::Get,
        Self::List,
        Self::Watch,
        Self::Decide,
        Self::Cancel,
        Self::Why,
        Self::PutBlob,
        Self::GetBlob,
        Self::HasBlob,
        Self::Attach,
        Self::Workers,
        Self::DrainWorker,
        Self::Queue,
        Self::Dead,
        Self::Requeue,
        Self::CreateToken,
        Self::ListTokens,
        Self::RevokeToken,
        Self::Audit,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Decide => "decide",
            Self::Cancel => "cancel",
            Self::Why => "why",
            Self::PutBlob => "put blob",
            Self::GetBlob => "get blob",
            Self::HasBlob => "has blob",
            Self::Attach => "attach",
            Self::Workers => "workers",
            Self::DrainWorker => "drain worker",
            Self::Queue => "queue",
            Self::Dead => "dead",
            Self::Requeue => "requeue",
            Self::CreateToken => "create token",
            Self::ListTokens => "list tokens",
            Self::RevokeToken => "revoke token",
            Self::Audit => "audit",
        }
    }

    fn needs(self) -> Needs {
        match self {
            Self::Get | Self::List | Self::Watch | Self::Why | Self::Workers | Self::Queue | Self::Dead => {
                Needs::Person(Role::Viewer)
            }
            // Who may spend a tenant's money on a session may spend it on a job of one.
            Self::Submit | Self::Decide | Self::Cancel | Self::Requeue => Needs::Person(Role::Submitter),
            Self::DrainWorker => Needs::Person(Role::Operator),
            Self::CreateToken | Self::ListTokens | Self::RevokeToken | Self::Audit => Needs::Person(Role::Admin),
            Self::GetBlob => Needs::PersonOrWorker(Role::Viewer),
            Self::PutBlob | Self::HasBlob => Needs::PersonOrWorker(Role::Submitter),
            Self::Attach => Needs::Worker,
        }
    }

    /// Whether it changes a team's fleet, and not one session.
    fn is_of_a_team(self) -> bool {
        [Self::DrainWorker, Self::CreateToken, Self::RevokeToken].contains(&self)
    }

    /// Whether it is written down also when it is allowed: whatever changes something but the bytes of a blob.
    fn changes(self) -> bool {
        match self {
            Self::Submit
            | Self::Decide
            | Self::Cancel
            | Self::Requeue
            | Self::Attach
            | Self::DrainWorker
            | Self::CreateToken
            | Self::RevokeToken => true,
            Self::Get
            | Self::List
            | Self::Watch
            | Self::Why
            | Self::PutBlob
            | Self::GetBlob
            | Self::HasBlob
            | Self::Workers
            | Self::Queue
            | Self::Dead
            | Self::ListTokens
            | Self::Audit => false,
        }
    }
}

#[cfg(test)]
mod tests;
