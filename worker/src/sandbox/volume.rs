//! Trees in memory: a volume with a cap on bytes and inodes, and the container that keeps it.
//!
//! Such a volume is empty whenever no running container uses it, so each has a keeper that does nothing else.

use super::docker::{Docker, Engine, before_start, in_run, status};
use super::removal::Guard;
use super::{Error, Mount, Source, Spec, spec};
use bollard::models::VolumeCreateRequest;
use bollard::query_parameters::{
    DownloadFromContainerOptions, ListVolumesOptions, RemoveVolumeOptions, UploadToContainerOptions,
};
use futures_util::{Stream as Items, StreamExt};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use tokio_util::bytes::Bytes;

/// Where the keeper has the volume.
const PLACE: &str = "/work";
/// A volume needs an inode for each page at most.
const BYTES_PER_INODE: u64 = 4096;
const FEWEST_INODES: u64 = 256;

/// What a volume is to be.
#[derive(Debug, Clone)]
pub struct VolumeSpec {
    pub bytes: u64,
    /// User and group id of its root, and its permissions.
    pub owner: (u32, u32),
    pub mode: u32,
    pub labels: Vec<(String, String)>,
}

/// A volume with its keeper; both are removed when it is dropped.
pub struct Volume {
    name: String,
    // Dropped in this order: a volume that is in use cannot be removed.
    keeper: Guard,
    _volume: Guard,
}

impl Volume {
    /// For [`Source::Volume`].
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The keeper has a network namespace that nobody else uses: it can be joined.
    pub fn keeper(&self) -> &str {
        self.keeper.id()
    }
}

impl Docker {
    /// An empty volume in memory, kept by a container of this image.
    pub async fn volume(&self, volume: &VolumeSpec, image: &str, relay: &Path) -> Result<Volume, Error> {
        let name = format!("arena-{}", super::control::hex_random(12)?);
        let guard = self.remover.guard_volume(&self.engine, &name);
        self.create_volume_tmpfs(&name, volume).await?;
        let mount = Mount { source: Source::Volume(name.clone()), target: PLACE.into(), read_only: false };
        let spec = Spec {
            labels: volume.labels.clone(),
            memory_bytes: 16 << 20,
            tmp_bytes: 1 << 20,
            pids: 4,
            mounts: vec![mount],
            ..Spec::new(image, relay, &["hold"])
        };
        let keeper = self.create(None, spec::holder_body(&spec)).await?;
        self.engine.start(keeper.id()).await?;
        Ok(Volume { name, keeper, _volume: guard })
    }

    /// A volume in memory, bounded in bytes and inodes. It is empty whenever no running container uses it.
    pub async fn create_volume_tmpfs(&self, name: &str, volume: &VolumeSpec) -> Result<(), Error> {
        let VolumeSpec { bytes, owner: (uid, gid), mode, labels } = volume;
        let inodes = (bytes / BYTES_PER_INODE).max(FEWEST_INODES);
        let options = format!("size={bytes},nr_inodes={inodes},uid={uid},gid={gid},mode={mode:04o},nosuid,nodev");
        let option = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let request = VolumeCreateRequest {
            name: Some(name.to_owned()),
            driver: Some("local".into()),
            driver_opts: Some(HashMap::from([
                option("type", "tmpfs"),
                option("device", "tmpfs"),
                option("o", &options),
            ])),
            labels: Some(labels.iter().cloned().collect()),
            ..Default::default()
        };
        self.engine.0.create_volume(request).await.map(drop).map_err(before_start)
    }

    /// A volume that is gone already is no error.
    pub async fn remove_volume(&self, name: &str) -> Result<(), Error> {
        self.engine.remove_volume(name).await
    }

    /// Every volume with this label, as `name` or `name=value`, with its labels.
    pub async fn volumes(&self, label: &str) -> Result<Vec<(String, BTreeMap<String, String>)>, Error> {
        let filters = HashMap::from([("label".to_owned(), vec![label.to_owned()])]);
        let options = ListVolumesOptions { filters: Some(filters) };
        let found = self.engine.0.list_volumes(Some(options)).await.map_err(in_run)?;
        let volumes = found.volumes.unwrap_or_default();
        Ok(volumes.into_iter().map(|volume| (volume.name, volume.labels.into_iter().collect())).collect())
    }

    /// Unpacks a tar archive into a volume; owners and permissions are those of the archive.
    pub async fn upload(
        &self,
        volume: &Volume,
        archive: impl Items<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<(), Error> {
        let options = UploadToContainerOptions { path: PLACE.to_owned(), ..Default::default() };
        let body = bollard::body_try_stream(archive);
        self.engine.0.upload_to_container(volume.keeper(), Some(options), body).await.map_err(in_run)
    }

    /// A volume as a tar archive, below one folder. What is in it was made by a container: to be read as hostile.
    pub fn download(&self, volume: &Volume) -> impl Items<Item = Result<Bytes, Error>> + use<'_> {
        let options = DownloadFromContainerOptions { path: PLACE.to_owned() };
        let parts = self.engine.0.download_from_container(volume.keeper(), Some(options));
        parts.map(|part| part.map_err(in_run))
    }
}

impl Engine {
    pub(super) async fn remove_volume(&self, name: &str) -> Result<(), Error> {
        match self.0.remove_volume(name, None::<RemoveVolumeOptions>).await {
            Err(error) if status(&error) == Some(404) => Ok(()),
            // One that is still in use is there, so that is an error here.
            other => other.map_err(in_run),
        }
    }
}
