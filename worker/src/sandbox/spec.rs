//! The one builder of containers, and the comparison of what was asked for with what the engine made of it.
//!
//! Every protection is set here and nowhere else. What [`drift`] does not know is a difference, not a detail.

use super::{Error, Mount, Source, Spec, seccomp};
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum,
    HostConfigLogConfig, Mount as DockerMount, MountBindOptions, MountType, MountVolumeOptions, ResourcesUlimits,
};
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

/// The home directory in every container: a tmpfs of the user's own.
pub const HOME: &str = "/home/agent";
/// Where the relay is mounted.
const RELAY: &str = "/arena/relay";
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
/// Filled in by the engine where we say nothing; they protect, so their absence is what is looked for.
const MASKS: [(&str, &str); 2] = [("MaskedPaths", "/proc/kcore"), ("ReadonlyPaths", "/proc/sys")];
/// Chosen by the engine where we say nothing, and without bearing on protection.
const FREE: [&str; 4] = ["ConsoleSize", "Isolation", "VolumeDriver", "ContainerIDFile"];

/// The container that runs the command under the relay.
pub fn body(spec: &Spec) -> Result<ContainerCreateBody, Error> {
    check(spec)?;
    let entrypoint = [RELAY, "run", "--"].map(str::to_owned).to_vec();
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
    std::iter::once(&relay).chain(&spec.mounts).map(mount).collect()
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
    let mut targets = BTreeSet::from([RELAY, "/tmp", HOME]);
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

/// The first difference between what was asked for and what the engine is about to start.
///
/// The comparison runs over every field that either side has, so that a protection the engine dropped and a right
/// that it added are both found, and so is a field this program has never heard of.
pub fn drift(asked: &ContainerCreateBody, made: &ContainerInspectResponse) -> Option<String> {
    drift_of_process(asked, made)
        .or_else(|| drift_of_host(asked.host_config.as_ref()?, made))
        .or_else(|| drift_of_mounts(asked, made))
}

fn drift_of_process(asked: &ContainerCreateBody, made: &ContainerInspectResponse) -> Option<String> {
    let Some(config) = &made.config else { return Some("no configuration was reported".into()) };
    let rows = [
        ("user", asked.user == config.user),
        ("entrypoint", asked.entrypoint == config.entrypoint),
        ("command", words(&asked.cmd) == words(&config.cmd)),
        ("healthcheck", asked.healthcheck.as_ref().map(|h| &h.test) == config.healthcheck.as_ref().map(|h| &h.test)),
        ("tty", config.tty != Some(true)),
        ("exposed ports", words(&config.exposed_ports).is_empty()),
    ];
    rows.iter().find(|(_, same)| !same).map(|(name, _)| format!("{name} is not what was asked for"))
}

fn words(list: &Option<Vec<String>>) -> &[String] {
    list.as_deref().unwrap_or_default()
}

fn drift_of_host(asked: &HostConfig, made: &ContainerInspectResponse) -> Option<String> {
    let Some(made) = &made.host_config else { return Some("no host configuration was reported".into()) };
    let (asked, mut made) = (fields(asked), fields(made));
    for (name, needed) in MASKS {
        let masked =
            made.remove(name).is_some_and(|list| list.as_array().is_some_and(|all| all.contains(&needed.into())));
        if !masked {
            return Some(format!("{name} does not hold {needed}"));
        }
    }
    if !asked.contains_key("Runtime") {
        made.remove("Runtime");
    }
    if made.get("RestartPolicy").is_some_and(|policy| policy["Name"] == "no") {
        made.remove("RestartPolicy");
    }
    let names: BTreeSet<&String> = asked.keys().chain(made.keys()).collect();
    let different =
        names.into_iter().find(|name| !FREE.contains(&name.as_str()) && asked.get(*name) != made.get(*name))?;
    let shown = |fields: &Map<String, Value>| match fields.get(different) {
        Some(value) => arena_domain::text::sanitise_line(&value.to_string(), 120),
        None => "nothing".to_owned(),
    };
    Some(format!("{different} is {} and not {}", shown(&made), shown(&asked)))
}

/// Mounts that nobody asked for: an image can declare volumes, which are writable space without a bound.
fn drift_of_mounts(asked: &ContainerCreateBody, made: &ContainerInspectResponse) -> Option<String> {
    let host = asked.host_config.as_ref()?;
    let wanted: BTreeSet<&str> = host.mounts.iter().flatten().filter_map(|mount| mount.target.as_deref()).collect();
    let tmpfs = host.tmpfs.iter().flatten().map(|(target, _)| target.as_str());
    let known: BTreeSet<&str> = wanted.iter().copied().chain(tmpfs).collect();
    let present: BTreeSet<&str> =
        made.mounts.iter().flatten().map(|mount| mount.destination.as_deref().unwrap_or("?")).collect();
    if let Some(extra) = present.difference(&known).next() {
        return Some(format!("the image declares a volume at {extra}"));
    }
    wanted.difference(&present).next().map(|missing| format!("nothing is mounted at {missing}"))
}

/// The fields that say something: absent, empty, zero and false mean the same to the engine.
fn fields(host: &HostConfig) -> Map<String, Value> {
    match serde_json::to_value(host).map(meaning) {
        Ok(Some(Value::Object(fields))) => fields,
        Ok(_) | Err(_) => Map::new(),
    }
}

fn meaning(value: Value) -> Option<Value> {
    match value {
        Value::Null | Value::Bool(false) => None,
        Value::Number(number) => (number.as_f64() != Some(0.0)).then_some(Value::Number(number)),
        Value::String(text) => (!text.is_empty()).then_some(Value::String(text)),
        Value::Array(items) => {
            let items: Vec<Value> = items.into_iter().filter_map(meaning).collect();
            (!items.is_empty()).then_some(Value::Array(items))
        }
        Value::Object(fields) => {
            let fields: Map<String, Value> =
                fields.into_iter().filter_map(|(name, value)| Some((name, meaning(value)?))).collect();
            (!fields.is_empty()).then_some(Value::Object(fields))
        }
        Value::Bool(true) => Some(Value::Bool(true)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::{ContainerConfig, DeviceMapping, MountPoint};
    use std::time::Duration;

    fn asked() -> ContainerCreateBody {
        let mut spec = Spec::new("arena/base", "/opt/relay", &["true"]);
        let source = Source::Path("/srv/work".into());
        spec.mounts.push(Mount { source, target: "/work".into(), read_only: false });
        body(&spec).unwrap()
    }

    /// What Docker reports of a container that it made as asked.
    fn made(asked: &ContainerCreateBody) -> ContainerInspectResponse {
        let mut host = asked.host_config.clone().unwrap();
        host.masked_paths = Some(vec!["/proc/kcore".into()]);
        host.readonly_paths = Some(vec!["/proc/sys".into()]);
        host.runtime = Some("runc".into());
        let targets = host.mounts.iter().flatten().map(|mount| mount.target.clone());
        let mounts = targets.map(|destination| MountPoint { destination, ..Default::default() }).collect();
        let config = ContainerConfig {
            user: asked.user.clone(),
            entrypoint: asked.entrypoint.clone(),
            cmd: asked.cmd.clone(),
            healthcheck: asked.healthcheck.clone(),
            ..Default::default()
        };
        ContainerInspectResponse {
            host_config: Some(host),
            config: Some(config),
            mounts: Some(mounts),
            ..Default::default()
        }
    }

    fn kvm() -> DeviceMapping {
        DeviceMapping { path_on_host: Some("/dev/kvm".into()), ..Default::default() }
    }

    #[test]
    fn a_container_made_as_asked_does_not_drift() {
        assert_eq!(drift(&asked(), &made(&asked())), None);
    }

    #[test]
    fn every_weakened_field_is_drift() {
        let rows: [(&str, fn(&mut HostConfig)); 22] = [
            ("NetworkMode", |host| host.network_mode = Some("bridge".into())),
            ("ReadonlyRootfs", |host| host.readonly_rootfs = Some(false)),
            ("Privileged", |host| host.privileged = Some(true)),
            ("CapDrop", |host| host.cap_drop = None),
            ("CapAdd", |host| host.cap_add = Some(vec!["SYS_ADMIN".into()])),
            ("SecurityOpt", |host| host.security_opt = Some(vec!["no-new-privileges:true".into()])),
            ("PidsLimit", |host| host.pids_limit = None),
            ("Memory", |host| host.memory = Some(0)),
            ("MemorySwap", |host| host.memory_swap = Some(-1)),
            ("NanoCpus", |host| host.nano_cpus = None),
            ("IpcMode", |host| host.ipc_mode = Some("host".into())),
            ("PidMode", |host| host.pid_mode = Some("host".into())),
            ("CgroupnsMode", |host| host.cgroupns_mode = Some(HostConfigCgroupnsModeEnum::HOST)),
            ("LogConfig", |host| host.log_config = None),
            ("Ulimits", |host| host.ulimits = None),
            ("Tmpfs", |host| host.tmpfs = Some(HashMap::from([("/tmp".into(), "rw".into())]))),
            ("Mounts", |host| host.mounts = None),
            ("Binds", |host| host.binds = Some(vec!["/:/host".into()])),
            ("Devices", |host| host.devices = Some(vec![kvm()])),
            ("UsernsMode", |host| host.userns_mode = Some("host".into())),
            ("MaskedPaths", |host| host.masked_paths = Some(vec![])),
            ("ReadonlyPaths", |host| host.readonly_paths = None),
        ];
        for (name, weaken) in rows {
            let mut weak = made(&asked());
            weaken(weak.host_config.as_mut().unwrap());
            let found = drift(&asked(), &weak);
            assert!(found.as_ref().is_some_and(|reason| reason.starts_with(name)), "{name}: {found:?}");
        }
    }

    #[test]
    fn another_user_or_command_is_drift() {
        let rows: [fn(&mut ContainerConfig); 3] = [
            |config| config.user = Some("0:0".into()),
            |config| config.entrypoint = Some(vec!["/bin/sh".into()]),
            |config| config.cmd = Some(vec!["false".into()]),
        ];
        for change in rows {
            let mut weak = made(&asked());
            change(weak.config.as_mut().unwrap());
            assert!(drift(&asked(), &weak).is_some());
        }
    }

    #[test]
    fn a_volume_that_the_image_declares_is_drift() {
        let mut weak = made(&asked());
        let extra = MountPoint { destination: Some("/data".into()), ..Default::default() };
        weak.mounts.as_mut().unwrap().push(extra);
        assert_eq!(drift(&asked(), &weak), Some("the image declares a volume at /data".into()));
    }

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
