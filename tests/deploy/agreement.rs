//! Configurations, command lines, ports and paths agree with the program and with each other.

use crate::outside::{of, outside, text};
use crate::program::{configuration, parses};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

const FILES: [&str; 4] = [
    "deploy/config/coordinator.toml",
    "deploy/config/worker.toml",
    "deploy/compose/coordinator.toml",
    "deploy/compose/worker.toml",
];

#[test]
fn the_program_takes_every_configuration_that_is_handed_out() {
    let name = "the_program_takes_every_configuration_that_is_handed_out";
    for file in FILES {
        configuration(file, &text(file));
    }
    let Some(outside) = outside(name) else { return };
    let rows = [
        json!({}),
        json!({"blobs": {"url": "s3://b/p", "endpoint": "https://storage:9000", "region": "x", "ca": true}}),
        json!({"telemetry": {"otlp": "http://collector:4317"}, "worker": {"measureCores": ["1", "2-3"], "workspaces": "volume"}}),
        json!({"store": {"url": "sentinel://main@a:26379", "user": "arena", "secret": "s", "password": true, "ca": true, "certificate": true, "replicas": 1}}),
        json!({"worker": {"extraConfig": "[broker]\nidle_s = 30"}, "coordinator": {"extraConfig": "[limits.engine]\ncodex = 2"}}),
    ];
    for values in rows {
        let documents = outside.render(&values).expect("values that hold");
        for service in ["-coordinator", "-worker"] {
            let config = of(&documents, "ConfigMap", service)["data"]["config.toml"].as_str().expect("a text");
            configuration(&format!("{service} of {values}"), config);
        }
    }
}

#[test]
fn the_chart_says_of_limits_whatever_a_configuration_can_say() {
    let Some(outside) = outside("the_chart_says_of_limits_whatever_a_configuration_can_say") else { return };
    let limits = json!({
        "tenant": null, "sessions": 1_000_000, "queued": 5, "priority": 2, "blobs": "10GiB",
        "tenants": {"blue": {"running": 4, "weight": 2, "blobs": "1 TiB"}, "team-2": {"weight": 3}},
        "engine": {"claude-code": 2},
        "provider": {"openai": {"running": 3, "engines": ["own", "other"]}},
    });
    let documents = outside.render(&json!({"store": {"keepDays": 0}, "limits": limits})).expect("values that hold");
    let text = of(&documents, "ConfigMap", "-coordinator")["data"]["config.toml"].as_str().expect("a text");
    let said = configuration("the chart's", text);
    assert_eq!(said.store.keep, None);
    let unsaid = outside.render(&json!({"store": {"keepDays": null}})).expect("values that hold");
    let unsaid = of(&unsaid, "ConfigMap", "-coordinator")["data"]["config.toml"].as_str().expect("a text").to_owned();
    assert!(configuration("the chart's", &unsaid).store.keep.is_some(), "not said is no number of days");
    let of = &said.limits;
    assert_eq!((of.fleet, of.each.running, of.each.sessions, of.each.queued), (64, None, Some(1_000_000), Some(5)));
    assert_eq!((of.each.priority, of.each.blobs), (2, Some(10 << 30)));
    let blue = &of.tenants["blue"];
    assert_eq!((blue.running, blue.weight, blue.sessions, blue.blobs), (Some(4), 2, Some(1_000_000), Some(1 << 40)));
    assert_eq!(of.tenants["team-2"].weight, 3);
    assert_eq!(of.engine["claude-code"], 2);
    assert_eq!((of.provider["openai"].running, of.provider["openai"].engines.len()), (3, 2));
}

/// The words after `arena` wherever a service is started.
fn command_lines(compose: &Value, documents: &[Value]) -> Vec<Vec<String>> {
    let words = |list: &Value| -> Vec<String> {
        list.as_array().into_iter().flatten().map(|word| word.as_str().expect("a word").to_owned()).collect()
    };
    let mut lines: Vec<Vec<String>> = ["coordinator-1", "coordinator-2", "worker"]
        .iter()
        .map(|service| words(&compose["services"][service]["command"]))
        .collect();
    for service in ["-coordinator", "-worker"] {
        let pod = &of(documents, "Deployment", service)["spec"]["template"]["spec"];
        lines.push(words(&pod["containers"][0]["args"]));
    }
    for service in ["coordinator", "worker"] {
        let unit = text(&format!("deploy/systemd/arena-{service}.service"));
        let start =
            unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/arena ")).expect("a start");
        lines.push(start.split(' ').map(str::to_owned).collect());
        let image = text(&format!("deploy/container/{service}.Dockerfile"));
        let start = image.lines().find_map(|line| line.strip_prefix("CMD ")).expect("a start");
        lines.push(serde_json::from_str(start).expect("a list of words"));
    }
    lines
}

#[test]
fn the_program_takes_every_command_line_that_starts_it() {
    let name = "the_program_takes_every_command_line_that_starts_it";
    let Some(outside) = outside(name) else { return };
    let documents = outside.render(&json!({})).expect("the defaults");
    for line in command_lines(&outside.yaml("compose/compose.yaml"), &documents) {
        let words: Vec<&str> = line.iter().map(String::as_str).collect();
        assert_eq!(parses(&words), Ok(()), "{words:?}");
        let misspelt: Vec<&str> = words.iter().copied().chain(["--confg", "x"]).collect();
        assert!(parses(&misspelt).is_err(), "a flag that is none must be noticed: {misspelt:?}");
    }
}

