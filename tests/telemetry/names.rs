//! Dashboards and alerts speak of what the program exports, and of nothing else.

use arena_runtime::telemetry::meter::{Figure, Kind};
use arena_runtime::telemetry::{EXPORTED, page};
use regex::Regex;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::skip;
use yaml_rust2::{Yaml, YamlLoader};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn figures() -> Vec<&'static Figure> {
    let ours = arena_coordinator::figures::ALL.into_iter().chain(arena_worker::figures::ALL);
    ours.chain([&EXPORTED.figure]).collect()
}

/// Every name that a query may hold.
fn series() -> BTreeSet<String> {
    let names = figures().into_iter().flat_map(|figure| {
        let name = page::prometheus_name(figure);
        match figure.kind {
            Kind::Histogram => ["_bucket", "_sum", "_count"].map(|end| format!("{name}{end}")).to_vec(),
            Kind::Counter | Kind::Gauge => vec![name],
        }
    });
    names.collect()
}

/// The attributes that stand in the sources, as Prometheus writes them.
fn labels() -> BTreeSet<String> {
    let files =
        ["coordinator/src/figures.rs", "worker/src/figures.rs", "worker/src/trace.rs", "worker/src/broker/watched.rs"];
    let files = files.into_iter().chain(["runtime/src/telemetry/export.rs"]);
    let word = Regex::new(r#"\("((?:arena|gen_ai|error)\.[a-z_.]+)""#).expect("a pattern");
    let mut found = BTreeSet::from(["le".to_owned()]);
    for file in files {
        found.extend(word.captures_iter(&read(file)).map(|captures| captures[1].replace('.', "_")));
    }
    found
}

/// The metrics and the labels that a query names.
fn named(query: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let pattern = |text: &str| Regex::new(text).expect("a pattern");
    let (selectors, groups) = (pattern(r"\{([^}]*)\}"), pattern(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)"));
    let word = pattern(r"[a-zA-Z_][a-zA-Z0-9_]*");
    let mut labels = BTreeSet::new();
    for selector in selectors.captures_iter(query) {
        labels.extend(pattern(r"([a-z_]+)\s*(?:=|!)").captures_iter(&selector[1]).map(|found| found[1].to_owned()));
    }
    for group in groups.captures_iter(query) {
        labels.extend(word.find_iter(&group[1]).map(|found| found.as_str().to_owned()));
    }
    let rest = groups.replace_all(query, " ").into_owned();
    let rest = pattern(r"\[[^\]]*\]").replace_all(&selectors.replace_all(&rest, " "), " ").into_owned();
    let is_name = |found: &regex::Match<'_>| {
        let calls = rest[found.end()..].trim_start().starts_with('(');
        !calls && !["and", "or", "unless", "sum", "bool"].contains(&found.as_str())
    };
    (word.find_iter(&rest).filter(is_name).map(|found| found.as_str().to_owned()).collect(), labels)
}

fn assert_known(query: &str) {
    let (metrics, used) = named(query);
    assert!(!metrics.is_empty(), "names no metric: {query}");
    let strange: Vec<_> = metrics.difference(&series()).cloned().collect();
    assert_eq!(strange, Vec::<String>::new(), "no metric of the program: {query}");
    let strange: Vec<_> = used.difference(&labels()).cloned().collect();
    assert_eq!(strange, Vec::<String>::new(), "no attribute of the program: {query}");
}

#[test]
fn a_query_is_read_for_its_metrics_and_its_labels() {
    let (metrics, labels) =
        named("sum by (le, arena_x) (rate(a_total{b!=\"c\", d=~\"e\"}[5m])) / c_d > 0.3 and e == 0");
    assert_eq!(metrics, ["a_total", "c_d", "e"].map(str::to_owned).into());
    assert_eq!(labels, ["le", "arena_x", "b", "d"].map(str::to_owned).into());
}

#[test]
fn every_figure_is_in_its_table() {
    let many = |file: &str| read(file).lines().filter(|line| line.starts_with("pub static ")).count();
    assert_eq!(many("coordinator/src/figures.rs"), arena_coordinator::figures::ALL.len());
    assert_eq!(many("worker/src/figures.rs"), arena_worker::figures::ALL.len());
    let names: BTreeSet<&str> = figures().iter().map(|figure| figure.name).collect();
    assert_eq!(names.len(), figures().len(), "one name each");
}

#[test]
fn the_dashboard_shows_every_figure_and_no_other() {
    let dashboard: serde_json::Value = serde_json::from_str(&read("deploy/telemetry/dashboard.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().expect("targets"));
    let queries: Vec<&str> = targets.map(|target| target["expr"].as_str().expect("a query")).collect();
    queries.iter().for_each(|query| assert_known(query));
    let all = queries.join("\n");
    for figure in figures() {
        let name = page::prometheus_name(figure);
        assert!(all.contains(&name), "no panel shows {name}");
    }
}

#[test]
fn workers_are_scaled_by_what_is_exported() {
    let values = yaml("deploy/helm/arena/values.yaml");
    let query = values["keda"]["query"].as_str().expect("a query");
    // Which process said it is Prometheus' own label.
    assert_known(&query.replace("by (instance)", ""));
    let depth = page::prometheus_name(&arena_coordinator::figures::DEPTH.figure);
    assert!(query.contains(&depth), "the depth of the queue: {query}");
}

fn yaml(path: &str) -> Yaml {
    YamlLoader::load_from_str(&read(path)).expect("YAML").swap_remove(0)
}

#[test]
fn alerts_name_what_is_exported_and_say_the_mend() {
    let rules = yaml("deploy/telemetry/alerts.yaml");
    let rules = rules["groups"][0]["rules"].as_vec().expect("rules").clone();
    assert!(rules.len() >= 5, "{rules:?}");
    for rule in rules {
        assert_known(rule["expr"].as_str().expect("a query"));
        assert!(rule["annotations"]["mend"].as_str().is_some(), "{rule:?}");
    }
}

#[test]
fn every_part_of_the_collectors_pipelines_is_configured() {
    let collector = yaml("deploy/telemetry/collector.yaml");
    let pipelines = collector["service"]["pipelines"].as_hash().expect("pipelines");
    assert_eq!(pipelines.len(), 2);
    for (_, pipeline) in pipelines {
        for kind in ["receivers", "processors", "exporters"] {
            for part in pipeline[kind].as_vec().expect("parts") {
                let there = collector[kind].as_hash().expect("a section").contains_key(part);
                assert!(there, "{part:?} is in no section {kind}");
            }
        }
    }
}

#[test]
fn promtool_takes_the_rules() {
    let rules = root().join("deploy/telemetry/alerts.yaml");
    let folder = std::env::var_os("ARENA_TEST_TOOLS").map(PathBuf::from);
    let own = folder.map(|folder| folder.join("bin/promtool")).filter(|program| program.is_file());
    match Command::new(own.unwrap_or_else(|| "promtool".into())).args(["check", "rules"]).arg(&rules).output() {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(_) => skip(
            "promtool_takes_the_rules",
            "no promtool; `deploy/tools target/tools` takes it out of Debian's package",
        ),
    }
}
