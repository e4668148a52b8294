//! The certificates and the Redis of Compose, as its own files make and start them.

use crate::outside::{Outside, outside, root};
use serde_json::Value;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use support::{binary, skip, soon};
use tempfile::TempDir;

/// What `deploy/compose/certificates` makes, in a folder of a test.
pub struct Certificates(TempDir);

impl Certificates {
    /// `None`: the test is skipped, by its name.
    pub fn made(test: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            skip(test, "not root: files cannot be given to the users of the images");
            return None;
        }
        let made = Self(tempfile::tempdir().expect("a folder"));
        let mut command = Command::new(root().join("deploy/compose/certificates"));
        let ran = command.arg(made.0.path().join("tls")).arg("arena.example").env("ARENA", binary()).output();
        let ran = ran.expect("deploy/compose/certificates");
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        Some(made)
    }

    pub fn of(&self, service: &str) -> PathBuf {
        self.0.path().join("tls").join(service)
    }
}

/// The Redis of Compose on a port of its own, gone with its handle.
pub struct ComposedRedis {
    child: Child,
    pub port: String,
    folder: TempDir,
    /// Where Compose has `/tls`.
    tls: PathBuf,
}

impl ComposedRedis {
    /// `None`: the test is skipped, by its name.
    pub fn start(test: &str, compose: &Value, certificates: &Certificates) -> Option<Self> {
        if Command::new("redis-server").arg("--version").output().is_err() {
            skip(test, "no redis-server");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|held| held.local_addr()).expect("a port");
        let (port, tls) = (free.port().to_string(), certificates.of("redis"));
        let place = |word: &str| match word {
            "6379" => port.clone(),
            "/data" => folder.path().display().to_string(),
            other => at(other, &tls),
        };
        let words = words(&compose["services"]["redis"]["command"], place);
        assert_eq!(words[0], "redis-server");
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        let child = Command::new(&words[0]).args(&words[1..]).args(["--bind", "127.0.0.1"]).stdout(log).spawn();
        Some(Self { child: child.expect("redis-server"), port, folder, tls })
    }

    /// What Compose asks to know whether it is well, with more words.
    fn asked(&self, compose: &Value, words: &[&str]) -> String {
        let check = self::words(&compose["services"]["redis"]["healthcheck"]["test"], |word| at(word, &self.tls));
        assert_eq!((check[0].as_str(), check.last().map(String::as_str)), ("CMD", Some("ping")));
        let mut command = Command::new(&check[1]);
        command.args(["-p", &self.port]).args(&check[2..check.len() - 1]).args(words).stdin(Stdio::null());
        String::from_utf8_lossy(&command.output().expect("redis-cli").stdout).trim().to_owned()
    }
}

impl Drop for ComposedRedis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn at(word: &str, tls: &Path) -> String {
    word.replace("/tls/", &format!("{}/", tls.display()))
}

fn words(list: &Value, place: impl Fn(&str) -> String) -> Vec<String> {
    list.as_array().expect("words").iter().map(|word| place(word.as_str().expect("a word"))).collect()
}

/// The Compose file, and what it needs on this machine.
pub fn composed(test: &str) -> Option<(Outside, Value, Certificates, ComposedRedis)> {
    let outside = outside(test)?;
    let compose = outside.yaml("compose/compose.yaml");
    let certificates = Certificates::made(test)?;
    let redis = ComposedRedis::start(test, &compose, &certificates)?;
    Some((outside, compose, certificates, redis))
}

#[test]
fn the_redis_of_compose_keeps_what_it_was_told_and_speaks_to_certificates_alone() {
    let Some((_, compose, _certificates, redis)) = composed("the_redis_of_compose_keeps_what_it_was_told") else {
        return;
    };
    let ask = |words: &[&str]| redis.asked(&compose, words);
    let log = || std::fs::read_to_string(redis.folder.path().join("log"));
    assert!(soon(|| ask(&["ping"]) == "PONG"), "{:?}", log());
    let rows = [
        ("appendonly", "yes"),
        ("maxmemory-policy", "noeviction"),
        ("appendfsync", "everysec"),
        ("tls-auth-clients", "yes"),
    ];
    for (key, value) in rows {
        assert_eq!(ask(&["config", "get", key]).lines().last(), Some(value), "{key}");
    }
    for words in [&["ping"][..], &["--tls", "--insecure", "ping"]] {
        let said = Command::new("redis-cli").args(["-p", &redis.port]).args(words).stdin(Stdio::null()).output();
        assert_ne!(String::from_utf8_lossy(&said.expect("redis-cli").stdout).trim(), "PONG", "{words:?}");
    }
}
