//! A crate or a workspace of crates.

use super::{Found, Manifest, everything};
use crate::init::survey::Survey;

pub(super) fn look(survey: &Survey, manifest: Manifest<'_>, found: &mut Found) {
    found.endings.insert(".rs");
    let beside_manifest = |folder: &&str| match folder.rsplit_once('/') {
        Some((parent, _)) => survey.has_file(&format!("{parent}/Cargo.toml")),
        None => true,
    };
    let below = |name: &str| {
        let folders = survey.named(name).into_iter().filter(beside_manifest);
        folders.filter(|folder| survey.holds(folder, &[".rs"])).map(everything).collect::<Vec<_>>()
    };
    found.sources.extend(below("src"));
    found.tests.extend(below("tests"));
    found.tests.extend(below("benches"));
    // Beside a package of the root's own, cargo leaves the members out unless it is told.
    let all = if manifest("Cargo.toml").lines().any(|line| line.trim().starts_with("[workspace")) {
        " --workspace"
    } else {
        ""
    };
    found.gate("build", "build", &format!("cargo build{all} --all-targets"));
    found.gate("tests", "test", &format!("cargo test{all}"));
    found.setup.push("cargo fetch".into());
}
