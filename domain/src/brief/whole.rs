//! Whether a brief says all that its reader has to know: looked for in the composed text, whatever composed it.

use super::{report, style};
use crate::id::CompetitorName;
use crate::packet::Packet;
use crate::session::Contestant;

/// A brief that must not be paid for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the brief of {competitor} lacks {}", .parts.join(", "))]
pub struct Incomplete {
    pub competitor: CompetitorName,
    /// What is not in it, in the words of the packet where it has them.
    pub parts: Vec<&'static str>,
}

/// Whether a brief without it is none; else only what the packet or the session has must be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Always,
    WhenThere,
}

pub(super) fn check(packet: &Packet, contestant: &Contestant, text: &str) -> Result<(), Incomplete> {
    let is_there = |fact: &String| text.contains(fact.as_str());
    let lacks = |need: Need, facts: &[String]| {
        let says_nothing = facts.iter().all(|fact| fact.trim().is_empty());
        (need == Need::Always && says_nothing) || !facts.iter().all(is_there)
    };
    let all = of_packet(packet).into_iter().chain(of_session(contestant));
    let parts: Vec<&str> = all.filter(|(_, need, facts)| lacks(*need, facts)).map(|(part, _, _)| part).collect();
    if parts.is_empty() { Ok(()) } else { Err(Incomplete { competitor: contestant.competitor.name.clone(), parts }) }
}

type Facts = (&'static str, Need, Vec<String>);

fn of_packet(packet: &Packet) -> Vec<Facts> {
    let (brief, scope, harness) = (&packet.brief, &packet.scope, packet.harness.iter());
    let measured = harness.flat_map(|one| {
        let names = packet.kpis.iter().map(|kpi| &kpi.name);
        std::iter::once(&one.run).chain(&one.scenarios).chain(names).cloned()
    });
    vec![
        ("session.title", Need::Always, vec![packet.title.clone()]),
        ("session.goal", Need::Always, vec![packet.goal.clone()]),
        ("brief.specification", Need::Always, vec![brief.specification.clone()]),
        ("brief.acceptance", Need::Always, brief.acceptance.clone()),
        ("brief.constraints", Need::WhenThere, brief.constraints.clone()),
        ("brief.optimize_for", Need::WhenThere, brief.optimize_for.clone()),
        ("brief.targets", Need::WhenThere, brief.targets.clone()),
        ("brief.context", Need::WhenThere, brief.context.clone()),
        ("scope.allowed", Need::Always, scope.allowed.clone()),
        ("scope.forbidden", Need::WhenThere, scope.forbidden.clone()),
        ("scope.protected", Need::WhenThere, scope.protected.clone()),
        ("gate", Need::WhenThere, packet.gates.iter().map(|gate| gate.run.clone()).collect()),
        ("harness", Need::WhenThere, measured.collect()),
        ("what the repository holds", Need::WhenThere, packet.found.codebase.clone()),
    ]
}

fn of_session(contestant: &Contestant) -> Vec<Facts> {
    let competitor = &contestant.competitor;
    let approach = competitor.directive().map(str::to_owned).into_iter().collect();
    let rounds = contestant.rounds.iter().map(|round| format!("Round {}: ", round.number)).collect();
    vec![
        ("competitor.approach", Need::WhenThere, approach),
        ("what the rounds before came to", Need::WhenThere, rounds),
        ("how it is judged", Need::Always, vec![style::RULE.to_owned()]),
        ("how to report", Need::Always, vec![report(competitor).to_owned()]),
    ]
}
