//! Who stands where, and why: from what workers measured, never from what a submission says of itself.

use super::{Entry, KpiResult, Round, Runs, Standing, Status, score};
use crate::measure::{Estimate, Verdict, suspicions};
use crate::outcome::{Flag, FlagKind, Implemented, Usage};
use crate::packet::{Packet, Select};
use crate::pareto::front;
use crate::session::{Contestant, Play, RoundRecord, Session, judge_estimates};

pub(crate) fn place(session: &Session) -> Standing {
    let mut placed: Vec<(f64, Entry)> = session.contestants.iter().map(|one| entry(session, one)).collect();
    mark_front(&mut placed);
    let merit = |merit: f64, one: &Entry| match session.packet.scoring.select {
        Select::Kpi => merit,
        Select::Criteria => one.score.unwrap_or(0.0),
        // On the front first; among those, by the KPIs.
        Select::Pareto => merit + if one.on_front { 1e6 } else { 0.0 },
    };
    placed.sort_by(|(left, a), (right, b)| {
        (b.qualified() && b.commit.is_some())
            .cmp(&(a.qualified() && a.commit.is_some()))
            // A figure that nobody can tell from the base stands behind a gain, however good it looks.
            .then(gained(&session.packet, b).cmp(&gained(&session.packet, a)))
            .then(merit(*right, b).total_cmp(&merit(*left, a)))
            .then(score::lines(a).cmp(&score::lines(b)))
            .then(a.competitor.cmp(&b.competitor))
    });
    let mut entries: Vec<Entry> = placed.into_iter().map(|(_, entry)| entry).collect();
    for (index, entry) in entries.iter_mut().enumerate() {
        entry.rank = index as u32 + 1;
    }
    conclude(&session.packet, entries)
}

fn conclude(packet: &Packet, entries: Vec<Entry>) -> Standing {
    let may_win: Vec<&Entry> = entries.iter().filter(|one| one.qualified() && one.commit.is_some()).collect();
    let (status, winner, reason) = match may_win.as_slice() {
        [] => (Status::NoWinner, None, nobody(&entries)),
        [first, ..] if packet.kpis.is_empty() => {
            (Status::Winner, Some(*first), format!("{} passes every required gate", first.competitor))
        }
        several => match several.iter().find(|one| gained(packet, one)) {
            Some(best) => (Status::Winner, Some(*best), won(best, several)),
            None if several.iter().any(|one| verdict(one) == Some(Verdict::Inconclusive)) => {
                (Status::Inconclusive, None, unsure(several[0]))
            }
            None => (Status::NoWinner, None, no_gain(several)),
        },
    };
    let winner = winner.map(|one| one.competitor.clone());
    Standing { status, winner, reason, entries }
}

/// Better on the primary KPI, and not contradicted by the holdout.
fn gained(packet: &Packet, entry: &Entry) -> bool {
    let any_better = match packet.scoring.select {
        Select::Kpi | Select::Criteria => verdict(entry) == Some(Verdict::Better),
        Select::Pareto => entry.kpis.iter().any(|kpi| kpi.verdict == Verdict::Better),
    };
    any_better && !entry.flags.iter().any(|flag| flag.kind == FlagKind::HoldoutGap)
}

fn verdict(entry: &Entry) -> Option<Verdict> {
    entry.kpis.first().map(|kpi| kpi.verdict)
}

fn figure(entry: &Entry) -> String {
    let Some(kpi) = entry.kpis.first() else { return "no figure".into() };
    let interval = kpi.ci.map(|(low, high)| format!(", interval {low:.3} to {high:.3}")).unwrap_or_default();
    format!("{} at {:.3} of the base{interval}", kpi.name, kpi.ratio)
}

fn won(best: &Entry, several: &[&Entry]) -> String {
    let next = several.iter().find(|one| one.competitor != best.competitor);
    let overlap = |other: &Entry| match (best.kpis.first()?.ci, other.kpis.first()?.ci) {
        (Some((low, high)), Some((other_low, other_high))) => Some(low <= other_high && other_low <= high),
        (Some(_), None) | (None, Some(_)) | (None, None) => None,
    };
    let rest = match next {
        None => "; no other competitor qualified".to_owned(),
        Some(other) if overlap(other) == Some(true) => {
            format!("; the interval of {} overlaps it ({})", other.competitor, figure(other))
        }
        Some(other) => format!("; next is {} ({})", other.competitor, figure(other)),
    };
    let machine = if best.incomparable { "; measured on another kind of machine than the base was" } else { "" };
    format!("{}: {}{rest}{machine}", best.competitor, figure(best))
}

fn unsure(best: &Entry) -> String {
    format!(
        "the measurement cannot tell {} from the base ({}); more repeats or a longer harness would",
        best.competitor,
        figure(best)
    )
}

