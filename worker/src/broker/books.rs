//! What one job has used, against what it may use.

use super::audit::{Line, Log};
use super::door::Account;
use super::ledger::Before;
use super::meter::Tokens;
use super::policy::Budgets;
use super::refusal::Refusal;
use arena_domain::ending::Trouble;
use arena_domain::outcome::Usage;
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Lines of a job that its account holds; the session's file has all of them.
const MOST_AUDIT: usize = 4 << 20;
/// Lines of what was refused: an engine may ask for it as fast as it can.
const MOST_REFUSED: u64 = 10_000;
/// Lines of what passed and cost nothing.
const MOST_FREE: u64 = 100_000;
/// Requests that cost money, when nobody says otherwise.
const MOST_REQUESTS: u64 = 100_000;
/// Of models that are named; more are not told of.
const MOST_MODELS: usize = 16;
/// Both ways together, when nobody says otherwise.
const MOST_BYTES: u64 = 8 << 30;

/// Of lines that were not written.
#[derive(Serialize)]
struct More<'a> {
    event: &'static str,
    job: &'a str,
    lines: u64,
    bytes: u64,
}

#[derive(Debug)]
pub(super) struct Books {
    budgets: Budgets,
    log: Log,
    job: String,
    /// By earlier runs of this job.
    before: Before,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Sent, or about to be.
    requests: u64,
    refused: u64,
    /// What passed and cost nothing.
    free: u64,
    /// Lines that were not written, and the bytes that they would have told of.
    more: u64,
    more_bytes: u64,
    up: u64,
    down: u64,
    paid: u64,
    metered: Tokens,
    cost_usd: f64,
    /// Of answers that the broker ended: as much as they can have cost.
    ended: Tokens,
    ended_usd: f64,
    guessed: u64,
    unmetered: u64,
    unpriced: u64,
    trouble: Option<Trouble>,
    models: BTreeSet<String>,
    audit: Vec<u8>,
}

impl Books {
    pub(super) fn new(budgets: Budgets, log: Log, job: String, before: Before) -> Self {
        Self { budgets, log, job, before, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request that costs money.
    pub(super) fn begin(&self) -> Result<(), Refusal> {
        let mut state = self.state();
        let used_up = [
            self.before.requests + state.requests >= self.budgets.requests.unwrap_or(MOST_REQUESTS),
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

    /// One answer that the broker ended: no more than this.
    pub(super) fn ended(&self, tokens: Tokens, cost_usd: Option<f64>) {
        let mut state = self.state();
        state.paid += 1;
        state.guessed += 1;
        state.ended.add(tokens);
        match cost_usd {
            Some(cost) => state.ended_usd += cost,
            None => state.unpriced += 1,
        }
    }

    /// One answer that was paid for; what is not known of it is `None`.
    pub(super) fn paid(&self, tokens: Option<Tokens>, cost_usd: Option<f64>) {
        let mut state = self.state();
        state.paid += 1;
        match tokens {
            Some(tokens) => state.metered.add(tokens),
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

    /// Attempts that broke, each of which the provider may have answered.
    pub(super) fn lost(&self, attempts: u32) {
        let mut state = self.state();
        state.unmetered += u64::from(attempts);
        state.unpriced += u64::from(attempts);
    }

    /// Written at once: a worker that is killed now has it in its file. Of what was not sent only so much.
    pub(super) fn record(&self, line: &Line, sent: bool) {
        {
            let mut state = self.state();
            let refused = line.refused.is_some();
            state.refused += u64::from(refused);
            state.free += u64::from(!sent && !refused);
            let over = if refused { state.refused > MOST_REFUSED } else { state.free > MOST_FREE };
            if !sent && over {
                state.more += 1;
                state.more_bytes += line.bytes_up + line.bytes_down;
                return;
            }
            if let Some(model) = line.model.as_ref().filter(|_| sent && state.models.len() < MOST_MODELS) {
                state.models.insert(model.clone());
            }
        }
        self.write(line);
    }

    fn write(&self, line: &impl Serialize) {
        match self.log.append(line) {
            Ok(text) => {
                let mut state = self.state();
                if state.audit.len() + text.len() <= MOST_AUDIT {
                    state.audit.extend(text);
                }
            }
            Err(error) => tracing::error!(%error, "a line of the audit cannot be written"),
        }
    }

    /// The last line says how many there would have been more.
    fn close(&self) {
        let (lines, bytes) = {
            let state = self.state();
            (state.more, state.more_bytes)
        };
        if lines > 0 {
            self.write(&More { event: "more", job: &self.job, lines, bytes });
        }
    }

    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    /// What stands there now; a sum that lacks a part is unknown.
    pub(super) fn account(&self, has_provider: bool) -> Account {
        self.close();
        let mut state = self.state();
        let Tokens { input, cached, cache_write: _, output } = state.metered;
        let metered = Usage {
            input_tokens: has_provider.then_some(input),
            cached_input_tokens: has_provider.then_some(cached),
            output_tokens: has_provider.then_some(output),
            cost_usd: has_provider.then_some(state.cost_usd),
            requests: has_provider.then_some(state.paid),
        };
        let before = self.before;
        let tokens_known = state.unmetered + before.unmetered == 0;
        let run_known = state.unmetered == 0 && state.guessed == 0;
        let known = |sum: u64, is_known: bool| (has_provider && is_known).then_some(sum);
        let all = |before: u64, metered: u64, ended: u64| {
            known(before.saturating_add(metered).saturating_add(ended), tokens_known)
        };
        let usage = Usage {
            input_tokens: all(before.input, input, state.ended.input),
            cached_input_tokens: all(before.cached, cached, state.ended.cached),
            output_tokens: all(before.output, output, state.ended.output),
            cost_usd: (has_provider && state.unpriced + before.unpriced == 0)
                .then_some(before.cost_usd + state.cost_usd + state.ended_usd),
            requests: has_provider.then_some(before.paid + state.paid),
        };
        let run = Usage {
            input_tokens: known(input, run_known),
            cached_input_tokens: known(cached, run_known),
            output_tokens: known(output, run_known),
            cost_usd: metered.cost_usd.filter(|_| state.unpriced + state.guessed == 0),
            requests: metered.requests,
        };
        Account {
            usage,
            run,
            metered,
            unmetered: state.unmetered + state.guessed,
            requests: state.requests,
            refused: state.refused,
            bytes_up: state.up,
            bytes_down: state.down,
            trouble: state.trouble,
            models: std::mem::take(&mut state.models),
            audit: std::mem::take(&mut state.audit),
        }
    }
}
