//! What lies around an engine's workspace, outside of it and read-only: the brief, its files, its pack.

use super::plan::Plan;
use crate::engine::{BRIEF, FILES, Invocation, PACK};
use crate::reach::BlobError;
use crate::run::{Context, RunError, Task};
use crate::sandbox::{Mount, Source};
use arena_proto::MAX_FILES;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Engines look their user up, and an image of the user's own does not know ours.
const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n\
                      agent:x:10001:10001:agent:/home/agent:/bin/sh\n";

/// The brief and the engine's files, outside of the workspace and read-only.
pub(super) struct Desk {
    folder: PathBuf,
}

/// The files that came with the session.
async fn archive(context: &Arc<Context>, task: &Task) -> Result<Vec<u8>, RunError> {
    match context.blobs.get(&task.job.tenant, &task.head.files, MAX_FILES).await {
        Err(BlobError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => Err(RunError::Setup {
            reason: format!("the engines' files: {error}"),
            mend: "name fewer or smaller ones under `files` in [engine.NAME]".into(),
        }),
        fetched => Ok(fetched?),
    }
}

impl Desk {
    pub(super) async fn set(
        context: &Arc<Context>,
        task: &Task,
        brief: &str,
        invocation: &Invocation,
    ) -> Result<Self, RunError> {
        let folder = context.boot.folder.join(format!("desk-{}", arena_runtime::token::hex(12)));
        let desk = Self { folder };
        let files = desk.folder.join("files");
        fs::create_dir_all(&files)?;
        fs::write(desk.folder.join("passwd"), PASSWD)?;
        for (number, placed) in invocation.placed.iter().enumerate() {
            fs::write(desk.folder.join(format!("placed-{number}")), &placed.content)?;
        }
        fs::write(desk.folder.join("brief.md"), brief)?;
        if !invocation.files.is_empty() && !task.head.files.is_empty() {
            let archive = archive(context, task).await?;
            unpack(&archive, &files, &invocation.files)?;
        }
        readable(&desk.folder)?;
        Ok(desk)
    }

    /// All that lies around the workspace of this engine.
    pub(super) fn mounts(&self, plan: &Plan) -> Vec<Mount> {
        let mount = |source: PathBuf, target: &str| Mount {
            source: Source::Path(source),
            target: target.to_owned(),
            read_only: true,
        };
        let mut mounts = vec![mount(self.folder.join("brief.md"), BRIEF), mount(self.folder.join("files"), FILES)];
        if let Some(pack) = &plan.pack {
            mounts.push(mount(pack.folder.clone(), PACK));
            mounts.push(mount(self.folder.join("passwd"), "/etc/passwd"));
        }
        for (number, placed) in plan.invocation.placed.iter().enumerate() {
            mounts.push(mount(self.folder.join(format!("placed-{number}")), &placed.path));
        }
        mounts
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The named files and what lies below named folders, from the archive that came with the packet.
fn unpack(archive: &[u8], target: &Path, names: &[String]) -> std::io::Result<()> {
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        if names.iter().any(|name| path.starts_with(name)) {
            entry.unpack_in(target)?;
        }
    }
    Ok(())
}

fn readable(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let meta = fs::symlink_metadata(&path)?;
        if meta.is_dir() {
            readable(&path)?;
        } else if meta.is_file() {
            let mode = if meta.permissions().mode() & 0o100 != 0 { 0o755 } else { 0o644 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        }
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}
