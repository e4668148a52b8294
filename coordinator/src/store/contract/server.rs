//! A redis-server of a test's own: its own folder, its own socket or port, gone with the test.

use super::*;
use crate::store::redis::{Begins, Redis};
use rustix::process::{Pid, Signal, kill_process};
use std::io::Write;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

pub(super) struct Server {
    child: Child,
    _folder: TempDir,
    args: Vec<String>,
    pub url: String,
}

/// Says why a test did not run, as `tests/support/skip.rs` does, which this crate is below.
pub(super) fn skip(test: &str, reason: &str) {
    eprintln!("SKIP {test}: {reason}");
    if let Some(path) = std::env::var_os("ARENA_SKIPS")
        && let Ok(mut file) = std::fs::File::options().create(true).append(true).open(path)
    {
        let _ = writeln!(file, "{test}: {reason}");
    }
}

/// A port that nobody used a moment ago.
pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Server {
    /// On a socket, with the profile that the store asks for; or the test is skipped.
    pub(super) fn start(test: &str) -> Option<Self> {
        Self::with(test, &[])
    }

    pub(super) fn with(test: &str, more: &[&str]) -> Option<Self> {
        if !Self::there(test) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("redis.sock");
        let mut args: Vec<String> = ["--port", "0", "--unixsocket"].map(str::to_owned).into();
        args.push(socket.display().to_string());
        Some(Self::run(folder, args, more, format!("unix://{}", socket.display())))
    }

    /// On a port, for replicas and sentinels.
    pub(super) fn on_port(more: &[&str]) -> (Self, u16) {
        let port = free_port();
        let args = ["--port".to_owned(), port.to_string(), "--bind".to_owned(), "127.0.0.1".to_owned()].into();
        (Self::run(tempfile::tempdir().unwrap(), args, more, format!("redis://127.0.0.1:{port}")), port)
    }

    pub(super) fn there(test: &str) -> bool {
        let found = Command::new("redis-server").arg("--version").output().is_ok_and(|out| out.status.success());
        if !found {
            skip(test, "no redis-server on the PATH");
        }
        found
    }

    fn run(folder: TempDir, mut args: Vec<String>, more: &[&str], url: String) -> Self {
        let profile = ["--appendonly", "yes", "--maxmemory-policy", "noeviction", "--save", ""];
        args.extend(["--dir".to_owned(), folder.path().display().to_string()]);
        args.extend(profile.iter().chain(more).map(|word| (*word).to_owned()));
        let child = Self::spawn(&args);
        let server = Self { child, _folder: folder, args, url };
        server.wait();
        server
    }

    fn spawn(args: &[String]) -> Child {
        Command::new("redis-server").args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn wait(&self) {
        for _ in 0..600 {
            if self.says(&["PING"]) == "PONG" {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("redis-server did not answer on {}", self.url);
    }

    /// What a command answers, as text; nothing when nobody answers.
    pub(super) fn says(&self, words: &[&str]) -> String {
        let client = ::redis::Client::open(self.url.as_str()).unwrap();
        let Ok(mut open) = client.get_connection() else { return String::new() };
        let mut command = ::redis::cmd(words[0]);
        command.arg(&words[1..]);
        let answer: Result<::redis::Value, _> = command.query(&mut open);
        match answer {
            Ok(value) => ::redis::from_redis_value::<String>(value.clone()).unwrap_or_else(|_| format!("{value:?}")),
            Err(error) => error.to_string(),
        }
    }

    /// As if its machine lost its power, but for what was written to its disk.
    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(super) fn start_again(&mut self) {
        self.child = Self::spawn(&self.args);
        self.wait();
    }

    /// As if its machine were cut off: it holds its connections and answers none.
    pub(super) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    pub(super) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    pub(super) fn settings(&self) -> RedisSettings {
        RedisSettings::server(&self.url)
    }

    /// A handle whose calls give the time.
    pub(super) async fn store(&self, settings: RedisSettings, limits: Limits) -> Result<Store, StoreError> {
        let known = Known::of(&limits);
        Ok(Store::over(Redis::connect(settings, limits, Begins::Takes, true).await?, known))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
