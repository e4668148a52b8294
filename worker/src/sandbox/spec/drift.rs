//! What was asked for against what the engine made of it, before anything runs.
//!
//! The comparison knows nothing of single fields: what differs and is not listed here is drift.

use bollard::models::{ContainerCreateBody, ContainerInspectResponse, HostConfig};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Filled in by the engine where we say nothing; they protect, so their absence is what is looked for.
const MASKS: [(&str, &str); 2] = [("MaskedPaths", "/proc/kcore"), ("ReadonlyPaths", "/proc/sys")];
/// Chosen by the engine where we say nothing, and without bearing on protection.
const FREE: [&str; 4] = ["ConsoleSize", "Isolation", "VolumeDriver", "ContainerIDFile"];

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
    use crate::sandbox::{Mount, Source, Spec, spec::body};
    use bollard::models::HostConfigCgroupnsModeEnum;
    use bollard::models::{ContainerConfig, DeviceMapping, MountPoint};
    use std::collections::HashMap;

    type Weaken = fn(&mut HostConfig);

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
        let rows: [(&str, Weaken); 22] = [
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
}
