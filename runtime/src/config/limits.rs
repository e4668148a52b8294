//! How much may run at a time, and how much each tenant may ask for.

use super::build::{Build, whole};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Competitors at a time in the whole fleet.
    pub fleet: u32,
    /// Of each tenant that is not named in `tenants`, or as far as that says nothing.
    pub each: TenantLimits,
    pub tenants: BTreeMap<String, TenantLimits>,
    /// Of single engines.
    pub engine: BTreeMap<String, u32>,
    /// Of the engines together that ask one provider, by its name.
    pub provider: BTreeMap<String, ProviderLimits>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantLimits {
    /// Jobs at a time; nothing: no limit of its own.
    pub running: Option<u32>,
    /// Its part beside other tenants.
    pub weight: u32,
    /// Sessions under way at a time; nothing: any number.
    pub sessions: Option<u32>,
    /// Waiting jobs above which it submits nothing more; nothing: any number.
    pub queued: Option<u32>,
    /// The most that its sessions may ask.
    pub priority: u32,
    /// Bytes of its bundles, bases and logs, from which on it submits nothing more; nothing: any number.
    pub blobs: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderLimits {
    /// Jobs at a time.
    pub running: u32,
    /// Engines of packets that ask it too; those of manifests are known.
    pub engines: Vec<String>,
}

impl Limits {
    /// As if nothing was configured, and of no end.
    pub fn unlimited() -> Self {
        let priority = u32::MAX;
        let each = TenantLimits { running: None, weight: 1, sessions: None, queued: None, priority, blobs: None };
        let (tenants, engine, provider) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { fleet: u32::MAX, each, tenants, engine, provider }
    }

    pub fn of_tenant(&self, name: &str) -> TenantLimits {
        self.tenants.get(name).copied().unwrap_or(self.each)
    }

    /// Whether it matters how much any tenant has.
    pub fn bounds_blobs(&self) -> bool {
        self.each.blobs.is_some() || self.tenants.values().any(|one| one.blobs.is_some())
    }
}

impl Build<'_> {
    pub(super) fn limits(&self) -> Limits {
        let each = TenantLimits {
            running: self.stated(&["limits", "tenant"]),
            weight: 1,
            sessions: self.stated(&["limits", "sessions"]),
            queued: self.stated(&["limits", "queued"]),
            priority: self.count(&["limits", "priority"]),
            blobs: self.size(&["limits", "blobs"]),
        };
        let of_tenant = |name: String| {
            let stated = |key| self.stated(&["limits", "tenants", &name, key]);
            let limits = TenantLimits {
                running: stated("running").or(each.running),
                weight: stated("weight").unwrap_or(each.weight),
                sessions: stated("sessions").or(each.sessions),
                queued: stated("queued").or(each.queued),
                priority: stated("priority").unwrap_or(each.priority),
                blobs: self.size(&["limits", "tenants", &name, "blobs"]).or(each.blobs),
            };
            (name, limits)
        };
        let of_provider = |name: String| {
            let path = |key| ["limits", "provider", name.as_str(), key].map(str::to_owned);
            let engines = path("engines");
            let engines = self.texts(&engines.each_ref().map(String::as_str));
            let running = self.stated(&path("running").each_ref().map(String::as_str)).unwrap_or(u32::MAX);
            (name, ProviderLimits { running, engines })
        };
        Limits {
            fleet: self.count(&["limits", "fleet"]),
            each,
            tenants: self.named("tenants").into_iter().map(of_tenant).collect(),
            engine: self.engine_limits(),
            provider: self.named("provider").into_iter().map(of_provider).collect(),
        }
    }

    fn size(&self, path: &[&str]) -> Option<u64> {
        self.text(path).and_then(|text| bytes(&text))
    }

    fn stated(&self, path: &[&str]) -> Option<u32> {
        self.entry(path).map(|entry| whole(&entry.value))
    }

    /// The tables under `[limits.KIND]`.
    fn named(&self, kind: &str) -> BTreeSet<String> {
        let name = |path: &Vec<String>| match path.as_slice() {
            [limits, of, name, _] if limits == "limits" && of == kind => Some(name.clone()),
            _ => None,
        };
        self.layer.keys().filter_map(name).collect()
    }

    fn engine_limits(&self) -> BTreeMap<String, u32> {
        let limit = |(path, entry): (&Vec<String>, &super::layers::Entry)| match path.as_slice() {
            [limits, engine, name] if limits == "limits" && engine == "engine" => {
                Some((name.clone(), whole(&entry.value)))
            }
            _ => None,
        };
        self.layer.iter().filter_map(limit).collect()
    }
}

/// A number of bytes as people write it, `10GiB`; nothing: it is none, or 0.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];
    let (number, shift) = units.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)))?;
    let number = number.trim_end();
    let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse::<u64>().ok().filter(|number| plain && *number > 0)?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn a_size_is_a_whole_number_with_its_unit() {
        let rows = [
            ("10GiB", Some(10 << 30)),
            ("1 MiB", Some(1 << 20)),
            ("3TiB", Some(3 << 40)),
            ("5KiB", Some(5 << 10)),
            ("10", None),
            ("10GB", None),
            ("0GiB", None),
            ("-1GiB", None),
            ("+1GiB", None),
            ("1.5GiB", None),
            ("GiB", None),
            ("99999999999999TiB", None),
        ];
        for (text, expected) in rows {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }
}
