//! What one job has used, against what it may use.

use super::audit::{Line, Log};
use super::door::Account;
use super::meter::Tokens;
use super::policy::Budgets;
use super::refusal::Refusal;
use arena_domain::ending::Trouble;
use arena_domain::outcome::Usage;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Lines of a job that its account holds; the session's file has all of them.
const MOST_AUDIT: usize = 4 << 20;
/// Both ways together, when nobody says otherwise.
const MOST_BYTES: u64 = 8 << 30;

#[derive(Debug)]
pub(super) struct Books {
    budgets: Budgets,
    log: Log,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Sent, or about to be.
    requests: u64,
    refused: u64,
    up: u64,
    down: u64,
    /// Settled ones and, as far as is known, running ones.
    tokens: u64,
    paid: u64,
    metered: Tokens,
    cost_usd: f64,
    unmetered: u64,
    unpriced: u64,
    trouble: Option<Trouble>,
    audit: Vec<u8>,
}

impl Books {
    pub(super) fn new(budgets: Budgets, log: Log) -> Self {
        Self { budgets, log, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request that costs money.
    pub(super) fn begin(&self) -> Result<(), Refusal> {
        let mut state = self.state();
        let used_up = [
            self.budgets.requests.is_some_and(|most| state.requests >= most),
            self.budgets.tokens.is_some_and(|most| state.tokens >= most),
            state.up + state.down >= self.most_bytes(),
        ];
        if used_up.contains(&true) {
            return Err(Refusal::exhausted());
        }
        state.requests += 1;
        Ok(())
    }

    fn most_bytes(&self) -> u64 {
        self.budgets.bytes.unwrap_or(MOST_BYTES)
    }

    /// `false`: there are too many now.
    pub(super) fn bytes(&self, up: u64, down: u64) -> bool {
        let mut state = self.state();
        state.up += up;
        state.down += down;
        state.up + state.down <= self.most_bytes()
    }

    /// In place of the tokens that were counted for a running answer before. `false`: there are too many now.
    pub(super) fn tokens(&self, before: u64, now: u64) -> bool {
        let mut state = self.state();
        state.tokens = state.tokens.saturating_sub(before).saturating_add(now);
        self.budgets.tokens.is_none_or(|most| state.tokens <= most)
    }

    /// One answer that was paid for; what is not known of it is `None`.
    pub(super) fn paid(&self, tokens: Option<Tokens>, cost_usd: Option<f64>) {
        let mut state = self.state();
        state.paid += 1;
        match tokens {
            Some(Tokens { input, cached, cache_write, output }) => {
                let sum = &mut state.metered;
                sum.input = sum.input.saturating_add(input);
                sum.cached = sum.cached.saturating_add(cached);
                sum.cache_write = sum.cache_write.saturating_add(cache_write);
                sum.output = sum.output.saturating_add(output);
            }
            None => state.unmetered += 1,
        }
        match cost_usd {
            Some(cost) => state.cost_usd += cost,
            None => state.unpriced += 1,
        }
    }

    pub(super) fn trouble(&self, trouble: Trouble) {
        let mut state = self.state();
        if state.trouble != Some(Trouble::Budget) {
            state.trouble = Some(trouble);
        }
    }

    pub(super) fn trouble_now(&self) -> Option<Trouble> {
        self.state().trouble
    }

    /// The engine got over what was before; only what is used up stays so.
    pub(super) fn succeeded(&self) {
        let mut state = self.state();
        state.trouble = state.trouble.filter(|trouble| *trouble == Trouble::Budget);
    }

    /// Written at once: a worker that is killed now has it in its file.
    pub(super) fn record(&self, line: &Line) {
        match self.log.append(line) {
            Ok(text) => {
                let mut state = self.state();
                state.refused += u64::from(line.refused.is_some());
                if state.audit.len() + text.len() <= MOST_AUDIT {
                    state.audit.extend(text);
                }
            }
            Err(error) => tracing::error!(%error, "a line of the audit cannot be written"),
        }
    }

    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    /// What stands there now; a sum that lacks a part is unknown.
    pub(super) fn account(&self, has_provider: bool) -> Account {
        let mut state = self.state();
        let Tokens { input, cached, cache_write: _, output } = state.metered;
        let metered = Usage {
            input_tokens: has_provider.then_some(input),
            cached_input_tokens: has_provider.then_some(cached),
            output_tokens: has_provider.then_some(output),
            cost_usd: has_provider.then_some(state.cost_usd),
            requests: has_provider.then_some(state.paid),
        };
        let known = |sum: Option<u64>| sum.filter(|_| state.unmetered == 0);
        let usage = Usage {
            input_tokens: known(metered.input_tokens),
            cached_input_tokens: known(metered.cached_input_tokens),
            output_tokens: known(metered.output_tokens),
            cost_usd: metered.cost_usd.filter(|_| state.unpriced == 0),
            requests: metered.requests,
        };
        Account {
            usage,
            metered,
            unmetered: state.unmetered,
            requests: state.requests,
            refused: state.refused,
            bytes_up: state.up,
            bytes_down: state.down,
            trouble: state.trouble,
            audit: std::mem::take(&mut state.audit),
        }
    }
}
