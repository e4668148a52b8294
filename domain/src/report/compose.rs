//! A session that has ended -> its report: bundles, recommendation and the brief for whoever goes on.

use super::bundle::{MOST, bundle, figure, on_own_cores};
use super::{Continuation, Recommendation, Report, Submission};
use crate::measure::Verdict;
use crate::outcome::FlagKind;
use crate::session::Session;
use crate::standing::{Entry, Standing, Status};
use std::collections::BTreeSet;

/// `None` until the session has ended. `started_rfc3339` is `session.started` in words.
pub fn compose(session: &Session, started_rfc3339: &str) -> Option<Report> {
    let standing = session.standing()?;
    let bundles: Vec<Submission> = standing.entries.iter().map(|entry| bundle(session, entry)).collect();
    let base_gates = session.base_evaluated.iter().flat_map(|base| &base.gates);
    let recommendation = recommendation(session, standing);
    Some(Report {
        session: session.id.clone(),
        packet: session.packet.clone(),
        base: session.base.clone(),
        continuation: continuation(session, standing, &bundles, &recommendation),
        recommendation,
        standing: standing.clone(),
        bundles,
        started: started_rfc3339.to_owned(),
        duration_s: session.lasted() as f64 / 1000.0,
        base_gates: base_gates.map(|gate| (gate.name.clone(), gate.passed())).collect(),
        exclusive_cores: on_own_cores(session),
    })
}

fn recommendation(session: &Session, standing: &Standing) -> Recommendation {
    let id = &session.id;
    let archive = format!("arena archive {id} arena-{id}");
    let Some(winner) = winner(standing) else {
        let first = best(standing).map(|one| format!("arena diff {id} {}", one.competitor));
        let next_steps = first.into_iter().chain(mend(session, standing)).chain([archive]).collect();
        return Recommendation { adopt: Vec::new(), rationale: rationale(standing, &[]), next_steps };
    };
    let partners = partners(standing, winner);
    let adopt: Vec<_> =
        [winner].into_iter().chain(partners.iter().copied()).map(|one| one.competitor.clone()).collect();
    let mut next_steps: Vec<String> = adopt.iter().map(|name| format!("arena diff {id} {name}")).collect();
    next_steps.push(format!("arena adopt {id}"));
    if !partners.is_empty() {
        let names: Vec<&str> = adopt.iter().map(|name| name.as_str()).collect();
        next_steps.push(format!("arena adopt {id} {}", names.join(" ")));
    }
    next_steps.push(archive);
    Recommendation { rationale: rationale(standing, &partners), adopt, next_steps }
}

fn winner(standing: &Standing) -> Option<&Entry> {
    let winner = standing.winner.as_ref()?;
    standing.entries.iter().find(|one| &one.competitor == winner)
}

/// The winner, or whoever stands best with a tree that may be judged.
fn best(standing: &Standing) -> Option<&Entry> {
    winner(standing).or_else(|| standing.entries.iter().find(|one| one.qualified() && one.commit.is_some()))
}

/// Others who gained and touch none of the files that the winner, or one before them, touches.
fn partners<'a>(standing: &'a Standing, winner: &Entry) -> Vec<&'a Entry> {
    let mut taken: BTreeSet<&str> = winner.files_changed().into_iter().collect();
    let mut partners = Vec::new();
    for one in standing.entries.iter().filter(|one| one.competitor != winner.competitor && gained(one)) {
        let files = one.changes.iter().map(|change| change.path.as_str());
        if files.clone().all(|path| !taken.contains(path)) {
            taken.extend(files);
            partners.push(one);
        }
    }
    partners
}

fn gained(entry: &Entry) -> bool {
    entry.qualified()
        && entry.commit.is_some()
        && entry.kpis.first().is_some_and(|kpi| kpi.verdict == Verdict::Better)
        && !entry.flags.iter().any(|flag| flag.kind == FlagKind::HoldoutGap)
}

fn rationale(standing: &Standing, partners: &[&Entry]) -> String {
    let mut text = standing.reason.clone();
    for one in partners {
        let gain = one.kpis.first().map(figure).unwrap_or_default();
        text.push_str(&format!("; {} gains in other files ({gain})", one.competitor));
    }
    if !partners.is_empty() {
        text.push_str("; what they do together has to be measured");
    }
    text
}

/// What would make another run end better.
fn mend(session: &Session, standing: &Standing) -> Option<String> {
    let repeats = session.packet.harness.as_ref().map(|harness| harness.repeats);
    match (standing.status, repeats) {
        (Status::Inconclusive, Some(repeats)) => {
            Some(format!("run again with harness.repeats = {} or a longer harness", repeats.saturating_mul(2)))
        }
        (Status::NoWinner, _) => {
            let first = standing.entries.iter().filter(|one| one.judged).find_map(|one| one.disqualified_for.first());
            Some(first.map_or("run again with more rounds or another approach".into(), |why| format!("mend: {why}")))
        }
        (Status::Failed, _) => Some(format!("mend: {}", standing.reason)),
        (Status::Winner | Status::Cancelled | Status::Inconclusive, _) => None,
    }
}

fn continuation(
    session: &Session,
    standing: &Standing,
    bundles: &[Submission],
    recommendation: &Recommendation,
) -> Continuation {
    let id = &session.id;
    let best = best(standing);
    let mut reproduce = vec![format!("arena archive {id} arena-{id} && arena-{id}/reproduce.sh")];
    if let Some(best) = best {
        reproduce.extend(
            bundles.iter().filter(|one| one.competitor == best.competitor).flat_map(|one| one.commands.clone()),
        );
    }
    let mine = |one: &&Submission| best.is_some_and(|best| best.competitor == one.competitor);
    let adopted = |one: &&Submission| mine(one) || recommendation.adopt.contains(&one.competitor);
    let ideas = bundles.iter().filter(mine).flat_map(|one| one.next.iter().cloned());
    let others = bundles.iter().filter(|one| !mine(one)).filter_map(|one| {
        let first = one.next.iter().find(|line| !line.starts_with("read it"))?;
        Some(format!("{}: {first}", one.competitor))
    });
    let follow_ups = mend(session, standing).into_iter().chain(ideas).chain(others);
    let risks = bundles.iter().filter(adopted).flat_map(|one| one.risks.iter().cloned());
    Continuation {
        best: best.and_then(|one| Some((one.competitor.clone(), one.commit.clone()?))),
        reproduce,
        follow_ups: at_most(follow_ups.map(|line| blind(session, line))),
        open_risks: at_most(risks.map(|line| blind(session, line))),
    }
}

/// Without the names of holdout scenarios: these lines may be an engine's next brief.
fn blind(session: &Session, line: String) -> String {
    let names = session.packet.harness.iter().flat_map(|harness| &harness.holdout);
    names.fold(line, |line, name| line.replace(&format!("'{name}'"), "(a holdout one)"))
}

/// The first five, each once.
fn at_most(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    lines.filter(|line| seen.insert(line.clone())).take(MOST).collect()
}
