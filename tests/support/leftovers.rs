//! What a run must not leave: containers, volumes, mounts, loop devices, sockets and their folders. Seen from outside
//! of Arena.

use std::path::Path;
use std::process::Command;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    pub containers: Vec<String>,
    pub volumes: Vec<String>,
    pub mounts: Vec<String>,
    pub loops: Vec<String>,
    /// Files, what listens in the kernel, and the doors of the broker.
    pub sockets: Vec<String>,
}

/// Of one state directory.
pub fn leftovers(state: &Path) -> Leftovers {
    let root = state.join("worker");
    let label = &arena_runtime::digest::sha256(root.as_os_str().as_encoded_bytes())[..16];
    let filter = format!("label=arena.state={label}");
    let lines = |program: &str, args: &[&str]| -> Vec<String> {
        let output = Command::new(program).args(args).output().expect(program);
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    };
    let here = state.to_string_lossy().into_owned();
    let mine = |lines: Vec<String>| lines.into_iter().filter(|line| line.contains(&here)).collect();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    Leftovers {
        containers: lines("docker", &["ps", "-aq", "--filter", &filter]),
        volumes: lines("docker", &["volume", "ls", "-q", "--filter", &filter]),
        mounts: mine(mounts.lines().map(str::to_owned).collect()),
        loops: mine(lines("losetup", &["-a"])),
        sockets: [
            lines("find", &[&here, "-type", "s"]),
            mine(std::fs::read_to_string("/proc/net/unix").expect("sockets").lines().map(str::to_owned).collect()),
            lines("find", &[&format!("{here}/worker/run"), "-type", "d", "-name", "door-*"]),
        ]
        .concat(),
    }
}
