//! From the merged layers to the configuration: what the values mean together.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml_edit::Value;

use super::layers::{Entry, Layer};
use super::{BrokerConfig, Config, ConfigProblem, PlacementConfig, WorkerConfig, Workspaces};

/// Highest core number that is believed.
const MOST_CORES: u32 = 4096;
/// A job has half of it, and a single body may have 32.
const LEAST_BODIES_MIB: u32 = 64;

pub(super) struct Build<'a> {
    pub(super) layer: &'a Layer,
    /// The configuration file and its directory, which its relative paths start from.
    pub(super) file: Option<(&'a str, &'a Path)>,
    pub(super) home: Option<PathBuf>,
    pub(super) problems: &'a mut Vec<ConfigProblem>,
}

impl Build<'_> {
    pub(super) fn config(&mut self) -> Config {
        Config {
            worker: WorkerConfig {
                engine_slots: self.count(&["worker", "engine_slots"]),
                measure_cores: self.measure_cores(),
                runtime: self.runtime(),
                engine_packs: self.path(&["worker", "engine_packs"]).unwrap_or_default(),
                workspaces: self.workspaces(),
                coordinators: self.coordinators(&["worker", "coordinators"]),
                labels: self.texts(&["worker", "labels"]),
                drain: self.seconds(&["worker", "drain_s"]),
                memory_mib: self.optional(&["worker", "memory_mib"]),
                disk_mib: self.optional(&["worker", "disk_mib"]),
            },
            coordinator: self.coordinator(),
            client: self.client(),
            store: self.store(),
            tls: self.tls(),
            limits: self.limits(),
            placement: PlacementConfig {
                warm: self.seconds(&["placement", "warm_s"]),
                equal_hardware: self.seconds(&["placement", "equal_hardware_s"]),
            },
            queue: self.queue(),
            broker: self.broker(),
            egress_hosts: self.egress_hosts(),
            blobs: self.blobs(),
            providers: self.providers(),
            telemetry: self.telemetry(),
        }
    }

    pub(super) fn entry(&self, path: &[&str]) -> Option<&Entry> {
        self.layer.get(&path.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>())
    }

    pub(super) fn refuse(&mut self, path: &[&str], reason: &str, mend: &str) {
        let name = path.join(".");
        let problem = match self.entry(path) {
            Some(entry) => entry.origin.problem(&name, reason, mend),
            None => ConfigProblem::of_whole(&name, reason, mend),
        };
        self.problems.push(problem);
    }

    pub(super) fn count(&self, path: &[&str]) -> u32 {
        self.entry(path).map_or(1, |entry| whole(&entry.value))
    }

    fn optional(&self, path: &[&str]) -> Option<u32> {
        self.entry(path).map(|entry| whole(&entry.value))
    }

    pub(super) fn seconds(&self, path: &[&str]) -> Duration {
        Duration::from_secs(u64::from(self.count(path)))
    }

    pub(super) fn text(&self, path: &[&str]) -> Option<String> {
        self.entry(path)?.value.as_str().map(|text| text.trim().to_owned())
    }

    pub(super) fn texts(&self, path: &[&str]) -> Vec<String> {
        let list = self.entry(path).and_then(|entry| entry.value.as_array());
        list.into_iter().flatten().filter_map(|text| text.as_str().map(|text| text.trim().to_owned())).collect()
    }

    /// `~/` is the home directory; in the file a relative path starts where the file lies.
    pub(super) fn path(&self, path: &[&str]) -> Option<PathBuf> {
        let text = self.text(path)?;
        if let Some(rest) = text.strip_prefix("~/")
            && let Some(home) = &self.home
        {
            return Some(home.join(rest));
        }
        let source = self.entry(path).map(|entry| entry.origin.source.as_str());
        match self.file {
            Some((name, directory)) if source == Some(name) => Some(directory.join(text)),
            Some(_) | None => Some(PathBuf::from(text)),
        }
    }

    fn measure_cores(&mut self) -> Vec<String> {
        let path = ["worker", "measure_cores"];
        let sets = self.texts(&path);
        let mut taken = BTreeSet::new();
        for set in &sets {
            let Some(cores) = cores(set) else {
                self.refuse(&path, "holds what is no set of cores", "write sets such as \"1\", \"2-3\" or \"4,6\"");
                continue;
            };
            if !cores.iter().all(|core| taken.insert(*core)) {
                self.refuse(&path, "names a core twice", "give every measuring slot cores of its own");
            }
        }
        sets
    }

    fn runtime(&mut self) -> String {
        let path = ["worker", "runtime"];
        let runtime = self.text(&path).unwrap_or_default();
        if !runtime.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')) {
            self.refuse(&path, "is no name of a runtime", "write runc, runsc or kata");
        }
        runtime
    }

    fn workspaces(&mut self) -> Workspaces {
        let path = ["worker", "workspaces"];
        match self.text(&path).unwrap_or_default().as_str() {
            "auto" => Workspaces::Auto,
            "overlay" => Workspaces::Overlay,
            "volume" => Workspaces::Volume,
            _ => {
                self.refuse(&path, "is none of auto, overlay and volume", "write \"auto\"");
                Workspaces::Auto
            }
        }
    }

    fn broker(&mut self) -> BrokerConfig {
        let bodies = self.count(&["broker", "bodies_mib"]);
        if bodies < LEAST_BODIES_MIB {
            let mend = format!("write at least {LEAST_BODIES_MIB}");
            self.refuse(&["broker", "bodies_mib"], "is too little for the largest request of one job", &mend);
        }
        BrokerConfig {
            idle: self.seconds(&["broker", "idle_s"]),
            retries: self.count(&["broker", "retries"]),
            retry_wait: self.seconds(&["broker", "retry_wait_s"]),
            output_tokens: self.count(&["broker", "output_tokens"]),
            bodies: usize::try_from(bodies).unwrap_or(usize::MAX).saturating_mul(1 << 20),
        }
    }

    fn egress_hosts(&mut self) -> BTreeMap<String, IpAddr> {
        let named = |path: &Vec<String>| match path.as_slice() {
            [egress, hosts, name] if egress == "egress" && hosts == "hosts" => Some(name.clone()),
            _ => None,
        };
        let names: Vec<String> = self.layer.keys().filter_map(named).collect();
        let mut found = BTreeMap::new();
        for name in names {
            let path = ["egress", "hosts", name.as_str()];
            match self.text(&path).unwrap_or_default().parse() {
                Ok(address) => {
                    found.insert(name.to_ascii_lowercase(), address);
                }
                Err(_) => self.refuse(&path, "is no address", "write an IP address without a port"),
            }
        }
        found
    }
}

pub(super) fn whole(value: &Value) -> u32 {
    value.as_integer().and_then(|number| u32::try_from(number).ok()).unwrap_or(1)
}

/// The cores of a cpuset.
fn cores(set: &str) -> Option<Vec<u32>> {
    let mut cores = Vec::new();
    for part in set.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        let (first, last): (u32, u32) = (number(first)?, number(last)?);
        if first > last || last >= MOST_CORES {
            return None;
        }
        cores.extend(first..=last);
    }
    Some(cores)
}

/// Whether a variable of the environment can have this name.
pub fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_cores_is_numbers_and_ranges() {
        let rows = [
            ("1", Some(vec![1])),
            ("2-3", Some(vec![2, 3])),
            ("0,4-5", Some(vec![0, 4, 5])),
            ("3-2", None),
            ("", None),
            ("1,", None),
            ("-1", None),
            ("+1", None),
            ("0-99999999", None),
            ("a", None),
        ];
        for (set, expected) in rows {
            assert_eq!(cores(set), expected, "{set}");
        }
    }
}
