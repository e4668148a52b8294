//! The table of what a configuration may say, and what a misspelt key was probably meant to be.

use toml_edit::{InlineTable, Value};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// At least one.
    Count,
    /// The same, or 0.
    Whole,
    Text,
    Texts,
    /// Such as `10GiB`.
    Size,
    /// Prices by model.
    Prices,
    /// From 0 to 1.
    Share,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    /// Two to four parts; `*` stands for a name the user chooses.
    pub(super) path: &'static str,
    pub(super) kind: Kind,
}

const fn key(path: &'static str, kind: Kind) -> Key {
    Key { path, kind }
}

pub(super) static KEYS: &[Key] = &[
    key("worker.engine_slots", Kind::Count),
    key("worker.measure_cores", Kind::Texts),
    key("worker.runtime", Kind::Text),
    key("worker.engine_packs", Kind::Text),
    key("worker.workspaces", Kind::Text),
    key("worker.coordinators", Kind::Texts),
    key("worker.labels", Kind::Texts),
    key("worker.drain_s", Kind::Count),
    key("worker.memory_mib", Kind::Count),
    key("worker.disk_mib", Kind::Count),
    key("coordinator.listen", Kind::Text),
    key("coordinator.client_certificates", Kind::Text),
    key("coordinator.connections", Kind::Count),
    key("coordinator.handshakes", Kind::Count),
    key("coordinator.handshake_s", Kind::Count),
    key("coordinator.streams", Kind::Count),
    key("coordinator.drain_s", Kind::Count),
    key("coordinator.hold_dead_s", Kind::Whole),
    key("coordinator.calls_per_minute", Kind::Count),
    key("coordinator.submits_per_minute", Kind::Count),
    key("coordinator.blob_mib_per_minute", Kind::Count),
    key("coordinator.strangers_per_minute", Kind::Count),
    key("client.coordinators", Kind::Texts),
    key("client.token_file", Kind::Text),
    key("store.url", Kind::Text),
    key("store.cell", Kind::Text),
    key("store.user", Kind::Text),
    key("store.password_file", Kind::Text),
    key("store.ca", Kind::Text),
    key("store.certificate", Kind::Text),
    key("store.key", Kind::Text),
    key("store.replicas", Kind::Count),
    key("store.keep_days", Kind::Whole),
    key("tls.ca", Kind::Text),
    key("tls.certificate", Kind::Text),
    key("tls.key", Kind::Text),
    key("tls.revoked", Kind::Text),
    key("limits.fleet", Kind::Count),
    key("limits.tenant", Kind::Count),
    key("limits.sessions", Kind::Count),
    key("limits.queued", Kind::Count),
    key("limits.priority", Kind::Whole),
    key("limits.blobs", Kind::Size),
    key("limits.engine.*", Kind::Count),
    key("limits.tenants.*.running", Kind::Count),
    key("limits.tenants.*.weight", Kind::Count),
    key("limits.tenants.*.sessions", Kind::Count),
    key("limits.tenants.*.queued", Kind::Count),
    key("limits.tenants.*.priority", Kind::Whole),
    key("limits.tenants.*.blobs", Kind::Size),
    key("limits.provider.*.running", Kind::Count),
    key("limits.provider.*.engines", Kind::Texts),
    key("placement.warm_s", Kind::Count),
    key("placement.equal_hardware_s", Kind::Count),
    key("queue.lease_s", Kind::Count),
    key("queue.margin_s", Kind::Count),
    key("broker.idle_s", Kind::Count),
    key("broker.retries", Kind::Count),
    key("broker.retry_wait_s", Kind::Count),
    key("broker.output_tokens", Kind::Count),
    key("broker.bodies_mib", Kind::Count),
    key("egress.hosts.*", Kind::Text),
    key("blobs.url", Kind::Text),
    key("blobs.endpoint", Kind::Text),
    key("blobs.region", Kind::Text),
    key("blobs.ca", Kind::Text),
    key("blobs.credentials", Kind::Text),
    key("provider.*.upstream", Kind::Text),
    key("provider.*.key_env", Kind::Text),
    key("provider.*.key_file", Kind::Text),
    key("provider.*.login", Kind::Text),
    key("provider.*.api", Kind::Texts),
    key("provider.*.key_style", Kind::Text),
    key("provider.*.models", Kind::Texts),
    key("provider.*.server_tools", Kind::Texts),
    key("provider.*.price", Kind::Prices),
    key("telemetry.otlp", Kind::Text),
    key("telemetry.service_name", Kind::Text),
    key("telemetry.sample_ratio", Kind::Share),
    key("telemetry.prometheus", Kind::Text),
    key("telemetry.log", Kind::Text),
];

/// The most parts a path has; a name in the last place may hold dots of its own.
pub(super) const DEPTH: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Leaf(&'static Key),
    Table,
    Unknown,
}

pub(super) fn place(path: &[&str]) -> Place {
    let fits = |key: &Key| path.iter().zip(key.path.split('.')).all(|(part, known)| known == "*" || known == *part);
    let parts = |key: &Key| key.path.split('.').count();
    if let Some(key) = KEYS.iter().find(|key| parts(key) == path.len() && fits(key)) {
        return Place::Leaf(key);
    }
    if KEYS.iter().any(|key| parts(key) > path.len() && fits(key)) { Place::Table } else { Place::Unknown }
}

