//! `arena check`: every problem at once; no engine, no container.

use super::Done;
use super::packet::{self, Unusable};
use crate::args::Common;
use crate::failure::USAGE;
use crate::output;
use arena_domain::packet::Packet;
use arena_proto::packet::Problem;
use std::path::Path;
use std::process::ExitCode;

pub(super) fn check(common: &Common, path: &Path) -> Done {
    let loaded = match packet::read(path) {
        Ok(loaded) => loaded,
        Err(Unusable::Failure(failure)) => return Err(failure),
        Err(Unusable::Problems(problems)) => return Ok(refuse(common, path, &problems)),
    };
    let (mut notes, mut warnings) = (Vec::new(), Vec::new());
    match loaded.base() {
        Ok((repository, base)) => warnings.extend(loaded.shown_holdout(&repository, &base)),
        Err(failure) => notes.push(format!("{}; {}", failure.what, failure.mend)),
    }
    if let Err(failure) = loaded.check_engines() {
        notes.push(format!("{}; {}", failure.what, failure.mend));
    }
    if let Err(failure) = loaded.files() {
        notes.push(format!("{}; {}", failure.what, failure.mend));
    }
    let many = loaded.packet.competitors.len();
    let advice = advice(&loaded.packet);
    if common.json {
        output::json(&serde_json::json!({
            "valid": notes.is_empty(),
            "problems": notes.iter().map(|note| serde_json::json!({ "reason": note })).collect::<Vec<_>>(),
            "warnings": loaded.warnings.iter().map(document)
                .chain(warnings.iter().map(|text| serde_json::json!({ "reason": text }))).collect::<Vec<_>>(),
            "advice": advice,
            "unknown": loaded.packet.unknown,
            "competitors": loaded.packet.competitors.iter().map(|one| one.name.to_string()).collect::<Vec<_>>(),
        }));
    } else {
        for warning in &loaded.warnings {
            output::line(&format!("warning: {}: {warning}", path.display()));
        }
        for warning in &warnings {
            output::line(&format!("warning: {warning}"));
        }
        if let Some(text) = &advice {
            output::line(&format!("advice: {text}"));
        }
        for field in &loaded.packet.unknown {
            output::line(&format!("unknown: {field}"));
        }
        for note in &notes {
            output::line(&format!("problem: {note}"));
        }
        if notes.is_empty() {
            output::line(&format!("{}: valid, {many} competitors", path.display()));
        }
    }
    Ok(if notes.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(USAGE) })
}

/// What would make the verdict harder to forge; a packet is as valid without it.
fn advice(packet: &Packet) -> Option<String> {
    let printed = packet.kpis.iter().find(|kpi| !kpi.source.is_clocked())?;
    packet.harness.as_ref().filter(|harness| !harness.token)?;
    let name = arena_domain::text::sanitise_line(&printed.name, 60);
    Some(format!(
        "KPI '{name}' is what the harness prints, and code that the harness loads could print it and end the run; set \
         harness.token = true, and have it read one line first and print `arena-token: LINE` last"
    ))
}

fn refuse(common: &Common, path: &Path, problems: &[Problem]) -> ExitCode {
    if common.json {
        let problems: Vec<_> = problems.iter().map(document).collect();
        output::json(&serde_json::json!({ "valid": false, "problems": problems }));
    } else {
        for problem in problems {
            output::line(&format!("{}: {problem}", path.display()));
        }
        output::line(&format!("{} problems", problems.len()));
    }
    ExitCode::from(USAGE)
}

fn document(problem: &Problem) -> serde_json::Value {
    let Problem { line, path, reason, mend } = problem;
    serde_json::json!({ "line": line, "path": path, "reason": reason, "mend": mend })
}
