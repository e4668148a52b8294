//! `doctor`: what is there, what is wrong, and the command that mends it.

use super::Done;
use crate::args::Common;
use crate::embedded::{Embedded, configuration, configuration_file, engines_folder, state_folder, usual_configuration};
use crate::engines::{Known, Missing};
use crate::failure::GENERAL;
use crate::output;
use arena_runtime::config::Workspaces;
use arena_worker::sandbox::{Docker, Error};
use arena_worker::workspace::Backend;
use arena_worker::{cache, space};
use std::borrow::Cow;
use std::path::Path;
use std::process::{Command, ExitCode};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    /// Not there, and nothing that is there needs it.
    Absent,
    Bad,
}

struct Finding {
    what: &'static str,
    state: State,
    text: String,
    mend: Cow<'static, str>,
}

impl From<bool> for State {
    fn from(good: bool) -> Self {
        if good { Self::Good } else { Self::Bad }
    }
}

impl State {
    fn mark(self) -> &'static str {
        match self {
            Self::Good => "ok  ",
            Self::Absent => "none",
            Self::Bad => "BAD ",
        }
    }
}

/// Docker before this has known ways out of its containers.
const DOCKER_FLOOR: (u32, u32) = (20, 10);
/// `git merge-tree --write-tree` came with it.
const GIT_FLOOR: (u32, u32) = (2, 38);

pub(super) async fn doctor(common: &Common) -> Done {
    let mut findings = vec![git(), cgroups()];
    findings.extend(workspaces(common));
    findings.extend(state(common));
    findings.push(config(common));
    findings.extend(engines(common));
    findings.push(store(common).await);
    findings.extend(docker().await);
    let good = findings.iter().all(|one| one.state != State::Bad);
    if common.json {
        let rows: Vec<_> = findings
            .iter()
            .map(|one| {
                let ok = one.state == State::Good;
                let mend = Some(&one.mend).filter(|_| !ok);
                serde_json::json!({ "what": one.what, "ok": ok, "text": one.text, "mend": mend })
            })
            .collect();
        output::json(&serde_json::json!({ "ok": good, "findings": rows }));
    } else {
        for one in &findings {
            output::line(&format!("{} {:<10} {}", one.state.mark(), one.what, one.text));
            if one.state != State::Good {
                output::line(&format!("     mend:      {}", one.mend));
            }
        }
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(GENERAL) })
}

fn said(program: &str, args: &[&str]) -> Option<String> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let output = Command::new(program).env("PATH", path).args(args).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    Some(arena_domain::text::sanitise_line(String::from_utf8_lossy(&text).lines().next().unwrap_or_default(), 80))
}

/// The first two numbers of a version.
fn version(text: &str) -> Option<(u32, u32)> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let mut parts = text[start..].split('.').map(|part| part.chars().take_while(char::is_ascii_digit).collect());
    let mut next = || -> Option<u32> { parts.next().and_then(|part: String| part.parse().ok()) };
    Some((next()?, next()?))
}

fn git() -> Finding {
    let text = said("git", &["--version"]).unwrap_or_else(|| "not found".into());
    let good = version(&text).is_some_and(|held| held >= GIT_FLOOR);
    Finding::new("git", good, text, "install git 2.38 or newer: `apt-get install git`")
}

fn tool(name: &'static str, mend: &'static str) -> Finding {
    let text = said(name, &["-V"]);
    Finding::new(name, text.is_some(), text.unwrap_or_else(|| "not found".into()), mend)
}

/// What competitors would work on, and what that needs of this machine beside Docker.
fn workspaces(common: &Common) -> Vec<Finding> {
    // A configuration that cannot be read has a finding of its own.
    let asked = configuration(common).map_or(Workspaces::Auto, |config| config.worker.workspaces);
    match Backend::choose(asked) {
        Backend::Overlay => {
            let good = rustix::process::geteuid().is_root();
            let text = if good { "overlay" } else { "overlay, but not root" };
            let mend = "run with sudo, or set worker.workspaces = \"auto\"";
            vec![Finding::new("workspaces", good, text, mend), tool("mkfs.ext4", "apt-get install e2fsprogs")]
        }
        Backend::Volume => {
            let text = "volume: each tree is copied into memory; overlays need root and loop devices";
            vec![Finding::new("workspaces", true, text, "")]
        }
    }
}

fn cgroups() -> Finding {
    let two = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let text = if two { "version 2" } else { "version 1" };
    Finding::new("cgroups", Path::new("/sys/fs/cgroup").is_dir(), text, "mount /sys/fs/cgroup")
}

