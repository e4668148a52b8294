//! The submission bundle of one competitor: what its engine said, and everything that was measured of it.

use super::Submission;
use crate::measure::Verdict;
use crate::outcome::FlagKind;
use crate::packet::Packet;
use crate::session::{Contestant, Session};
use crate::standing::{Entry, KpiResult};
use crate::text::sanitise_line;

/// Lines of a summary, risks, and what is next: at most so many each.
pub(super) const MOST: usize = 5;
/// Of a summary, what the engine may fill with its own words; the rest is for what was measured.
const MOST_SAID: usize = 3;
/// Longer lines are output, not a summary.
const LONGEST_SAID: usize = 200;

pub(super) fn bundle(session: &Session, entry: &Entry) -> Submission {
    let contestant = session.contestants.iter().find(|one| one.competitor.name == entry.competitor);
    Submission {
        competitor: entry.competitor.clone(),
        summary: summary(entry),
        scenarios: scenarios(entry, contestant),
        commands: commands(&session.packet, entry),
        risks: risks(session, entry),
        next: next(session, entry),
        entry: entry.clone(),
    }
}

/// What the engine said last, marked as its own words, then what was measured.
fn summary(entry: &Entry) -> Vec<String> {
    let said: Vec<String> = entry.said.iter().filter_map(|line| prose(line)).collect();
    let last = said[said.len().saturating_sub(MOST_SAID)..].iter().map(|line| format!("“{line}”"));
    last.chain(measured(entry)).take(MOST).collect()
}

/// A short line of words without its bullet; output, code and figures alone are no prose.
fn prose(line: &str) -> Option<String> {
    let line = line.trim().trim_start_matches(['-', '*', '•', '#', '>']).trim();
    let letters = line.chars().filter(|c| c.is_alphabetic()).count();
    let visible = line.chars().filter(|c| !c.is_whitespace()).count();
    // Japanese has no spaces between words; eight letters of it are a phrase.
    let words = line.split_whitespace().count() >= 3 || (!line.is_ascii() && letters >= 8);
    let code = ['{', '}', ';', '<', '|', '\\', '\u{fffd}'].iter().any(|mark| line.contains(*mark))
        || ["$ ", "+ ", "= ", "//", "```"].iter().any(|start| line.starts_with(start));
    let short = line.chars().count() <= LONGEST_SAID;
    (words && short && !code && letters * 10 >= visible * 7).then(|| sanitise_line(line, LONGEST_SAID))
}

fn measured(entry: &Entry) -> Vec<String> {
    let mut lines: Vec<String> = entry.kpis.iter().map(figure).collect();
    lines.extend(changed(entry));
    lines.extend(gates(entry));
    let rounds = count(entry.rounds.len(), "round");
    let kept = entry.best_round.map_or("none is kept".to_owned(), |best| format!("round {best} is the best"));
    lines.push(format!("{rounds}: {kept}; {}", entry.stopped));
    lines
}

/// The figures of one KPI in a sentence.
pub(super) fn figure(kpi: &KpiResult) -> String {
    let interval = kpi.ci.map(|(low, high)| format!(", interval {low:.3} to {high:.3}")).unwrap_or_default();
    format!(
        "{}: {} {unit} on the base, {} {unit} now ({:.3} of the base{interval}, {})",
        kpi.name,
        short(kpi.baseline),
        short(kpi.best),
        kpi.ratio,
        kpi.verdict.as_str(),
        unit = kpi.unit
    )
    .replace("  ", " ")
}

