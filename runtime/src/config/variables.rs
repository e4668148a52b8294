//! Variables that begin with `ARENA_` and mean nothing: misspelt ones would be passed over in silence.

use super::Config;
use super::keys::{KEYS, Key};
use super::layers::variable_name;
use std::collections::BTreeSet;

const OURS: &str = "ARENA_";
/// Of the command line, of a person's token and of the log.
const PROGRAM: [&str; 5] = ["ARENA_STATE", "ARENA_CONFIG", "ARENA_COORDINATOR", "ARENA_TOKEN", "ARENA_LOG"];
/// `codex=2,claude=1`: the names are in the value.
const ENGINES: &str = "ARENA_LIMITS_ENGINE";
/// What engines are told in their sandboxes.
const SANDBOX: [&str; 6] =
    ["ARENA_BRIEF", "ARENA_ROUND", "ARENA_COMPETITOR", "ARENA_MODEL", "ARENA_MINI_MODEL", "ARENA_BROKER"];
/// Of the scripts in `deploy/` and of the build: whoever sets them for those runs the program with them too.
const SCRIPTS: [&str; 13] = [
    "ARENA_BIN",
    "ARENA_BINARY",
    "ARENA_RELAY",
    "ARENA_SKIPS",
    "ARENA_DEMO",
    "ARENA_FLEET",
    "ARENA_TAG",
    "ARENA_IMAGE",
    "ARENA_BASE_IMAGE",
    "ARENA_BASE_COORDINATOR",
    "ARENA_BASE_WORKER",
    "ARENA_REDIS_IMAGE",
    "ARENA_COLLECTOR_IMAGE",
];
/// Of tests and of benchmarks.
const PREFIXES: [&str; 2] = ["ARENA_TEST_", "ARENA_BENCH_"];
/// Kubernetes tells every container of each service in its namespace, by this one and by others of the same beginning.
const LINK: &str = "_SERVICE_HOST";
/// How alike two names are, from 0 to 1, for the one to be taken for the other misspelt.
const ALIKE: f64 = 0.85;

/// A variable that nothing reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strange {
    pub name: String,
    /// What was probably meant.
    pub nearest: Option<String>,
}

/// Those among `names` that neither this program nor anything that comes with it reads, in the order of their names.
pub fn strange<'a>(names: impl IntoIterator<Item = &'a str>, config: &Config) -> Vec<Strange> {
    let ours: BTreeSet<&str> = names.into_iter().filter(|name| name.starts_with(OURS)).collect();
    let read = read(config);
    let links: Vec<&str> = ours.iter().filter_map(|name| name.strip_suffix(LINK)).collect();
    let is_link = |name: &str| {
        links
            .iter()
            .filter_map(|service| name.strip_prefix(service))
            .any(|rest| rest.starts_with("_SERVICE_") || rest == "_PORT" || rest.starts_with("_PORT_"))
    };
    let beside = |name: &str| SANDBOX.contains(&name) || SCRIPTS.contains(&name);
    let is_known = |name: &str| {
        read.contains(name) || beside(name) || is_link(name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    };
    let unknown = ours.iter().filter(|name| !is_known(name));
    unknown.map(|name| Strange { name: (*name).to_owned(), nearest: nearest(name, &read) }).collect()
}

/// What this program reads, with the keys of providers that this configuration looks for in the environment.
fn read(config: &Config) -> BTreeSet<String> {
    let keys = config.providers.values().filter_map(|provider| provider.key_env.clone());
    let fixed = PROGRAM.into_iter().chain([ENGINES]).map(str::to_owned);
    fixed.chain(keys).chain(KEYS.iter().flat_map(|key| variables(key, config))).collect()
}

/// Of names that the user chose only those of providers are part of a variable.
fn variables(key: &Key, config: &Config) -> Vec<String> {
    let path = |name: &str| key.path.replace('*', name).split('.').map(str::to_owned).collect::<Vec<String>>();
    match key.path.find('*') {
        None => vec![variable_name(&path(""))],
        Some(_) if key.path.starts_with("provider.") => {
            config.providers.keys().map(|name| variable_name(&path(name))).collect()
        }
        Some(_) => Vec::new(),
    }
}

fn nearest(name: &str, known: &BTreeSet<String>) -> Option<String> {
    let bare = |name: &str| name.strip_prefix(OURS).unwrap_or(name).chars().take(64).collect::<String>();
    let short = bare(name);
    let scored = known.iter().filter(|one| one.starts_with(OURS));
    let scored = scored.map(|one| (one, strsim::jaro_winkler(&short, &bare(one)))).filter(|(_, score)| *score >= ALIKE);
    scored.max_by(|one, other| one.1.total_cmp(&other.1)).map(|(one, _)| one.clone())
}

#[cfg(test)]
mod tests {
    use super::super::load;
    use super::*;

    fn told(names: &[&str]) -> Vec<(String, Option<String>)> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, "[provider.my-own]\nupstream = \"https://a.example\"\nkey_env = \"ARENA_OWN_KEY\"\n")
            .unwrap();
        let config = load(Some(&file), &|_| None, &[]).unwrap();
        strange(names.iter().copied(), &config).into_iter().map(|one| (one.name, one.nearest)).collect()
    }

    #[test]
    fn a_misspelt_variable_is_told_with_the_nearest_one() {
        let rows = [
            ("ARENA_WORKER_LABLES", Some("ARENA_WORKER_LABELS")),
            ("ARENA_COORDINATORS", Some("ARENA_COORDINATOR")),
            ("ARENA_TOKENS", Some("ARENA_TOKEN")),
            ("ARENA_STATE_DIR", Some("ARENA_STATE")),
            ("ARENA_TLS_CERT", Some("ARENA_TLS_CERTIFICATE")),
            ("ARENA_PROVIDER_OPENAI_KEYENV", Some("ARENA_PROVIDER_OPENAI_KEY_ENV")),
            ("ARENA_XYZZY", None),
        ];
        for (name, nearest) in rows {
            assert_eq!(told(&[name]), [(name.to_owned(), nearest.map(str::to_owned))], "{name}");
        }
    }

    #[test]
    fn what_something_reads_is_not_strange() {
        let known = [
            "PATH",
            "arena_state",
            "ARENA_TOKEN",
            "ARENA_LIMITS_ENGINE",
            "ARENA_TELEMETRY_OTLP",
            "ARENA_PROVIDER_MY_OWN_UPSTREAM",
            "ARENA_OWN_KEY",
            "ARENA_TEST_ANYTHING",
            "ARENA_BRIEF",
            "ARENA_TAG",
        ];
        assert_eq!(told(&known), []);
        let other = told(&["ARENA_PROVIDER_NOBODY_UPSTREAM", "ARENA_LIMITS_TENANTS_BLUE_RUNNING"]);
        assert_eq!(other.len(), 2, "nothing reads these: {other:?}");
    }

    #[test]
    fn what_kubernetes_tells_of_services_is_nobodys_mistake() {
        let links = [
            "ARENA_COORDINATOR_SERVICE_HOST",
            "ARENA_COORDINATOR_SERVICE_PORT",
            "ARENA_COORDINATOR_SERVICE_PORT_GRPC",
            "ARENA_COORDINATOR_PORT",
            "ARENA_COORDINATOR_PORT_7443_TCP",
            "ARENA_COORDINATOR_PORT_7443_TCP_ADDR",
        ];
        assert_eq!(told(&links), []);
        assert_eq!(told(&links[1..2]).len(), 1, "without its service it is one");
    }
}
