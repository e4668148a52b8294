//! Before an engine is paid for: its pack is what was installed, it runs in this image, and it is the version that it
//! should be.

use super::desk::Desk;
use super::plan::Plan;
use crate::engine::manifest::numbers;
use crate::engine::packs::{Pack, PackError};
use crate::run::{Context, RunError, Task};
use crate::sandbox::{AGENT, Spec};
use arena_domain::text;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;

/// A program that has not said its version by then will not say it.
const LONGEST: Duration = Duration::from_secs(60);

/// What is known of the engines of this worker, by what they are and the image that they ran in.
#[derive(Default)]
pub(crate) struct Checks(Mutex<HashMap<String, Arc<OnceCell<String>>>>);

/// What outlives the worker, since asking takes a container.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Known {
    stamp: String,
    said: String,
}

/// The version that the engine itself gives; empty where there is no way to ask.
pub(super) async fn checked(context: &Arc<Context>, task: &Task, plan: &Plan) -> Result<String, RunError> {
    if plan.version.is_empty() {
        return Ok(String::new());
    }
    let digest = plan.pack.as_ref().map_or("", |pack| pack.record.digest.as_str());
    let image = context.docker.image_id(&task.packet.sandbox.image).await.unwrap_or_default();
    let key = arena_runtime::digest::sha256(format!("{digest} {image} {:?}", plan.version).as_bytes());
    let file = context.settings.root.join("engines").join(format!("{key}.json"));
    let known = read(&file);
    let stamp = match &plan.pack {
        Some(pack) => of_pack(pack.clone(), known.stamp.clone()).await?,
        None => String::new(),
    };
    let cell = context.checks.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone();
    let ask = async || if known.said.is_empty() { ask(context, task, plan).await } else { Ok(known.said.clone()) };
    let said = cell.get_or_try_init(ask).await?.clone();
    if known.stamp != stamp || known.said != said {
        fs::create_dir_all(context.settings.root.join("engines"))?;
        let text = serde_json::to_vec(&Known { stamp, said: said.clone() }).map_err(std::io::Error::from)?;
        arena_runtime::files::write_atomic(&file, &text)?;
    }
    Ok(said)
}

/// One that cannot be read is as good as none: all is asked again.
fn read(file: &PathBuf) -> Known {
    fs::read(file).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

async fn of_pack(pack: Pack, known: String) -> Result<String, RunError> {
    let checked = tokio::task::spawn_blocking(move || pack.check(Some(&known))).await?;
    checked.map_err(|error| {
        if let PackError::Io(error) = error {
            return RunError::Io(error);
        }
        RunError::Setup { reason: format!("engine {error}"), mend: error.mend() }
    })
}

/// Has the engine say its version, in a container as it will run in, and with nothing of the repository.
async fn ask(context: &Arc<Context>, task: &Task, plan: &Plan) -> Result<String, RunError> {
    let desk = Desk::set(context, task, "", &plan.invocation).await?;
    let sandbox = &task.packet.sandbox;
    let spec = Spec {
        command: plan.version.clone(),
        env: plan.env(),
        user: AGENT,
        cpus: sandbox.cpus,
        memory_bytes: sandbox.memory_bytes,
        pids: sandbox.pids,
        tmp_bytes: sandbox.memory_bytes.min(512 << 20),
        mounts: desk.mounts(plan),
        labels: context.labels(task),
        runtime: context.settings.runtime.clone(),
        ..Spec::new(sandbox.image.clone(), context.settings.relay.clone(), &[])
    };
    let finished = context.sandboxed(task, spec, LONGEST, None).await?;
    let version = [&finished.stdout, &finished.stderr].into_iter().find_map(|output| said(output));
    let wanted = plan.pack.as_ref().map(|pack| pack.record.version.as_str());
    match version.filter(|_| finished.exit.passed()) {
        Some(version) if wanted.is_none_or(|wanted| numbers(wanted) == numbers(&version)) => Ok(version),
        Some(version) => Err(RunError::Setup {
            reason: format!("engine {} {} says that it is {version}", plan.engine, wanted.unwrap_or_default()),
            mend: format!("`arena engines remove {0}`, then `{1}`", plan.engine, plan.install),
        }),
        None => Err(RunError::Setup {
            reason: format!(
                "engine {} does not run in image {}: its --version ended with {:?}: {}",
                plan.engine,
                sandbox.image,
                finished.exit,
                text::tail(&finished.stderr, 2).join(" | ")
            ),
            mend: format!("`{}`, or another [sandbox] image", plan.install),
        }),
    }
}

/// The first line that has a version in it.
fn said(output: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(output);
    let line = text.lines().find(|line| numbers(line).len() >= 2)?;
    Some(text::sanitise_line(line.trim(), 60))
}
