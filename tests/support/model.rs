//! A scripted model: a server on loopback that plays fixed turns to real coding engines, over the four APIs they speak.
//!
//! The turn is read from the request itself: as many answers of the script as the conversation already holds. So a retry
//! is given the same turn again, and any number of engines may use one model at once.

mod api;
mod choose;
mod json;
mod perform;
mod playback;
mod script;
mod seen;
mod server;
#[cfg(test)]
mod tests;
mod tools;

pub use api::Api;
pub use json::scripts_of;
pub use script::{Play, Script, Turn, Usage};
pub use script::{call, cut, echo_headers, error, fault, many, script, shell, silence, stall, text, write};
pub use seen::{Asked, Played};

use seen::Shared;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// Longest wait for a request, generous for a busy machine.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// A running model; it ends, and every connection with it, when this is dropped.
pub struct Model {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Model {
    /// The first script is played where a conversation names none by a marker such as `[[script:NAME]]`.
    pub fn start(scripts: Vec<Script>) -> Self {
        Self::on(0, scripts)
    }

    /// The same on a port that was chosen before.
    pub fn on(port: u16, scripts: Vec<Script>) -> Self {
        let shared = Arc::new(Shared::new(scripts));
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&shared);
        let thread = std::thread::spawn(move || server::serve(listener, &served, stopped));
        Self { address, shared, stop: Some(stop), thread: Some(thread) }
    }

    /// Without a path: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on a request without this key, in the form of its API, is answered with 401.
    pub fn require_key(&self, key: &str) {
        self.shared.require(key);
    }

    /// Everything that was asked so far, in the order in which it came.
    pub fn requests(&self) -> Vec<Asked> {
        self.shared.asked()
    }

    /// The turns of a script that were asked for, in their order; a retry shows as the same turn again.
    pub fn turns(&self, script: &str) -> Vec<usize> {
        let turn = |asked: Asked| match asked.played {
            Played::Turn { script: name, turn } => (name == script).then_some(turn),
            Played::Aside | Played::Count | Played::Other | Played::Unauthorized => None,
        };
        self.requests().into_iter().filter_map(turn).collect()
    }

    /// The request with this number, counted from zero, as soon as it has come.
    pub fn await_request(&self, number: usize) -> Asked {
        while !self.shared.wait(LONGEST_WAIT, |asked| asked.len() > number) {}
        self.requests().swap_remove(number)
    }

    /// Waits until a turn of a script was asked for this often.
    pub fn await_turn(&self, script: &str, turn: usize, times: usize) {
        let wanted = Played::Turn { script: script.to_owned(), turn };
        let there = |asked: &[Asked]| asked.iter().filter(|one| one.played == wanted).count() >= times;
        let came = self.shared.wait(LONGEST_WAIT, there);
        assert!(came, "turn {turn} of {script} was not asked for {times} times: {:?}", self.requests());
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
