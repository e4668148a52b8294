//! How an engine's run ended, as classes that a session and its readers can act on.
//!
//! The exit of an engine is not enough: engines end with 0 on refused keys and on signals. A run is done only when the
//! exit, the engine's own last word, the sandbox and the broker all say so.

use crate::outcome::Exit;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ending {
    Done,
    /// Its own failure, or an end that nothing else explains.
    EngineError,
    /// It did not understand its command line or its configuration.
    BadInvocation,
    /// A limit of the engine's own: turns, or a budget it was given.
    OwnLimit,
    /// The provider refused the key, the account or the model.
    Refused,
    RateLimited,
    /// The provider failed, or fell silent.
    ProviderError,
    /// The provider could not be reached.
    Unreachable,
    /// The broker stopped it: tokens, requests, bytes or money of the packet are used up.
    OutOfBudget,
    TimedOut,
    OutOfMemory,
    /// Ended from outside, by nothing that we know of.
    Killed,
    Cancelled,
}

impl Ending {
    pub const ALL: [Ending; 13] = [
        Self::Done,
        Self::EngineError,
        Self::BadInvocation,
        Self::OwnLimit,
        Self::Refused,
        Self::RateLimited,
        Self::ProviderError,
        Self::Unreachable,
        Self::OutOfBudget,
        Self::TimedOut,
        Self::OutOfMemory,
        Self::Killed,
        Self::Cancelled,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::EngineError => "engine_error",
            Self::BadInvocation => "bad_invocation",
            Self::OwnLimit => "own_limit",
            Self::Refused => "refused",
            Self::RateLimited => "rate_limited",
            Self::ProviderError => "provider_error",
            Self::Unreachable => "unreachable",
            Self::OutOfBudget => "out_of_budget",
            Self::TimedOut => "timed_out",
            Self::OutOfMemory => "out_of_memory",
            Self::Killed => "killed",
            Self::Cancelled => "cancelled",
        }
    }

    /// In words, for a sentence such as "the engine failed: …".
    pub fn describe(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::EngineError => "an error of its own",
            Self::BadInvocation => "it refused its command line or configuration",
            Self::OwnLimit => "a limit of its own",
            Self::Refused => "the provider refused the key or the model",
            Self::RateLimited => "the provider's rate limit",
            Self::ProviderError => "the provider failed",
            Self::Unreachable => "the provider could not be reached",
            Self::OutOfBudget => "the budget is used up",
            Self::TimedOut => "timed out",
            Self::OutOfMemory => "out of memory",
            Self::Killed => "killed",
            Self::Cancelled => "cancelled",
        }
    }

    /// What it left is worth judging: the engine was stopped by a limit, not by an error, and what it did is paid for.
    pub fn is_judged(self) -> bool {
        match self {
            Self::Done | Self::TimedOut | Self::OutOfBudget | Self::OwnLimit => true,
            Self::EngineError
            | Self::BadInvocation
            | Self::Refused
            | Self::RateLimited
            | Self::ProviderError
            | Self::Unreachable
            | Self::OutOfMemory
            | Self::Killed
            | Self::Cancelled => false,
        }
    }

    /// Another round would meet the same wall.
    pub fn is_final(self) -> bool {
        match self {
            Self::BadInvocation | Self::Refused | Self::OutOfBudget | Self::Unreachable => true,
            Self::Done
            | Self::EngineError
            | Self::OwnLimit
            | Self::RateLimited
            | Self::ProviderError
            | Self::TimedOut
            | Self::OutOfMemory
            | Self::Killed
            | Self::Cancelled => false,
        }
    }

    /// All that is known of a command without an output that we read and without a provider.
    pub fn of_exit(exit: Exit) -> Self {
        match exit {
            Exit::Code(0) => Self::Done,
            Exit::Code(_) => Self::EngineError,
            Exit::OutOfMemory => Self::OutOfMemory,
            Exit::DeadlinePassed => Self::TimedOut,
            Exit::Cancelled => Self::Cancelled,
            Exit::Killed => Self::Killed,
        }
    }
}

/// What the broker met that an engine could not get over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trouble {
    Budget,
    Auth,
    /// A model that the configuration does not allow, or that the provider does not know.
    Model,
    RateLimit,
    /// 5xx, a stream that was cut, or silence.
    Server,
    Unreachable,
}

impl Trouble {
    pub const ALL: [Trouble; 6] =
        [Self::Budget, Self::Auth, Self::Model, Self::RateLimit, Self::Server, Self::Unreachable];

    pub fn ending(self) -> Ending {
        match self {
            Self::Budget => Ending::OutOfBudget,
            Self::Auth | Self::Model => Ending::Refused,
            Self::RateLimit => Ending::RateLimited,
            Self::Server => Ending::ProviderError,
            Self::Unreachable => Ending::Unreachable,
        }
    }
}
