//! A line for each request, without bodies and without keys, in a file of the session.

use arena_domain::id::SessionId;
use serde::Serialize;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// One request that ended, or was refused. Unknown is null.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Line {
    pub(super) event: &'static str,
    pub(super) time: String,
    pub(super) id: String,
    pub(super) session: String,
    pub(super) job: String,
    pub(super) competitor: Option<String>,
    pub(super) engine: String,
    pub(super) provider: Option<String>,
    pub(super) method: String,
    /// Without its query; of a tunnel: host and port.
    pub(super) path: String,
    pub(super) model: Option<String>,
    pub(super) status: u16,
    pub(super) attempts: u32,
    pub(super) first_byte_ms: Option<u64>,
    pub(super) ms: u64,
    pub(super) bytes_up: u64,
    pub(super) bytes_down: u64,
    pub(super) input_tokens: Option<u64>,
    pub(super) cached_input_tokens: Option<u64>,
    pub(super) output_tokens: Option<u64>,
    pub(super) cost_usd: Option<f64>,
    /// Against the budget: the cost, or what it was taken for where it is unknown.
    pub(super) charged_usd: f64,
    pub(super) charged_tokens: u64,
    /// Why the broker refused it.
    pub(super) refused: Option<String>,
    /// How it ended when it did not end well.
    pub(super) trouble: Option<String>,
}

/// What it may cost was set aside and the request goes out: a worker that is killed now finds it again.
#[derive(Debug, Serialize)]
pub(super) struct Sent<'a> {
    pub(super) event: &'static str,
    pub(super) id: &'a str,
    pub(super) job: &'a str,
    pub(super) is_priced: bool,
    pub(super) set_aside_usd: f64,
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
}

/// A session's file.
pub(super) fn path(folder: &Path, session: &SessionId) -> PathBuf {
    let plain: String =
        session.as_str().chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    folder.join(format!("{plain}.jsonl"))
}

/// Appends whole lines; several processes may.
#[derive(Debug)]
pub(super) struct Log(Mutex<File>);

impl Log {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        Ok(Self(Mutex::new(OpenOptions::new().create(true).append(true).open(path)?)))
    }

    /// The line as it was written, with its end.
    pub(super) fn append(&self, line: &impl Serialize) -> io::Result<Vec<u8>> {
        let mut text = serde_json::to_vec(line).map_err(io::Error::other)?;
        text.push(b'\n');
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(&text)?;
        Ok(text)
    }
}
