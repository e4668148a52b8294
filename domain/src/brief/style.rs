//! What a brief is made of, and in which order and words each style says it. Styles are data.

use crate::packet::BriefStyle;

pub(super) const RULE: &str = "Make one coherent change in the working directory and stop. It is judged in a fresh sandbox on \
                               the base's own tests and harness; what lies outside the scope is put back.";
pub(super) const REPORT: &str = "End with at most five short lines: what you changed, and what is risky.";
pub(super) const REPORT_DETAILED: &str =
    "Say what you found, what you changed and why, what you tried and dropped, and what remains.";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Task,
    Acceptance,
    Constraints,
    OptimizeFor,
    Targets,
    Context,
    Codebase,
    Scope,
    Gates,
    Kpis,
    Approach,
    Report,
    SoFar,
    Rule,
}

pub(super) struct Heading {
    pub(super) part: Part,
    pub(super) title: &'static str,
    /// Said before the lines; empty: nothing.
    pub(super) lead: &'static str,
}

const fn heading(part: Part, title: &'static str, lead: &'static str) -> Heading {
    Heading { part, title, lead }
}

/// Every style has every part once: a brief is never short of something because of who reads it.
pub(super) fn headings(style: BriefStyle) -> &'static [Heading] {
    match style {
        BriefStyle::Directive => &DIRECTIVE,
        BriefStyle::Contextual => &CONTEXTUAL,
    }
}

static DIRECTIVE: [Heading; 14] = [
    heading(Part::Task, "What to build", ""),
    heading(Part::Acceptance, "Accepted when", ""),
    heading(Part::Constraints, "Constraints", ""),
    heading(Part::OptimizeFor, "Optimise for, in this order", ""),
    heading(Part::Targets, "Where to look first", ""),
    heading(Part::Context, "Read, do not change", ""),
    heading(Part::Codebase, "The repository", ""),
    heading(Part::Scope, "Scope", ""),
    heading(Part::Gates, "What is checked", ""),
    heading(Part::Kpis, "What is measured", ""),
    heading(Part::Approach, "Your approach", ""),
    heading(Part::SoFar, "Round {round} of {rounds}", ""),
    heading(Part::Rule, "How this round is judged", ""),
    heading(Part::Report, "How to report", ""),
];

static CONTEXTUAL: [Heading; 14] = [
    heading(Part::Codebase, "The repository you are in", "At the commit that everybody begins from, it holds:"),
    heading(Part::Targets, "Where the work is", "The change most likely belongs here; look at what is around it too:"),
    heading(Part::Context, "Background to read first", "These explain why things are as they are. Do not change them:"),
    heading(Part::SoFar, "Where things stand: round {round} of {rounds}", ""),
    heading(Part::Task, "What is wanted", ""),
    heading(Part::Acceptance, "When it is done", "The work is accepted when all of this holds:"),
    heading(Part::OptimizeFor, "What matters most", "Where two aims are at odds, the earlier one wins:"),
    heading(Part::Constraints, "What has to stay as it is", ""),
    heading(Part::Scope, "What may be touched", "Changes outside of this are taken back before anything is judged:"),
    heading(Part::Gates, "How it is checked", "Run these yourself before you stop; the same commands decide:"),
    heading(Part::Kpis, "How it is measured", "Base and change are measured in turn on the same cores:"),
    heading(Part::Approach, "The way to go about it", ""),
    heading(Part::Rule, "How this round is judged", ""),
    heading(Part::Report, "What to say at the end", ""),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_style_says_every_part_once() {
        for style in BriefStyle::ALL {
            let parts: BTreeSet<Part> = headings(style).iter().map(|heading| heading.part).collect();
            assert_eq!((parts.len(), headings(style).len()), (14, 14), "{style:?}");
        }
    }
}
