//! What one job may do, and why a door does not open.

use arena_domain::id::{CompetitorName, JobId, SessionId};

#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    pub session: SessionId,
    pub job: JobId,
    pub competitor: Option<CompetitorName>,
    pub engine: String,
    /// None: this engine reaches no provider.
    pub provider: Option<String>,
    /// The competitor's model; it must have a price when there is a cost budget.
    pub model: Option<String>,
    /// Patterns that narrow what the provider's configuration allows; empty: no narrower.
    pub models: Vec<String>,
    /// `host:port`, exactly.
    pub egress: Vec<String>,
    pub budgets: Budgets,
    pub session_cost: Option<SessionCost>,
    /// Whose requests these are, for whoever watches.
    pub span: tracing::Span,
}

/// Of one job; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Budgets {
    pub requests: Option<u64>,
    /// Input and output together.
    pub tokens: Option<u64>,
    /// Both ways together, tunnels too.
    pub bytes: Option<u64>,
    pub cost_usd: Option<f64>,
}

/// The money of a session, which all its engines on this worker share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SessionCost {
    pub limit_usd: f64,
    /// As the records say; what the audit of this worker says counts when it is more.
    pub spent_usd: f64,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("provider '{name}' is not configured")]
    UnknownProvider { name: String },
    #[error("{reason}")]
    NoCredential { reason: String, mend: String },
    #[error("there is a cost budget, and {model} of provider '{provider}' has no price")]
    Unpriced { provider: String, model: String },
    #[error("'{model}' is no model that provider '{provider}' may be asked for")]
    Model { provider: String, model: String },
    #[error("'{entry}' is no host:port to reach")]
    Egress { entry: String },
    #[error("the machine's certificates cannot be used: {0}")]
    Trust(String),
    #[error("the broker's socket cannot be made: {0}")]
    Io(#[from] std::io::Error),
}

impl OpenError {
    /// What to do about it.
    pub fn mend(&self) -> String {
        match self {
            Self::UnknownProvider { name } => {
                format!("add [provider.{name}] with its upstream to ~/.config/arena/config.toml")
            }
            Self::NoCredential { mend, .. } => mend.clone(),
            Self::Unpriced { provider, model } => format!(
                "add price = {{ \"{model}\" = {{ input = …, output = … }} }} to [provider.{provider}], or take cost_usd out"
            ),
            Self::Model { provider, .. } => format!("add it to `models` of [provider.{provider}]"),
            Self::Egress { .. } => "write it as \"example.org:443\"".to_owned(),
            Self::Trust(_) => "apt-get install ca-certificates".to_owned(),
            Self::Io(_) => "arena doctor".to_owned(),
        }
    }
}
