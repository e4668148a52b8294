//! What Docker itself saw of one state directory: the oracle for which container ran when. Nothing of Arena is asked.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::NamedTempFile;

/// Writes down every container event of a state directory until it is dropped.
pub struct Witness {
    child: Child,
    /// Not below the state directory: a test may fill its disk.
    log: NamedTempFile,
    label: String,
}

/// One event of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub at: u64,
    pub action: String,
    pub container: String,
    /// Empty for a network holder.
    pub job: String,
}

impl Witness {
    pub fn watch(state: &Path) -> Self {
        let root = state.join("worker");
        let label = arena_runtime::digest::sha256(root.as_os_str().as_encoded_bytes())[..16].to_owned();
        let log = NamedTempFile::new().expect("a log");
        let child = Command::new("docker")
            .args(["events", "--format", "{{json .}}", "--filter", "type=container"])
            .args(["--filter", &format!("label=arena.state={label}")])
            .stdin(Stdio::null())
            .stdout(log.reopen().expect("a log"))
            .stderr(Stdio::null())
            .spawn()
            .expect("docker events");
        let witness = Self { child, log, label };
        witness.sync();
        witness
    }

    /// Everything seen until now. Events come in order: when our own mark has come, all before it have.
    pub fn seen(&self) -> Vec<Seen> {
        self.sync();
        let text = fs::read_to_string(self.log.path()).expect("the log");
        text.lines().filter(|line| !line.contains("arena-mark")).filter_map(seen).collect()
    }

    /// How many containers were made for this job after a moment, in nanoseconds since the epoch.
    pub fn made(&self, job: &str, after: u64) -> usize {
        self.seen().iter().filter(|one| one.action == "create" && one.job == job && one.at > after).count()
    }

    /// Whether within five seconds as many containers of jobs run as `wanted` says: Docker tells a moment after the fact.
    pub fn soon_runs(&self, wanted: impl Fn(usize) -> bool) -> bool {
        (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            wanted(self.levels(|_| true).last().copied().unwrap_or(0))
        })
    }

    /// The most containers of jobs that `which` names that ran at the same time.
    pub fn most_at_once(&self, which: impl Fn(&str) -> bool) -> usize {
        self.levels(which).into_iter().max().unwrap_or(0)
    }

    /// How many containers of jobs that `which` names ran after each event of theirs.
    fn levels(&self, which: impl Fn(&str) -> bool) -> Vec<usize> {
        let mut running = Vec::new();
        let theirs = self.seen().into_iter().filter(|one| !one.job.is_empty() && which(&one.job));
        let level = |one: Seen| {
            match one.action.as_str() {
                "start" => running.push(one.container),
                "die" => running.retain(|id| *id != one.container),
                _ => {}
            }
            running.len()
        };
        theirs.map(level).collect()
    }

    fn sync(&self) {
        let mark = format!("arena-mark-{}", arena_runtime::token::hex(12));
        for _ in 0..20 {
            let labels = [format!("arena.state={}", self.label), format!("mark={mark}")];
            let args = ["create", "--name", &mark, "--label", &labels[0], "--label", &labels[1], "arena/base", "true"];
            let made = Command::new("docker").args(args).output().expect("docker");
            let id = String::from_utf8_lossy(&made.stdout).trim().to_owned();
            // A reaper of the state directory may have been quicker.
            let _ = Command::new("docker").args(["rm", "-f", &id]).output();
            for _ in 0..300 {
                if fs::read_to_string(self.log.path()).is_ok_and(|text| text.contains(&mark)) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        panic!("docker events says nothing");
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Nanoseconds since the epoch, by the clock that Docker's events have.
#[allow(clippy::disallowed_methods, reason = "a test compares with a real program")]
pub fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock");
    u64::try_from(since.as_nanos()).expect("a date")
}

fn seen(line: &str) -> Option<Seen> {
    let event: Value = serde_json::from_str(line).ok()?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Some(Seen {
        at: event["timeNano"].as_u64()?,
        action: text(&event["Action"]),
        container: text(&event["Actor"]["ID"]),
        job: text(&event["Actor"]["Attributes"]["arena.job"]),
    })
}