/// The mend for a key that is not in the table.
pub(super) fn nearest(path: &[&str]) -> String {
    let Some((last, parents)) = path.split_last() else { return String::new() };
    let mut known: Vec<&str> = KEYS
        .iter()
        .filter(|key| {
            key.path.split('.').count() > parents.len()
                && parents.iter().zip(key.path.split('.')).all(|(part, known)| known == "*" || known == *part)
        })
        .filter_map(|key| key.path.split('.').nth(parents.len()))
        .filter(|part| *part != "*")
        .collect();
    known.dedup();
    let short: String = last.chars().take(64).collect();
    let best = known
        .iter()
        .map(|name| (name, strsim::jaro_winkler(&short, name)))
        .filter(|(_, score)| *score >= 0.7)
        .max_by(|one, other| one.1.total_cmp(&other.1));
    let full = |name: &str| parents.iter().copied().chain([name]).collect::<Vec<_>>().join(".");
    match best {
        Some((name, _)) => format!("did you mean `{}`?", full(name)),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// Text of a variable or a flag as a value of this kind; what does not read as one stays text and is refused later.
pub(super) fn from_text(kind: Kind, text: &str) -> Value {
    let text = text.trim();
    let as_it_is = || Value::from(text);
    match kind {
        Kind::Count | Kind::Whole => text.parse::<i64>().map_or_else(|_| as_it_is(), Value::from),
        Kind::Text | Kind::Size => as_it_is(),
        Kind::Texts if text.starts_with('[') => text.parse().unwrap_or_else(|_| as_it_is()),
        Kind::Texts => text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect(),
        Kind::Prices => text.parse().unwrap_or_else(|_| as_it_is()),
        Kind::Share => text.parse::<f64>().map_or_else(|_| as_it_is(), Value::from),
    }
}

/// How to mend a value that is not of the kind; nothing when it is.
pub(super) fn refusal(kind: Kind, value: &Value) -> Option<&'static str> {
    match kind {
        Kind::Count => {
            let fits = value.as_integer().is_some_and(|number| (1..=i64::from(u32::MAX)).contains(&number));
            (!fits).then_some("write a whole number of at least 1")
        }
        Kind::Whole => {
            let fits = value.as_integer().is_some_and(|number| (0..=i64::from(u32::MAX)).contains(&number));
            (!fits).then_some("write a whole number, or 0")
        }
        Kind::Text => {
            let fits = value.as_str().is_some_and(|text| !text.trim().is_empty() && !text.contains('\0'));
            (!fits).then_some("write a text in quotes")
        }
        Kind::Texts => {
            let text = |value: &Value| value.as_str().is_some_and(|text| !text.trim().is_empty());
            let fits = value.as_array().is_some_and(|list| list.iter().all(text));
            (!fits).then_some("write a list of texts, [\"…\"]")
        }
        Kind::Size => {
            let fits = value.as_str().is_some_and(|text| super::limits::bytes(text.trim()).is_some());
            (!fits).then_some("write a size such as \"10GiB\"")
        }
        Kind::Prices => {
            let fits = value.as_inline_table().is_some_and(|models| models.iter().all(|(_, price)| is_price(price)));
            (!fits).then_some("write { \"MODEL\" = { input = 1.25, cached_input = 0.125, output = 10.0 } }, in dollars")
        }
        Kind::Share => {
            let fits = amount(value).is_some_and(|share| share <= 1.0);
            (!fits).then_some("write a number from 0 to 1")
        }
    }
}

fn is_price(value: &Value) -> bool {
    let Some(price) = value.as_inline_table() else { return false };
    let known = |(name, value): (&str, &Value)| {
        ["input", "cached_input", "cache_write", "output"].contains(&name) && amount(value).is_some()
    };
    price.iter().all(known) && price.contains_key("input") && price.contains_key("output")
}

pub(super) fn amount(value: &Value) -> Option<f64> {
    let number = value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64))?;
    (number.is_finite() && number >= 0.0).then_some(number)
}

/// One amount of a price that was checked before.
pub(super) fn part_of(price: &InlineTable, name: &str) -> Option<f64> {
    price.get(name).and_then(amount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_leaf_a_table_or_unknown() {
        let is_leaf = |path: &[&str]| matches!(place(path), Place::Leaf(_));
        assert!(is_leaf(&["worker", "runtime"]));
        assert!(is_leaf(&["limits", "engine", "codex"]));
        assert!(is_leaf(&["provider", "own", "price"]));
        assert_eq!(place(&["provider", "own"]), Place::Table);
        assert_eq!(place(&["limits", "engine"]), Place::Table);
        assert_eq!(place(&["worker", "runtime", "x"]), Place::Unknown);
        assert_eq!(place(&["provider", "own", "key"]), Place::Unknown);
    }

    #[test]
    fn a_misspelt_key_is_answered_with_the_nearest_one() {
        let rows = [
            (vec!["worker", "engine_slot"], "did you mean `worker.engine_slots`?"),
            (vec!["workers"], "did you mean `worker`?"),
            (vec!["provider", "own", "key"], "did you mean `provider.own.key_env`?"),
            (
                vec!["limits", "xyz"],
                "known here: fleet, tenant, sessions, queued, priority, blobs, engine, tenants, provider",
            ),
        ];
        for (path, mend) in rows {
            assert_eq!(nearest(&path), mend);
        }
    }
}
