//! What the model shares with its server, and what it writes down of every request.

use super::api::{Api, Conversation};
use super::choose::{self, Served};
use super::script::Script;
use serde_json::Value;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// One request, as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    pub method: String,
    /// With its query.
    pub path: String,
    /// Names in lower case, in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// None for what is no call of a model.
    pub api: Option<Api>,
    pub model: String,
    /// Null when it is no JSON.
    pub body: Value,
    /// SHA-256 of the body's bytes.
    pub digest: String,
    pub played: Played,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What a request was answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Played {
    Turn {
        script: String,
        turn: usize,
    },
    /// A harmless answer to a request without tools, such as one for a title.
    Aside,
    /// Of tokens.
    Count,
    /// A list of models, or what this server does not know.
    Other,
    Unauthorized,
}

pub(super) struct Shared {
    pub(super) scripts: Vec<Script>,
    state: Mutex<State>,
    came: Condvar,
}

#[derive(Default)]
struct State {
    key: Option<String>,
    asked: Vec<Asked>,
    served: Served,
}

impl Shared {
    pub(super) fn new(scripts: Vec<Script>) -> Self {
        Self { scripts, state: Mutex::default(), came: Condvar::new() }
    }

    /// A test that failed while it held the lock has said why already.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(super) fn require(&self, key: &str) {
        self.state().key = Some(key.to_owned());
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.state().asked.clone()
    }

    pub(super) fn key(&self) -> Option<String> {
        self.state().key.clone()
    }

    /// Writes a request down; its number.
    pub(super) fn note(&self, asked: Asked) -> usize {
        let mut state = self.state();
        state.asked.push(asked);
        self.came.notify_all();
        state.asked.len()
    }

    pub(super) fn turn(&self, script: &Script, api: Api, conversation: &Conversation) -> usize {
        choose::turn(script, api, conversation, &mut self.state().served)
    }

    pub(super) fn wait(&self, longest: Duration, there: impl Fn(&[Asked]) -> bool) -> bool {
        let waited = self.came.wait_timeout_while(self.state(), longest, |state| !there(&state.asked));
        waited.is_ok_and(|(_, result)| !result.timed_out())
    }
}
