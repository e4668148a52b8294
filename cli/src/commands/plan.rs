//! `arena plan`: competitors, jobs, briefs, an estimate; changes nothing.

use super::{Done, packet};
use crate::args::Common;
use crate::doors;
use crate::output;
use arena_domain::id::{Commit, SessionId};
use arena_domain::packet::Packet;
use std::path::Path;
use std::process::ExitCode;

/// What a fresh container costs on an ordinary machine, in seconds: measured, see the benchmarks.
const CONTAINER_SECONDS: f64 = 0.15;

pub(super) fn plan(common: &Common, path: &Path, only_briefs: bool) -> Done {
    let mut loaded = packet::load(common, path)?;
    loaded.files()?;
    if !loaded.of_a_team {
        loaded.check_machine()?;
    }
    loaded.check_doors()?;
    let (repository, base) = loaded.base()?;
    loaded.warn(&repository, &base)?;
    loaded.packet.found.codebase = repository.codebase(&base, loaded.packet.holdout())?;
    let (packet, briefs) = (&loaded.packet, loaded.briefs(&base)?);
    let costs = doors::costs(packet, &loaded.engines);
    if common.json {
        output::json(&document(packet, &base, &briefs, &costs));
        return Ok(ExitCode::SUCCESS);
    }
    if !only_briefs {
        show(packet, &base, &costs);
    }
    for (name, brief) in briefs {
        output::line(&format!("\n=== brief of {name} ===\n{}", arena_domain::text::sanitise(brief.as_bytes())));
    }
    Ok(ExitCode::SUCCESS)
}

fn jobs(packet: &Packet) -> (u32, u32) {
    let many = packet.competitors.len() as u32;
    let holdout = packet.harness.as_ref().is_some_and(|harness| !harness.holdout.is_empty());
    (many * packet.budget.rounds, 1 + many * packet.budget.rounds + if holdout { many } else { 0 })
}

/// Containers of one evaluation.
fn containers(packet: &Packet) -> u32 {
    let harness = packet.harness.as_ref().map_or(0, |one| one.matrix().len() as u32 * one.repeats * 2);
    packet.gates.len() as u32 + harness
}

fn document(packet: &Packet, base: &Commit, briefs: &[(String, String)], costs: &[Option<f64>]) -> serde_json::Value {
    let (implement, evaluate) = jobs(packet);
    let competitors: Vec<_> = packet
        .competitors
        .iter()
        .zip(briefs)
        .zip(costs)
        .map(|((one, (_, brief)), cost)| {
            serde_json::json!({
                "name": one.name.as_str(), "engine": one.engine, "model": one.model, "approach": one.approach,
                "branch": one.branch(&SessionId::new("<session>")), "brief": brief,
                "cost_usd_a_run": cost,
            })
        })
        .collect();
    serde_json::json!({
        "title": packet.title, "base": base.as_str(), "paradigm": packet.paradigm_played().as_str(),
        "mode": packet.mode_played().as_str(), "parallel": packet.at_a_time(), "rounds": packet.budget.rounds,
        "jobs": { "implement": implement, "evaluate": evaluate },
        "containers_per_evaluation": containers(packet), "cost_usd": doors::sum(costs, packet.budget.rounds),
        "cost_limit_usd": packet.budget.cost_usd,
        "cost_assumes": {
            "input_tokens": doors::INPUT_TOKENS, "cached_input_tokens": doors::CACHED_TOKENS, "output_tokens": doors::OUTPUT_TOKENS,
        },
        "competitors": competitors,
    })
}

fn show(packet: &Packet, base: &Commit, costs: &[Option<f64>]) {
    let (implement, evaluate) = jobs(packet);
    output::line(&format!("{} at {base}", packet.title));
    output::line(&format!(
        "at most {implement} engine runs and {evaluate} evaluations, {} at a time",
        packet.at_a_time()
    ));
    let many = containers(packet);
    let seconds = f64::from(many) * CONTAINER_SECONDS;
    output::line(&format!("each evaluation takes {many} fresh containers: about {seconds:.0} s beside what they run"));
    cost(packet, costs).iter().for_each(|line| output::line(line));
}

/// An unknown part makes the whole unknown, and is named.
fn cost(packet: &Packet, costs: &[Option<f64>]) -> Vec<String> {
    let pairs = packet.competitors.iter().zip(costs);
    let unknown: Vec<&str> =
        pairs.clone().filter(|(_, cost)| cost.is_none()).map(|(one, _)| one.name.as_str()).collect();
    let mut lines = Vec::new();
    match doors::sum(costs, packet.budget.rounds) {
        Some(all) => lines.push(format!(
            "cost: about ${all:.2} for all runs, if each takes {} input tokens, {} of them cached, and writes {}",
            doors::INPUT_TOKENS,
            doors::CACHED_TOKENS,
            doors::OUTPUT_TOKENS
        )),
        None => lines.push(format!(
            "cost: unknown: nobody says what {} costs; an engine needs a `provider`, and that one a `price` for the model",
            unknown.join(", ")
        )),
    }
    if packet.competitors.len() > unknown.len() {
        let each = pairs.filter_map(|(one, cost)| Some(format!("{} ${:.2}", one.name, (*cost)?)));
        lines.push(format!("  of one run: {}", each.collect::<Vec<_>>().join(", ")));
    }
    if let Some(limit) = packet.budget.cost_usd {
        lines.push(format!("  at most ${limit:.2} is spent on what the broker counts, and one answer more"));
    }
    lines
}
