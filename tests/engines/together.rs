//! All four at once: the session that a user wants.

use crate::stage::{ENGINES, Stage, assert_usage, packet, ready, usage};
use serde_json::json;
use support::git;
use support::model::{script, shell, text};

#[test]
fn four_real_engines_compete_and_the_best_of_them_wins() {
    if !ready("four_real_engines", &ENGINES) {
        return;
    }
    let values = [3, 5, 7, 8];
    let scripts = ENGINES.iter().zip(values).map(|(engine, value)| {
        let turns = [shell(&format!("echo {value} > value")), text(&format!("The value is {value} now."))];
        script(engine, turns)
    });
    let stage = Stage::set("", scripts.collect());
    let output = stage.run(&packet(&ENGINES.map(|engine| (engine, engine, engine))));
    assert_eq!(output.code, 0, "{output:?}");
    let result = output.result();
    assert_eq!((&result["status"], &result["winner"]), (&json!("winner"), &json!("codex")));
    for (rank, (engine, value)) in ENGINES.iter().zip(values).enumerate() {
        let entry = output.entry(engine);
        assert_eq!((&entry["rank"], &entry["ending"]), (&json!(rank + 1), &json!("done")), "{entry}");
        assert_eq!(entry["files_changed"], json!(["value"]), "{engine}");
        assert_eq!(entry["gates"][0]["passed"], true, "{engine}");
        assert_eq!(entry["said"], json!([format!("The value is {value} now.")]), "{engine}");
        assert_eq!(entry["kpis"][0]["best"], f64::from(value), "{engine}");
        assert_usage(&entry["usage"], &usage(2), engine);
        let own = [&entry["engine_usage"]["input_tokens"], &entry["engine_usage"]["output_tokens"]];
        assert_eq!(own, [2000, 100], "{engine} counts as the broker does");
        assert_eq!(entry["flags"], json!([]), "{engine}");
        assert_ne!(entry["engine_version"], "", "{engine}");
        let branch = entry["branch"].as_str().expect("a branch");
        assert_eq!(git(&stage.world.repo, &["show", &format!("{branch}:value")]), value.to_string());
        assert_eq!(stage.model.turns(engine), [0, 1], "{engine}");
    }
    stage.world.assert_clean();
}
