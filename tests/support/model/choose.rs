//! Which script a conversation wants, and which of its turns comes next.

use super::api::{Api, Conversation, Said};
use super::script::{Play, Script};
use std::collections::HashMap;

/// What `echo_headers` begins with, so that it is known again in a conversation.
pub(super) const HEADERS: &str = "The headers of this request:\n";

/// How often a failure was played, by conversation and turn.
pub(super) type Served = HashMap<(String, usize), u32>;

/// The script that the first marker of a request names, else the first one.
pub(super) fn script<'a>(scripts: &'a [Script], body: &str) -> Result<&'a Script, String> {
    match marker(body) {
        None => scripts.first().ok_or_else(|| "this model has no script".to_owned()),
        Some(name) => scripts.iter().find(|one| one.name == name).ok_or_else(|| format!("no script {name}")),
    }
}

fn marker(body: &str) -> Option<&str> {
    let rest = &body[body.find("[[script:")? + "[[script:".len()..];
    Some(&rest[..rest.find("]]")?])
}

/// How many answers of this script a conversation holds. Engines put in answers of their own, which are none of its texts.
pub(super) fn answered(script: &Script, said: &[Said]) -> usize {
    let texts: Vec<&str> = script.turns.iter().filter_map(|turn| text_of(&turn.play)).collect();
    let ours = |said: &&Said| match said {
        Said::Call => true,
        Said::Text(text) => text.starts_with(HEADERS.trim_end()) || texts.contains(&text.trim()),
    };
    said.iter().filter(ours).count()
}

fn text_of(play: &Play) -> Option<&str> {
    match play {
        Play::Text(text) => Some(text.trim()),
        Play::Shell(_)
        | Play::Write { .. }
        | Play::Call { .. }
        | Play::Headers
        | Play::Error(_)
        | Play::Silence
        | Play::Stall
        | Play::Cut
        | Play::Fault(_) => None,
    }
}

/// The place of the next turn. A failure comes before the answer that follows it, until it was played often enough.
pub(super) fn turn(script: &Script, api: Api, conversation: &Conversation, served: &mut Served) -> usize {
    let answered = answered(script, &conversation.said);
    // Competitors are given the same words; those of different APIs are different conversations.
    let key = format!("{api:?} {} {}", script.name, conversation.opening);
    let mut before = 0;
    for (place, turn) in script.turns.iter().enumerate() {
        if turn.leaves_an_answer() {
            if before == answered {
                return place;
            }
            before += 1;
        } else if before == answered {
            let count = served.entry((key.clone(), place)).or_insert(0);
            if turn.times.is_none_or(|times| *count < times) {
                *count += 1;
                return place;
            }
        }
    }
    script.turns.len() - 1
}