/// A gain that the holdout contradicts is told, or the figures and the verdict would not fit together.
fn no_gain(several: &[&Entry]) -> String {
    let gap = several.iter().find_map(|one| {
        let flag = one.flags.iter().find(|flag| flag.kind == FlagKind::HoldoutGap)?;
        Some(format!("no gain holds on scenarios nobody has seen; {}: {}", one.competitor, flag.detail))
    });
    gap.unwrap_or_else(|| "nobody is better than the base by what counts as a gain".to_owned())
}

fn nobody(entries: &[Entry]) -> String {
    let first = entries.iter().find_map(|one| one.disqualified_for.first().map(|why| (&one.competitor, why)));
    match first {
        Some((who, why)) => format!("no competitor qualified; {who}: {why}"),
        None => "no competitor left a tree that could be judged".to_owned(),
    }
}

fn entry(session: &Session, contestant: &Contestant) -> (f64, Entry) {
    let packet = &session.packet;
    let shown = contestant.best_round().or_else(|| last_judged(contestant)).or(contestant.rounds.last());
    let implemented = shown.and_then(|round| round.implemented.as_ref());
    let ruling = shown.and_then(|round| round.ruling.as_ref());
    let holdout = contestant.holdout.as_ref().map(|one| judge_estimates(packet, one, true)).unwrap_or_default();
    let kpis: Vec<KpiResult> = ruling.map(|ruling| kpis(packet, &ruling.estimates, &holdout)).unwrap_or_default();
    let tree = shown.and_then(RoundRecord::tree);
    let mut entry = Entry {
        rank: 0,
        competitor: contestant.competitor.name.clone(),
        engine: contestant.competitor.engine.clone(),
        branch: contestant.competitor.branch(&session.id),
        disqualified_for: disqualified(contestant, shown),
        judged: shown.is_some_and(was_judged),
        commit: tree.as_ref().map(|tree| tree.commit.clone()),
        bundle: tree.map(|tree| tree.bundle).unwrap_or_default(),
        changes: implemented.map(|one| one.changes.clone()).unwrap_or_default(),
        reverted: all_reverted(contestant),
        gates: shown.and_then(|round| round.evaluated.as_ref()).map(|one| one.gates.clone()).unwrap_or_default(),
        incomparable: incomparable(session, contestant, shown),
        kpis,
        flags: flags(packet, contestant, &holdout),
        rounds: contestant.rounds.iter().map(round).collect(),
        best_round: contestant.best,
        usage: usage(contestant, |one| one.usage),
        runs: runs(contestant),
        score: None,
        on_front: false,
        said: implemented.map(|one| one.said.clone()).unwrap_or_default(),
        stopped: stopped(&contestant.play),
    };
    entry.score = ruling.map(|_| score::score(&packet.scoring.criteria, &entry));
    (contestant.best_gain().or(ruling.and_then(|one| one.gain)).unwrap_or(f64::NEG_INFINITY), entry)
}

fn incomparable(session: &Session, contestant: &Contestant, shown: Option<&RoundRecord>) -> bool {
    let Some(base) = &session.base_evaluated else { return false };
    let measured = shown.and_then(|round| round.evaluated.as_ref()).into_iter().chain(&contestant.holdout);
    let mut figures = measured.filter(|one| !one.series.is_empty());
    figures.any(|one| one.is_elsewhere(base))
}

fn last_judged(contestant: &Contestant) -> Option<&RoundRecord> {
    contestant.rounds.iter().rev().find(|round| round.ruling.is_some())
}

fn disqualified(contestant: &Contestant, shown: Option<&RoundRecord>) -> Vec<String> {
    let unmeasured = contestant.holdout.as_ref().and_then(|one| one.incomplete.as_ref());
    match (shown, shown.and_then(|round| round.ruling.as_ref())) {
        (_, Some(ruling)) => {
            let holdout = unmeasured.map(|why| format!("scenario_missing: the holdout was not measured: {why}"));
            ruling.disqualified_for.iter().cloned().chain(holdout).collect()
        }
        (Some(round), None) => {
            vec![round.failure.clone().unwrap_or_else(|| format!("not judged: {}", stopped(&contestant.play)))]
        }
        (None, None) => vec![format!("not judged: {}", stopped(&contestant.play))],
    }
}

/// A round that was neither ruled upon nor failed was cut short: nothing can be said of it.
fn was_judged(round: &RoundRecord) -> bool {
    round.ruling.is_some() || round.failure.is_some()
}

/// The paths of every round: a violation in a round that was reverted is a violation still.
fn all_reverted(contestant: &Contestant) -> Vec<String> {
    let all = contestant.rounds.iter().filter_map(|round| round.implemented.as_ref()).flat_map(|one| &one.reverted);
    let mut paths: Vec<String> = all.cloned().collect();
    paths.sort();
    paths.dedup();
    paths
}

