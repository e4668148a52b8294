//! From the sections of a packet whose shape is sound to the packet itself.

use arena_domain::placement::{MOST_LABEL, is_label};
use arena_domain::text::sanitise_line;
use std::collections::BTreeSet;

use arena_domain::packet::{BriefSection, Budget, Found, History, Language, Mode, Packet, Paradigm, Sandbox};

use super::problem::{Problem, Sink, Spot};
use super::section::Section;
use super::{competitors, engines, measures, paths};

/// Shorter specifications leave an engine to guess.
const LEAST_SPECIFICATION: usize = 20;
/// What `arena init` leaves where the user has to write.
const PLACEHOLDER: &str = "EDIT";
/// Competitors at a time, unless the packet says otherwise.
const PARALLEL: u32 = 3;

const PARADIGMS: [(&str, Paradigm); 3] =
    [("compete", Paradigm::Compete), ("collaborate", Paradigm::Collaborate), ("auto", Paradigm::Auto)];
const MODES: [(&str, Mode); 4] =
    [("solo", Mode::Solo), ("team", Mode::Team), ("quick", Mode::Quick), ("auto", Mode::Auto)];

pub(super) fn packet(root: &Section<'_>, sink: &mut Sink) -> Packet {
    let session = root.table("session");
    placeholders(&session, &["title", "goal"], sink);
    let engines::Engines { own, egress } = engines::engines(root, sink);
    Packet {
        title: stated(&session, "title"),
        goal: stated(&session, "goal"),
        repository: repository(&session, sink),
        base: base(&session, sink),
        paradigm: session.choice("paradigm", &PARADIGMS).unwrap_or(Paradigm::Compete),
        mode: session.choice("mode", &MODES).unwrap_or(Mode::Team),
        parallel: session.whole("parallel").unwrap_or(PARALLEL),
        priority: session.whole("priority").unwrap_or(0),
        weight: session.whole("weight").unwrap_or(1),
        kind: session.text("kind").unwrap_or("general").to_owned(),
        brief: brief(&root.table("brief"), sink),
        scope: paths::scope(root, sink),
        competitors: competitors::competitors(root, sink),
        engines: own,
        egress,
        gates: measures::gates(root, sink),
        harness: measures::harness(root, sink),
        kpis: measures::kpis(root, sink),
        scoring: measures::scoring(root, sink),
        budget: budget(&root.table("budget")),
        sandbox: sandbox(&root.table("sandbox"), sink),
        labels: labels(&root.table("placement"), sink),
        language: root
            .table("report")
            .choice("language", &[("en", Language::English), ("ja", Language::Japanese)])
            .unwrap_or(Language::English),
        unknown: sink.unknown.clone(),
        found: Found::default(),
    }
}

/// A text that must be there and may say that it is unknown, which is then what is shown.
fn stated(section: &Section<'_>, name: &str) -> String {
    section.text(name).unwrap_or("unknown").trim().to_owned()
}

fn repository(session: &Section<'_>, sink: &mut Sink) -> String {
    let repository = session.text("repository").unwrap_or(".");
    // `-x` would be an option of git, and `helper::address` runs a program of that name.
    let helper = repository
        .split_once("::")
        .is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')));
    if repository.starts_with('-') || helper || repository.contains(char::is_control) {
        let reason = format!("\"{repository}\" is neither a path nor a URL");
        sink.problem(&session.spot("repository"), reason, "write a path, or a URL such as \"https://host/repo.git\"");
    }
    repository.to_owned()
}

fn base(session: &Section<'_>, sink: &mut Sink) -> Option<String> {
    let base = session.text("base")?;
    let odd = |c: char| c.is_control() || c.is_whitespace() || matches!(c, ':' | '?' | '*' | '[' | '\\');
    if base.starts_with('-') || base.contains("..") || base.contains(odd) {
        let reason = format!("\"{base}\" is no branch, tag or commit");
        sink.problem(&session.spot("base"), reason, "write one, such as \"main\"");
    }
    Some(base.to_owned())
}

