//! A real S3-compatible server (SeaweedFS) on free ports of this machine, which checks signatures; gone with its handle.

use crate::skip::skip;
use arena_runtime::clock::Stopwatch;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// What opens it.
pub const KEY: &str = "arena";
pub const SECRET: &str = "a-secret-that-no-log-may-hold";

pub struct Storage {
    process: Child,
    folder: TempDir,
    pub port: u16,
}

fn program() -> Option<PathBuf> {
    let folder = std::env::var_os("ARENA_TEST_TOOLS").map(PathBuf::from)?;
    Some(folder.join("bin/weed")).filter(|program| program.is_file())
}

impl Storage {
    /// `None`: the test is skipped, by its name.
    pub fn on(test: &str) -> Option<Self> {
        Self::behind(test, None)
    }

    /// The same, behind a certificate and its key.
    pub fn secured(test: &str, certificate: &Path, key: &Path) -> Option<Self> {
        Self::behind(test, Some((certificate, key)))
    }

    fn behind(test: &str, tls: Option<(&Path, &Path)>) -> Option<Self> {
        let Some(program) = program() else {
            skip(test, "no S3 server; `deploy/tools target/tools` installs it");
            return None;
        };
        Some(Self::start(&program, tls))
    }

    fn start(program: &Path, tls: Option<(&Path, &Path)>) -> Self {
        // Another process may take a port between the look and the use.
        for _ in 0..5 {
            if let Some(storage) = Self::try_start(program, tls) {
                return storage;
            }
        }
        panic!("the S3 server does not start");
    }

    fn try_start(program: &Path, tls: Option<(&Path, &Path)>) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let actions = r#"["Admin","Read","Write","List","Tagging"]"#;
        let keys = format!(
            r#"{{"identities":[{{"name":"arena","credentials":[{{"accessKey":"{KEY}","secretKey":"{SECRET}"}}],"actions":{actions}}}]}}"#
        );
        std::fs::write(folder.path().join("keys.json"), keys).expect("the keys");
        std::fs::create_dir(folder.path().join("data")).expect("a folder");
        let ports = free_ports::<8>();
        let named = ["master", "volume", "filer", "s3"].into_iter().zip(ports.chunks(2));
        let mut command = Command::new(program);
        command.args(["server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3", "-s3.config=keys.json", "-dir=data"]);
        command.args([
            "-master.telemetry=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-s3.autoCreateBucket=false",
        ]);
        command.args(["-master.volumeSizeLimitMB=256", "-volume.max=40"]);
        for (what, pair) in named {
            command.args([format!("-{what}.port={}", pair[0]), format!("-{what}.port.grpc={}", pair[1])]);
        }
        if let Some((certificate, key)) = tls {
            command.arg(format!("-s3.cert.file={}", certificate.display()));
            command.arg(format!("-s3.key.file={}", key.display()));
        }
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        let process = command
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the S3 server");
        let mut storage = Self { process, folder, port: ports[6] };
        storage.answers(tls.is_some()).then_some(storage)
    }

    fn answers(&mut self, tls: bool) -> bool {
        let scheme = if tls { "https" } else { "http" };
        let url = format!("{scheme}://127.0.0.1:{}/healthz", self.port);
        let begun = Stopwatch::start();
        while begun.elapsed() < Duration::from_secs(60) {
            if self.process.try_wait().expect("its state").is_some() {
                return false;
            }
            let asked = Command::new("curl").args(["-skf", "-o", "/dev/null", &url]).status();
            if asked.is_ok_and(|status| status.success()) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        panic!("the S3 server does not answer:\n{log}");
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn make_bucket(&self, name: &str, scheme: &str) {
        self.ask("PUT", scheme, name);
    }

    /// Uploads in parts that have neither ended nor been given up.
    pub fn uploads(&self, bucket: &str) -> usize {
        self.ask("GET", "http", &format!("{bucket}?uploads=")).matches("<UploadId>").count()
    }

    /// What it answers; a refusal fails the test.
    fn ask(&self, method: &str, scheme: &str, path: &str) -> String {
        let url = format!("{scheme}://127.0.0.1:{}/{path}", self.port);
        let user = format!("{KEY}:{SECRET}");
        let asked = Command::new("curl")
            .args(["-skf", "-X", method, "--user", &user, "--aws-sigv4", "aws:amz:us-east-1:s3", &url])
            .output()
            .expect("curl");
        assert!(asked.status.success(), "{method} {path}");
        String::from_utf8_lossy(&asked.stdout).into_owned()
    }

    pub fn stop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        self.stop();
    }
}

fn free_ports<const N: usize>() -> [u16; N] {
    let held: Vec<TcpListener> = (0..N).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
    std::array::from_fn(|at| held[at].local_addr().expect("an address").port())
}
