//! A command that must pass.

use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    pub name: String,
    pub kind: GateKind,
    /// Run by `sh -c` in the working tree.
    pub run: String,
    pub timeout: Duration,
    /// A gate that is not required is reported and costs nothing.
    pub required: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GateKind {
    Lint,
    Build,
    Test,
    Static,
    Review,
    Custom,
}

impl Gate {
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10 * 60);
}

impl GateKind {
    pub const ALL: [GateKind; 6] = [Self::Lint, Self::Build, Self::Test, Self::Static, Self::Review, Self::Custom];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lint => "lint",
            Self::Build => "build",
            Self::Test => "test",
            Self::Static => "static",
            Self::Review => "review",
            Self::Custom => "custom",
        }
    }
}
