//! The one builder of containers: every protection is set here and nowhere else.
//!
//! What the engine made of it is compared in [`drift()`], before anything runs.

mod drift;

use super::{Error, Mount, Source, Spec, seccomp};
use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig,
    Mount as DockerMount, MountBindOptions, MountType, MountVolumeOptions, ResourcesUlimits,
};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

pub use drift::drift;

/// The home directory in every container: a tmpfs of the user's own.
pub const HOME: &str = "/home/agent";
/// Where the relay is mounted.
const RELAY: &str = "/arena/relay";
/// Where the folder with the broker's socket is mounted.
const BROKER: &str = "/arena/broker";
/// The name of the socket in that folder.
pub const BROKER_SOCKET: &str = "socket";
/// Of the loopback interface inside the sandbox; not one that a program under development is likely to ask for.
pub const BROKER_PORT: u16 = 47_080;
/// One inode per so many bytes of a tmpfs; its inodes are kernel memory that no byte limit bounds.
const BYTES_PER_INODE: u64 = 4096;
const SHM_BYTES: i64 = 64 << 20;
const OPEN_FILES: i64 = 16_384;
/// The kernel takes a container before anything of the host when memory runs out.
const OOM_SCORE: i64 = 500;
/// Parts of the host that no mount may show.
const HOST_ONLY: [&str; 6] = ["/proc", "/sys", "/dev", "/run/docker.sock", "/var/run/docker.sock", "/run/containerd"];
/// Parts of the container that the runtime fills in.
const RUNTIME_ONLY: [&str; 3] = ["/proc", "/sys", "/dev"];

/// The container that runs the command under the relay.
pub fn body(spec: &Spec) -> Result<ContainerCreateBody, Error> {
    check(spec)?;
    let mut entrypoint = vec![RELAY.to_owned(), "run".to_owned()];
    if spec.way_out.is_some() {
        entrypoint.extend(["--forward".to_owned(), BROKER_PORT.to_string(), format!("{BROKER}/{BROKER_SOCKET}")]);
    }
    entrypoint.push("--".to_owned());
    Ok(ContainerCreateBody {
        cmd: Some(spec.command.clone()),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        open_stdin: Some(true),
        stdin_once: Some(true),
        ..common(spec, entrypoint)
    })
}

/// The container that only keeps a network namespace; of the spec, image, relay, labels and limits count.
pub fn holder_body(spec: &Spec) -> ContainerCreateBody {
    let entrypoint = [RELAY, "hold"].map(str::to_owned).to_vec();
    ContainerCreateBody { cmd: Some(Vec::new()), ..common(spec, entrypoint) }
}

fn common(spec: &Spec, entrypoint: Vec<String>) -> ContainerCreateBody {
    let mut env: Vec<String> = vec![format!("HOME={HOME}")];
    env.extend(spec.env.iter().map(|(name, value)| format!("{name}={value}")));
    ContainerCreateBody {
        image: Some(spec.image.clone()),
        entrypoint: Some(entrypoint),
        env: Some(env),
        user: Some(format!("{}:{}", spec.user.0, spec.user.1)),
        working_dir: Some(spec.workdir.clone()),
        // A joined network brings its own name, and Docker refuses a second one.
        hostname: spec.network_holder.is_none().then(|| "arena".to_owned()),
        labels: Some(spec.labels.iter().cloned().collect()),
        // An image's health check would start processes beside the command.
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".into()]), ..Default::default() }),
        tty: Some(false),
        host_config: Some(host(spec)),
        ..Default::default()
    }
}

fn host(spec: &Spec) -> HostConfig {
    let memory = saturated(spec.memory_bytes);
    HostConfig {
        network_mode: Some(spec.network_holder.as_ref().map_or("none".into(), |holder| format!("container:{holder}"))),
        readonly_rootfs: Some(true),
        privileged: Some(false),
        cap_drop: Some(vec!["ALL".into()]),
        security_opt: Some(vec!["no-new-privileges:true".into(), format!("seccomp={}", seccomp::profile())]),
        pids_limit: Some(i64::from(spec.pids)),
        memory: Some(memory),
        memory_swap: Some(memory),
        oom_score_adj: Some(OOM_SCORE),
        nano_cpus: Some(saturated((spec.cpus * 1e9) as u64)),
        cpuset_cpus: spec.cpuset.clone(),
        ipc_mode: Some("private".into()),
        shm_size: Some(SHM_BYTES),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        // The worker is attached and keeps a capped copy; a log file would grow without a bound.
        log_config: Some(HostConfigLogConfig { typ: Some("none".into()), config: None }),
        ulimits: Some(vec![
            ulimit("nofile", OPEN_FILES),
            ulimit("core", 0),
            ulimit("fsize", saturated(spec.fsize_bytes)),
        ]),
        tmpfs: Some(HashMap::from([
            ("/tmp".to_owned(), tmpfs(spec.tmp_bytes, "mode=1777")),
            (HOME.to_owned(), tmpfs(spec.tmp_bytes, &format!("mode=0700,uid={},gid={}", spec.user.0, spec.user.1))),
        ])),
        mounts: Some(mounts(spec)),
        runtime: spec.runtime.clone(),
        // The relay is the first process and reaps; Docker's own would hide it from its children.
        init: Some(false),
        // The end is inspected before the container is removed.
        auto_remove: Some(false),
        ..Default::default()
    }
}

