//! A redis-server of a test's own: its own folder and port, gone with the test.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub struct Redis {
    child: Child,
    folder: PathBuf,
    port: u16,
}

impl Redis {
    /// With the profile that the store asks for, and each write on its disk.
    pub fn start(folder: PathBuf) -> Self {
        std::fs::create_dir_all(&folder).expect("a folder");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        let port = free.port();
        let redis = Self { child: Self::spawn(&folder, port), folder, port };
        redis.wait();
        redis
    }

    fn spawn(folder: &std::path::Path, port: u16) -> Child {
        let profile =
            ["--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction", "--save", ""];
        Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"])
            .arg(folder)
            .args(profile)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server")
    }

    fn wait(&self) {
        let answers = || TcpStream::connect(("127.0.0.1", self.port)).is_ok();
        let up = (0..600).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            answers()
        });
        assert!(up, "redis-server does not answer");
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What a command answers.
    pub fn says(&self, words: &[&str]) -> String {
        let port = self.port.to_string();
        let output = Command::new("redis-cli").args(["-p", &port]).args(words).output().expect("redis-cli");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Without a warning.
    pub fn kill(&mut self) {
        self.child.kill().expect("a kill");
        self.child.wait().expect("its end");
    }

    pub fn start_again(&mut self) {
        self.child = Self::spawn(&self.folder, self.port);
        self.wait();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
