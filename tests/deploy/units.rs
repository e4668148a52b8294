//! The units of systemd.

use crate::outside::text;
use std::process::Command;
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
