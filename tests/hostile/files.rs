//! Trees that a plain copy stumbles over: a pipe that nobody writes, a depth without end, a link to the host.

use crate::naive::{Naive, docker};
use serde_json::json;
use support::{Packet, World, git, ready};

const PIPE: &str = "mkfifo pipe";
/// Longer than a path may be.
const DEEP: &str = "python3 -c '
import os
for i in range(2100):
    os.mkdir(\"d\")
    os.chdir(\"d\")
open(\"end\", \"w\")'";

#[test]
fn every_control_hangs_breaks_or_copies_what_is_not_its_own() {
    if !ready("every_control_hangs_breaks_or_copies") {
        return;
    }
    let world = World::new();
    let naive = Naive::of(&world);
    assert_eq!(naive.inside(PIPE).code, 0);
    assert_eq!(naive.outside("timeout 2 cat pipe").code, 124, "reading it never ends");
    std::fs::write(world.repo.with_file_name("secret"), "of the host\n").unwrap();
    let link = format!("ln -s {} leak; rm pipe", world.repo.with_file_name("secret").display());
    assert_eq!(naive.inside(&link).code, 0);
    assert_eq!(naive.outside("tar -chf - leak | tar -xOf -").stdout, "of the host\n");
    // In memory: what it makes, few programs can remove.
    let walk = "import shutil; shutil.copytree(\"/deep/d\", \"/copy\")";
    let shell = format!("cd /deep && {DEEP} && python3 -c '{walk}'");
    let copied = docker(&["run", "--rm", "--tmpfs", "/deep", "arena/base", "sh", "-c", &shell]);
    assert!(copied.code == 1 && copied.stderr.contains("Error"), "a walk by whole paths breaks: {copied:?}");
}

#[test]
fn what_a_copy_stumbles_over_is_left_out_or_refused() {
    if !ready("what_a_copy_stumbles_over") {
        return;
    }
    let world = World::new();
    let secret = world.repo.with_file_name("secret");
    std::fs::write(&secret, "of the host\n").unwrap();
    let (pipe, deep) = (format!("echo 5 > value; {PIPE}"), format!("echo 1 > value; {DEEP}"));
    let link = format!("echo 5 > value; ln -s {} leak", secret.display());
    let engines = [("honest", "echo 3 > value"), ("pipe", &pipe), ("deep", &deep), ("link", &link)];
    let output = world.run(&Packet::lower(&engines));
    assert_eq!((output.code, &output.result()["winner"]), (0, &json!("honest")), "{output:?}");
    let pipe = output.entry("pipe");
    assert_eq!((&pipe["qualified"], &pipe["files_changed"]), (&json!(true), &json!(["value"])), "{pipe}");
    assert_eq!(pipe["scope"]["reverted"], json!(["pipe (a named pipe)"]));
    let deep = output.entry("deep")["disqualified_for"].to_string();
    assert!(deep.contains("deeper than 128 folders"), "{deep}");
    let link = output.entry("link");
    assert_eq!((&link["files_changed"], &link["scope"]["reverted"]), (&json!(["value"]), &json!(["leak"])), "{link}");
    let held = git(&world.repo, &["ls-tree", "-r", "--name-only", link["branch"].as_str().unwrap()]);
    assert!(!held.contains("leak"), "{held}");
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "of the host\n");
    world.assert_clean();
}