fn flags(packet: &Packet, contestant: &Contestant, holdout: &[(String, Estimate)]) -> Vec<Flag> {
    let judged = contestant.rounds.iter().flat_map(|round| match (&round.ruling, &round.implemented) {
        (Some(ruling), _) => ruling.flags.clone(),
        (None, Some(implemented)) => implemented.flags.clone(),
        (None, None) => Vec::new(),
    });
    let mut flags: Vec<Flag> = judged.collect();
    let primary = contestant.best_round().and_then(|round| round.ruling.as_ref()?.estimates.first());
    if let Some(((name, shown), kpi)) = primary.zip(packet.primary_kpi()) {
        let held = holdout.iter().find(|(other, _)| other == name).map(|(_, one)| one);
        flags.extend(suspicions(shown, held, kpi, &packet.scoring));
    }
    flags.extend(contestant.holdout.iter().flat_map(|one| one.flags.clone()));
    flags.sort();
    flags.dedup();
    flags
}

fn kpis(packet: &Packet, estimates: &[(String, Estimate)], holdout: &[(String, Estimate)]) -> Vec<KpiResult> {
    let result = |(name, one): &(String, Estimate)| {
        let kpi = packet.kpis.iter().find(|kpi| &kpi.name == name)?;
        Some(KpiResult {
            name: name.clone(),
            unit: kpi.unit.clone(),
            better: kpi.better,
            baseline: one.baseline,
            best: one.value,
            ratio: one.ratio,
            ci: one.ci,
            verdict: one.verdict,
            holdout_ratio: holdout.iter().find(|(other, _)| other == name).map(|(_, held)| held.ratio),
            scenarios: one.scenarios.clone(),
        })
    };
    estimates.iter().filter_map(result).collect()
}

fn round(record: &RoundRecord) -> Round {
    let ruling = record.ruling.as_ref();
    let gates = record.evaluated.as_ref().map(|one| one.gates.iter().all(|gate| gate.passed() || !gate.required));
    Round {
        number: record.number,
        commit: record.tree().map(|tree| tree.commit),
        kept: ruling.is_some_and(|one| one.kept),
        reason: ruling.map(|one| one.reason.clone()).or_else(|| record.failure.clone()).unwrap_or_default(),
        ratio: ruling.and_then(|one| one.ratio),
        gates_passed: gates.unwrap_or(false),
        engine_seconds: record.implemented.as_ref().map_or(0.0, |one| one.duration.as_secs_f64()),
    }
}

/// Sums of what is known; a figure that one round does not know is unknown in all.
fn usage(contestant: &Contestant, count: impl Fn(&Implemented) -> Usage) -> Usage {
    let rounds: Vec<Usage> =
        contestant.rounds.iter().filter_map(|round| round.implemented.as_ref()).map(count).collect();
    if rounds.is_empty() {
        return Usage::default();
    }
    Usage {
        input_tokens: rounds.iter().map(|one| one.input_tokens).sum(),
        cached_input_tokens: rounds.iter().map(|one| one.cached_input_tokens).sum(),
        output_tokens: rounds.iter().map(|one| one.output_tokens).sum(),
        requests: rounds.iter().map(|one| one.requests).sum(),
        cost_usd: rounds.iter().map(|one| one.cost_usd).sum(),
    }
}

fn runs(contestant: &Contestant) -> Runs {
    let last = contestant.rounds.iter().rev().find_map(|round| round.implemented.as_ref());
    Runs {
        ending: last.map(|one| one.ending),
        ending_detail: last.map(|one| one.ending_detail.clone()).unwrap_or_default(),
        own_usage: usage(contestant, |one| one.own_usage),
        engine_version: last.map(|one| one.engine_version.clone()).unwrap_or_default(),
    }
}

fn stopped(play: &Play) -> String {
    match play {
        Play::Resting(reason) | Play::Holdout(reason) | Play::Done(reason) => reason.clone(),
        Play::Waiting => "stopped before the first round".into(),
        Play::Implementing(round) => format!("stopped in round {round}"),
        Play::AwaitingBase(round) | Play::Evaluating(round) => format!("stopped in the evaluation of round {round}"),
    }
}

/// The front over primary KPI, engine time and lines changed, among those who may win.
fn mark_front(placed: &mut [(f64, Entry)]) {
    let may: Vec<usize> =
        (0..placed.len()).filter(|index| placed[*index].1.qualified() && placed[*index].1.commit.is_some()).collect();
    let points: Vec<Vec<f64>> = may
        .iter()
        .map(|index| {
            let (gain, entry) = &placed[*index];
            let seconds: f64 = entry.rounds.iter().map(|round| round.engine_seconds).sum();
            vec![-gain, seconds, score::lines(entry) as f64]
        })
        .collect();
    for (index, on_front) in may.into_iter().zip(front(&points)) {
        placed[index].1.on_front = on_front;
    }
}