/// Programs may be run from it: build tools put theirs there.
fn tmpfs(bytes: u64, owner: &str) -> String {
    let inodes = (bytes / BYTES_PER_INODE).max(256);
    format!("rw,exec,nosuid,nodev,size={bytes},nr_inodes={inodes},{owner}")
}

fn ulimit(name: &str, value: i64) -> ResourcesUlimits {
    ResourcesUlimits { name: Some(name.into()), soft: Some(value), hard: Some(value) }
}

fn mounts(spec: &Spec) -> Vec<DockerMount> {
    let relay = Mount { source: Source::Path(spec.relay.clone()), target: RELAY.into(), read_only: true };
    let way_out = spec.way_out.iter().map(|folder| Mount {
        source: Source::Path(folder.clone()),
        target: BROKER.into(),
        read_only: true,
    });
    std::iter::once(relay).chain(way_out).chain(spec.mounts.iter().cloned()).map(|one| mount(&one)).collect()
}

fn mount(mount: &Mount) -> DockerMount {
    let Mount { source, target, read_only } = mount;
    let (typ, source, bind_options, volume_options) = match source {
        Source::Path(path) => {
            // Docker makes only the top of a mount read-only, so nothing below may come along.
            let options = MountBindOptions { non_recursive: Some(true), ..Default::default() };
            (MountType::BIND, path.to_string_lossy().into_owned(), Some(options), None)
        }
        Source::Volume(name) => {
            let options = MountVolumeOptions { no_copy: Some(true), ..Default::default() };
            (MountType::VOLUME, name.clone(), None, Some(options))
        }
    };
    DockerMount {
        typ: Some(typ),
        source: Some(source),
        target: Some(target.clone()),
        read_only: Some(*read_only),
        bind_options,
        volume_options,
        ..Default::default()
    }
}

/// What Docker would accept and we do not.
fn check(spec: &Spec) -> Result<(), Error> {
    let refuse = |reason: String| Err(Error::Refused(reason));
    if spec.command.is_empty() {
        return refuse("no command".into());
    }
    if spec.user.0 == 0 || spec.user.1 == 0 {
        return refuse("a sandbox never runs as root".into());
    }
    if !(spec.cpus > 0.0 && spec.cpus.is_finite()) || spec.memory_bytes == 0 || spec.pids == 0 || spec.tmp_bytes == 0 {
        return refuse("a limit of zero would be no limit".into());
    }
    if let Some((name, _)) = spec.env.iter().find(|(name, _)| name.is_empty() || name.contains('=')) {
        return refuse(format!("environment variable {name:?}"));
    }
    let mut targets = BTreeSet::from([RELAY, BROKER, "/tmp", HOME]);
    if let Some(folder) = spec.way_out.as_deref().filter(|folder| !sound(folder) || within(folder, &HOST_ONLY)) {
        return refuse(format!("the broker's folder {}", folder.display()));
    }
    for Mount { source, target, .. } in &spec.mounts {
        if !sound(Path::new(target)) || within(Path::new(target), &RUNTIME_ONLY) || !targets.insert(target) {
            return refuse(format!("mount target {target:?}"));
        }
        match source {
            Source::Path(path) if !sound(path) || within(path, &HOST_ONLY) => {
                return refuse(format!("mount source {}", path.display()));
            }
            Source::Volume(name) if name.is_empty() => return refuse("a volume without a name".into()),
            Source::Path(_) | Source::Volume(_) => {}
        }
    }
    Ok(())
}

/// Absolute, not the root, without a way up.
fn sound(path: &Path) -> bool {
    path.is_absolute() && path.parent().is_some() && !path.components().any(|part| part.as_os_str() == "..")
}

fn within(path: &Path, places: &[&str]) -> bool {
    places.iter().any(|place| path.starts_with(place))
}

fn saturated(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_must_not_be_asked_for_is_refused() {
        fn mount(source: &str, target: &str) -> Mount {
            Mount { source: Source::Path(source.into()), target: target.into(), read_only: true }
        }
        let rows: [fn(&mut Spec); 12] = [
            |spec| spec.command.clear(),
            |spec| spec.user = (0, 10001),
            |spec| spec.user = (10001, 0),
            |spec| spec.pids = 0,
            |spec| spec.memory_bytes = 0,
            |spec| spec.cpus = f64::NAN,
            |spec| spec.env.push(("A=B".into(), String::new())),
            |spec| spec.mounts.push(mount("/", "/work")),
            |spec| spec.mounts.push(mount("/srv/../proc", "/work")),
            |spec| spec.mounts.push(mount("/var/run/docker.sock", "/work")),
            |spec| spec.mounts.push(mount("/srv", "/arena/relay")),
            |spec| spec.mounts.push(mount("/srv", "work")),
        ];
        for (row, change) in rows.into_iter().enumerate() {
            let mut spec = Spec::new("arena/base", "/opt/relay", &["true"]);
            spec.deadline = Duration::from_secs(1);
            change(&mut spec);
            assert!(matches!(body(&spec), Err(Error::Refused(_))), "row {row}");
        }
    }
}
