//! The Helm chart: Helm's own lint, the schemas of Kubernetes, and what the chart promises.

use crate::outside::{deploy, of, outside, text};
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[test]
fn helm_finds_nothing_and_every_variant_is_what_kubernetes_takes() {
    let Some(outside) = outside("helm_finds_nothing_and_every_variant_is_what_kubernetes_takes") else { return };
    let report = outside.ask("lint", &deploy("helm/arena"), &[]);
    assert_eq!((&report["total_charts_linted"], &report["errors"]), (&json!(1), &json!([])));
    for message in report["messages"].as_array().expect("messages") {
        assert!(message["severity"].as_u64() < Some(2), "{message}");
    }
    let rows = [
        json!({}),
        json!({"keda": {"enabled": true}, "networkPolicy": {"clients": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}}),
        json!({"worker": {"kind": "DaemonSet", "workspaces": "volume"}, "serviceAccount": {"annotations": {"a": "b"}}}),
        json!({"worker": {"enabled": false}, "networkPolicy": {"enabled": false}, "podDisruptionBudget": {"enabled": false}}),
        json!({"image": {"pullSecrets": [{"name": "registry"}]}, "blobs": {"credentialsSecret": ""}}),
    ];
    for values in rows {
        let documents = outside.render(&values).expect("values that hold");
        let wrong = kubernetes(&outside, &documents);
        // KEDA's own kind is not among the schemas; what it must hold is asserted below.
        let wrong: Vec<&String> = wrong.iter().filter(|line| *line != "ScaledObject: no schema").collect();
        assert!(wrong.is_empty(), "{values}: {wrong:#?}");
    }
    let mut documents = outside.render(&json!({})).expect("the defaults");
    documents.retain(|one| one["kind"] == "Service");
    documents[0]["spec"]["prots"] = json!([]);
    assert_eq!(kubernetes(&outside, &documents).len(), 1, "a misspelt key must be noticed");
}

fn kubernetes(outside: &crate::outside::Outside, documents: &[Value]) -> Vec<String> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), json!(documents).to_string()).expect("a file");
    serde_json::from_value(outside.ask("kubernetes", file.path(), &[])).expect("lines")
}

#[test]
fn values_that_cannot_hold_are_refused() {
    let Some(outside) = outside("values_that_cannot_hold_are_refused") else { return };
    let rows = [
        (json!({"coordinator": {"replica": 3}}), "replica"),
        (json!({"store": {"url": "redis://in-the-clear:6379"}}), "rediss"),
        (json!({"store": {"url": "sentinel://main@in-the-clear:26379"}}), "store.ca"),
        (json!({"store": {"password": true}}), "store.secret"),
        (json!({"blobs": {"url": "file:///each/pod/its/own"}}), "s3"),
        (json!({"worker": {"kind": "StatefulSet"}}), "kind"),
        (json!({"worker": {"nodeSelector": null}}), "nodeSelector"),
        (json!({"worker": {"providers": {"own": {"upstream": "ftp://x", "models": []}}}}), "upstream"),
        (json!({"keda": {"enabled": true}, "worker": {"kind": "DaemonSet"}}), "worker.kind=Deployment"),
        (json!({"coordinator": {"port": 70000}}), "port"),
        (json!({"limits": {"blobs": "much"}}), "blobs"),
        (json!({"limits": {"tenants": {"blue": {"blobs": "0GiB"}}}}), "blobs"),
        (json!({"limits": {"provider": {"openai": {}}}}), "running"),
        (json!({"limits": {"tenants": {"blue": {"runing": 1}}}}), "runing"),
        (json!({"limits": {"engine": {"a b": 1}}}), "a b"),
    ];
    for (values, says) in rows {
        let refused = outside.render(&values).map(|_| ()).expect_err(says);
        assert!(refused.contains(says), "{values}: {refused}");
    }
}

#[test]
fn coordinators_run_as_nobody_and_only_workers_hold_the_socket() {
    let Some(outside) = outside("coordinators_run_as_nobody_and_only_workers_hold_the_socket") else { return };
    let documents = outside.render(&json!({"keda": {"enabled": true}})).expect("values that hold");
    let pod = &of(&documents, "Deployment", "-coordinator")["spec"]["template"]["spec"];
    assert_eq!(
        (&pod["securityContext"]["runAsNonRoot"], &pod["automountServiceAccountToken"]),
        (&json!(true), &json!(false))
    );
    let container = &pod["containers"][0];
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], json!(true));
    assert_eq!(container["securityContext"]["capabilities"]["drop"], json!(["ALL"]));
    assert!(!pod["volumes"].to_string().contains("hostPath"));
    let image = text("deploy/container/coordinator.Dockerfile");
    assert!(image.contains(&format!("USER {0}:{0}", pod["securityContext"]["runAsUser"])));
    let worker = of(&documents, "Deployment", "-worker");
    let pod = &worker["spec"]["template"]["spec"];
    assert_eq!(pod["nodeSelector"], json!({"arena.dev/pool": "workers"}));
    assert_eq!(pod["containers"][0]["securityContext"]["privileged"], json!(true));
    assert!(worker["spec"].get("replicas").is_none(), "KEDA says how many");
    let mounts = pod["containers"][0]["volumeMounts"].as_array().expect("mounts");
    let state = mounts.iter().find(|one| one["name"] == "state").expect("the state");
    let volume = pod["volumes"].as_array().expect("volumes").iter().find(|one| one["name"] == "state").expect("it");
    assert_eq!(state["mountPath"], volume["hostPath"]["path"], "the engine mounts by the node's paths");
    assert_eq!(state["mountPropagation"], "Bidirectional");
    let scaled = of(&documents, "ScaledObject", "-worker");
    assert_eq!(scaled["spec"]["scaleTargetRef"]["name"], worker["metadata"]["name"]);
    let trigger = &scaled["spec"]["triggers"][0];
    assert_eq!(trigger["type"], "prometheus");
    for key in ["serverAddress", "query", "threshold"] {
        assert!(trigger["metadata"][key].is_string(), "KEDA takes texts alone: {key}");
    }
    let volume = outside.render(&json!({"worker": {"workspaces": "volume"}})).expect("values that hold");
    let container = &of(&volume, "Deployment", "-worker")["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["securityContext"]["privileged"], json!(false));
}

/// Every path of a value, as templates write it.
fn leaves(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value.as_object().filter(|table| !table.is_empty()) {
        Some(table) => table.iter().for_each(|(key, below)| leaves(below, &format!("{path}.{key}"), found)),
        None => drop(found.insert(path.to_owned())),
    }
}

#[test]
fn every_value_is_used_and_every_value_that_is_used_exists() {
    let Some(outside) = outside("every_value_is_used_and_every_value_that_is_used_exists") else { return };
    let mut values = BTreeSet::new();
    leaves(&outside.yaml("helm/arena/values.yaml"), ".Values", &mut values);
    let folder = deploy("helm/arena/templates");
    let mut used = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("the templates") {
        let template = std::fs::read_to_string(entry.expect("an entry").path()).expect("a template");
        for part in template.split(".Values").skip(1) {
            let end = part.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.')).unwrap_or(part.len());
            used.insert(format!(".Values{}", &part[..end]));
        }
    }
    let covers = |above: &String, below: &String| below == above || below.starts_with(&format!("{above}."));
    for one in &used {
        assert!(values.iter().any(|value| covers(one, value)), "{one} is in no values.yaml");
    }
    for value in &values {
        assert!(used.iter().any(|one| covers(one, value)), "{value} is used nowhere");
    }
}
