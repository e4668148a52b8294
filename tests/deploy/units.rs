//! The units of systemd, and the Redis that Compose starts.

use crate::outside::{outside, text};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::{binary, skip};

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    let name = "systemd_finds_nothing_wrong_with_the_units";
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return skip(name, "no systemd-analyze");
    }
    let folder = tempfile::tempdir().expect("a folder");
    // A unit that another one requires has to be there, and so has the program.
    std::fs::write(folder.path().join("docker.service"), "[Service]\nExecStart=/bin/true\n").expect("a unit");
    let verify = |change: &dyn Fn(String) -> String| {
        let mut command = Command::new("systemd-analyze");
        command.args(["verify", "--man=no"]).env("SYSTEMD_UNIT_PATH", format!("{}:", folder.path().display()));
        for service in ["arena-coordinator", "arena-worker"] {
            let unit = text(&format!("deploy/systemd/{service}.service"));
            let unit = change(unit.replace("/usr/local/bin/arena", &binary().display().to_string()));
            let path = folder.path().join(format!("{service}.service"));
            std::fs::write(&path, unit).expect("a unit");
            command.arg(path);
        }
        let said = command.output().expect("systemd-analyze");
        (said.status.success(), String::from_utf8_lossy(&said.stderr).into_owned())
    };
    assert_eq!(verify(&|unit| unit), (true, String::new()));
    let (_, said) = verify(&|unit| unit.replace("NoNewPrivileges", "NoNewPrivilege"));
    assert!(said.contains("NoNewPrivilege"), "a misspelt key must be noticed: {said}");
}

struct Redis(Child);

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_redis_of_compose_keeps_what_it_was_told_and_speaks_to_certificates_alone() {
    let name = "the_redis_of_compose_keeps_what_it_was_told";
    let Some(outside) = outside(name) else { return };
    if Command::new("redis-server").arg("--version").output().is_err() {
        return skip(name, "no redis-server");
    }
    let folder = tempfile::tempdir().expect("a folder");
    if !certificates(folder.path()) {
        return skip(name, "no openssl to make certificates with");
    }
    let free = TcpListener::bind("127.0.0.1:0").and_then(|held| held.local_addr()).expect("a port").port().to_string();
    let compose = outside.yaml("compose/compose.yaml");
    let words = compose["services"]["redis"]["command"].as_array().expect("a command");
    let place = |word: &str| match word {
        "6379" => free.clone(),
        "/data" => folder.path().display().to_string(),
        other => other.replace("/tls/", &format!("{}/", folder.path().display())),
    };
    let words: Vec<String> = words.iter().map(|word| place(word.as_str().expect("a word"))).collect();
    assert_eq!(words[0], "redis-server");
    let log = std::fs::File::create(folder.path().join("log")).expect("a log");
    let child = Command::new(&words[0]).args(&words[1..]).args(["--bind", "127.0.0.1"]).stdout(log).spawn();
    let _redis = Redis(child.expect("redis-server"));
    let ask = |tls: bool, words: &[&str]| {
        let mut command = Command::new("redis-cli");
        command.args(["-h", "127.0.0.1", "-p", &free]).current_dir(folder.path()).stdin(Stdio::null());
        if tls {
            command.args(["--tls", "--cacert", "ca.pem", "--cert", "cert.pem", "--key", "key.pem"]);
        }
        String::from_utf8_lossy(&command.args(words).output().expect("redis-cli").stdout).trim().to_owned()
    };
    for _ in 0..100 {
        if ask(true, &["ping"]) == "PONG" {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    for (key, value) in [("appendonly", "yes"), ("maxmemory-policy", "noeviction"), ("appendfsync", "everysec")] {
        assert_eq!(ask(true, &["config", "get", key]).lines().last(), Some(value), "{key}");
    }
    assert_eq!(ask(true, &["config", "get", "tls-auth-clients"]).lines().last(), Some("yes"));
    assert_ne!(ask(false, &["ping"]), "PONG", "without TLS nobody is spoken to");
}

fn certificates(folder: &Path) -> bool {
    let call = |words: &str| {
        let made = Command::new("openssl").args(words.split(' ')).current_dir(folder).output();
        made.is_ok_and(|made| made.status.success())
    };
    call("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -out ca.pem -keyout ca.key")
        && call("req -newkey rsa:2048 -nodes -subj /CN=redis -out cert.csr -keyout key.pem")
        && call("x509 -req -in cert.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out cert.pem")
}
