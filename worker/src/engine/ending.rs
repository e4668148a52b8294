//! How a run ended: done only when the exit, the engine's last word, the sandbox and the broker all say so.
//!
//! What the broker saw comes before what the engine says: engines hide refusals, and name their own guesses.

use super::stream::{Dialect, Story};
use arena_domain::ending::{Ending, Trouble};
use arena_domain::outcome::Exit;
use arena_domain::text::sanitise_line;

/// Characters of a detail.
const WIDE: usize = 200;
/// What the broker answers when the budget is used up.
pub const BUDGET_ANSWER: &str = "arena: budget exhausted";

/// All that is known of a run.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    pub exit: Exit,
    pub dialect: Dialect,
    pub story: &'a Story,
    /// What the broker met that the engine did not get over.
    pub trouble: Option<Trouble>,
    /// Exit codes of the engine's own for a command line that it does not understand.
    pub bad_invocation: &'a [i32],
    /// The end of its standard error.
    pub stderr: &'a [u8],
}

/// The class, and one line on why that is safe for a terminal; empty when it is done.
pub fn ending(facts: &Facts<'_>) -> (Ending, String) {
    let ending = class(facts);
    let detail = match ending {
        Ending::Done => String::new(),
        Ending::EngineError
        | Ending::BadInvocation
        | Ending::OwnLimit
        | Ending::Refused
        | Ending::RateLimited
        | Ending::ProviderError
        | Ending::Unreachable
        | Ending::OutOfBudget
        | Ending::TimedOut
        | Ending::OutOfMemory
        | Ending::Killed
        | Ending::Cancelled => why(facts, ending),
    };
    (ending, detail)
}

fn class(facts: &Facts<'_>) -> Ending {
    // Nobody but us ends a run in these ways, whatever else went wrong before.
    if matches!(facts.exit, Exit::Cancelled | Exit::OutOfMemory) {
        return Ending::of_exit(facts.exit);
    }
    if let Some(trouble) = facts.trouble {
        return trouble.ending();
    }
    match facts.exit {
        Exit::DeadlinePassed => Ending::TimedOut,
        Exit::Killed => Ending::Killed,
        Exit::Cancelled | Exit::OutOfMemory => Ending::of_exit(facts.exit),
        Exit::Code(code) => of_code(facts, code),
    }
}

fn of_code(facts: &Facts<'_>, code: i32) -> Ending {
    match &facts.story.terminal {
        Some(terminal) if terminal.own_limit => Ending::OwnLimit,
        Some(terminal) if terminal.success && code == 0 => Ending::Done,
        Some(_) => by_text(facts),
        None if facts.bad_invocation.contains(&code) => Ending::BadInvocation,
        None if code == 0 && !facts.dialect.has_last_word() => Ending::Done,
        None => by_text(facts),
    }
}

fn by_text(facts: &Facts<'_>) -> Ending {
    let fatal = facts.story.fatal.as_deref().and_then(trouble_in);
    fatal.map_or(Ending::EngineError, Trouble::ending)
}

fn why(facts: &Facts<'_>, ending: Ending) -> String {
    if let Some(fatal) = &facts.story.fatal {
        return sanitise_line(fatal, WIDE);
    }
    if matches!(facts.exit, Exit::Code(0)) && facts.dialect.has_last_word() && facts.story.terminal.is_none() {
        return "it ended without a word on whether it was done".to_owned();
    }
    let last = arena_domain::text::tail(facts.stderr, 1).pop();
    let exit = facts.exit.describe();
    match (facts.exit, last) {
        (Exit::Code(_), Some(last)) => sanitise_line(&format!("{exit}: {last}"), WIDE),
        (Exit::Code(_), None) => exit,
        (Exit::OutOfMemory | Exit::DeadlinePassed | Exit::Cancelled | Exit::Killed, _) => {
            // Where the class says something else, such as a provider that failed until the time was over, this says how.
            if ending == Ending::of_exit(facts.exit) { String::new() } else { exit }
        }
    }
}

/// What an engine's own words say of the provider; used only where the broker knows of nothing.
pub fn trouble_in(text: &str) -> Option<Trouble> {
    let text = text.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if text.contains(BUDGET_ANSWER) {
        return Some(Trouble::Budget);
    }
    let status = status_in(&text);
    let refused = [
        "incorrect api key",
        "invalid api key",
        "invalid x-api-key",
        "unauthorized",
        "permission_denied",
        "not logged in",
        "insufficient_quota",
        "billing_error",
        "authentication",
    ];
    let unknown_model = ["model_not_found", "model not found", "unknown model", "does not exist or you do not have"];
    let unreachable = [
        "econnrefused",
        "enotfound",
        "connection refused",
        "error sending request",
        "fetch failed",
        "could not connect",
        "unable to connect",
        "connection error",
    ];
    let failed = [
        "high demand",
        "overloaded",
        "internal server error",
        "service unavailable",
        "bad gateway",
        "stream disconnected",
        "stream closed",
        "timed out",
        "timeout",
        "socket hang up",
        "econnreset",
    ];
    match status {
        Some(401..=403) => Some(Trouble::Auth),
        Some(404) => Some(Trouble::Model),
        Some(429) => Some(Trouble::RateLimit),
        Some(500..=599) => Some(Trouble::Server),
        Some(_) | None if has(&unknown_model) => Some(Trouble::Model),
        Some(_) | None if has(&refused) => Some(Trouble::Auth),
        Some(_) | None if has(&["rate limit", "rate_limit", "resource_exhausted", "too many requests"]) => {
            Some(Trouble::RateLimit)
        }
        Some(_) | None if has(&unreachable) => Some(Trouble::Unreachable),
        Some(_) | None if has(&failed) => Some(Trouble::Server),
        Some(_) | None => None,
    }
}

/// A status of HTTP where such texts have it: `status 401`, `API Error: 402`, `"code":403`, or at the very beginning.
fn status_in(text: &str) -> Option<u16> {
    let marks = ["status ", "error: ", "\"code\":", "status code ", "status: ", "error code: "];
    let number = |rest: &str| -> Option<u16> {
        let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok().filter(|status| digits.len() == 3 && (400..600).contains(status))
    };
    let marked =
        marks.iter().find_map(|mark| text.match_indices(mark).find_map(|(at, _)| number(&text[at + mark.len()..])));
    marked.or_else(|| number(text))
}

#[cfg(test)]
mod tests;