/// Four digits after the point at most, and none for nothing.
fn short(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn changed(entry: &Entry) -> Option<String> {
    if entry.commit.is_none() {
        return Some("nothing was changed".into());
    }
    let (added, removed) = entry
        .changes
        .iter()
        .fold((0, 0), |(added, removed), one| (added + one.added_lines, removed + one.removed_lines));
    let files = entry.files_changed();
    let more = if files.len() > 3 { format!(" and {} more", files.len() - 3) } else { String::new() };
    let shown = files.iter().take(3).copied().collect::<Vec<_>>().join(", ");
    Some(format!("{} changed, +{added} -{removed} lines: {shown}{more}", count(files.len(), "file")))
}

fn gates(entry: &Entry) -> Option<String> {
    let failed: Vec<&str> = entry.gates.iter().filter(|gate| !gate.passed()).map(|gate| gate.name.as_str()).collect();
    match (entry.gates.len(), failed.as_slice()) {
        (0, _) => None,
        (1, []) => Some("the gate passes".to_owned()),
        (many, []) => Some(format!("all {many} gates pass")),
        (many, names) => Some(format!("{} of {} failed: {}", names.len(), count(many, "gate"), names.join(", "))),
    }
}

fn count(many: usize, what: &str) -> String {
    format!("{many} {what}{}", if many == 1 { "" } else { "s" })
}

/// Those that were run. Holdout scenarios are counted and not named: a report may become a brief.
fn scenarios(entry: &Entry, contestant: Option<&Contestant>) -> Vec<String> {
    let shown = entry.kpis.first().map(|kpi| kpi.scenarios.as_slice()).unwrap_or_default();
    let mut names: Vec<String> =
        shown.iter().map(|(name, _)| if name.is_empty() { "(the only one)".into() } else { name.clone() }).collect();
    let held = contestant.and_then(|one| one.holdout.as_ref()).map(|one| one.series.as_slice()).unwrap_or_default();
    let first = held.first().map(|one| one.kpi.as_str());
    match held.iter().filter(|one| Some(one.kpi.as_str()) == first).count() {
        0 => {}
        many => names.push(format!("({many} holdout)")),
    }
    names
}

/// As they were run: gates, then the harness on each shown scenario that was measured.
fn commands(packet: &Packet, entry: &Entry) -> Vec<String> {
    let gates = entry.gates.iter().map(|gate| gate.command.clone());
    let shown = entry.kpis.first().map(|kpi| kpi.scenarios.as_slice()).unwrap_or_default();
    let harness = packet.harness.iter().flat_map(|one| shown.iter().map(|(scenario, _)| one.command(scenario)));
    gates.chain(harness).collect()
}

fn risks(session: &Session, entry: &Entry) -> Vec<String> {
    let mut risks: Vec<String> = Vec::new();
    // What disqualifies is told first; scope is told with its paths below.
    let mut flags: Vec<_> = entry.flags.iter().filter(|flag| flag.kind != FlagKind::ScopeViolation).collect();
    flags.sort_by_key(|flag| !flag.kind.disqualifies());
    for flag in flags {
        let path = flag.path.as_deref().map(|path| format!(" {path}")).unwrap_or_default();
        risks.push(format!("{}{path}: {}", flag.kind.as_str(), flag.detail));
    }
    if !entry.reverted.is_empty() {
        risks.push(format!("changed outside the scope and was put back: {}", entry.reverted.join(", ")));
    }
    for kpi in entry.kpis.iter().filter(|kpi| kpi.verdict == Verdict::Inconclusive) {
        let why = match kpi.ci {
            Some((low, high)) => format!("its interval of {low:.3} to {high:.3} does not tell it from the base"),
            None => "its samples are too few to tell it from the base".to_owned(),
        };
        risks.push(format!("{}: {why}", kpi.name));
    }
    for gate in session.base_evaluated.iter().flat_map(|base| &base.gates).filter(|gate| !gate.passed()) {
        risks.push(format!("the base itself fails {} ({})", gate.name, gate.exit.describe()));
    }
    if entry.incomparable {
        risks.push(
            "measured on another kind of machine than the base was: its ratios hold, its values compare with nobody's"
                .into(),
        );
    }
    if !entry.kpis.is_empty() && !on_own_cores(session) {
        risks.push("measured on shared cores: other load may have moved the figures".into());
    }
    risks.truncate(MOST);
    risks
}

/// Whether every evaluation had cores of its own.
pub(super) fn on_own_cores(session: &Session) -> bool {
    let rounds = session.contestants.iter().flat_map(|one| &one.rounds).filter_map(|one| one.evaluated.as_ref());
    let mut all = session.base_evaluated.iter().chain(rounds).peekable();
    all.peek().is_some() && all.all(|one| one.exclusive_cores)
}

fn next(session: &Session, entry: &Entry) -> Vec<String> {
    let (id, name) = (&session.id, &entry.competitor);
    let mut next = Vec::new();
    if entry.commit.is_some() {
        next.push(format!("read it: arena diff {id} {name}"));
    }
    let wrong = entry.disqualified_for.first().filter(|_| entry.judged);
    next.extend(wrong.map(|why| format!("mend what disqualifies it: {why}")));
    for gate in entry.gates.iter().filter(|gate| !gate.passed()) {
        next.push(format!("run the gate {} by hand: {}", gate.name, gate.command));
    }
    if let Some(harness) = &session.packet.harness
        && entry.kpis.iter().any(|kpi| kpi.verdict == Verdict::Inconclusive)
    {
        let more = harness.repeats.saturating_mul(2);
        next.push(format!("measure longer: harness.repeats = {more} instead of {}", harness.repeats));
    }
    if let Some(path) = entry.reverted.first() {
        next.push(format!("if '{path}' has to change, name it in scope.allowed"));
    }
    let last = entry.rounds.last();
    if entry.qualified() && last.is_some_and(|last| last.kept && Some(last.number) == entry.best_round) {
        let rounds = session.packet.budget.rounds;
        next.push(format!("its last round is its best: try more than budget.rounds = {rounds}"));
    }
    if entry.commit.is_none() && entry.disqualified_for.is_empty() {
        next.push(format!("see what its engine printed: arena archive {id} arena-{id}"));
    }
    next.truncate(MOST);
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_told_from_output() {
        let rows = [
            ("I replaced the loop by a table.", Some("I replaced the loop by a table.")),
            ("- Sums use one pass now", Some("Sums use one pass now")),
            ("ループを表に置き換えました。", Some("ループを表に置き換えました。")),
            ("done", None),
            ("let x = sum(a, b);", None),
            ("{\"type\":\"result\", \"text\": \"all is well\"}", None),
            ("12 34 56 78 90", None),
            ("$ make check all tests", None),
            ("", None),
        ];
        for (line, expected) in rows {
            assert_eq!(prose(line).as_deref(), expected, "{line}");
        }
        assert_eq!(prose(&"word ".repeat(60)), None);
    }

    #[test]
    fn a_figure_is_as_short_as_it_can_be() {
        let rows = [(10.0, "10"), (0.125, "0.125"), (1.0 / 3.0, "0.3333"), (0.0, "0"), (1200.0, "1200")];
        for (value, text) in rows {
            assert_eq!(short(value), text);
        }
    }
}
