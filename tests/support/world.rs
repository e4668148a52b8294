//! One repository, one state directory, and the real binary between them.

use crate::leftovers::{Leftovers, leftovers};
use crate::packet::Packet;
use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub struct World {
    _folder: TempDir,
    pub repo: PathBuf,
    pub state: PathBuf,
    /// What the binary is told by its environment.
    pub env: Vec<(String, String)>,
}

#[derive(Debug)]
pub struct Output {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// The last JSON document on standard output: the result of a run.
    pub fn result(&self) -> Value {
        let last = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The events of a run, in their order.
    pub fn events(&self) -> Vec<Value> {
        self.stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// All of standard output as one document.
    pub fn document(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// One competitor of the standing.
    pub fn entry(&self, name: &str) -> Value {
        let result = self.result();
        let standing = result["standing"].as_array().cloned().unwrap_or_default();
        standing.into_iter().find(|one| one["competitor"] == name).unwrap_or_else(|| panic!("no {name} in {result}"))
    }
}

/// A run in the background; killed when dropped.
#[derive(Debug)]
pub struct Running {
    pub child: Child,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl World {
    /// A repository with `value`, a test and a file to keep out of.
    pub fn new() -> Self {
        let world = Self::bare();
        world.write("value", "10\n");
        world.write("tests/check.sh", "grep -qx '[0-9]*' value\n");
        world.write("private/key", "secret\n");
        world.commit("base");
        world
    }

    /// A repository without commits.
    pub fn bare() -> Self {
        let folder = tempfile::Builder::new().prefix("arena-test-").tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("the folder");
        let (repo, state) = (root.join("repo"), root.join("state"));
        std::fs::create_dir_all(&repo).expect("a repository");
        git(&repo, &["init", "-q", "-b", "main"]);
        Self { _folder: folder, repo, state, env: Vec::new() }
    }

    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.repo.join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        std::fs::write(path, content).expect("a file");
    }

    pub fn commit(&self, message: &str) -> String {
        git(&self.repo, &["add", "-A"]);
        git(&self.repo, &["commit", "-q", "--allow-empty", "-m", message]);
        git(&self.repo, &["rev-parse", "HEAD"])
    }

    pub fn packet(&self, packet: &Packet) {
        // Not a part of the repository: a packet may lie anywhere.
        std::fs::write(
            self.repo.join("../arena.toml"),
            packet.text().replace("[session]", "[session]\nrepository = \"repo\""),
        )
        .expect("a packet");
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(args)
            .arg("--state")
            .arg(&self.state)
            .current_dir(self.repo.join(".."))
            .env_remove("ARENA_STATE")
            .env("XDG_CONFIG_HOME", self.repo.join("../config"))
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    pub fn arena(&self, args: &[&str]) -> Output {
        run(&mut self.command(args))
    }

    /// The same world whose workspaces are of this kind.
    pub fn on(mut self, workspaces: &str) -> Self {
        self.env = vec![("ARENA_WORKER_WORKSPACES".into(), workspaces.into())];
        self
    }

    /// `arena run --json` of a packet.
    pub fn run(&self, packet: &Packet) -> Output {
        self.packet(packet);
        self.arena(&["run", "arena.toml", "--json"])
    }

    pub fn start(&self, args: &[&str]) -> Running {
        let log = std::fs::File::create(self.repo.join("../run.log")).expect("a log");
        let other = log.try_clone().expect("a log");
        Running { child: self.command(args).stdout(log).stderr(other).spawn().expect("the binary") }
    }

    /// What the run in the background has said so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.repo.join("../run.log")).unwrap_or_default()
    }

    /// Waits for a word of the run in the background.
    pub fn await_word(&self, word: &str, running: &mut Running) {
        self.until(&format!("'{word}'"), running, |said| said.contains(word));
    }

    pub fn until(&self, what: &str, running: &mut Running, done: impl Fn(&str) -> bool) {
        let begun = begin();
        while !done(&self.said()) {
            assert!(begun.elapsed() < Duration::from_secs(120), "no {what} in: {}", self.said());
            if let Ok(Some(status)) = running.child.try_wait() {
                assert!(done(&self.said()), "ended ({status}) before {what}: {}", self.said());
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The id of the only session.
    pub fn session(&self) -> String {
        let list = self.arena(&["sessions", "--json"]).document();
        list[0]["session"].as_str().expect("a session").to_owned()
    }

    pub fn assert_clean(&self) {
        assert_eq!(leftovers(&self.state), Leftovers::default());
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        sweep(&self.state);
    }
}

/// What a failing test left in a state directory must not be found by the next one.
pub fn sweep(state: &Path) {
    let left = leftovers(state);
    for id in &left.containers {
        let _ = Command::new("docker").args(["rm", "-f", id]).output();
    }
    for name in &left.volumes {
        let _ = Command::new("docker").args(["volume", "rm", "-f", name]).output();
    }
    let points: Vec<String> =
        left.mounts.iter().rev().filter_map(|line| line.split(' ').nth(4)).map(str::to_owned).collect();
    for point in points {
        let _ = Command::new("umount").args(["-l", &point]).output();
    }
}

#[allow(clippy::disallowed_methods, reason = "a test waits on a real program")]
fn begin() -> Instant {
    Instant::now()
}

/// A command to its end.
pub fn run(command: &mut Command) -> Output {
    let output = command.output().expect("the binary");
    Output {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The binary that was built beside this test.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("ARENA_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().expect("this program");
    let folder = test.parent().and_then(Path::parent).expect("the target directory");
    let path = folder.join("arena");
    assert!(path.exists(), "{} is not built: cargo build --workspace", path.display());
    path
}

/// Git in a repository, with an author; its output without the last newline.
pub fn git<S: AsRef<OsStr>>(dir: &Path, args: &[S]) -> String {
    let mut command = Command::new("git");
    for (key, value) in [
        ("GIT_AUTHOR_NAME", "Test"),
        ("GIT_AUTHOR_EMAIL", "test@localhost"),
        ("GIT_COMMITTER_NAME", "Test"),
        ("GIT_COMMITTER_EMAIL", "test@localhost"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
    ] {
        command.env(key, value);
    }
    let output = command.arg("-C").arg(dir).args(args).output().expect("git");
    assert!(output.status.success(), "git: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}
