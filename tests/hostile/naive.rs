//! What Arena must be better than: an engine and its judge in plain containers on one folder of the host. Nothing is put
//! back, nothing is restored, and whatever the judge is told is believed.

use std::path::Path;
use std::process::Command;
use support::{Output, World, run};
use tempfile::TempDir;

/// A copy of a repository that everybody works in.
pub(crate) struct Naive {
    folder: TempDir,
}

impl Naive {
    pub(crate) fn of(world: &World) -> Self {
        let folder = tempfile::Builder::new().prefix("arena-naive-").tempdir().unwrap();
        let copied = Command::new("cp").arg("-a").arg(world.repo.join(".")).arg(folder.path()).status().unwrap();
        assert!(copied.success());
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Shell in a container of its own, on the folder.
    pub(crate) fn inside(&self, shell: &str) -> Output {
        let mount = format!("{}:/work", self.path().display());
        docker(&["run", "--rm", "--network", "none", "-v", &mount, "-w", "/work", "arena/base", "sh", "-c", shell])
    }

    /// Shell on the host, in the folder.
    pub(crate) fn outside(&self, shell: &str) -> Output {
        run(Command::new("sh").args(["-c", shell]).current_dir(self.path()))
    }

    /// One container in which everything happens, as long as this lives.
    pub(crate) fn shared(&self) -> Shared {
        let mount = format!("{}:/work", self.path().display());
        let made =
            docker(&["run", "-d", "--network", "none", "-v", &mount, "-w", "/work", "arena/base", "sleep", "600"]);
        assert_eq!(made.code, 0, "{made:?}");
        Shared { id: made.stdout.trim().to_owned() }
    }
}

/// A container that is entered again and again.
pub(crate) struct Shared {
    id: String,
}

impl Shared {
    pub(crate) fn inside(&self, shell: &str) -> Output {
        docker(&["exec", &self.id, "sh", "-c", shell])
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        docker(&["rm", "-f", &self.id]);
    }
}

pub(crate) fn docker(args: &[&str]) -> Output {
    run(Command::new("docker").args(args))
}