fn brief(section: &Section<'_>, sink: &mut Sink) -> BriefSection {
    if let Some(text) = section.text("specification") {
        let length = text.trim().chars().count();
        if length < LEAST_SPECIFICATION {
            let reason = format!("is too vague: {length} characters, at least {LEAST_SPECIFICATION} are needed");
            sink.problem(&section.spot("specification"), reason, "say what to build, and what happens on errors");
        }
    }
    placeholders(section, &["specification"], sink);
    for list in ["acceptance", "constraints"] {
        for entry in section.texts(list).iter().filter(|entry| has_word(entry.text, PLACEHOLDER)) {
            unwritten(&entry.spot, "replace it with words of your own, or take it out of the list", sink);
        }
    }
    let acceptance = section.strings("acceptance");
    if acceptance.is_empty() && !section.words("acceptance").is_empty() {
        // The first pass has named a list that is missing, unknown or empty; this one holds only `unknown`.
        let mend = "add at least one that can be checked, such as \"all tests pass\"";
        sink.problem(&section.spot("acceptance"), "has no known criterion", mend);
    }
    for name in ["targets", "context"] {
        paths::check(&section.texts(name), "in the repository", sink);
    }
    BriefSection {
        specification: section.text("specification").unwrap_or_default().trim().to_owned(),
        acceptance,
        constraints: section.strings("constraints"),
        optimize_for: section.strings("optimize_for"),
        targets: section.strings("targets"),
        context: section.strings("context"),
    }
}

/// Texts that `arena init` has begun and nobody has written.
fn placeholders(section: &Section<'_>, names: &[&str], sink: &mut Sink) {
    for name in names.iter().filter(|name| section.text(name).is_some_and(|text| has_word(text, PLACEHOLDER))) {
        unwritten(&section.spot(name), "replace it with words of your own", sink);
    }
}

fn unwritten(spot: &Spot, mend: &str, sink: &mut Sink) {
    let reason = format!("still holds the placeholder {PLACEHOLDER}, and `arena run` refuses it");
    sink.unwritten.push(Problem::new(spot, reason, mend));
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|one| one == word)
}

fn budget(section: &Section<'_>) -> Budget {
    let usual = Budget::default();
    Budget {
        rounds: section.whole("rounds").unwrap_or(usual.rounds),
        wall: section.duration("wall").or(usual.wall),
        cost_usd: section.number("cost_usd").or(usual.cost_usd),
        tokens: section.whole("tokens").map(u64::from).or(usual.tokens),
        requests: section.whole("requests").map(u64::from).or(usual.requests),
        engine_time: section.duration("engine_time").unwrap_or(usual.engine_time),
        stale_rounds: section.whole("stale_rounds").unwrap_or(usual.stale_rounds),
    }
}

fn sandbox(section: &Section<'_>, sink: &mut Sink) -> Sandbox {
    let usual = Sandbox::default();
    let image = section.owned("image").unwrap_or(usual.image);
    if image.starts_with('-') || image.contains(|c: char| c.is_control() || c.is_whitespace()) {
        let mend = "write a local name, or registry/name@sha256:…";
        sink.problem(&section.spot("image"), format!("\"{image}\" is no image"), mend);
    }
    let histories = [("none", History::None), ("base", History::Base)];
    Sandbox {
        image,
        cpus: section.number("cpus").unwrap_or(usual.cpus),
        memory_bytes: section.size("memory").unwrap_or(usual.memory_bytes),
        disk_bytes: section.size("disk").unwrap_or(usual.disk_bytes),
        pids: section.whole("pids").unwrap_or(usual.pids),
        history: section.choice("history", &histories).unwrap_or(usual.history),
        setup: section.owned("setup").or(usual.setup),
        egress: engines::egress(section, sink),
    }
}

/// Those of the workers' side: `labels` under [worker].
fn labels(section: &Section<'_>, sink: &mut Sink) -> BTreeSet<String> {
    for label in section.texts("labels").iter().filter(|label| !is_label(label.text)) {
        let reason = format!("\"{}\" is no label", sanitise_line(label.text, 80));
        let mend =
            format!("write \"gpu\" or \"rack=7\": at most {MOST_LABEL} printable characters, as the worker has it");
        sink.problem(&label.spot, reason, mend);
    }
    section.strings("labels").into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_is_a_word_of_its_own() {
        let rows = [
            ("EDIT: say what to build", true),
            ("build it (EDIT)", true),
            ("add an EDITOR", false),
            ("EDIT_MODE is set", false),
            ("edit the file", false),
        ];
        for (text, found) in rows {
            assert_eq!(has_word(text, PLACEHOLDER), found, "{text}");
        }
    }
}
