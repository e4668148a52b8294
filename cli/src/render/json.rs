//! The result for scripts. Its keys, their order and their meaning are a contract; what is unknown is `null`.

use super::figures;
use super::synthesis::ranked;
use arena_domain::ending::Ending;
use arena_domain::outcome::{Exit, Flag, GateResult};
use arena_domain::packet::Packet;
use arena_domain::report::Report;
use arena_domain::standing::{Entry, KpiResult};
use arena_domain::text::sanitise_line;
use serde_json::{Value, json};

/// Longest text of any field but the paths of files: those are as the repository has them, for scripts to find.
const LONGEST: usize = 4096;

/// The document that `run --json` ends with. `path` is where the report lies: a file or a URL.
pub(crate) fn result(session: &str, report: &Report, path: &str) -> Value {
    let standing = &report.standing;
    json!({
        "event": "result",
        "session": clean(session),
        "status": standing.status.as_str(),
        "winner": standing.winner.as_ref().map(|name| clean(name.as_str())),
        "base": clean(report.base.as_str()),
        "reason": clean(&standing.reason),
        "paradigm": report.packet.paradigm_played().as_str(),
        "mode": report.packet.mode_played().as_str(),
        "duration_s": report.duration_s,
        "standing": ranked(report).into_iter().map(entry).collect::<Vec<_>>(),
        "report": clean(path),
        "chosen": chosen(&report.packet),
    })
}

/// Why Arena plays this paradigm and this mode; `null` where the packet says which.
pub(crate) fn chosen(packet: &Packet) -> Value {
    json!({ "paradigm": packet.why_paradigm(), "mode": packet.why_mode() })
}

fn entry(entry: &Entry) -> Value {
    json!({
        "rank": entry.rank,
        "competitor": clean(entry.competitor.as_str()),
        "engine": clean(&entry.engine),
        "qualified": entry.qualified(),
        "disqualified_for": cleaned(&entry.disqualified_for),
        "commit": entry.commit.as_ref().map(|commit| clean(commit.as_str())),
        "branch": clean(&entry.branch),
        "files_changed": entry.files_changed(),
        "scope": { "kept": figures::scope_kept(entry), "reverted": entry.reverted },
        "gates": entry.gates.iter().map(gate).collect::<Vec<_>>(),
        "kpis": entry.kpis.iter().map(kpi).collect::<Vec<_>>(),
        "incomparable": entry.incomparable,
        "flags": entry.flags.iter().map(flag).collect::<Vec<_>>(),
        "rounds": entry.rounds.len(),
        "usage": {
            "input_tokens": entry.usage.input_tokens,
            "output_tokens": entry.usage.output_tokens,
            "cost_usd": entry.usage.cost_usd,
            "cached_input_tokens": entry.usage.cached_input_tokens,
            "requests": entry.usage.requests,
        },
        "score": entry.score,
        "ending": entry.runs.ending.map(Ending::as_str),
        "ending_detail": clean(&entry.runs.ending_detail),
        "engine_version": clean(&entry.runs.engine_version),
        "engine_usage": {
            "input_tokens": entry.runs.own_usage.input_tokens,
            "output_tokens": entry.runs.own_usage.output_tokens,
            "cost_usd": entry.runs.own_usage.cost_usd,
        },
        "said": cleaned(&entry.said),
    })
}

fn gate(gate: &GateResult) -> Value {
    // A gate that was ended from outside has no exit code, and none is made up for it.
    let exit = match gate.exit {
        Exit::Code(code) => Some(code),
        Exit::OutOfMemory | Exit::DeadlinePassed | Exit::Cancelled | Exit::Killed => None,
    };
    json!({
        "name": clean(&gate.name),
        "kind": gate.kind.as_str(),
        "passed": gate.passed(),
        "exit": exit,
        "duration_s": gate.duration.as_secs_f64(),
        "tests": gate.tests,
        "command": clean(&gate.command),
    })
}

fn kpi(kpi: &KpiResult) -> Value {
    json!({
        "name": clean(&kpi.name),
        "unit": clean(&kpi.unit),
        "better": kpi.better.as_str(),
        "baseline": kpi.baseline,
        "best": kpi.best,
        "delta": kpi.best - kpi.baseline,
        "ratio": kpi.ratio,
        "ci": kpi.ci.map(|(low, high)| [low, high]),
        "verdict": kpi.verdict.as_str(),
        "holdout_ratio": kpi.holdout_ratio,
    })
}

fn flag(flag: &Flag) -> Value {
    json!({
        "kind": flag.kind.as_str(),
        "path": flag.path,
        "detail": clean(&flag.detail),
    })
}

fn clean(raw: &str) -> String {
    sanitise_line(raw, LONGEST)
}

fn cleaned(raw: &[String]) -> Vec<String> {
    raw.iter().map(|one| clean(one)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::tests::won;
    use arena_domain::packet::{Mode, Paradigm};

    #[test]
    fn a_path_is_the_name_that_a_script_finds_the_file_by() {
        let mut report = won();
        let entry = report.standing.entries.iter_mut().find(|one| one.rank == 1).unwrap();
        entry.changes[0].path = "src/a\n\u{1b}b.py".into();
        entry.reverted = vec!["\"\\377bad\"".into()];
        let document = result("0123456789ab", &report, "r");
        let first = &document["standing"][0];
        assert_eq!(first["files_changed"], json!(["src/a\n\u{1b}b.py"]));
        assert_eq!(first["scope"]["reverted"], json!(["\"\\377bad\""]));
    }

    #[test]
    fn what_auto_chose_is_told_with_its_reason() {
        let mut report = won();
        (report.packet.paradigm, report.packet.mode) = (Paradigm::Auto, Mode::Auto);
        let document = result("0123456789ab", &report, "r");
        assert_eq!((&document["paradigm"], &document["mode"]), (&json!("compete"), &json!("team")));
        assert!(
            document["chosen"].as_object().unwrap().values().all(|why| why.as_str().unwrap().starts_with("auto: "))
        );
        assert_eq!(result("0123456789ab", &won(), "r")["chosen"], json!({ "paradigm": null, "mode": null }));
    }

    #[test]
    fn the_result_has_the_keys_of_the_contract_in_their_order() {
        let result = result("0123456789ab", &won(), "out/report.html");
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
        assert_eq!(
            keys(&result),
            "event session status winner base reason paradigm mode duration_s standing report chosen"
        );
        let first = &result["standing"][0];
        assert_eq!(
            keys(first),
            "rank competitor engine qualified disqualified_for commit branch files_changed scope gates kpis incomparable flags rounds usage score \
             ending ending_detail engine_version engine_usage said"
        );
        assert_eq!(keys(&first["gates"][0]), "name kind passed exit duration_s tests command");
        assert_eq!(keys(&first["kpis"][0]), "name unit better baseline best delta ratio ci verdict holdout_ratio");
        assert_eq!((&result["status"], &result["winner"]), (&"winner".into(), &"codex-minimal".into()));
        let counted = json!({
            "input_tokens": 2000, "output_tokens": 100, "cost_usd": null, "cached_input_tokens": null, "requests": null
        });
        assert_eq!(first["usage"], counted);
        assert_eq!(first["kpis"][0]["ci"], json!([0.78, 0.8300000000000001]));
        let last = &result["standing"][2];
        assert_eq!(last["scope"], json!({"kept": false, "reverted": ["Cargo.toml"]}));
        assert_eq!(last["gates"][0]["exit"], Value::Null);
        assert_eq!(
            last["flags"][0],
            json!({"kind": "test_weakened", "path": "tests/test_a.py", "detail": "3 assertions fewer"})
        );
    }
}
