//! The sandbox against the real engine of this machine. Where there is none, each test says SKIP.

mod leash;
mod posture;
mod runs;
mod syscalls;
mod way_out;

use super::{Docker, Finished, Spec};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio_util::sync::CancellationToken;

const IMAGE: &str = "arena/base";
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// One connection with a label of its own; what carries it is removed at the end of the test.
struct Bench {
    docker: Docker,
    label: String,
    relay: PathBuf,
}

impl Bench {
    async fn open() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let label = format!("{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let docker = match Docker::connect(None).await {
            Ok(docker) => docker,
            Err(error) => {
                println!("SKIP: {error}");
                return None;
            }
        };
        if let Err(error) = docker.image_id(IMAGE).await {
            println!("SKIP: {error}");
            return None;
        }
        Some(Self { docker, label, relay: relay().clone() })
    }

    fn spec(&self, command: &[&str]) -> Spec {
        let labels = vec![("arena.test".to_owned(), self.label.clone())];
        Spec { labels, ..Spec::new(IMAGE, &self.relay, command) }
    }

    fn shell(&self, script: &str) -> Spec {
        self.spec(&["bash", "-c", script])
    }

    fn python(&self, script: &str) -> Spec {
        self.spec(&["python3", "-c", script])
    }

    async fn run(&self, spec: &Spec) -> Finished {
        self.docker.run(spec, &CancellationToken::new(), None).await.unwrap()
    }

    /// Containers of this test that exist now.
    async fn left(&self) -> usize {
        self.docker.list(&format!("arena.test={}", self.label)).await.unwrap().len()
    }

    /// Every test ends here: a run that leaves a container behind has failed whatever it was about.
    async fn close(self) {
        self.docker.settle().await;
        let left = self.docker.list(&format!("arena.test={}", self.label)).await.unwrap();
        for found in &left {
            self.docker.remove(&found.id).await.unwrap();
        }
        assert_eq!(left.len(), 0, "containers were left behind");
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Built once for all tests, into a directory of its own so that it never waits for the build around it.
fn relay() -> &'static PathBuf {
    static RELAY: OnceLock<PathBuf> = OnceLock::new();
    RELAY.get_or_init(|| {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
        let target = root.join("target/relay");
        let built = Command::new(env!("CARGO"))
            .args(["build", "--release", "-p", "arena-relay", "--target", TARGET, "--target-dir"])
            .arg(&target)
            .current_dir(&root)
            .env("RUSTFLAGS", "-C target-feature=+crt-static")
            .output()
            .unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        target.join(TARGET).join("release/arena-relay")
    })
}
