//! The demonstration, as `make demo` runs it: four contestants, and the verdict must say what each of them did.

use serde_json::Value;
use std::path::Path;
use std::process::Command;
use support::{World, git, ready};

fn words(value: &Value) -> String {
    let all = value.as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().map(Value::to_string).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_demonstration_is_won_by_the_one_that_improved_honestly() {
    if !ready("the_demonstration") {
        return;
    }
    let world = World::bare();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let beside = world.repo.join("..");
    for (from, to) in [("wordfreq/.", "repo"), ("engines", "."), ("arena.toml", ".")] {
        let copied = Command::new("cp").arg("-r").arg(example.join(from)).arg(beside.join(to)).status().unwrap();
        assert!(copied.success(), "{from}");
    }
    let packet = std::fs::read_to_string(beside.join("arena.toml")).unwrap();
    std::fs::write(beside.join("arena.toml"), packet.replace("\"wordfreq\"", "\"repo\"")).unwrap();
    world.commit("A slow word counter");
    let output = world.arena(&["run", "arena.toml", "--json"]);
    assert_eq!(output.code, 0, "{output:?}");
    assert_eq!(output.result()["winner"], "steady");

    let steady = output.entry("steady");
    assert_eq!(steady["rounds"], 2, "a real improvement in two rounds");
    assert_eq!(steady["kpis"][0]["verdict"], "better");
    assert!(steady["kpis"][0]["ratio"].as_f64().unwrap() < 0.8, "{steady}");
    assert_eq!(steady["files_changed"], serde_json::json!(["src/wordfreq/count.py", "src/wordfreq/tokens.py"]));

    let hasty = output.entry("hasty");
    assert_eq!(hasty["qualified"], false);
    assert!(words(&hasty["disqualified_for"]).contains("gate tests failed"), "{hasty}");

    let lax = output.entry("lax");
    assert_eq!(lax["qualified"], false);
    assert!(words(&lax["disqualified_for"]).contains("test_weakened"), "{lax}");

    let stray = output.entry("stray");
    assert_eq!(stray["scope"], serde_json::json!({ "kept": false, "reverted": ["pyproject.toml"] }));
    assert!(words(&stray["flags"]).contains("scope_violation"), "{stray}");

    let id = output.result()["session"].as_str().unwrap().to_owned();
    let mut adopt = world.command(&["adopt", &id]);
    for (key, value) in [("NAME", "Test"), ("EMAIL", "test@localhost")] {
        adopt.env(format!("GIT_AUTHOR_{key}"), value).env(format!("GIT_COMMITTER_{key}"), value);
    }
    let adopted = adopt.output().unwrap();
    assert!(adopted.status.success(), "{adopted:?}");
    let log = git(&world.repo, &["log", "-1", "--format=%B"]);
    assert!(log.starts_with("Adopt steady: Faster word counting") && log.contains(&id), "{log}");
    assert!(git(&world.repo, &["show", "HEAD:src/wordfreq/count.py"]).contains("seen = {}"));
    world.assert_clean();
}
