//! `arena check`: every problem at once; no engine, no container.

use super::Done;
use super::packet::{self, Loaded, Unusable};
use crate::advice;
use crate::args::Common;
use crate::failure::{Failure, USAGE};
use crate::output;
use crate::userrepo::UserRepo;
use arena_domain::packet::Packet;
use arena_proto::packet::Problem;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;

/// What is wrong with a packet beyond its own text, and what its author should know.
#[derive(Default)]
struct Found {
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

pub(super) fn check(common: &Common, path: &Path) -> Done {
    let loaded = match packet::read(common, path) {
        Ok(loaded) => loaded,
        Err(Unusable::Failure(failure)) => return Err(failure),
        Err(Unusable::Problems(problems)) => return Ok(refuse(common, path, &problems)),
    };
    let found = look(&loaded)?;
    if common.json {
        output::json(&document(&loaded, &found));
    } else {
        show(path, &loaded, &found);
    }
    Ok(if found.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(USAGE) })
}

fn look(loaded: &Loaded) -> Result<Found, Failure> {
    let mut found = Found::default();
    let say = |path: &str, failure: Failure| loaded.places.problem(path, failure.what, failure.mend);
    match UserRepo::open(&loaded.folder.join(&loaded.packet.repository)) {
        Err(error) => found.problems.push(say("session.repository", error.into())),
        Ok(repository) => match repository.resolve(loaded.packet.base.as_deref()) {
            Err(error) => found.problems.push(say("session.base", error.into())),
            Ok(base) => found.warnings = loaded.all_warnings(&repository, &base)?,
        },
    }
    if found.warnings.is_empty() {
        found.warnings = loaded.warnings.clone();
    }
    if let Err(failure) = loaded.files() {
        found.problems.push(say("engine", failure));
    }
    found.problems.extend(loaded.wrong_doors());
    let config = &loaded.engines.engines.config;
    let unfit = advice::unfit(&loaded.packet, &loaded.places, &config.worker);
    if loaded.of_a_team {
        found.warnings.extend(unfit)
    } else {
        found.problems.extend(unfit)
    }
    found.problems.sort_by_key(|problem| problem.line);
    Ok(found)
}

fn document(loaded: &Loaded, found: &Found) -> Value {
    json!({
        "valid": found.problems.is_empty(),
        "problems": found.problems.iter().map(entry).collect::<Vec<_>>(),
        "warnings": found.warnings.iter().map(entry).collect::<Vec<_>>(),
        "advice": token_advice(&loaded.packet),
        "unknown": loaded.packet.unknown,
        "lineup": loaded.lineup,
        "competitors": loaded.packet.competitors.iter().map(|one| one.name.to_string()).collect::<Vec<_>>(),
    })
}

fn show(path: &Path, loaded: &Loaded, found: &Found) {
    for warning in &found.warnings {
        output::line(&format!("warning: {}: {warning}", path.display()));
    }
    if let Some(text) = token_advice(&loaded.packet) {
        output::line(&format!("advice: {text}"));
    }
    for field in &loaded.packet.unknown {
        output::line(&format!("unknown: {field}"));
    }
    if found.problems.is_empty() {
        let many = loaded.packet.competitors.len();
        output::line(&format!("{}: valid, {}", path.display(), counted(many, "competitor")));
        if let Some(why) = &loaded.lineup {
            output::line(why);
        }
    } else {
        list(path, &found.problems);
    }
}

fn list(path: &Path, problems: &[Problem]) {
    for problem in problems {
        output::line(&format!("{}: {problem}", path.display()));
    }
    output::line(&counted(problems.len(), "problem"));
}

fn counted(many: usize, what: &str) -> String {
    format!("{many} {what}{}", if many == 1 { "" } else { "s" })
}

/// What would make the verdict harder to forge; a packet is as valid without it.
fn token_advice(packet: &Packet) -> Option<String> {
    packet.harness.as_ref().filter(|harness| !harness.token)?;
    let printed = packet.kpis.iter().find(|kpi| !kpi.source.is_clocked());
    let kpi = printed.or(packet.kpis.first())?;
    let name = arena_domain::text::sanitise_line(&kpi.name, 60);
    let (what, could) = match printed {
        Some(_) => ("what the harness prints", "print it and end the run"),
        None => ("a clock's or a counter's, from start to end", "end the run early"),
    };
    Some(format!(
        "KPI '{name}' is {what}, and code that the harness loads could {could}; set harness.token = true, and have it \
         read one line first and print `arena-token: LINE` last"
    ))
}

fn refuse(common: &Common, path: &Path, problems: &[Problem]) -> ExitCode {
    if common.json {
        let problems: Vec<_> = problems.iter().map(entry).collect();
        output::json(&json!({ "valid": false, "problems": problems, "warnings": [] }));
    } else {
        list(path, problems);
    }
    ExitCode::from(USAGE)
}

fn entry(problem: &Problem) -> Value {
    let Problem { line, path, reason, mend } = problem;
    json!({ "line": line, "path": path, "reason": reason, "mend": mend })
}
