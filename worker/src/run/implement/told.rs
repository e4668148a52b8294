//! What a run tells: how it ended, what it used by both counts, what the engine said last.

use super::ENGINE_OUTPUT;
use super::plan::Plan;
use crate::broker::Account;
use crate::engine::Story;
use crate::engine::ending::{Facts, ending};
use crate::redact::Redactor;
use crate::sandbox::Finished;
use arena_domain::ending::{Ending, Trouble};
use arena_domain::outcome::{Flag, FlagKind, Usage};
use arena_domain::text;
use std::collections::BTreeSet;

/// Lines of an engine's last words that are kept in the record; all of them are in the log.
const SAID: usize = 12;
/// The engine's count and the broker's may differ by so much of the broker's, or by so many tokens: engines leave out
/// what they ask beside the conversation.
const TOLERATED_SHARE: f64 = 0.02;
const TOLERATED_TOKENS: u64 = 50;

/// One run of an engine, over.
pub(super) struct Ran {
    pub finished: Finished,
    pub story: Story,
    /// Absent where there was no way out.
    pub account: Option<Account>,
    /// Its way out went away before it was closed.
    pub alone: bool,
}

pub(super) struct Told {
    pub ending: Ending,
    pub detail: String,
    pub said: Vec<String>,
    pub usage: Usage,
    pub own_usage: Usage,
    pub version: String,
    pub flags: Vec<Flag>,
}

pub(super) fn tell(ran: &Ran, plan: &Plan, version: &str, redactor: &Redactor) -> Told {
    let Plan { invocation, pack, .. } = plan;
    let Ran { finished, story, account, alone: _ } = ran;
    let facts = Facts {
        exit: finished.exit,
        dialect: invocation.dialect,
        story,
        trouble: account.as_ref().and_then(|account| account.trouble),
        bad_invocation: &invocation.bad_invocation,
        stderr: &finished.stderr,
    };
    let (ending, mut detail) = ending(&facts);
    if ending == Ending::Killed
        && let Some(flood) = finished.flood(ENGINE_OUTPUT)
    {
        detail = flood;
    }
    let usage = account.as_ref().map(|account| account.usage).unwrap_or_default();
    // The engine knows only of this run, and of nothing that the broker had to guess.
    let run = account.as_ref().map(|account| account.run).unwrap_or_default();
    let mut flags: Vec<Flag> = mismatch(&run, &story.usage).into_iter().collect();
    if facts.trouble == Some(Trouble::Budget) {
        let detail = "the broker stopped it: the budget is used up".to_owned();
        flags.push(Flag { kind: FlagKind::BudgetExceeded, path: None, detail });
    }
    flags.extend(finished.relay.and_then(|relay| survivor(relay.survivors)));
    let detail = redactor.text(&detail);
    flags.extend(untested(plan, version));
    flags.extend(account.as_ref().and_then(|account| other_model(plan, &account.models)));
    let installed = pack.as_ref().map_or(version, |pack| pack.record.version.as_str());
    let version = story.version.as_deref().unwrap_or(installed);
    let version = text::sanitise_line(version, 60);
    Told {
        ending,
        detail,
        said: said(ran).iter().map(|line| redactor.text(line)).collect(),
        usage,
        own_usage: story.usage,
        version,
        flags,
    }
}

/// No fault of what it left: its flags and its output may mean something else to it than Arena knows.
fn untested(plan: &Plan, version: &str) -> Option<Flag> {
    let tested = plan.tested.as_ref().filter(|tested| !version.is_empty() && !tested.covers(version))?;
    let detail = format!("{version} is untested; tested are {} and later, before {}", tested.from, tested.below);
    Some(Flag { kind: FlagKind::UntestedEngine, path: None, detail })
}

/// Where the packet says which model competes, its result may not be another one's without a word.
fn other_model(plan: &Plan, asked: &BTreeSet<String>) -> Option<Flag> {
    let model = plan.stated_model.as_ref()?;
    // `model[1m]` is how some engines say it to themselves.
    let plain = model.split('[').next().unwrap_or_default();
    let others: Vec<&str> = asked.iter().filter(|one| *one != model && *one != plain).map(String::as_str).collect();
    let detail = text::sanitise_line(&format!("beside {model} it asked {}", others.join(", ")), 300);
    (!others.is_empty()).then_some(Flag { kind: FlagKind::OtherModel, path: None, detail })
}

fn said(ran: &Ran) -> Vec<String> {
    match &ran.story.final_message {
        Some(message) => text::tail(message.as_bytes(), SAID),
        None if ran.finished.stdout.is_empty() => text::tail(&ran.finished.stderr, SAID),
        None => text::tail(&ran.finished.stdout, SAID),
    }
}

/// What an engine leaves running is killed before anything is judged: worth to be known, and no more.
fn survivor(many: u32) -> Option<Flag> {
    let detail = format!("{many} processes outlived the engine and were killed");
    (many > 0).then_some(Flag { kind: FlagKind::Survivor, path: None, detail })
}

/// Both counts are known and differ by more than engines leave out.
fn mismatch(broker: &Usage, own: &Usage) -> Option<Flag> {
    let total = |usage: &Usage| Some(usage.input_tokens? + usage.output_tokens?);
    let (counted, said) = (total(broker)?, total(own)?);
    let apart = counted.abs_diff(said);
    (apart > TOLERATED_TOKENS && apart as f64 > counted as f64 * TOLERATED_SHARE).then(|| Flag {
        kind: FlagKind::UsageMismatch,
        path: None,
        detail: format!("the broker counted {counted} tokens, the engine says {said}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(input: u64, output: u64) -> Usage {
        Usage { input_tokens: Some(input), output_tokens: Some(output), ..Usage::default() }
    }

    #[test]
    fn only_counts_that_are_known_and_far_apart_are_a_mismatch() {
        let rows = [
            (usage(1000, 100), usage(1000, 100), false),
            (usage(1000, 100), usage(1000, 60), false),
            (usage(1000, 100), usage(100, 100), true),
            (usage(100_000, 1000), usage(99_000, 1000), false),
            (usage(1000, 100), Usage::default(), false),
            (Usage::default(), usage(5, 5), false),
        ];
        for (broker, own, differs) in rows {
            assert_eq!(mismatch(&broker, &own).is_some(), differs, "{broker:?} {own:?}");
        }
    }
}
