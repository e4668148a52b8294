//! One contestant: engine × model × approach × verbosity × deck.

use crate::id::CompetitorName;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Competitor {
    pub name: CompetitorName,
    pub engine: String,
    pub model: Option<String>,
    /// One of the known hints or the user's own words.
    pub approach: Option<String>,
    pub verbosity: Verbosity,
    pub deck: Option<String>,
    pub subtask: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verbosity {
    #[default]
    Concise,
    Detailed,
}

impl Competitor {
    /// The branch that carries this competitor's result in the user's repository.
    pub fn branch(&self, session: &crate::id::SessionId) -> String {
        format!("arena/{session}/variant-{}", self.name)
    }

    /// What the approach asks for, in words an engine can follow; a hint of the user's own is passed on as it is.
    pub fn directive(&self) -> Option<&str> {
        let approach = self.approach.as_deref()?;
        Some(match approach {
            "iterative" => "Work in small steps: change one thing, check it, keep what helps.",
            "functional" => "Prefer pure functions and immutable data; push side effects to the edges.",
            "object-oriented" => "Prefer small types with clear responsibilities; let behaviour live with its data.",
            "minimal" => "Make the smallest change that meets the goal; add no abstraction and no dependency.",
            "robust" => "Prefer the solution that handles every edge case and error; say which ones you covered.",
            own => own,
        })
    }
}