fn state(common: &Common) -> Vec<Finding> {
    let folder = match state_folder(common) {
        Ok(folder) => folder,
        Err(failure) => {
            return vec![Finding::new("state", false, failure.what, "give one: `--state DIR`")];
        }
    };
    let free = space::free(&folder).unwrap_or(0);
    let text = format!("{} ({} MiB free)", folder.display(), free >> 20);
    let room = free > space::RESERVE + space::LOW;
    let probe = arena_runtime::files::write_atomic(&folder.join(".probe"), b"probe");
    let _ = std::fs::remove_file(folder.join(".probe"));
    vec![
        Finding::new(
            "state",
            room && probe.is_ok(),
            probe.map_or_else(|error| format!("{text}: {error}"), |()| text.clone()),
            "free some space there, or give another: `--state DIR`",
        ),
        Finding::new(
            "kept",
            true,
            format!(
                "bases and setups of {} MiB (at most {} MiB stay)",
                cache::held(&folder.join("worker")) >> 20,
                cache::KEPT >> 20
            ),
            "",
        ),
    ]
}

/// Which files say how this machine is to work, and what they do not say rightly.
fn config(common: &Common) -> Finding {
    let text = match (configuration(common), configuration_file(common), usual_configuration()) {
        (Err(failure), ..) => {
            return Finding::new("config", false, failure.what, "correct the file that the text names");
        }
        (Ok(_), Some(file), _) => format!("{} is read", file.display()),
        (Ok(_), None, Some(usual)) => format!("no file, the defaults hold; {} would be read", usual.display()),
        (Ok(_), None, None) => "no file, the defaults hold".to_owned(),
    };
    let own = own_engines(common);
    let beside = if own.is_empty() { String::new() } else { format!("; engines: {}", own.join(", ")) };
    Finding::new("config", true, text + &beside, "")
}

/// Their files, beside the configuration.
fn own_engines(common: &Common) -> Vec<String> {
    let Some(folder) = engines_folder(common) else { return Vec::new() };
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut own: Vec<String> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| path.display().to_string())
        .collect();
    own.sort();
    own
}

fn engines(common: &Common) -> Vec<Finding> {
    let mend = "correct the file that the text names";
    let known = match Known::read(common) {
        Ok(known) => known,
        Err(failure) => return vec![Finding::new("engines", false, failure.what, mend)],
    };
    let mut findings = vec![Finding::new("engines", true, known.summary(), mend)];
    for pack in known.engines.manifests.iter().flat_map(|one| known.engines.packs.versions(&one.name)) {
        if let Err(error) = pack.check(None) {
            findings.push(Finding::new("engines", false, error.to_string(), error.mend()));
        }
    }
    findings.extend(known.providers().into_iter().map(|(name, lacks)| provider(&known, &name, lacks)));
    findings
}

/// No key is no fault as long as no engine that is here wants it: a packet may bring engines of its own.
fn provider(known: &Known, name: &str, lacks: Option<Missing>) -> Finding {
    let Some(Missing { reason, mend }) = lacks else {
        return Finding::new("provider", true, format!("{name}: ready"), "");
    };
    let wanting = known.installed_for(name);
    let (state, whom) = match wanting.is_empty() {
        true => (State::Absent, String::new()),
        false => (State::Bad, format!(", and so none of {} can run", wanting.join(", "))),
    };
    Finding { what: "provider", state, text: format!("{name}: {reason}{whom}"), mend: mend.into() }
}

impl Finding {
    fn new(what: &'static str, good: bool, text: impl Into<String>, mend: impl Into<Cow<'static, str>>) -> Self {
        Self { what, state: good.into(), text: text.into(), mend: mend.into() }
    }
}

/// What `[store]` and `[blobs]` name; without them it is in the state directory.
async fn store(common: &Common) -> Finding {
    if configuration(common).is_err() {
        let text = "not looked at: the configuration cannot be read";
        return Finding::new("store", false, text, "correct the configuration first");
    }
    match Embedded::open(common).await {
        Ok(embedded) => {
            let place = embedded.config.store.url.map_or("in the state directory", |_| "the Redis of [store] answers");
            Finding::new("store", true, place, "")
        }
        Err(failure) => {
            let mend = if failure.mend.is_empty() { failure.usual.to_owned() } else { failure.mend };
            Finding::new("store", false, failure.what, mend)
        }
    }
}

/// Whatever becomes of the store.
async fn docker() -> Vec<Finding> {
    let docker = match reached().await {
        Ok(docker) => docker,
        Err(error) => {
            let mend = match error {
                Error::Unreachable(_) => {
                    "`apt-get install docker.io`, then start it: `systemctl start docker`, or `dockerd &` by hand"
                }
                Error::Forbidden(_) | Error::NoImage(_) | Error::Refused(_) | Error::Drifted(_) | Error::Lost(_) => {
                    error.mend()
                }
            };
            return vec![Finding::new("docker", false, error.to_string(), mend)];
        }
    };
    let text = docker.version().await.unwrap_or_default();
    let good = version(&text).is_some_and(|held| held >= DOCKER_FLOOR);
    let image = docker.image_id("arena/base").await;
    vec![
        Finding::new("docker", good, text, "update Docker to 20.10 or newer"),
        Finding::new(
            "image",
            image.is_ok(),
            image.unwrap_or_else(|error| error.to_string()),
            "make it: `deploy/image`",
        ),
    ]
}

async fn reached() -> Result<Docker, Error> {
    let docker = Docker::connect(None).await?;
    docker.ping().await?;
    Ok(docker)
}