#[test]
fn the_program_takes_every_command_that_operators_are_told() {
    let manual = text("docs/operating.md");
    let blocks = manual.lines().filter_map(|line| line.trim().strip_prefix("arena "));
    let spans = manual.split('`').skip(1).step_by(2).filter_map(|span| span.strip_prefix("arena "));
    let lines: BTreeSet<&str> = blocks.chain(spans).collect();
    assert!(lines.len() > 5, "{lines:?}");
    for line in lines {
        let plain = line.split(" #").next().unwrap_or(line).trim();
        let words: Vec<&str> = plain.split_whitespace().collect();
        assert_eq!(parses(&words), Ok(()), "arena {plain}");
    }
}

fn port(address: &str) -> u64 {
    address.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("{address}"))
}

#[test]
fn ports_paths_and_times_are_the_same_wherever_they_are_said() {
    let Some(outside) = outside("ports_paths_and_times_are_the_same_wherever_they_are_said") else { return };
    let compose = outside.yaml("compose/compose.yaml");
    let [coordinator, worker] = [FILES[2], FILES[3]].map(|file| configuration(file, &text(file)));
    for (service, config) in [("coordinator-1", &coordinator), ("coordinator-2", &coordinator), ("worker", &worker)] {
        let volumes = compose["services"][service]["volumes"].as_array().expect("volumes");
        let targets: BTreeSet<&str> = volumes.iter().filter_map(|volume| volume["target"].as_str()).collect();
        let files = [&config.tls, &config.store.tls].map(|tls| [&tls.ca, &tls.certificate, &tls.key]);
        for path in files.into_iter().flatten().flatten() {
            let folder = path.parent().and_then(Path::to_str).expect("a folder");
            assert!(targets.contains(folder), "{service}: {} is mounted nowhere", path.display());
        }
        assert!(targets.contains("/etc/arena/config.toml") && targets.contains("/var/lib/arena"), "{service}");
        assert_eq!(config.telemetry.otlp.as_deref().map(port), Some(4317));
        assert!(config.telemetry.prometheus.is_some(), "{service}");
    }
    for service in ["coordinator-1", "coordinator-2"] {
        let published = compose["services"][service]["ports"][0].as_str().expect("a port");
        assert_eq!(port(published), port(&coordinator.coordinator.listen));
        let named = format!("https://{service}:{}", port(published));
        assert!(worker.worker.coordinators.contains(&named), "{named}");
    }
    for (service, drain) in [("coordinator", coordinator.coordinator.drain), ("worker", worker.worker.drain)] {
        let composed = if service == "worker" { "worker" } else { "coordinator-1" };
        let grace = compose["services"][composed]["stop_grace_period"].as_str().expect("a time");
        assert!(grace.trim_end_matches('s').parse::<u64>().expect("seconds") > drain.as_secs(), "{grace}");
        let unit = text(&format!("deploy/systemd/arena-{service}.service"));
        let stop = unit.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")).expect("a time");
        assert!(stop.parse::<u64>().expect("seconds") > drain.as_secs(), "{stop}");
    }
    for (service, exposed) in [("coordinator", "EXPOSE 7443 9464"), ("worker", "EXPOSE 9464")] {
        assert!(text(&format!("deploy/container/{service}.Dockerfile")).contains(exposed), "{service}");
    }
}

#[test]
fn compose_is_what_the_specification_says_and_keeps_its_promises() {
    let Some(outside) = outside("compose_is_what_the_specification_says_and_keeps_its_promises") else { return };
    let path = crate::outside::deploy("compose/compose.yaml");
    let services = json!(["collector", "coordinator-1", "coordinator-2", "redis", "worker"]);
    assert_eq!(outside.ask("compose", &path, &[]), services);
    let wrong = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(wrong.path(), text("deploy/compose/compose.yaml").replace("stop_grace_period", "stop_grace"))
        .expect("a file");
    let refused = outside.ask("compose", wrong.path(), &[]);
    assert!(refused["refused"].is_string(), "a misspelt key must be noticed: {refused}");
    let compose = outside.yaml("compose/compose.yaml");
    for (name, service) in compose["services"].as_object().expect("services") {
        assert!(service.get("privileged").is_none(), "{name}");
        if name == "worker" {
            continue;
        }
        assert_eq!(service["read_only"], json!(true), "{name}");
        assert_eq!(service["cap_drop"], json!(["ALL"]), "{name}");
        assert!(service.get("cap_add").is_none(), "{name}");
        let mounts = service["volumes"].to_string();
        assert!(!mounts.contains("docker.sock"), "{name} holds the engine's socket");
    }
    // Only coordinators are where Redis is, and Redis is nowhere else.
    assert_eq!(compose["services"]["redis"]["networks"], json!(["store"]));
    assert_eq!(compose["networks"]["store"]["internal"], json!(true));
    for name in ["worker", "collector"] {
        assert!(!compose["services"][name]["networks"].to_string().contains("store"), "{name}");
    }
}
